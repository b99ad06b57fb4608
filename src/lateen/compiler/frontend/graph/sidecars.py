"""The outbound side of sidecars: one shared value per scope, kept up to date by service. Pure."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.collections import Key, ServiceKey, virtual_hosts
from lateen.compiler.frontend.graph.destinations import Destinations, Scope
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.graph.sidecar_scopes import SidecarScopes
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing import assembly, mesh_routes, routes
from lateen.compiler.frontend.routing.assembly import ServiceConfig
from lateen.compiler.frontend.routing.imports import Imports
from lateen.compiler.frontend.routing.mesh_routes import ServiceListeners
from lateen.compiler.frontend.traffic import clusters
from lateen.compiler.ir.proxy import Elsewhere, Outbound, TcpListener
from lateen.compiler.ir.routing import Route, RouteTable, VirtualHost
from lateen.compiler.ir.workload import Endpoint, Port, Protocol, Resolution, Service
from lateen.model.istio import networking

NOTHING = ServiceConfig()


class RulesInSight(NamedTuple):
    """Which VirtualServices count: those that clients of a namespace see or, under a Sidecar, those
    that one of its egress listeners imports."""

    namespace: str
    sidecar: Key | None = None
    place: int = 0


class Change(Enum):
    """What differs in a scope's shares."""

    PARTS = "listeners or routes"
    OTHER = "clusters or endpoints only"


class Assembly(msgspec.Struct, kw_only=True):
    """A scope's shares in service order, and the outbound value they last made."""

    order: tuple[ServiceKey, ...] = ()
    places: dict[ServiceKey, int] = msgspec.field(default_factory=dict)
    shares: list[ServiceConfig] = msgspec.field(default_factory=list)
    foreign: tuple[VirtualHost, ...] = ()
    elsewhere: Elsewhere | None = None
    sockets: assembly.Sockets = assembly.NO_SOCKETS
    outbound: Outbound | None = None
    binds: frozenset[str] = frozenset()
    """Addresses of pods that have listeners of their own (headless services)."""
    pending: set[ServiceKey] = msgspec.field(default_factory=set)
    variants: dict[str, tuple[Outbound, Outbound]] = msgspec.field(default_factory=dict)
    """By address of a headless service's pod: what it was made from, and its own value."""


