"""Route tables (RDS), and the table embedded in an inbound listener. Pure."""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from http import HTTPStatus

from envoy.config.route.v3 import route_components_pb2, route_pb2
from google.protobuf import any_pb2

from lateen.compiler.backend import http_filters, names, pack, wire
from lateen.compiler.backend.clusters import clusters
from lateen.compiler.backend.routes import action as route_action, match
from lateen.compiler.ir.proxy import Features, OutboundCluster, ProxyKind
from lateen.compiler.ir.routing import Destination, RetryPolicy, Route, VirtualHost
from lateen.compiler.ir.value import Choice
from lateen.compiler.ir.workload import Protocol
from lateen.model.meta import Source

_MAX_DIRECT_BODY = 1_048_576
_ANSWER_500 = route_components_pb2.RouteAction.ClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR


class Alpn(Choice):
    """How the ALPN override treats requests to a cluster."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    EITHER = "either"
    """The upstream speaks the HTTP version that the client spoke."""
    OFF = "off"
    """User TLS (SIMPLE, MUTUAL): the application's own protocols."""


def alpn_of(cluster: OutboundCluster, kind: ProxyKind) -> Alpn:
    """Return what requests routed to the cluster must offer in their handshake."""
    if not clusters.overrides_alpn(cluster.policy):
        return Alpn.OFF
    if cluster.policy.http2(cluster.protocol):
        return Alpn.HTTP2
    pool = cluster.policy.connection_pool
    automatic = kind is ProxyKind.SIDECAR and cluster.protocol is Protocol.AUTO
    if automatic or (pool is not None and pool.use_client_protocol):
        return Alpn.EITHER
    return Alpn.HTTP1


@cache
def _alpn_override(alpn: Alpn) -> any_pb2.Any | None:
    """Return the per-route setting of the ALPN filter; None where its own setting is right."""
    if alpn is Alpn.HTTP1:
        return None
    if alpn is Alpn.OFF:
        return pack.any_of(route_components_pb2.FilterConfig(disabled=True))
    if alpn is Alpn.HTTP2:
        return pack.any_of(http_filters.alpn_config(http_filters.HTTP2_ALPN))
    return pack.any_of(http_filters.alpn_config(http_filters.EITHER_ALPN))


AlpnByCluster = Mapping[str, Alpn]
"""Clusters that are not plain HTTP/1.1; one that is missing is."""


def table_bytes(name: str, hosts: Iterable[bytes], *, ignore_port: bool = True) -> bytes:
    """Return a serialized route table around serialized virtual hosts. With `ignore_port` the port
    in a request's Host does not count.

    A table of a thousand hosts is thus rebuilt by joining, when one of them changed.
    """
    head = route_pb2.RouteConfiguration(name=name).SerializeToString()
    return b"".join((head, *(wire.field(2, host) for host in hosts), _table_tail(ignore_port)))


@cache
def _table_tail(ignore_port: bool) -> bytes:
    out = route_pb2.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    out.validate_clusters.value = False
    out.max_direct_response_body_size_bytes.value = _MAX_DIRECT_BODY
    return bytes(out.SerializeToString(deterministic=True))


def clusters_of(source: VirtualHost) -> frozenset[str]:
    """Return the names of all clusters that a virtual host can send a request to."""
    return frozenset(
        [destination.cluster for route in source.routes for destination in route.destinations]
    )


def sources_of(source: VirtualHost) -> tuple[Source, ...]:
    """Return the fields that made a virtual host and its routes."""
    every = (source.source, *[route.source for route in source.routes])
    return tuple(dict.fromkeys([known for known in every if known is not None]))


def virtual_host(source: VirtualHost, alpn: AlpnByCluster) -> route_components_pb2.VirtualHost:
    """Return one virtual host with its routes."""
    out = route_components_pb2.VirtualHost(name=source.name, domains=source.domains)
    out.include_request_attempt_count = True
    if source.require_tls:
        out.require_tls = route_components_pb2.VirtualHost.TlsRequirementType.ALL
    pack.write_sources(out.metadata, (("source", source.source),))
    for route in source.routes:
        _route(out.routes.add(), route, alpn)
    return out


def _route(out: route_components_pb2.Route, source: Route, alpn: AlpnByCluster) -> None:
    out.name = source.name
    out.stat_prefix = source.stat_prefix
    match.write(out.match, source.match)
    if source.redirect is not None:
        out.redirect.CopyFrom(route_action.redirect(source.redirect))
    elif source.direct_response is not None:
        out.direct_response.CopyFrom(route_action.direct_response(source.direct_response))
    else:
        _forward(out.route, source)
        _override_alpn(out, source, alpn)
    if source.decorator:
        out.decorator.operation = source.decorator
    route_action.write_headers(out, source.request, source.response)
    if source.fault is not None:
        config = out.typed_per_filter_config[http_filters.FAULT_FILTER]
        config.CopyFrom(pack.any_of(route_action.fault(source.fault)))
    if source.cors is not None:
        config = out.typed_per_filter_config[http_filters.CORS_FILTER]
        config.CopyFrom(pack.any_of(route_action.cors(source.cors)))
    fault_source = source.fault.source if source.fault else None
    written = (("source", source.source), ("match", source.match.source), ("fault", fault_source))
    pack.write_sources(out.metadata, written)
    if source.source is not None:
        path = names.config_path(source.root or source.source.ref)
        fields = out.metadata.filter_metadata[names.ISTIO_METADATA].fields
        fields["config"].string_value = path


