"""Telemetry: what a proxy logs, traces and counts. Pure.

Up to three objects count for a proxy: the oldest without a selector in the root namespace, the
one in its own, and the oldest there that selects it. Later ones refine earlier ones.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph import mesh_config
from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.graph.mesh_config import MeshReports
from lateen.compiler.frontend.telemetry import metrics, tracers
from lateen.compiler.ir import telemetry as ir
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio import telemetry as model
from lateen.model.meta import Source

CLIENT, SERVER = "CLIENT", "SERVER"

T = TypeVar("T")

Objects = tuple[model.Telemetry, ...]


class LoggingEntry(NamedTuple):
    """One entry of `accessLogging`, and where it is written."""

    spec: model.AccessLogging
    source: Source

    def concerns(self, side: str) -> bool:
        """Whether it is for that side of a proxy."""
        return _concerns(self.spec.match, side)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the providers it names."""
        return tuple(provider.name for provider in self.spec.providers)


class Choice(NamedTuple):
    """A provider that counts, the entry that decided, and the filter (None: switched off)."""

    name: str
    entry: LoggingEntry
    filter: str | None


def selector(obj: model.Telemetry) -> dict[str, str]:
    """Return the labels an object selects; empty for one that covers its namespace."""
    return obj.spec.selector.match_labels if obj.spec.selector is not None else {}


def covers(obj: model.Telemetry) -> bool:
    """Whether an object is for its whole namespace: without selector and target."""
    spec = obj.spec
    return not selector(obj) and spec.target_ref is None and not spec.target_refs


def wide(objects: Objects) -> model.Telemetry | None:
    """Return the one object that counts for a whole namespace: the oldest of those."""
    return next((obj for obj in objects if covers(obj)), None)


def chosen(objects: Objects, labels: dict[str, str]) -> model.Telemetry | None:
    """Return the oldest object that selects a workload by its labels, or None."""
    for obj in objects:
        wanted = selector(obj)
        if wanted and precedence.selects(wanted, labels):
            return obj
    return None


def translate(
    levels: Iterable[model.Telemetry], mesh: MeshReports, *, zipkin: bool
) -> ir.Telemetry:
    """Return what a proxy reports. `levels` go from the mesh to the workload; `zipkin` says
    whether there is a tracer where nothing is configured."""
    applied = tuple(levels)
    return ir.Telemetry(
        client=_signals(applied, mesh, CLIENT, zipkin),
        server=_signals(applied, mesh, SERVER, zipkin),
    )


def entries(obj: model.Telemetry) -> tuple[LoggingEntry, ...]:
    """Return an object's entries on access logs."""
    at = precedence.source("Telemetry", obj, "spec")
    return tuple(
        LoggingEntry(spec, at.at(f"accessLogging[{index}]"))
        for index, spec in enumerate(obj.spec.access_logging)
    )


def choices(
    levels: Iterable[model.Telemetry], defaults: tuple[str, ...], side: str
) -> tuple[Choice, ...]:
    """Return the providers that count for one side, by name.

    The last level that names providers says which; what they do is said by the last entry for
    each, and an entry without providers means those of the entry before it. A filter counts only
    beside the provider's name.
    """
    written = [entries(obj) for obj in levels if obj.spec.access_logging]
    in_scope = set(defaults)
    filters: dict[str, str] = {}
    for level in written:
        named = {n: e for e in level if e.concerns(side) for n in e.names}
        in_scope = set(named) or in_scope
        filters |= {n: e.spec.filter.expression if e.spec.filter else "" for n, e in named.items()}
    found: dict[str, Choice] = {}
    inherited = defaults
    for entry in (entry for level in written for entry in level):
        inherited = entry.names or inherited
        if entry.concerns(side):
            off = bool(entry.spec.disabled)
            for name in inherited:
                if name in in_scope:
                    found[name] = Choice(name, entry, None if off else filters.get(name, ""))
    return tuple(found[name] for name in sorted(found))


def _signals(levels: Objects, mesh: MeshReports, side: str, zipkin: bool) -> ir.Signals:
    logs, log_sources = _logs(levels, mesh, side)
    traces = _traces(levels, mesh, side, zipkin)
    return msgspec.structs.replace(
        traces,
        logs=logs,
        sources=tuple(dict.fromkeys((*metrics.sources(levels), *traces.sources, *log_sources))),
        metrics=metrics.translate(levels, side) if _is_counted(levels, mesh) else None,
    )


def _is_counted(levels: Objects, mesh: MeshReports) -> bool:
    found = map(mesh.provider, metrics.providers(levels, mesh.default_metrics))
    return any(one is not None and one.kind == mesh_config.METRICS for one in found)