class Sidecars:
    """Outbound values by scope."""

    def __init__(self, graph: Graph, destinations: Destinations, scopes: SidecarScopes) -> None:
        self._destinations = destinations
        self._imports = scopes
        self._collections = destinations.collections
        self._settings = destinations.settings
        self._share: Derived[tuple[Scope, ServiceKey], ServiceConfig] = Derived(
            graph, self._make_share, watched=True
        )
        self._part: Derived[tuple[Scope, ServiceKey], ServiceListeners] = Derived(
            graph, self._make_part
        )
        self._virtual_service: Derived[tuple[RulesInSight, str], Key | None] = Derived(
            graph, self._choose
        )
        self._http: Derived[tuple[Scope, Key, int], tuple[Route, ...]] = Derived(
            graph, self._make_http
        )
        self._foreign_hosts: Derived[RulesInSight, tuple[str, ...]] = Derived(
            graph, self._find_foreign
        )
        self._foreign: Derived[Scope, tuple[VirtualHost, ...]] = Derived(graph, self._make_foreign)
        self._scopes: dict[Scope, Assembly] = {}
        self._catch_alls: dict[Elsewhere | None, VirtualHost] = {}

    def outbound(self, scope: Scope) -> Outbound:
        """Return the outbound side of a scope; the same object while nothing in it changed."""
        self._spread_stale()
        state = self._scopes.get(scope)
        if state is None:
            state = self._scopes[scope] = Assembly()
        changed = self._refresh(state, scope)
        foreign = self._foreign.get(scope)
        imports = self._imports.imports(scope)
        elsewhere = mesh_routes.elsewhere(imports)
        sockets = imports.sockets if imports is not None else assembly.NO_SOCKETS
        parts_changed = (
            Change.PARTS in changed
            or foreign is not state.foreign
            or elsewhere != state.elsewhere
            or sockets != state.sockets
        )
        if state.outbound is None or changed or parts_changed:
            state.foreign, state.elsewhere, state.sockets = foreign, elsewhere, sockets
            state.outbound = assembly.join(
                state.shares,
                foreign,
                (elsewhere, self._catch_all(elsewhere)),
                state.outbound,
                parts_changed=parts_changed,
                sockets=sockets,
            )
            if parts_changed:
                state.variants = {}
                state.binds = assembly.binds(state.shares)
        return state.outbound

    def _catch_all(self, elsewhere: Elsewhere | None) -> VirtualHost:
        """Return the virtual host for unknown hosts, the same object each time."""
        known = self._catch_alls.get(elsewhere)
        if known is None:
            known = mesh_routes.catch_all(elsewhere, self._settings)
            self._catch_alls[elsewhere] = known
        return known

    def _refresh(self, state: Assembly, scope: Scope) -> set[Change]:
        """Bring a scope's shares up to date; return what kinds of things changed."""
        order = self._imports.order(scope)
        if order is not state.order:
            state.order = order
            state.places = {key: place for place, key in enumerate(order)}
            state.shares = [self._share.get((scope, key)) for key in order]
            state.pending.clear()
            return {Change.PARTS}
        changed = set()
        for key in state.pending:
            place = state.places.get(key)
            if place is None:
                continue
            old, new = state.shares[place], self._share.get((scope, key))
            if new is not old:
                state.shares[place] = new
                changed.add(Change.OTHER if new.part is old.part else Change.PARTS)
        state.pending.clear()
        return changed

    def outbound_for(self, scope: Scope, address: str) -> Outbound:
        """Return the outbound side of one pod: without listeners on its own address."""
        shared = self.outbound(scope)
        state = self._scopes[scope]
        if address not in state.binds:
            return shared
        known = state.variants.get(address)
        if known is not None and known[0] is shared:
            return known[1]
        own = msgspec.structs.replace(
            shared, tcp=tuple(listener for listener in shared.tcp if listener.bind != address)
        )
        state.variants[address] = (shared, own)
        return own

    def keep_only(self, scopes: Iterable[Scope]) -> None:
        """Forget scopes without proxies."""
        gone = self._scopes.keys() - set(scopes)
        if not gone:
            return
        for scope in gone:
            del self._scopes[scope]
        self._share.drop(lambda key: key[0] in gone)
        self._part.drop(lambda key: key[0] in gone)
        self._http.drop(lambda key: key[0] in gone)

    def _spread_stale(self) -> None:
        for scope, key in self._share.stale:
            state = self._scopes.get(scope)
            if state is not None:
                state.pending.add(key)
        self._share.stale.clear()

    def _make_share(self, key: tuple[Scope, ServiceKey]) -> ServiceConfig:
        scope, (namespace, hostname) = key
        imports = self._imports.imports(scope)
        service = self._imports.seen(scope, hostname)
        ports: frozenset[int] | None = None
        if imports is not None:
            if service is not None and service.namespace == namespace:
                ports = imports.reaching(service)
            else:
                ports = self._imports.inferred(scope).get(key[1])
                service = self._destinations.registry.at(key[1]) if ports else None
        if service is None or service.namespace != namespace:
            return NOTHING
        if service.resolution is Resolution.ALIAS:
            return NOTHING
        cluster_key = self._destinations.cluster_key(scope, service, gateway=False)
        made = ServiceConfig(
            clusters=self._destinations.clusters.get(cluster_key),
            endpoints=self._destinations.assignments(scope, cluster_key),
            part=self._part.get(key),
        )
        return made if ports is None else assembly.only(made, ports)

    def _make_part(self, key: tuple[Scope, ServiceKey]) -> ServiceListeners:
        scope, service_key = key
        service = self._destinations.registry.at(service_key)
        if service is None:
            return ServiceListeners()
        if scope.resolving and service.given and not service.vips:
            service = msgspec.structs.replace(service, vips=(service.given,))
        imports = self._imports.imports(scope)
        served = imports.serving(service) if imports is not None else None
        found_hosts: list[tuple[int, VirtualHost, bool]] = []
        found_listeners: list[TcpListener] = []
        found_tables: list[RouteTable] = []
        for declared in service.ports:
            if declared.protocol is Protocol.UDP:
                continue
            if served is not None and declared.number not in served:
                continue
            if not clusters.reaches(service, declared.protocol):
                continue
            place = served[declared.number] if served is not None else 0
            entry = RulesInSight(scope.namespace, scope.sidecar, place)
            port = _spoken(declared, imports, place)
            shared = mesh_routes.shares_table(service, port)
            if shared or port.protocol is Protocol.AUTO:
                host = self._virtual_host(scope, entry, service, port)
                found_hosts.append((port.number, host, shared))
            if port.protocol.is_http:
                continue
            made = self._listeners(scope, entry, service, port)
            if imports is not None:
                made = mesh_routes.moved(made, port.number, imports.sockets)
            found_listeners += made
            if made and port.protocol is Protocol.AUTO and not shared:
                found_tables.append(self._sniffed_table(scope, entry, service, port))
        dynamic = service.resolution is Resolution.DYNAMIC
        return ServiceListeners(
            resolves=service.hostname if dynamic else "",
            hosts=tuple(found_hosts),
            listeners=tuple(found_listeners),
            tables=tuple(found_tables),
        )

    def _virtual_host(
        self, scope: Scope, entry: RulesInSight, service: Service, port: Port
    ) -> VirtualHost:
        aliases = self._destinations.registry.aliases(service.hostname)
        domains = mesh_routes.domains_of(service, aliases, scope.namespace, self._settings)
        return self._host_with(scope, entry, service, port, domains)

    def _host_with(
        self,
        scope: Scope,
        entry: RulesInSight,
        service: Service,
        port: Port,
        domains: tuple[str, ...],
    ) -> VirtualHost:
        chosen = self._virtual_service.get((entry, service.hostname))
        made: tuple[Route, ...] = ()
        source = None
        if chosen is not None:
            made = self._http.get((scope, chosen, port.number))
            obj = self._collections.virtual_services.get(chosen)
            source = precedence.source("VirtualService", obj) if obj is not None else None
        keys = () if made else self._destinations.hashed(scope, service.hostname, port.number, "")
        return mesh_routes.virtual_host(service, port, made, domains, source, keys, self._settings)

    def _sniffed_table(
        self, scope: Scope, entry: RulesInSight, service: Service, port: Port
    ) -> RouteTable:
        host = self._host_with(scope, entry, service, port, ("*",))
        return RouteTable(name=f"{service.hostname}:{port.number}", hosts=(host,))

    def _listeners(
        self, scope: Scope, entry: RulesInSight, service: Service, port: Port
    ) -> tuple[TcpListener, ...]:
        chosen = self._virtual_service.get((entry, service.hostname))
        obj = self._collections.virtual_services.get(chosen) if chosen is not None else None
        context = self._context(scope, obj, port.number)
        tcp = mesh_routes.tcp_routes(service, port, obj, context)
        members: tuple[Endpoint, ...] = ()
        if service.headless:
            members = self._destinations.registry.backends.get(service.key).at(port.number)
        return mesh_routes.listeners(service, port, members, tcp)

    def _context(
        self, scope: Scope, obj: networking.VirtualService | None, port: int
    ) -> routes.Context:
        return routes.Context(
            settings=self._settings,
            namespace=obj.metadata.namespace if obj is not None else scope.namespace,
            name=obj.metadata.name if obj is not None else "",
            port=port,
            gateways=(routes.MESH,),
            client_namespace=scope.namespace,
            client_labels=dict(scope.labels),
            secure=False,
            service=lambda host: self._destinations.registry.seen(scope.namespace, host),
            hashed=lambda host, number, subset: self._destinations.hashed(
                scope, host, number, subset
            ),
            conduct=lambda host, subset, one: self._destinations.conduct(
                scope, host, subset, one=one
            ),
        )

    def _choose(self, key: tuple[RulesInSight, str]) -> Key | None:
        """Return the VirtualService that serves a host for clients of a namespace.

        An exact host beats a wildcard; then the most specific wildcard wins (before Istio 1.21
        the oldest object). Of several for the same host the oldest wins, and only it."""
        entry, hostname = key
        exact = self._oldest_visible(entry, hostname)
        if exact is not None:
            return _key(exact)
        found = []
        for wildcard in self._collections.mesh_wildcards.get(""):
            if hosts.covers(wildcard, hostname):
                obj = self._oldest_visible(entry, wildcard)
                if obj is not None:
                    found.append(obj)
        if not found:
            return None
        if self._settings.features.wildcard_most_specific:
            return _key(found[0])
        return _key(min(found, key=precedence.age))

    def _oldest_visible(self, entry: RulesInSight, host: str) -> networking.VirtualService | None:
        filed: tuple[networking.VirtualService, ...] = self._collections.mesh_routes.table.get(host)
        if not filed:
            return None
        imports = self._imports.imports(Scope(entry.namespace, (), entry.sidecar))
        for obj in filed:
            owner = obj.metadata.namespace
            visible = obj.spec.export_to or self._settings.routes_export_to
            if not precedence.exported(visible, owner, entry.namespace):
                continue
            if imports is None:
                return obj
            written = virtual_hosts(obj, self._settings)
            if imports.listeners[entry.place].admits_rules(owner, written):
                return obj
        return None

    def _make_http(self, key: tuple[Scope, Key, int]) -> tuple[Route, ...]:
        scope, chosen, port = key
        obj = self._collections.virtual_services.get(chosen)
        if obj is None:
            return ()
        return routes.http(
            self._destinations.http_rules.get(chosen), self._context(scope, obj, port)
        )

    def _find_foreign(self, entry: RulesInSight) -> tuple[str, ...]:
        """Return the hosts of mesh VirtualServices that no service has which the clients know, and
        know with port 80."""
        scope = Scope(entry.namespace, (), entry.sidecar)
        found = []
        names: list[str] | None = None
        for host in self._collections.mesh_hosts.get(""):
            if not hosts.is_wildcard(host):
                if not self._answers(scope, host):
                    found.append(host)
                continue
            if names is None:
                every = (name for _, name in self._imports.order(scope))
                names = [name for name in every if self._answers(scope, name)]
            if not any(hosts.covers(host, name) for name in names):
                found.append(host)
        return tuple(found)

    def _answers(self, scope: Scope, host: str) -> bool:
        service = self._imports.seen(scope, host)
        return service is not None and service.port(mesh_routes.FOREIGN_PORT) is not None

    def _make_foreign(self, scope: Scope) -> tuple[VirtualHost, ...]:
        imports = self._imports.imports(scope)
        place = imports.at(mesh_routes.FOREIGN_PORT) if imports is not None else 0
        if place is None:
            return ()
        entry = RulesInSight(scope.namespace, scope.sidecar, place)
        found = []
        for host in self._foreign_hosts.get(entry):
            obj = self._oldest_visible(entry, host)
            if obj is None:
                continue
            made = self._http.get((scope, _key(obj), mesh_routes.FOREIGN_PORT))
            if made:
                source = precedence.source("VirtualService", obj)
                found.append(mesh_routes.foreign_host(host, made, source, self._settings))
        return tuple(found)


def _spoken(port: Port, imports: Imports | None, place: int) -> Port:
    """Return a port as clients speak it: an egress listener with a port says what."""
    if imports is None or not imports.listeners[place].port:
        return port
    return msgspec.structs.replace(port, protocol=imports.listeners[place].protocol)


def _key(obj: networking.VirtualService) -> Key:
    return obj.metadata.namespace, obj.metadata.name
