"""All that is found in a mesh: what compiling notices, and what is looked for beside it. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lateen.analysis.objects import (
    annotations,
    entries,
    envoyfilters,
    gateways,
    injection,
    routes,
    services,
    sidecars,
)
from lateen.analysis.traffic import identity, protection, unused_rules
from lateen.compiler.frontend.assemble import Mesh
from lateen.compiler.frontend.diagnostics import status
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.messages.diagnostics import Diagnostic, worst_first
from lateen.model.meta import Location, Source
from lateen.model.snapshot import Snapshot

Locate = Callable[[Source], Location | None]
Makers = Sequence[Mapping[str, Any]]
"""The objects that pods are made from, as JSON: the compiler reads none of them."""


class AnalysisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What findings depend on beside the objects."""

    mesh: MeshSettings
    inject_unlabelled: bool = True
    """Whether namespaces without a label get sidecars."""
    automatic_addresses: bool = False
    """Whether proxies give addresses to ServiceEntries that have none."""


def findings(
    snapshot: Snapshot, mesh: Mesh, settings: AnalysisSettings, locate: Locate, makers: Makers = ()
) -> list[Diagnostic]:
    """Return every finding with its place, the worst first."""
    noticed = [*mesh.diagnostics, *status.findings(snapshot, settings.mesh.root_namespace)]
    found = dict.fromkeys((*noticed, *_objects(snapshot, settings, makers)))
    found.update(dict.fromkeys(_traffic(snapshot, mesh, settings, noticed)))
    return worst_first(each.located(locate(each.source)) for each in found)


def _objects(
    snapshot: Snapshot, settings: AnalysisSettings, makers: Makers
) -> Iterator[Diagnostic]:
    yield from annotations.findings(snapshot, makers)
    yield from injection.findings(snapshot, unlabelled=settings.inject_unlabelled)
    yield from services.findings(snapshot)
    yield from gateways.findings(snapshot)
    yield from sidecars.findings(snapshot)
    yield from envoyfilters.findings(snapshot)
    yield from entries.findings(snapshot, automatic=settings.automatic_addresses)
    yield from routes.findings(snapshot, settings.mesh.domain)


def _traffic(
    snapshot: Snapshot, mesh: Mesh, settings: AnalysisSettings, noticed: list[Diagnostic]
) -> Iterator[Diagnostic]:
    views = [mesh.view(ref) for ref in mesh.proxies()]
    told = {each.source.ref for each in noticed}
    yield from protection.findings(views)
    yield from identity.findings(snapshot, views, settings.mesh.root_namespace)
    yield from unused_rules.findings(snapshot, views, told, settings.mesh.domain)