def _logs(
    levels: Objects, mesh: MeshReports, side: str
) -> tuple[tuple[ir.LogFile, ...], tuple[Source, ...]]:
    """Return the log files, and the fields that decided. With no provider that is a known log
    file, the mesh's own log stays as it is."""
    if any(obj.spec.access_logging for obj in levels):
        found = choices(levels, mesh.default_logging, side)
        wanted = [(c.name, c.filter, c.entry.source) for c in found]
    else:
        at = mesh.at.at("defaultProviders.accessLogging")
        wanted = [(name, "", at) for name in dict.fromkeys(mesh.default_logging)]
    logs: list[ir.LogFile] = []
    sources: list[Source] = []
    for name, expression, source in wanted:
        provider = mesh.provider(name)
        if provider is None or provider.log is None:
            continue
        sources.append(source)
        if expression is not None:
            logs.append(msgspec.structs.replace(provider.log, filter=expression, source=source))
    if not sources:
        return ((mesh.log,) if mesh.log is not None else ()), mesh.log_sources
    return tuple(logs), tuple(sources)


def _traces(levels: Objects, mesh: MeshReports, side: str, zipkin: bool) -> ir.Signals:
    """Return whether requests are traced, where spans go, how many are sampled, and why; what else
    is reported is not filled in.

    As soon as a Telemetry speaks of traces, or the mesh has a default provider, nothing is traced
    without a provider. One that is there but has no address only has requests carry its headers.
    """
    written = [(obj, index) for obj in levels for index in range(len(obj.spec.tracing))]
    if not written and not mesh.default_tracing:
        return ir.Signals(
            traced=mesh.traced,
            zipkin=zipkin and mesh.traced,
            sampling=mesh.sampling,
            sources=mesh.trace_sources,
        )
    name = mesh.default_tracing[0] if mesh.default_tracing else ""
    off, sampling, sources = False, mesh.sampling, list(mesh.trace_sources)
    tags: tuple[ir.TraceTag, ...] = ()
    istios, by_id = True, True
    for obj, index in written:
        entry = obj.spec.tracing[index]
        if not _concerns(entry.match, side):
            continue
        sources.append(precedence.source("Telemetry", obj, f"spec.tracing[{index}]"))
        name = entry.providers[0].name if entry.providers else name
        off = _said(entry.disable_span_reporting, off)
        sampling = _said(entry.random_sampling_percentage, sampling)
        tags = tracers.tags(entry.custom_tags) if entry.custom_tags else tags
        istios = _said(entry.enable_istio_tags, istios)
        by_id = _said(entry.use_request_id_for_trace_sampling, by_id)
    provider = mesh.provider(name) if name else None
    traced = provider is not None and provider.kind == mesh_config.TRACER and not off
    tracer = provider.tracer if provider is not None and traced else None
    return ir.Signals(
        traced=traced,
        zipkin=traced and tracer is None,
        tracer=tracer,
        tags=tags if tracer is not None else (),
        istio_tags=istios or tracer is None,
        by_request_id=by_id or not traced,
        sampling=sampling,
        sources=tuple(sources),
    )


def _said(own: T | None, before: T) -> T:
    return before if own is None else own


def _concerns(match: model.SideSelector | None, side: str) -> bool:
    return match is None or match.mode in ("CLIENT_AND_SERVER", side)


class Telemetries:
    """What each proxy reports, kept per key: proxies that report alike share one value."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        self._collections = collections
        self._settings = settings
        self.mesh: Derived[str, MeshReports] = Derived(graph, self._mesh)
        self._of: Derived[tuple[str, Key | None], ir.Telemetry] = Derived(graph, self._make)

    def of(self, namespace: str, labels: dict[str, str]) -> ir.Telemetry:
        """Return what the proxy of a workload reports."""
        found = chosen(self._collections.telemetries.table.get(namespace), labels)
        key = (found.metadata.namespace, found.metadata.name) if found is not None else None
        return self._of.get((namespace, key))

    def levels(self, namespace: str, own: model.Telemetry | None) -> Iterator[model.Telemetry]:
        """Return the objects that count in a namespace, from the mesh to `own`, a workload's."""
        table, root = self._collections.telemetries.table, self._settings.root_namespace
        for place in dict.fromkeys((root, namespace)):
            found = wide(table.get(place))
            if found is not None:
                yield found
        if own is not None:
            yield own

    def _mesh(self, _: str) -> MeshReports:
        return mesh_config.translate(self._collections.mesh_config.get(""), self._settings)

    def _make(self, key: tuple[str, Key | None]) -> ir.Telemetry:
        namespace, selected = key
        filed: Objects = self._collections.telemetries.table.get(namespace)
        own = next((o for o in filed if selected == (namespace, o.metadata.name)), None)
        return translate(
            self.levels(namespace, own),
            self.mesh.get(""),
            zipkin=self._settings.features.zipkin_by_default,
        )