def _forward(out: route_components_pb2.RouteAction, source: Route) -> None:
    several = len(source.destinations) > 1
    weighted = [d for d in source.destinations if d.weight > 0] if several else []
    for destination in weighted:
        _weighted(out.weighted_clusters.clusters.add(), destination)
    if not weighted:
        _single(out, source.destinations[0])
    out.MergeFromString(_limits(source.timeout, source.retries))
    if source.missing_status == HTTPStatus.INTERNAL_SERVER_ERROR:
        out.cluster_not_found_response_code = _ANSWER_500
    if source.rewrite is not None:
        route_action.rewrite(out, source.rewrite)
    for mirror in source.mirrors:
        if mirror.ppm:
            out.request_mirror_policies.append(route_action.mirror(mirror))
    for key in source.hash_keys:
        out.hash_policy.append(route_action.hash_policy(key))


@lru_cache(maxsize=256)
def _limits(timeout: float, retries: RetryPolicy | None) -> bytes:
    """Return timeout and retries, which most routes have in common, serialized."""
    out = route_components_pb2.RouteAction()
    out.timeout.CopyFrom(pack.duration(timeout))
    if timeout:
        # As Istio: a stream limit of the same length would end the request first, and call it
        # `downstream duration timeout` where Istio's users know `upstream request timeout`.
        out.max_grpc_timeout.CopyFrom(pack.duration(timeout))
    else:
        out.max_stream_duration.max_stream_duration.SetInParent()
        out.max_stream_duration.grpc_timeout_header_max.SetInParent()
    if retries is not None and retries.attempts > 0:
        out.retry_policy.CopyFrom(route_action.retry_policy(retries))
    return bytes(out.SerializeToString(deterministic=True))


def _single(out: route_components_pb2.RouteAction, destination: Destination) -> None:
    """A lone destination's own header edits are the route's; `_route` adds the route's after."""
    plain = not (
        destination.request.set
        or destination.request.add
        or destination.request.remove
        or destination.response.set
        or destination.response.add
        or destination.response.remove
    )
    if plain:
        out.cluster = destination.cluster
        if destination.host_rewrite:
            out.host_rewrite_literal = destination.host_rewrite
    else:
        _weighted(out.weighted_clusters.clusters.add(), destination)


def _weighted(
    out: route_components_pb2.WeightedCluster.ClusterWeight, destination: Destination
) -> None:
    out.name = destination.cluster
    out.weight.value = destination.weight or 100
    route_action.write_headers(out, destination.request, destination.response)
    if destination.host_rewrite:
        out.host_rewrite_literal = destination.host_rewrite


def _override_alpn(out: route_components_pb2.Route, source: Route, alpn: AlpnByCluster) -> None:
    """Say what the ALPN filter does here, on the route or on each weighted destination."""
    if out.route.WhichOneof("cluster_specifier") == "weighted_clusters":
        for weight in out.route.weighted_clusters.clusters:
            setting = _alpn_override(alpn.get(weight.name, Alpn.HTTP1))
            if setting is not None:
                weight.typed_per_filter_config[http_filters.ALPN_FILTER].CopyFrom(setting)
        return
    setting = _alpn_override(alpn.get(source.destinations[0].cluster, Alpn.HTTP1))
    if setting is not None:
        out.typed_per_filter_config[http_filters.ALPN_FILTER].CopyFrom(setting)


def inbound_table(
    cluster: str,
    service_port: int,
    operation: str,
    protocol: Protocol,
    features: Features,
    source: Source | None,
) -> route_pb2.RouteConfiguration:
    """Return the table embedded in an inbound chain: everything to the application."""
    out = route_pb2.RouteConfiguration(name=cluster)
    out.validate_clusters.value = False
    host = out.virtual_hosts.add(name=f"inbound|http|{service_port}", domains=["*"])
    route = host.routes.add(name="default")
    route.match.prefix = "/"
    route.decorator.operation = operation
    pack.write_sources(route.metadata, (("source", source),))
    action = route.route
    action.cluster = cluster
    action.timeout.SetInParent()
    action.max_stream_duration.max_stream_duration.SetInParent()
    action.max_stream_duration.grpc_timeout_header_max.SetInParent()
    grpc = protocol in (Protocol.GRPC, Protocol.GRPC_WEB)
    if features.inbound_retry and (features.inbound_retry_of_grpc or not grpc):
        policy = RetryPolicy(
            attempts=2, retry_on="reset-before-request", avoid_previous_hosts=False
        )
        action.retry_policy.CopyFrom(route_action.retry_policy(policy))
        action.retry_policy.ClearField("host_selection_retry_max_attempts")
    return out
