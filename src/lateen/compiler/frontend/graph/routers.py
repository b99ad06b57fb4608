"""The configuration of gateway proxies: listeners, route tables, and the clusters that those
reach. Pure.

Only hosts that some route names get clusters, as on Istio with the gateway cluster filter on.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.collections import Key
from lateen.compiler.frontend.graph.destinations import Destinations, Scope
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing import assembly, gateways, mesh_routes, routes
from lateen.compiler.frontend.routing.gateways import Binding, BoundServer, HostPlan, Kind
from lateen.compiler.frontend.traffic import clusters as traffic
from lateen.compiler.ir.proxy import (
    ClusterEndpoints,
    GatewayChain,
    GatewayConfig,
    GatewayListener,
    OutboundCluster,
)
from lateen.compiler.ir.routing import Destination, Route, RouteTable, TcpRoute, VirtualHost
from lateen.compiler.ir.workload import Labels
from lateen.model.istio import networking
from lateen.model.messages.diagnostics import Diagnostic, make

EVERY_NAME = "*"
_BY_NAME = "outbound_."


class RouterScope(NamedTuple):
    """Gateway proxies that are configured alike."""

    scope: Scope
    labels: Labels
    ports: tuple[tuple[int, tuple[int, ...]], ...]
    """(Service port, ports bound in the pod)."""


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """What a router opens, and what it refuses to."""

    merged: tuple[gateways.Merged, ...]
    refused: tuple[Diagnostic, ...]


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual host and the registry hosts its routes go to."""

    virtual_host: VirtualHost
    reached: tuple[str, ...]


