"""Clusters: a service's `outbound|…`, a workload port's `inbound|…`, and the fixed ones. Pure."""

from functools import cache

import msgspec
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from lateen.compiler.backend import names, pack, tls
from lateen.compiler.backend.clusters import endpoints, policy as cluster_policy
from lateen.compiler.ir.policy import TlsMode, TrafficPolicy
from lateen.compiler.ir.proxy import InboundPort, MeshSettings, OutboundCluster, ProxyKind
from lateen.compiler.ir.workload import Resolution
from lateen.model.meta import Source

_Discovery = cluster_pb2.Cluster.DiscoveryType
_PROVIDED = cluster_pb2.Cluster.LbPolicy.CLUSTER_PROVIDED
_Family = cluster_pb2.Cluster.DnsLookupFamily
_PASSTHROUGH_IDLE = 300.0


def uses_eds(cluster: OutboundCluster, kind: ProxyKind) -> bool:
    """Whether the cluster's endpoints come by EDS, for a proxy of that kind."""
    if cluster.keeps_destination(kind):
        return False
    return cluster.service.resolution in (Resolution.EDS, Resolution.PASSTHROUGH)


def outbound(
    source: OutboundCluster, settings: MeshSettings, kind: ProxyKind, system_roots: str
) -> cluster_pb2.Cluster:
    """Return one outbound cluster.

    `system_roots` is the path of the machine's CA bundle.
    """
    policy = source.policy
    cluster = cluster_pb2.Cluster()
    cluster.ParseFromString(_template(settings.connect_timeout))
    name = source.name
    cluster.name = name
    cluster.alt_stat_name = names.stat_name(name)
    if policy.load_balancer is not None:
        cluster_policy.load_balancer(cluster, policy.load_balancer)
    _discovery(cluster, name, source, settings, kind)
    if policy.connection_pool is not None or policy.retry_budget is not None:
        cluster.ClearField("circuit_breakers")
        cluster_policy.circuit_breakers(cluster, policy.connection_pool, policy.retry_budget)
        cluster_policy.tcp_options(cluster, policy.connection_pool)
    cluster_policy.outlier_detection(cluster, policy.outlier_detection)
    if policy.by_locality:
        cluster.common_lb_config.locality_weighted_lb_config.SetInParent()
    cluster_policy.http_options(cluster, source.protocol, policy, sidecar=kind is ProxyKind.SIDECAR)
    _transport(cluster, source, settings, kind, system_roots)
    if policy.proxy_protocol:
        _with_proxy_protocol(cluster, policy.proxy_protocol)
    if source.service.resolution is Resolution.DYNAMIC:
        from lateen.compiler.backend import forward_proxy  # what most meshes never need

        forward_proxy.into_cluster(cluster, source.service.hostname, policy.tls)
    _metadata(cluster, source)
    return cluster


@cache
def _template(connect_timeout: float) -> bytes:
    """Return what a cluster without a DestinationRule has beside its names, serialized: parsing it
    costs a tenth of setting it field by field."""
    cluster = cluster_pb2.Cluster(type=_Discovery.EDS)
    cluster.connect_timeout.CopyFrom(pack.duration(connect_timeout))
    cluster.eds_cluster_config.eds_config.CopyFrom(pack.ads())
    cluster_policy.load_balancer(cluster, None)
    cluster_policy.circuit_breakers(cluster, None)
    return bytes(cluster.SerializeToString())


@cache
def _by_endpoint() -> bytes:
    """Return the two sockets that endpoints choose from, the first one's context still empty."""
    cluster = cluster_pb2.Cluster()
    empty = tls.socket(tls_pb2.UpstreamTlsContext())
    istio = cluster.transport_socket_matches.add(name="tlsMode-istio", transport_socket=empty)
    istio.match.fields["tlsMode"].string_value = "istio"
    plain = cluster.transport_socket_matches.add(
        name="tlsMode-disabled", transport_socket=tls.raw_socket()
    )
    plain.match.SetInParent()
    return bytes(cluster.SerializeToString())


def _discovery(
    cluster: cluster_pb2.Cluster,
    name: str,
    source: OutboundCluster,
    settings: MeshSettings,
    kind: ProxyKind,
) -> None:
    if uses_eds(source, kind):
        cluster.eds_cluster_config.service_name = name
        if cluster.lb_policy == _PROVIDED:
            cluster.lb_policy = cluster_pb2.Cluster.LbPolicy.ROUND_ROBIN
        return
    cluster.ClearField("eds_cluster_config")
    if source.keeps_destination(kind):
        cluster.type = _Discovery.ORIGINAL_DST
        cluster.lb_policy = _PROVIDED
        _override_port(cluster, source, settings)
    elif source.service.resolution is not Resolution.DYNAMIC:
        _dns(cluster, source, settings)


