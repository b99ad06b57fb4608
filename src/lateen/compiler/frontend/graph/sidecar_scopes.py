"""Which Sidecar a workload is subject to, and what that imports. Pure in effect: values are kept
until something they read changes."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.collections import Key, ServiceKey, virtual_hosts
from lateen.compiler.frontend.graph.destinations import Destinations, Scope
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing import imports
from lateen.compiler.frontend.routing.imports import ANY, Imports
from lateen.compiler.ir.workload import Service
from lateen.model.istio import networking, networking_proxy, networking_route

Target = tuple[str, int]
"""Host and port of a destination; port 0 for all of them."""


class Routed(msgspec.Struct, frozen=True, gc=False):
    """A VirtualService of the mesh: whom it serves, and where it sends."""

    hosts: tuple[str, ...]
    targets: tuple[Target, ...]
    export_to: tuple[str, ...]


class SidecarScopes:
    """Sidecars by workload, and what they import."""

    def __init__(self, graph: Graph, destinations: Destinations) -> None:
        self._destinations = destinations
        self._collections = destinations.collections
        self._settings = destinations.settings
        self._imports: Derived[tuple[Key, str], Imports | None] = Derived(graph, self._translate)
        self._routed: Derived[str, tuple[Routed, ...]] = Derived(graph, self._find_routed)
        self._inferred: Derived[Scope, Mapping[ServiceKey, frozenset[int]]] = Derived(
            graph, self._infer
        )
        self._order: Derived[Scope, tuple[ServiceKey, ...]] = Derived(graph, self._find_order)

    def sidecar_of(self, namespace: str, labels: Mapping[str, str]) -> Key | None:
        """Return the Sidecar that a workload is subject to.

        The oldest of its namespace that selects it comes first, then the oldest there without a
        selector, then such a one of the root namespace.
        """
        own = self._in(namespace)
        for obj in own:
            selector = obj.spec.workload_selector
            if selector is not None and precedence.selects(selector.labels, dict(labels)):
                return _key(obj)
        root = self._settings.root_namespace
        for obj in (*own, *(self._in(root) if namespace != root else ())):
            if obj.spec.workload_selector is None:
                return _key(obj)
        return None

    def sidecar(self, key: Key) -> networking_proxy.Sidecar | None:
        """Return a Sidecar by its key."""
        return next((obj for obj in self._in(key[0]) if obj.metadata.name == key[1]), None)

    def imports(self, scope: Scope) -> Imports | None:
        """Return what the clients of a scope know; None if no Sidecar says so."""
        return self._imports.get((scope.sidecar, scope.namespace)) if scope.sidecar else None

    def order(self, scope: Scope) -> tuple[ServiceKey, ...]:
        """Return the services that a scope may have to do with, oldest first."""
        return self._order.get(scope) if scope.sidecar else self._destinations.registry.listed()

    def seen(self, scope: Scope, hostname: str) -> Service | None:
        """Return the service of that name which a scope imports."""
        admitted = self.imports(scope)
        if admitted is None:
            return self._destinations.registry.seen(scope.namespace, hostname)
        return self._destinations.registry.seen(scope.namespace, hostname, admitted.admits)

    def inferred(self, scope: Scope) -> Mapping[ServiceKey, frozenset[int]]:
        """Return the services that are known because an imported VirtualService sends there, with
        the ports that it names; all of them where it names none."""
        return self._inferred.get(scope) if scope.sidecar else _NOTHING

    def _in(self, namespace: str) -> tuple[networking_proxy.Sidecar, ...]:
        found: tuple[networking_proxy.Sidecar, ...] = self._collections.sidecars.table.get(
            namespace
        )
        return found

    def _translate(self, key: tuple[Key, str]) -> Imports | None:
        sidecar, namespace = key
        obj = self.sidecar(sidecar)
        if obj is None:
            return None
        return imports.translate(obj, namespace, precedence.source("Sidecar", obj))

    def _find_order(self, scope: Scope) -> tuple[ServiceKey, ...]:
        listed = self._destinations.registry.listed()
        admitted = self.imports(scope)
        if admitted is None:
            return listed
        inferred = self.inferred(scope)
        return tuple(key for key in listed if key in inferred or admitted.admits(*key))

    def _find_routed(self, namespace: str) -> tuple[Routed, ...]:
        """Return the mesh VirtualServices of a namespace."""
        written: tuple[networking.VirtualService, ...] = self._collections.mesh_routes_in.table.get(
            namespace
        )
        return tuple(
            Routed(
                virtual_hosts(obj, self._settings),
                tuple(dict.fromkeys(self._targets(obj))),
                tuple(obj.spec.export_to) or self._settings.routes_export_to,
            )
            for obj in written
        )

    def _targets(self, obj: networking.VirtualService) -> Iterator[Target]:
        namespace, domain = obj.metadata.namespace, self._settings.domain
        key = (namespace, obj.metadata.name)
        for rule in self._destinations.http_rules.get(key):
            copies = [m.destination for m in rule.spec.mirrors]
            for target in (*(r.destination for r in rule.spec.route), rule.spec.mirror, *copies):
                if target is not None:
                    yield _target(target, namespace, domain)
        layer4 = [*(t.route for t in obj.spec.tls), *(t.route for t in obj.spec.tcp)]
        for entry in (entry for targets in layer4 for entry in targets):
            if entry.destination is not None:
                yield _target(entry.destination, namespace, domain)

    def _infer(self, scope: Scope) -> Mapping[ServiceKey, frozenset[int]]:
        admitted = self.imports(scope)
        if admitted is None:
            return _NOTHING
        found: dict[ServiceKey, set[int]] = {}
        for namespace, routed in self._imported(scope, admitted):
            if not precedence.exported(routed.export_to, namespace, scope.namespace):
                continue
            for host, port in routed.targets:
                by_name = not self._settings.features.picks_best_namespace
                service = self._destinations.registry.seen(scope.namespace, host, by_name=by_name)
                if service is None or admitted.admits(*service.key):
                    continue
                numbers = {p.number for p in service.ports}
                found.setdefault(service.key, set()).update({port} if port else numbers)
        return {key: frozenset(ports) for key, ports in sorted(found.items())}

    def _imported(self, scope: Scope, admitted: Imports) -> Iterator[tuple[str, Routed]]:
        namespaces = {p.namespace for one in admitted.listeners for p in one.included.every}
        if ANY in namespaces:
            namespaces = set(self._collections.mesh_namespaces.get(""))
        for namespace in sorted(namespaces):
            for routed in self._routed.get(namespace):
                if any(one.admits_rules(namespace, routed.hosts) for one in admitted.listeners):
                    yield namespace, routed


_NOTHING: Mapping[ServiceKey, frozenset[int]] = MappingProxyType({})


def _key(obj: networking_proxy.Sidecar) -> Key:
    return obj.metadata.namespace, obj.metadata.name


def _target(target: networking_route.Destination, namespace: str, domain: str) -> Target:
    number = target.port.number if target.port is not None else 0
    return hosts.resolve(target.host, namespace, domain), number
