"""All of EnvoyFilter's patches over one proxy's resources, after these were rendered. Pure.

What was patched once is kept by the resource and the patches; a proxy without patches never comes
here. As in Istio, patches that cannot be carried out leave a resource as it was generated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

from lateen.compiler.backend import names
from lateen.compiler.backend.patches import clusters, listeners, routes
from lateen.compiler.backend.patches.patch import ADDING, ANY, Trial, Wanted
from lateen.compiler.backend.patches.routes import TableOfGateway
from lateen.compiler.ir.patches import Patches
from lateen.compiler.ir.proxy import ProxyKind, ProxyView
from lateen.compiler.output import PatchProblem, Resource, ResourceSet, ResourceType
from lateen.model.meta import Source

_INBOUND, _OUTBOUND, _GATEWAY = "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY"
_KEPT_OF_A_NAME = 64
_LISTENER, _CLUSTER, _ROUTE = ResourceType.LISTENER, ResourceType.CLUSTER, ResourceType.ROUTE


class _Done(msgspec.Struct, frozen=True):
    """What became of one resource: None where it is taken away."""

    origin: Resource
    facts: object
    result: Resource | None
    applied: tuple[Source, ...]


class Patcher:
    """One set of patches, and what it made of resources."""

    def __init__(self, patches: Patches) -> None:
        self._wanted: list[Wanted] = []
        self.problems: tuple[PatchProblem, ...] = ()
        problems = []
        for patch in patches.patches:
            try:
                self._wanted.append(Wanted(patch))
            except ValueError as error:
                problems.append(PatchProblem(patch.source, str(error)))
        self.problems = tuple(problems)
        self._known: dict[tuple[ResourceType, str], list[_Done]] = {}

    def patched(self, view: ProxyView, generated: ResourceSet) -> ResourceSet:
        """Return the resources with the patches carried out, and which of these touched any."""
        kind, applied = view.node.kind, dict[Source, None]()
        found = dict(generated.by_type)
        for resource_type, side, make in (
            (_CLUSTER, _side_of_cluster, self._cluster(view)),
            (_LISTENER, _side_of_listener, (None, listeners.patched)),
            (_ROUTE, _side_of_route, self._table(view)),
        ):
            kept: dict[str, Resource] = {}
            for name, resource in generated.of(resource_type).items():
                context = _GATEWAY if kind is ProxyKind.ROUTER else side(name)
                done = self._one(resource, context, *make)
                applied.update(dict.fromkeys(done.applied))
                if done.result is not None:
                    kept[done.result.name] = done.result
            found[resource_type] = kept
        for resource, source in self._added(kind):
            own = dict(found.get(resource.type, {}))
            own.setdefault(resource.name, resource)
            found[resource.type] = own
            applied[source] = None
        return ResourceSet(found, tuple(applied), self.problems)

    def _one(self, resource: Resource, context: str, facts: object, change: "_Change") -> _Done:
        known = self._known.setdefault((resource.type, resource.name), [])
        for done in known:
            if done.origin is resource and done.facts == facts:
                return done
        made = self._try(resource, context, facts, change)
        known.insert(0, made)
        del known[_KEPT_OF_A_NAME:]
        return made

    def _try(self, resource: Resource, context: str, facts: object, change: "_Change") -> _Done:
        trial = Trial(self._wanted)
        message = _CLASSES[resource.type]()
        message.ParseFromString(resource.body)
        try:
            result = change(message, context, trial)
        except (TypeError, ValueError, AttributeError):
            return _Done(resource, facts, resource, ())
        applied = tuple(wanted.patch.source for wanted in trial.applied)
        if not applied:
            return _Done(resource, facts, resource, ())
        if result is None:
            return _Done(resource, facts, None, applied)
        if resource.type in (_LISTENER, _CLUSTER):
            _note(message.metadata, applied)
        body = message.SerializeToString(deterministic=True)
        sources = tuple(dict.fromkeys((*applied, *resource.sources)))
        return _Done(resource, facts, Resource(resource.type, message.name, body, sources), applied)

    def _cluster(self, view: ProxyView) -> tuple[object, "_Change"]:
        ports = view.inbound.ports if view.inbound is not None else ()
        hosts: dict[str, frozenset[str]] = {}
        for port in ports:
            name = names.inbound_cluster(port.port)
            hosts[name] = hosts.get(name, frozenset()) | {port.service.hostname}

        def change(message: Any, context: str, trial: Trial) -> Any | None:
            return clusters.patched(message, context, trial, hosts)

        return hosts, change

    def _table(self, view: ProxyView) -> tuple[object, "_Change"]:
        gateways = dict(_tables(view))

        def change(message: Any, context: str, trial: Trial) -> Any:
            routes.patched(message, context, trial, gateways)
            return message

        return gateways, change

    def _added(self, kind: ProxyKind) -> Iterator[tuple[Resource, Source]]:
        """Yield whole resources that patches add: for a sidecar's outbound side and gateways, if a
        patch names no side."""
        sides = (_GATEWAY,) if kind is ProxyKind.ROUTER else (_INBOUND, _OUTBOUND)
        for wanted in self._wanted:
            patch = wanted.patch
            made = _ADDED.get(patch.apply_to)
            if made is None or patch.operation not in ADDING or wanted.value is None:
                continue
            if patch.context not in (ANY, *sides):
                continue
            body = wanted.value.SerializeToString(deterministic=True)
            yield Resource(made, wanted.value.name, body, (patch.source,)), patch.source


_Change = Callable[[Any, str, Trial], "Any | None"]
_CLASSES: Mapping[ResourceType, Any] = {
    _LISTENER: listener_pb2.Listener,
    _CLUSTER: cluster_pb2.Cluster,
    _ROUTE: route_pb2.RouteConfiguration,
    ResourceType.EXTENSION: extension_pb2.TypedExtensionConfig,
}
_ADDED = {
    "LISTENER": _LISTENER,
    "CLUSTER": _CLUSTER,
    "EXTENSION_CONFIG": ResourceType.EXTENSION,
}


def _side_of_listener(name: str) -> str:
    return _INBOUND if name == names.VIRTUAL_INBOUND else _OUTBOUND


def _side_of_cluster(name: str) -> str:
    return _INBOUND if clusters.is_inbound(name) else _OUTBOUND


def _side_of_route(_name: str) -> str:
    return _OUTBOUND


def _tables(view: ProxyView) -> Iterator[tuple[str, TableOfGateway]]:
    """Yield what is known of a gateway's tables."""
    for listener in view.gateway.listeners if view.gateway is not None else ():
        for chain in listener.chains:
            if not chain.route_table:
                continue
            ref = chain.source.ref
            words = chain.route_table.split(".")
            secure = words[0] == "https" and len(words) > 2
            yield (
                chain.route_table,
                TableOfGateway(
                    gateways=frozenset({f"{ref.namespace}/{ref.name}"}),
                    ports=frozenset({listener.port, *listener.numbers}),
                    port_names=frozenset({words[2]} if secure else ()),
                ),
            )


def _note(metadata: base_pb2.Metadata, applied: Iterable[Source]) -> None:
    """Write down which patches made a resource what it is."""
    fields = metadata.filter_metadata[names.SOURCE_METADATA].fields
    fields["patches"].string_value = ", ".join(map(str, applied))
