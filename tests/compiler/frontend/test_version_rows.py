"""Every row of the version table is acted on: with the behaviour before it, some proxy of a mesh is
told something else."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.ir.proxy import Features, MeshSettings
from lateen.compiler.output import ResourceType
from lateen.model import snapshot

FILE = Path(__file__).parent / "versions.yaml"
MESH = [body for body in yaml.safe_load_all(FILE.read_text()) if body]
NEWEST = versions.features()


def told(features: Features) -> Any:
    mesh = assemble.Frontend(MeshSettings(features=features)).build(
        offline.complete(snapshot.of_bodies(MESH))
    )
    made = {}
    for ref in mesh.proxies():
        resources = Renderer().render(mesh.view(ref))
        for kind in ResourceType:
            for name, resource in resources.of(kind).items():
                made[ref, kind, name] = resource.body
    return made, mesh.diagnostics


@pytest.fixture(scope="module")
def newest() -> Any:
    return told(NEWEST)


@pytest.mark.parametrize("gate", versions.GATES, ids=lambda gate: str(gate.id))
def test_the_behaviour_before_a_row_is_another(gate: versions.Gate, newest: Any) -> None:
    before = msgspec.structs.replace(NEWEST, **{gate.feature: not gate.new})
    assert told(before) != newest


def test_every_feature_has_its_row() -> None:
    rows = {gate.feature for gate in versions.GATES}
    assert rows == {f.name for f in msgspec.structs.fields(Features)} - {"version"}