def _override_port(
    cluster: cluster_pb2.Cluster, source: OutboundCluster, settings: MeshSettings
) -> None:
    """A ServiceEntry's targetPort takes the place of the port that was dialled."""
    port = source.service.port(source.port)
    target = port.target if port is not None else source.port
    if source.service.entry and settings.features.none_target_port and target != source.port:
        cluster.original_dst_lb_config.upstream_port_override.value = int(target)


def _dns(cluster: cluster_pb2.Cluster, source: OutboundCluster, settings: MeshSettings) -> None:
    """Resolve by name: refreshed every minute or as the record's TTL says, IPv4 only."""
    one_at_a_time = source.service.resolution is Resolution.DNS_ROUND_ROBIN
    cluster.type = _Discovery.LOGICAL_DNS if one_at_a_time else _Discovery.STRICT_DNS
    cluster.respect_dns_ttl = True
    cluster.dns_refresh_rate.seconds = 60
    cluster.dns_jitter.nanos = 100_000_000
    cluster.dns_lookup_family = _Family.V4_ONLY
    if source.inline is not None:
        made = endpoints.assignment(source.inline, settings.cluster_id)
        cluster.load_assignment.CopyFrom(made)


def _transport(
    cluster: cluster_pb2.Cluster,
    source: OutboundCluster,
    settings: MeshSettings,
    kind: ProxyKind,
    system_roots: str,
) -> None:
    client = source.policy.tls
    if client is None:
        if source.auto_mtls:
            _automatic_mtls(cluster, source, settings, kind)
        return
    if client.mode is TlsMode.ISTIO_MUTUAL:
        context = tls.istio_upstream(source, settings, client)
    elif client.mode in (TlsMode.SIMPLE, TlsMode.MUTUAL):
        http2 = source.policy.http2(source.protocol)
        context = tls.user_upstream(client, settings, http2=http2, system_roots=system_roots)
    else:
        return
    cluster.transport_socket.CopyFrom(tls.socket(context))


def _automatic_mtls(
    cluster: cluster_pb2.Cluster,
    source: OutboundCluster,
    settings: MeshSettings,
    kind: ProxyKind,
) -> None:
    """Choose per endpoint by its `tlsMode` metadata; an original destination carries none, so
    there it is all or nothing."""
    context = tls.istio_upstream(source, settings)
    if source.keeps_destination(kind):
        cluster.transport_socket.CopyFrom(tls.socket(context))
        return
    cluster.MergeFromString(_by_endpoint())
    packed = cluster.transport_socket_matches[0].transport_socket.typed_config
    packed.value = context.SerializeToString(deterministic=True)


def _with_proxy_protocol(cluster: cluster_pb2.Cluster, version: int) -> None:
    """Let connections begin with the PROXY protocol, before TLS where there is any."""
    for match in cluster.transport_socket_matches:
        match.transport_socket.CopyFrom(tls.with_proxy_protocol(match.transport_socket, version))
    if not cluster.transport_socket_matches:
        inner = cluster.transport_socket if cluster.HasField("transport_socket") else None
        cluster.transport_socket.CopyFrom(
            tls.with_proxy_protocol(inner or tls.raw_socket(), version)
        )


def _metadata(cluster: cluster_pb2.Cluster, source: OutboundCluster) -> None:
    policy = source.policy
    fields = cluster.metadata.filter_metadata[names.ISTIO_METADATA].fields
    service = fields["services"].list_value.values.add().struct_value.fields
    service["host"].string_value = source.service.hostname
    service["name"].string_value = source.service.name
    service["namespace"].string_value = source.service.namespace
    if policy.rule is not None:
        fields["config"].string_value = names.config_path(policy.rule.ref)
    if source.subset:
        fields["subset"].string_value = source.subset
    if overrides_alpn(policy) is False:
        fields["alpn_override"].string_value = "false"
    if source.service.external:
        fields["external"].bool_value = True
    pack.write_sources(cluster.metadata, _sources(source))


def overrides_alpn(policy: TrafficPolicy) -> bool:
    """Whether Istio's HTTP ALPN override applies to requests sent through the cluster."""
    client = policy.tls
    if client is None or client.mode not in (TlsMode.SIMPLE, TlsMode.MUTUAL):
        return True
    return client.alpn_override


def _sources(source: OutboundCluster) -> tuple[tuple[str, Source | None], ...]:
    policy = source.policy
    pool, ejection, balancer = (
        policy.connection_pool,
        policy.outlier_detection,
        policy.load_balancer,
    )
    return (
        ("source", source.source),
        ("rule", policy.rule),
        ("tls", policy.tls.source if policy.tls else None),
        ("connectionPool", pool.source if pool else None),
        ("outlierDetection", ejection.source if ejection else None),
        ("loadBalancer", balancer.source if balancer else None),
        ("retryBudget", policy.retry_budget.source if policy.retry_budget else None),
    )


def outbound_sources(source: OutboundCluster) -> list[Source]:
    """Return every field that shaped an outbound cluster."""
    return [where for _, where in _sources(source) if where is not None]


