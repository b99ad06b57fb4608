"""What the API server lets in compiles, whatever is written: one object that did not would keep
every proxy from its next configuration.

Each field of a compiled kind is set to the ends of what its type can hold. What decoding and
validation refuse need not compile.
"""

import copy
from typing import Any

import pytest

from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model import snapshot
from lateen.model.schema import decode, describe
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.validation import dispatch
from tests.compiler.frontend import test_nothing_ignored as every

EXTREMES: dict[str, tuple[Any, ...]] = {
    "integer": (-1, 0, 2**31 - 1, 2**32 - 1),
    "number": ("NaN", "Infinity", -1, 1e300),
    "string": ("", "*", "é", "%", "a\nb"),
    "duration": ("0s", "1ns", "1000000h"),
}


def cases() -> list[Any]:
    found = []
    for info in every.COMPILED:
        for path, _ in every.leaves(describe.of_kind(info).fields["spec"], ("spec",)):
            node = at(describe.of_kind(info), path)
            kind = "duration" if node.form == "duration" else node.type
            if kind in EXTREMES:
                name = ".".join(path[1:]).replace(".[]", "[]").replace(".{}", "{}")
                found.append(pytest.param(info, path, kind, id=f"{info.kind}-{name}"))
    return found


def at(node: describe.Schema, path: every.Path_) -> describe.Schema:
    for part in path:
        node = (node.items if part in ("[]", "{}") else node.fields[part]) or node
    return node


@pytest.fixture(scope="module")
def compiled() -> Any:
    """Compile a base with one object put in its place; most of it is done already."""
    ready = {
        id(base): (
            offline.complete(snapshot.of_bodies(base.bodies)),
            assemble.Frontend(MeshSettings(features=versions.features())),
        )
        for base in every.BASES
    }
    renderer = Renderer()

    def make(base: every.Base, info: KindInfo, obj: Any) -> None:
        meta = obj.metadata
        whole, frontend = ready[id(base)]
        change = snapshot.Change(info.resource, meta.namespace, meta.name, obj)
        mesh = frontend.build(whole.with_changes([change]))
        for ref in mesh.proxies():
            renderer.render(mesh.view(ref))
        assert isinstance(mesh.diagnostics, tuple)

    return make


@pytest.mark.parametrize(("info", "path", "kind"), cases())
def test_what_is_let_in_compiles(
    info: KindInfo, path: every.Path_, kind: str, compiled: Any
) -> None:
    base = next(base for base in every.BASES if base.of(info.kind))
    place = base.of(info.kind)[0]
    for value in EXTREMES[kind]:
        body = copy.deepcopy(base.bodies[place])
        every.put(every.container(body, path, describe.of_kind(info))[0], path[-1], value)
        found = decode.decode(info, body)
        if not found.problems and dispatch.validate(info, found.object).ok:
            compiled(base, info, found.object)