class GatewayShare(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters of one registry host as a router sees it."""

    clusters: tuple[OutboundCluster, ...]
    endpoints: tuple[ClusterEndpoints, ...]


class State(msgspec.Struct, kw_only=True):
    """The last configuration of a scope."""

    shares: dict[str, GatewayShare] = msgspec.field(default_factory=dict)
    pending: set[str] = msgspec.field(default_factory=set)
    config: GatewayConfig | None = None


class Routers:
    """Gateway configurations by scope; scopes are numbered to keep keys small."""

    def __init__(self, graph: Graph, destinations: Destinations) -> None:
        self._destinations = destinations
        self._collections = destinations.collections
        self._settings = destinations.settings
        self._numbers: dict[RouterScope, int] = {}
        self._scopes: dict[int, RouterScope] = {}
        self._states: dict[int, State] = {}
        self._servers: Derived[int, Servers] = Derived(graph, self._find_servers)
        self._plan: Derived[tuple[int, str], tuple[HostPlan, ...]] = Derived(graph, self._make_plan)
        self._host: Derived[tuple[int, HostPlan], Host] = Derived(graph, self._make_host)
        self._http: Derived[tuple[int, str, int, Key], tuple[Route, ...]] = Derived(
            graph, self._make_http
        )
        self._chains: Derived[tuple[int, int], tuple[GatewayChain, ...]] = Derived(
            graph, self._make_chains
        )
        self._findings: Derived[int, tuple[Diagnostic, ...]] = Derived(graph, self._find_faults)
        self._share: Derived[tuple[int, str], GatewayShare] = Derived(
            graph, self._make_share, watched=True
        )
        self._named: Derived[tuple[int, str], GatewayShare] = Derived(graph, self._name_share)
        """What is passed on to a registry host by its server name."""

    def config(self, scope: RouterScope) -> GatewayConfig:
        """Return a scope's configuration; the same object while nothing in it changed."""
        number = self._number(scope)
        for other, hostname in self._share.stale:
            if other in self._states:
                self._states[other].pending.add(hostname)
        self._share.stale.clear()
        state = self._states.setdefault(number, State())
        tables, reached = self._tables(number, state.config)
        listeners = self._listeners(number, reached)
        asked = {authorizer.host for authorizer in self._settings.authorizers}
        named = {host for host in reached if host.startswith(_BY_NAME)}
        wanted = sorted({*reached, *asked} - named)
        clusters, endpoints = self._clusters(number, state, wanted)
        for name in sorted(named):
            share = self._named.get((number, name.rsplit("_.", 1)[-1]))
            clusters += tuple(each for each in share.clusters if each.name == name)
            endpoints += tuple(each for each in share.endpoints if each.cluster == name)
        made = GatewayConfig(
            listeners=listeners, tables=tables, clusters=clusters, endpoints=endpoints
        )
        state.config = _kept(state.config, made)
        return state.config

    def findings(self, scope: RouterScope) -> tuple[Diagnostic, ...]:
        """Return what is wrong with the servers that a scope's proxies are to open."""
        return self._findings.get(self._number(scope))

    def _find_faults(self, number: int) -> tuple[Diagnostic, ...]:
        servers, ports = self._servers.get(number), dict(self._scopes[number].ports)
        known = ports.keys() | {bound for targets in ports.values() for bound in targets}
        found = list(servers.refused)
        for index, merged in enumerate(servers.merged):
            first = merged.servers[0]
            closed = not self._chains.get((number, index))
            for server in merged.servers:
                at = server.source.at("port")
                if closed:
                    found.append(
                        make(
                            "LTN0031",
                            server.source,
                            port=server.number,
                            server=server.label,
                            protocol=first.kind.value,
                        )
                    )
                elif server.kind in (Kind.PASSTHROUGH, Kind.TLS, Kind.TCP) and not (
                    self._chains_of(number, server, set())
                ):
                    found.append(
                        make(
                            "LTN0185",
                            server.source,
                            port=server.number,
                            server=server.label,
                            protocol=server.kind.value,
                        )
                    )
                if ports and server.number not in known:
                    selector = self._selector(server)
                    found.append(make("IST0162", at, port=server.number, selector=selector))
        return tuple(dict.fromkeys((*found, *self._hidden(number), *self._unexported(number))))

    def _unexported(self, number: int) -> Iterator[Diagnostic]:
        """Say which VirtualServices the scope's proxies would serve, were they exported to them."""
        namespace = self._scopes[number].scope.namespace
        for merged in self._servers.get(number).merged:
            for server in merged.servers:
                for binding in self._bindings(server.gateway):
                    owner = binding.metadata.namespace
                    if precedence.exported(binding.export_to, owner, namespace):
                        continue
                    if gateways.attaches(server, binding):
                        at = precedence.source("VirtualService", binding, "spec.exportTo")
                        reason = f"gateway {server.gateway} runs in {namespace}, which is left out"
                        yield make("IST0167", at, reason=reason)

    def _hidden(self, number: int) -> Iterator[Diagnostic]:
        """Say which routes lead to Services that are there, but not for the scope's proxies."""
        namespace = self._scopes[number].scope.namespace
        for name, _ in self._by_table(number):
            for plan in self._plan.get((number, name)):
                host = self._host.get((number, plan))
                hidden = {h for h in host.reached if self._is_hidden(namespace, h)}
                for route in host.virtual_host.routes if hidden else ():
                    for hostname in hidden.intersection(_reached((route,))):
                        if route.source is not None:
                            yield make("LTN0045", route.source, namespace=namespace, host=hostname)

    def _is_hidden(self, namespace: str, hostname: str) -> bool:
        known = self._destinations.registry.service(hostname) is not None
        return known and self._destinations.registry.seen(namespace, hostname) is None

    def _selector(self, server: BoundServer) -> str:
        """Return the labels by which a server's Gateway chose the proxy."""
        for obj in self._collections.gateways.get(""):
            if f"{obj.metadata.namespace}/{obj.metadata.name}" == server.gateway:
                return ",".join(f"{k}={v}" for k, v in sorted(obj.spec.selector.items())) or "*"
        return "*"

    def _number(self, scope: RouterScope) -> int:
        number = self._numbers.get(scope)
        if number is None:
            number = self._numbers[scope] = len(self._numbers)
            self._scopes[number] = scope
        return number

    def _find_servers(self, number: int) -> Servers:
        scope = self._scopes[number]
        known = dict(scope.ports)
        found, unfit = gateways.bound_servers(
            self._collections.gateways.get(""),
            scope.scope.namespace,
            dict(scope.labels),
            lambda port: known.get(port, (port,)),
        )
        merged, clashing = gateways.merge(found)
        return Servers(merged=merged, refused=unfit + clashing)

    def _tables(
        self, number: int, old: GatewayConfig | None
    ) -> tuple[tuple[RouteTable, ...], set[str]]:
        """Return the route tables and the registry hosts they reach."""
        known = {t.name: t for t in old.tables} if old is not None else {}
        found: list[RouteTable] = []
        reached: set[str] = set()
        for name, servers in self._by_table(number):
            made = [self._host.get((number, plan)) for plan in self._plan.get((number, name))]
            reached.update(host for entry in made for host in entry.reached)
            virtual_hosts = tuple(
                entry.virtual_host
                for entry in made
                if entry.virtual_host.routes or entry.virtual_host.require_tls
            )
            if not virtual_hosts:
                port = servers[0].number
                virtual_hosts = (VirtualHost(name=f"blackhole:{port}", domains=("*",), routes=()),)
            last = known.get(name)
            if last is not None and assembly.kept(last.hosts, virtual_hosts) is last.hosts:
                found.append(last)
            else:
                found.append(RouteTable(name=name, hosts=virtual_hosts))
        return tuple(found), reached

    def _by_table(self, number: int) -> Iterator[tuple[str, list[BoundServer]]]:
        by_table: dict[str, list[BoundServer]] = {}
        for merged in self._servers.get(number).merged:
            for server in merged.servers:
                if server.table:
                    by_table.setdefault(server.table, []).append(server)
        yield from by_table.items()

    def _make_plan(self, key: tuple[int, str]) -> tuple[HostPlan, ...]:
        number, name = key
        servers = dict(self._by_table(number)).get(name, [])
        return gateways.plan(servers, self._bindings, self._scopes[number].scope.namespace)

    def _bindings(self, gateway: str) -> tuple[Binding, ...]:
        return self._collections.gateway_routes.table.get(gateway)

    def _make_host(self, key: tuple[int, HostPlan]) -> Host:
        number, plan = key
        made: tuple[Route, ...] = ()
        for gateway, port, namespace, name in plan.parts:
            made += self._http.get((number, gateway, port, (namespace, name)))
        if len(plan.parts) > 1:
            made = routes.catch_alls_last(made, self._settings)
        source = None
        if plan.parts:
            obj = self._collections.virtual_services.get(plan.parts[0][2:])
            source = precedence.source("VirtualService", obj) if obj is not None else None
        return Host(
            virtual_host=VirtualHost(
                name=f"{plan.host}:{plan.number}",
                domains=(plan.host,),
                routes=made,
                require_tls=plan.require_tls,
                source=source,
            ),
            reached=tuple(dict.fromkeys(_reached(made))),
        )

    def _make_http(self, key: tuple[int, str, int, Key]) -> tuple[Route, ...]:
        number, gateway, port, chosen = key
        rules = self._destinations.http_rules.get(chosen)
        return routes.http(rules, self._context(number, gateway, port, chosen))

    def _context(self, number: int, gateway: str, port: int, chosen: Key) -> routes.Context:
        scope, destinations = self._scopes[number], self._destinations
        return routes.Context(
            settings=self._settings,
            namespace=chosen[0],
            name=chosen[1],
            port=port,
            gateways=(gateway,),
            client_namespace=scope.scope.namespace,
            client_labels=dict(scope.labels),
            secure=any(
                server.kind is Kind.HTTPS and (server.gateway, server.number) == (gateway, port)
                for merged in self._servers.get(number).merged
                for server in merged.servers
            ),
            service=lambda host: destinations.registry.seen(scope.scope.namespace, host),
            hashed=lambda host, at, subset: destinations.hashed(scope.scope, host, at, subset),
            conduct=lambda host, subset, one: destinations.conduct(
                scope.scope, host, subset, one=one
            ),
        )

    def _listeners(self, number: int, reached: set[str]) -> tuple[GatewayListener, ...]:
        """Return the listeners, adding to `reached` the hosts of TCP and TLS routes; a port
        without any chain is not opened."""
        found = []
        state = self._states[number].config
        known = {(o.bind, o.port): o for o in state.listeners} if state is not None else {}
        for index, merged in enumerate(self._servers.get(number).merged):
            chains = self._chains.get((number, index))
            for chain in chains:
                for route in chain.tcp:
                    reached.update(_hosts_of(route.destinations))
            if chains:
                numbers = tuple(dict.fromkeys(server.number for server in merged.servers))
                made = GatewayListener(
                    bind=merged.bind, port=merged.port, chains=chains, numbers=numbers
                )
                last = known.get((merged.bind, merged.port))
                found.append(last if last is not None and last == made else made)
        return tuple(found)

    def _make_chains(self, key: tuple[int, int]) -> tuple[GatewayChain, ...]:
        number, index = key
        merged = self._servers.get(number).merged
        if index >= len(merged):
            return ()
        first = merged[index].servers[0]
        if first.kind is Kind.HTTP:
            return (
                GatewayChain(
                    sni=(),
                    source=first.source,
                    route_table=first.table,
                    protocol=first.protocol,
                ),
            )
        ending = [s for s in merged[index].servers if s.kind in (Kind.HTTPS, Kind.TLS)]
        taken = {name for server in ending for name in server.sni or (EVERY_NAME,)}
        found: list[GatewayChain] = []
        for server in merged[index].servers:
            found += self._chains_of(number, server, taken)
        return tuple(found)

    def _chains_of(self, number: int, server: BoundServer, taken: set[str]) -> list[GatewayChain]:
        if server.kind is Kind.HTTPS:
            return [
                GatewayChain(
                    sni=server.sni, source=server.source, tls=server.tls, route_table=server.table
                )
            ]
        if server.kind is Kind.PASSTHROUGH:
            return self._passthrough(number, server, taken)
        if server.kind is Kind.TO_SERVICES:
            return self._to_services(number, server)
        for obj, context in self._attached(number, server):
            rules, _ = mesh_routes.tcp_rules(obj, context)
            if rules:
                first = msgspec.structs.replace(rules[0], sni_hosts=(), cidrs=())
                sni = server.sni if server.kind is Kind.TLS else ()
                return [
                    GatewayChain(
                        sni=sni,
                        source=server.source,
                        tls=server.tls,
                        tcp=(first,),
                        protocol=server.protocol,
                    )
                ]
        return []

    def _to_services(self, number: int, server: BoundServer) -> list[GatewayChain]:
        """Return a chain for each port and subset of the services that a server of mode
        AUTO_PASSTHROUGH admits, in the names that clients of Istio mTLS ask for."""
        found: list[GatewayChain] = []
        patterns = [host for _, host in server.hosts]
        known = dict.fromkeys(host for _, host in self._destinations.registry.listed())
        for hostname in known:
            admitted = any(hosts.covers(pattern, hostname) for pattern in patterns)
            for cluster in self._named.get((number, hostname)).clusters if admitted else ():
                tcp = (TcpRoute(destinations=(Destination(cluster=cluster.name),)),)
                name = (cluster.name,)
                found.append(GatewayChain(sni=name, source=server.source, tcp=tcp, mesh_only=True))
        return found

    def _passthrough(self, number: int, server: BoundServer, taken: set[str]) -> list[GatewayChain]:
        """Return a chain per `tls` rule, for those of its names that the server admits and no
        other chain of the port has `taken`: Envoy refuses a name given twice."""
        found: list[GatewayChain] = []
        allowed = [host for _, host in server.hosts]
        for obj, context in self._attached(number, server):
            for route in mesh_routes.tls_rules(obj, context):
                sni = tuple(
                    name
                    for name in route.sni_hosts
                    if name not in taken
                    and any(hosts.intersect(host, name) is not None for host in allowed)
                )
                taken.update(sni)
                if sni:
                    tcp = msgspec.structs.replace(route, sni_hosts=(), cidrs=())
                    names = () if EVERY_NAME in sni else sni
                    found.append(GatewayChain(sni=names, source=server.source, tcp=(tcp,)))
        return found

    def _attached(
        self, number: int, server: BoundServer
    ) -> Iterator[tuple[networking.VirtualService, routes.Context]]:
        namespace = self._scopes[number].scope.namespace
        for binding in self._bindings(server.gateway):
            meta = binding.metadata
            if not precedence.exported(binding.export_to, meta.namespace, namespace):
                continue
            obj = self._collections.virtual_services.get(binding.key)
            if obj is not None and gateways.attaches(server, binding):
                yield obj, self._context(number, server.gateway, server.number, binding.key)

    def _make_share(self, key: tuple[int, str]) -> GatewayShare:
        number, hostname = key
        scope = self._scopes[number].scope
        service = self._destinations.registry.seen(scope.namespace, hostname)
        if service is None:
            return GatewayShare(clusters=(), endpoints=())
        cluster_key = self._destinations.cluster_key(scope, service, gateway=True)
        return GatewayShare(
            clusters=self._destinations.clusters.get(cluster_key),
            endpoints=self._destinations.assignments(scope, cluster_key),
        )

    def _name_share(self, key: tuple[int, str]) -> GatewayShare:
        service = self._destinations.registry.seen(self._scopes[key[0]].scope.namespace, key[1])
        if service is None or service.external:
            return GatewayShare(clusters=(), endpoints=())
        share = self._share.get(key)
        made = traffic.by_server_name(share.clusters, share.endpoints)
        return GatewayShare(clusters=made[0], endpoints=made[1])

    def _clusters(
        self, number: int, state: State, reached: list[str]
    ) -> tuple[tuple[OutboundCluster, ...], tuple[ClusterEndpoints, ...]]:
        shares: dict[str, GatewayShare] = {}
        for hostname in reached:
            share = state.shares.get(hostname)
            if share is None or hostname in state.pending:
                share = self._share.get((number, hostname))
            shares[hostname] = share
        state.shares = shares
        state.pending.clear()
        clusters = tuple(c for share in shares.values() for c in share.clusters)
        endpoints = tuple(e for share in shares.values() for e in share.endpoints)
        return clusters, endpoints


def _reached(made: tuple[Route, ...]) -> Iterator[str]:
    for route in made:
        yield from _hosts_of(route.destinations)
        for mirror in route.mirrors:
            yield mirror.cluster.rsplit("|", 1)[-1]


def _hosts_of(destinations: tuple[Destination, ...]) -> Iterator[str]:
    for destination in destinations:
        yield destination.cluster.rsplit("|", 1)[-1]


def _kept(old: GatewayConfig | None, made: GatewayConfig) -> GatewayConfig:
    """Return the old value, or its parts, wherever they hold the very same objects."""
    if old is None:
        return made
    same = GatewayConfig(
        listeners=assembly.kept(old.listeners, made.listeners),
        tables=assembly.kept(old.tables, made.tables),
        clusters=assembly.kept(old.clusters, made.clusters),
        endpoints=assembly.kept(old.endpoints, made.endpoints),
    )
    unchanged = (
        same.listeners is old.listeners
        and same.tables is old.tables
        and same.clusters is old.clusters
        and same.endpoints is old.endpoints
    )
    return old if unchanged else same
