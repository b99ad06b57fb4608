"""What is found in a mesh: in a lab as it is now, and in manifests alone."""

from collections.abc import Sequence

from lateen.analysis import run
from lateen.analysis.findings import choice, record
from lateen.analysis.objects import annotations
from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names
from lateen.app.api import routes
from lateen.app.foresight.rehearsal import Item, Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.app.mesh.pipeline import Pipeline, Round
from lateen.compiler.frontend.assemble import Mesh
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.client import ApiError
from lateen.model.labapi.findings import FindingRecord
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef
from lateen.model.schema import kinds
from lateen.model.snapshot import Snapshot
from lateen.store.api import Store

Locate = run.Locate


def found(
    snapshot: Snapshot,
    mesh: Mesh,
    settings: run.AnalysisSettings,
    locate: Locate,
    makers: run.Makers,
) -> list[Diagnostic]:
    """Return the findings that no object's own annotation silences, the worst first."""
    every = run.findings(snapshot, mesh, settings, locate, makers)
    return choice.told(every, silenced=lambda ref: _silenced(snapshot, ref))


def _silenced(snapshot: Snapshot, ref: ObjectRef) -> frozenset[str]:
    for info in kinds.KINDS.values():
        if info.kind == ref.kind:
            obj = snapshot.of(info.resource).get((ref.namespace, ref.name))
            if obj is not None:
                return annotations.suppressed(obj)
    return frozenset()


def of_manifests(items: Sequence[Item], settings: LabSettings) -> list[Diagnostic]:
    """Return what is found in the lab that would be started with these manifests."""
    return of_rehearsal(Rehearsal(items, settings), settings)


def of_rehearsal(made: Rehearsal, settings: LabSettings) -> list[Diagnostic]:
    """Return what is found in a lab that was rehearsed with these settings."""
    snapshot = made.snapshot()
    chosen = run.AnalysisSettings(mesh=made.settings, inject_unlabelled=settings.inject_unlabelled)
    makers = [body for resource in annotations.MAKERS for body in made.all(resource)]
    return found(snapshot, made.mesh(snapshot), chosen, made.locate, makers)


class Analyzing:
    """Serves what is found in the lab as it is now."""

    def __init__(
        self, pipeline: Pipeline, store: Store, mesh: MeshSettings, *, inject_unlabelled: bool
    ) -> None:
        self._pipeline, self._store = pipeline, store
        self._settings = run.AnalysisSettings(mesh=mesh, inject_unlabelled=inject_unlabelled)

    async def serve(self, _call: exchange.Call, _names: Names) -> exchange.Response:
        """Answer a call. Raises ApiError 503 before anything is compiled."""
        makers = [
            entry.value
            for resource in annotations.MAKERS
            for entry in self._store.list(resource).entries
        ]
        return routes.answer(await self._pipeline.beside(lambda newest: self._look(newest, makers)))

    def _look(self, newest: Round, makers: run.Makers) -> list[FindingRecord]:
        if newest.mesh is None:
            raise ApiError(503, "ServiceUnavailable", "nothing is compiled yet: ask again")
        snapshot = newest.snapshot
        every = found(snapshot, newest.mesh, self._settings, snapshot.locate, makers)
        return [record.written(each) for each in every]
