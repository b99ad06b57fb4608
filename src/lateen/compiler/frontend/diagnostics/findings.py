"""Collects what compiling noticed, object by object, redoing only what changed. Pure."""

from lateen.compiler.frontend.diagnostics import checks
from lateen.compiler.frontend.graph.collections import Key, Objects
from lateen.compiler.frontend.graph.destinations import Destinations
from lateen.compiler.frontend.graph.incremental import Graph
from lateen.compiler.frontend.graph.telemetries import Telemetries
from lateen.compiler.frontend.routing import unsupported
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import kinds
from lateen.model.validation import codes

_NOT_ACTED_ON = tuple(info for info in kinds.KINDS.values() if info.is_istio and not info.acted_on)


class Findings:
    """All findings of a snapshot, by object."""

    def __init__(self, graph: Graph, destinations: Destinations, reports: Telemetries) -> None:
        self._checks = checks.Checks(graph, destinations, reports)
        self._pending: dict[str, set[Key]] = {r: set() for r in self._checks.by_resource}
        self._found: dict[tuple[str, Key], tuple[Diagnostic, ...]] = {}
        self._idle: tuple[Diagnostic, ...] = ()
        self._idle_of: list[object] = []

    def update(self, snapshot: Objects, changed: dict[str, set[Key]]) -> None:
        """Note what a new snapshot changed."""
        for resource, keys in self._pending.items():
            keys |= changed.get(resource, set())
        present = [snapshot.of(info.resource) for info in _NOT_ACTED_ON]
        if len(present) == len(self._idle_of) and all(
            a is b for a, b in zip(present, self._idle_of, strict=True)
        ):
            return
        self._idle_of = list(present)
        self._idle = tuple(
            finding
            for info, objects in zip(_NOT_ACTED_ON, present, strict=True)
            for key in sorted(objects)
            for finding in (
                unsupported.kind_not_acted_on(info.kind, Source(ObjectRef(info.kind, *key))),
                *codes.warnings(info, objects[key]),
            )
        )

    def all(self) -> tuple[Diagnostic, ...]:
        """Return every finding, by resource and object."""
        for resource, derived in self._checks.by_resource.items():
            pending = self._pending[resource] | derived.stale
            derived.stale.clear()
            self._pending[resource] = set()
            for key in pending:
                found = derived.get(key)
                if found:
                    self._found[resource, key] = found
                else:
                    self._found.pop((resource, key), None)
        return (*(f for key in sorted(self._found) for f in self._found[key]), *self._idle)
