"""What is noticed about a Telemetry: what of it has no effect, and why. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph import mesh_config, telemetries
from lateen.compiler.frontend.graph.collections import TELEMETRIES, Key
from lateen.compiler.frontend.graph.destinations import Destinations
from lateen.compiler.frontend.routing import unsupported
from lateen.compiler.frontend.telemetry import metrics
from lateen.model.istio import telemetry as model
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.schema import fieldpath, kinds
from lateen.model.validation import codes

Found = Iterator[Diagnostic]


class TelemetryChecks:
    """Findings about one object, from it and from those it refines."""

    def __init__(self, destinations: Destinations, made: telemetries.Telemetries) -> None:
        self._collections = destinations.collections
        self._settings = destinations.settings
        self._registry = destinations.registry
        self._made = made

    def telemetry(self, key: Key) -> tuple[Diagnostic, ...]:
        """Return the findings of a Telemetry."""
        filed: telemetries.Objects = self._collections.telemetries.table.get(key[0])
        obj = next((o for o in filed if o.metadata.name == key[1]), None)
        if obj is None:
            return ()
        source = precedence.source("Telemetry", obj)
        return (
            *unsupported.unread(obj.spec, source.at("spec")),
            *codes.warnings(kinds.KINDS[TELEMETRIES], obj),
            *self._covered(obj, filed, source),
            *self._logging(obj, source),
            *self._tracing(obj, source),
            *self._metrics(obj, source),
        )

    def mesh(self, _: Key) -> tuple[Diagnostic, ...]:
        """Return the findings of the mesh configuration."""
        obj = self._collections.mesh_config.get("")
        return tuple(mesh_config.findings(obj, self._settings)) if obj is not None else ()

    def _covered(self, obj: model.Telemetry, filed: telemetries.Objects, source: Source) -> Found:
        others = [o for o in filed if telemetries.covers(o)]
        if obj in others[1:]:
            names = ", ".join(o.metadata.name for o in others)
            namespace = obj.metadata.namespace
            yield make("IST0160", source, telemetries=names, namespace=namespace)

    def _logging(self, obj: model.Telemetry, source: Source) -> Found:
        mesh = self._made.mesh.get("")
        inherited = self._inherited(obj, mesh.default_logging)
        for entry in telemetries.entries(obj):
            for index, name in enumerate(entry.names):
                at = entry.source.at(f"providers[{index}].name")
                yield from _provider(mesh, name, mesh_config.LOG_FILE, at)
            if entry.spec.filter is not None and not entry.names:
                yield make("LTN0036", entry.source.at("filter"))
            inherited = entry.names or inherited
            if not inherited:
                yield _without(obj, "access logs", entry.source)

    def _inherited(self, obj: model.Telemetry, defaults: tuple[str, ...]) -> tuple[str, ...]:
        """Return the providers that the levels above an object end with."""
        for level in self._above(obj):
            for entry in telemetries.entries(level):
                defaults = entry.names or defaults
        return defaults

    def _above(self, obj: model.Telemetry) -> Iterator[model.Telemetry]:
        for level in self._made.levels(obj.metadata.namespace, None):
            if level is obj:
                return
            yield level

    def _tracing(self, obj: model.Telemetry, source: Source) -> Found:
        mesh = self._made.mesh.get("")
        levels = (*self._above(obj), obj)
        named = any(entry.providers for level in levels for entry in level.spec.tracing)
        for index, entry in enumerate(obj.spec.tracing):
            at = source.at(f"spec.tracing[{index}]")
            for number, provider in enumerate(entry.providers[:1]):
                there = at.at(f"providers[{number}].name")
                yield from _provider(mesh, provider.name, mesh_config.TRACER, there)
                yield from self._collector(mesh.provider(provider.name), there)
            if not named and not mesh.default_tracing:
                yield _without(obj, "traces, which stop", at)

    def _collector(self, found: mesh_config.Provider | None, at: Source) -> Found:
        """Say that nobody takes the spans of a provider."""
        if found is None or found.kind != mesh_config.TRACER:
            return
        tracer = found.tracer
        if tracer is None:
            reason = "it has no service and port: headers travel, and spans go nowhere"
        elif not self._registry.named(tracer.host):
            reason = f"no service has the host {tracer.host}: nothing is traced"
        else:
            return
        yield make("LTN0242", at, provider=found.name, reason=reason)

    def _metrics(self, obj: model.Telemetry, source: Source) -> Found:
        mesh = self._made.mesh.get("")
        levels = (*self._above(obj), obj)
        named = any(entry.providers for level in levels for entry in level.spec.metrics)
        for index, entry in enumerate(obj.spec.metrics):
            at = source.at(f"spec.metrics[{index}]")
            for number, provider in enumerate(entry.providers):
                there = at.at(f"providers[{number}].name")
                yield from _provider(mesh, provider.name, mesh_config.METRICS, there)
            if not named and not mesh.default_metrics:
                yield _without(obj, "metrics", at)
        for override in metrics.overrides(obj):
            for tag, change in override.spec.tag_overrides.items():
                if change.operation == "UPSERT" and not metrics.usable(change.value):
                    there = override.source.at(fieldpath.join("tagOverrides", tag))
                    yield make("LTN0241", there.at("value"), label=tag)


def _provider(mesh: mesh_config.MeshReports, name: str, kind: str, at: Source) -> Found:
    """Say why a provider cannot be used, if it cannot."""
    found = mesh.provider(name)
    if found is None:
        reason = "the mesh configuration has none of that name"
    elif found.kind != kind:
        reason = f"here this takes one of kind {kind} only"
    else:
        return
    known = ", ".join(p.name for p in mesh.providers if p.kind == kind) or "none"
    yield make("LTN0035", at, provider=name, reason=reason, known=known)


def _without(obj: model.Telemetry, signal: str, at: Source) -> Diagnostic:
    meta = obj.metadata
    return make("IST0157", at, telemetry=meta.name, namespace=meta.namespace, signal=signal)