def inbound(port: InboundPort, settings: MeshSettings) -> cluster_pb2.Cluster:
    """Return `inbound|<port>||`: the application, at the address the client dialled.

    Bound to 127.0.0.6, by which the capture rules know the proxy's traffic to its application.
    """
    name = names.inbound_cluster(port.port)
    cluster = cluster_pb2.Cluster(
        name=name,
        alt_stat_name=names.stat_name(name),
        type=_Discovery.ORIGINAL_DST,
        lb_policy=_PROVIDED,
    )
    cluster.connect_timeout.CopyFrom(pack.duration(settings.connect_timeout))
    pool = port.connection_pool
    cluster_policy.circuit_breakers(cluster, pool, port.retry_budget)
    cluster_policy.tcp_options(cluster, pool)
    # The rule is the clients': only its limits act here, it does not make the application HTTP/2.
    own = msgspec.structs.replace(pool, h2_upgrade="") if pool is not None else None
    policy = TrafficPolicy(connection_pool=own)
    cluster_policy.http_options(cluster, port.protocol, policy, sidecar=True)
    if port.endpoint:
        _lead_to(cluster, port.endpoint)
    else:
        _bind_inbound(cluster)
    fields = cluster.metadata.filter_metadata[names.ISTIO_METADATA].fields
    service = fields["services"].list_value.values.add().struct_value.fields
    service["host"].string_value = port.service.hostname
    service["name"].string_value = port.service.name
    service["namespace"].string_value = port.service.namespace
    if port.rule is not None:
        fields["config"].string_value = names.config_path(port.rule)
    sources = (
        ("source", port.source),
        ("connectionPool", pool.source if pool else None),
        ("retryBudget", port.retry_budget.source if port.retry_budget else None),
    )
    pack.write_sources(cluster.metadata, sources)
    return cluster


def _lead_to(cluster: cluster_pb2.Cluster, endpoint: str) -> None:
    """Connect to where a Sidecar says that the application listens."""
    cluster.type = _Discovery.STATIC
    cluster.lb_policy = cluster_pb2.Cluster.LbPolicy.ROUND_ROBIN
    cluster.load_assignment.cluster_name = cluster.name
    out = cluster.load_assignment.endpoints.add().lb_endpoints.add().endpoint.address
    if endpoint.startswith("unix://"):
        out.pipe.path = endpoint.removeprefix("unix://")
        return
    host, _, port = endpoint.rpartition(":")
    address = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    out.CopyFrom(pack.tcp_address(address, int(port)))


def _bind_inbound(cluster: cluster_pb2.Cluster) -> None:
    bind = cluster.upstream_bind_config
    bind.source_address.CopyFrom(
        address_pb2.SocketAddress(address=names.INBOUND_SOURCE, port_value=0)
    )
    bind.socket_options.append(pack.socket_mark())


def _either_version(idle: float) -> http_protocol_options_pb2.HttpProtocolOptions:
    options = http_protocol_options_pb2.HttpProtocolOptions()
    options.use_downstream_protocol_config.http_protocol_options.SetInParent()
    options.use_downstream_protocol_config.http2_protocol_options.SetInParent()
    options.common_http_protocol_options.idle_timeout.CopyFrom(pack.duration(idle))
    return options


def passthrough(settings: MeshSettings) -> cluster_pb2.Cluster:
    """Return `PassthroughCluster`: wherever the application was going."""
    name = names.PASSTHROUGH_CLUSTER
    cluster = _original(name, settings)
    cluster.typed_extension_protocol_options[cluster_policy.HTTP_OPTIONS].CopyFrom(
        pack.any_of(_either_version(_PASSTHROUGH_IDLE))
    )
    return cluster


def inbound_passthrough(settings: MeshSettings) -> cluster_pb2.Cluster:
    """Return `InboundPassthroughCluster`: ports of the workload that no Service targets."""
    cluster = _original(names.INBOUND_PASSTHROUGH_CLUSTER, settings)
    _bind_inbound(cluster)
    cluster.typed_extension_protocol_options[cluster_policy.HTTP_OPTIONS].CopyFrom(
        pack.any_of(_either_version(_PASSTHROUGH_IDLE))
    )
    return cluster


def _original(name: str, settings: MeshSettings) -> cluster_pb2.Cluster:
    cluster = cluster_pb2.Cluster(
        name=name,
        alt_stat_name=names.stat_name(name),
        type=_Discovery.ORIGINAL_DST,
        lb_policy=_PROVIDED,
    )
    cluster.connect_timeout.CopyFrom(pack.duration(settings.connect_timeout))
    cluster_policy.circuit_breakers(cluster, None)
    return cluster


def black_hole(settings: MeshSettings) -> cluster_pb2.Cluster:
    """Return `BlackHoleCluster`: no endpoint, so whatever is sent there is refused."""
    name = names.BLACK_HOLE_CLUSTER
    cluster = cluster_pb2.Cluster(
        name=name, alt_stat_name=names.stat_name(name), type=_Discovery.STATIC
    )
    cluster.connect_timeout.CopyFrom(pack.duration(settings.connect_timeout))
    return cluster
