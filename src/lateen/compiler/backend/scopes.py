"""What all proxies of one scope share, rendered: clusters, endpoints, route tables. Pure."""

from collections.abc import Iterable, Mapping

import msgspec
from envoy.config.listener.v3 import listener_pb2
from google.protobuf import message

from lateen.compiler.backend.clusters import clusters, endpoints
from lateen.compiler.backend.listeners import outbound
from lateen.compiler.backend.memo import Memo, Recent
from lateen.compiler.backend.routes import tables as routes
from lateen.compiler.ir.proxy import (
    ClusterEndpoints,
    GatewayConfig,
    MeshSettings,
    Outbound,
    OutboundCluster,
    ProxyKind,
    TcpListener,
)
from lateen.compiler.ir.routing import RouteTable, VirtualHost
from lateen.compiler.ir.telemetry import Signals
from lateen.compiler.output import Resource, ResourceType
from lateen.model.meta import Source


def resource(
    kind: ResourceType, made: message.Message, name: str, sources: Iterable[Source | None] = ()
) -> Resource:
    """Serialize a message as a named resource, with the fields that shaped it."""
    known = tuple(dict.fromkeys([s for s in sources if s is not None]))
    return Resource(kind, name, made.SerializeToString(deterministic=True), known)


def named(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Return resources by name, in their order."""
    return {resource.name: resource for resource in resources}


class _Cluster(msgspec.Struct, frozen=True, gc=False):
    """A rendered cluster and what the rest of the proxy must know of it."""

    resource: Resource
    alpn: routes.Alpn
    eds: bool


class _Clusters(msgspec.Struct, frozen=True, eq=False):
    """A scope's rendered clusters: which have endpoints by EDS, which are special to ALPN."""

    resources: Mapping[str, Resource]
    eds: tuple[str, ...]
    special: routes.AlpnByCluster


class _Host(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A rendered virtual host."""

    body: bytes
    sources: tuple[Source, ...]


class _HostEntry(msgspec.Struct):
    """What is known of a virtual host: the clusters it leads to, and its last rendering."""

    reach: frozenset[str]
    alpn: routes.AlpnByCluster
    made: _Host | None = None

    @classmethod
    def of(cls, source: VirtualHost) -> "_HostEntry":
        """Return the entry of a host that was not rendered yet."""
        return cls(routes.clusters_of(source), {})


class _Table(msgspec.Struct, frozen=True):
    """The last rendering of a route table of one name, and the hosts it was joined from."""

    key: tuple[int, ...]
    hosts: list[_Host]
    resource: Resource


class Shared(msgspec.Struct, frozen=True):
    """What all proxies of one scope have in common, rendered."""

    clusters: Mapping[str, Resource]
    endpoints: Mapping[str, Resource]
    tables: Mapping[str, Resource]


EMPTY = Shared(clusters={}, endpoints={}, tables={})
"""The scope of a proxy that has no outbound side."""


class ScopeRenderer:
    """The clusters, endpoints and tables of one kind of proxy, under one mesh's settings.

    `outbound` and `gateway` render a whole scope; `system_roots` is the machine's CA bundle.
    """

    def __init__(self, kind: ProxyKind, settings: MeshSettings, system_roots: str) -> None:
        self._kind = kind
        self._settings = settings
        self._roots = system_roots
        sidecar = kind is ProxyKind.SIDECAR
        self._ignore_port = settings.features.sidecar_ignore_port or not sidecar
        self._cluster: Memo[OutboundCluster, _Cluster] = Memo(self._make_cluster)
        self._endpoints: Memo[ClusterEndpoints, Resource] = Memo(self._make_endpoints)
        self._host: Memo[VirtualHost, _HostEntry] = Memo(_HostEntry.of)
        self._tables: dict[str, _Table] = {}
        self._special: routes.AlpnByCluster = {}
        self._clusters: Recent[_Clusters] = Recent()
        self._ends: Recent[Mapping[str, Resource]] = Recent()
        self._table_sets: Recent[dict[str, Resource]] = Recent()
        self._listeners: Memo[Signals, Memo[Outbound, Mapping[str, Resource]]] = Memo(
            self._listeners_of
        )
        self.outbound: Memo[Outbound, Shared] = Memo(self._make_outbound)
        self.gateway: Memo[GatewayConfig, Shared] = Memo(self._make_gateway)

    def _make_cluster(self, source: OutboundCluster) -> _Cluster:
        made = clusters.outbound(source, self._settings, self._kind, self._roots)
        sources = clusters.outbound_sources(source)
        return _Cluster(
            resource=resource(ResourceType.CLUSTER, made, made.name, sources),
            alpn=routes.alpn_of(source, self._kind),
            eds=clusters.uses_eds(source, self._kind),
        )

    def _make_endpoints(self, source: ClusterEndpoints) -> Resource:
        made = endpoints.assignment(source, self._settings.cluster_id)
        return resource(ResourceType.ENDPOINT, made, source.cluster, endpoints.sources(source))

    def listeners(self, source: Outbound, signals: Signals) -> Mapping[str, Resource]:
        """Return the listeners of TCP ports, which proxies that report alike have in common."""
        return self._listeners(signals)(source)

    def _listeners_of(self, signals: Signals) -> Memo[Outbound, Mapping[str, Resource]]:
        """What is made holds a copy: holding the key itself would keep it for ever."""
        own = msgspec.structs.replace(signals)
        one: Memo[TcpListener, Resource] = Memo(
            lambda source: listener_resource(
                outbound.tcp(source, own, self._settings), source, own.sources
            )
        )
        return Memo(
            lambda source: named(one(listener) for listener in source.tcp if not listener.sniffed)
        )

    def _make_outbound(self, source: Outbound) -> Shared:
        return self._shared(source.clusters, source.endpoints, source.tables)

    def _make_gateway(self, source: GatewayConfig) -> Shared:
        return self._shared(source.clusters, source.endpoints, source.tables)

    def _shared(
        self,
        sources: tuple[OutboundCluster, ...],
        known: tuple[ClusterEndpoints, ...],
        tables: tuple[RouteTable, ...],
    ) -> Shared:
        made = self._clusters(lambda: self._render_clusters(sources), sources)
        return Shared(
            clusters=made.resources,
            endpoints=self._ends(lambda: self._render_endpoints(made, known), made, known),
            tables=self._table_sets(
                lambda: named(self._render_table(table, made.special) for table in tables),
                tables,
                made.special,
            ),
        )

    def _render_clusters(self, sources: tuple[OutboundCluster, ...]) -> _Clusters:
        rendered = [self._cluster(source) for source in sources]
        special: routes.AlpnByCluster = {
            c.resource.name: c.alpn for c in rendered if c.alpn is not routes.Alpn.HTTP1
        }
        if special == self._special:
            special = self._special
        self._special = special
        return _Clusters(
            resources={c.resource.name: c.resource for c in rendered},
            eds=tuple(c.resource.name for c in rendered if c.eds),
            special=special,
        )

    def _render_endpoints(
        self, made: _Clusters, known: tuple[ClusterEndpoints, ...]
    ) -> Mapping[str, Resource]:
        """Every EDS cluster has endpoints, if only none; no other cluster has any."""
        by_cluster = {source.cluster: source for source in known}
        return {
            name: self._endpoints(by_cluster[name])
            if name in by_cluster
            else self._no_endpoints(name)
            for name in made.eds
        }

    def _no_endpoints(self, cluster: str) -> Resource:
        return self._make_endpoints(ClusterEndpoints(cluster=cluster, endpoints=(), mtls=()))

    def _render_table(self, source: RouteTable, special: routes.AlpnByCluster) -> Resource:
        """Join a table from its hosts; the same hosts in the same order give the same object."""
        hosts = [self._render_host(host, special) for host in source.hosts]
        key = tuple(map(id, hosts))
        known = self._tables.get(source.name)
        if known is not None and known.key == key:
            return known.resource
        bodies = (host.body for host in hosts)
        body = routes.table_bytes(source.name, bodies, ignore_port=self._ignore_port)
        sources = tuple(dict.fromkeys(s for host in hosts for s in host.sources))
        made = Resource(ResourceType.ROUTE, source.name, body, sources)
        self._tables[source.name] = _Table(key, hosts, made)
        return made

    def _render_host(self, source: VirtualHost, special: routes.AlpnByCluster) -> _Host:
        """A host depends on its own content and on how its clusters treat ALPN."""
        entry = self._host(source)
        if not special or special.keys().isdisjoint(entry.reach):
            relevant: routes.AlpnByCluster = {}
        else:
            relevant = {name: alpn for name, alpn in special.items() if name in entry.reach}
        if entry.made is None or entry.alpn != relevant:
            made = routes.virtual_host(source, relevant)
            entry.alpn = relevant
            entry.made = _Host(
                made.SerializeToString(deterministic=True), routes.sources_of(source)
            )
        return entry.made


def listener_resource(
    made: listener_pb2.Listener, source: TcpListener, extra: Iterable[Source | None] = ()
) -> Resource:
    """Serialize a TCP or sniffed listener."""
    sources = (source.source, *(route.source for route in source.routes), *extra)
    return resource(ResourceType.LISTENER, made, made.name, sources)
