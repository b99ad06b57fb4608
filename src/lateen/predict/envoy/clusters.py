"""Which endpoints a cluster has, and with which socket it speaks to each. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from lateen.predict.envoy import any_messages
from lateen.predict.envoy.errors import UnknownError

_ORIGINAL_DESTINATION = "envoy.filters.listener.original_dst"
_MATCH = "envoy.transport_socket_match"
_DEFAULT_PRIORITY = 0
_HEALTHY = frozenset({"UNKNOWN", "HEALTHY", "DEGRADED"})


class ClusterEndpoint(msgspec.Struct, frozen=True):
    """An address of a cluster, its metadata's message, and how much of the traffic it takes."""

    address: str
    port: int
    message: Any = None
    weight: float = 1.0
    host: str = ""
    """A name to be looked up, for clusters by DNS."""


def resolves(cluster: Any) -> bool:
    """Whether a cluster has the names of requests themselves for endpoints."""
    named = cluster.cluster_type.name if cluster.HasField("cluster_type") else ""
    return bool(named == "envoy.clusters.dynamic_forward_proxy")


def discovery(cluster: Any) -> str:
    """Return how a cluster finds its endpoints: `EDS`, `ORIGINAL_DST`, `STRICT_DNS` …"""
    if cluster.HasField("cluster_type"):
        raise UnknownError(f"a cluster of type {cluster.cluster_type.name}")
    return str(cluster.DiscoveryType.Name(cluster.type))


def restores(listener: Any) -> bool:
    """Whether connections of a listener keep the address that their client dialled: those that are
    captured, or handed on by a listener that takes captured ones; others never knew it."""
    if listener.HasField("bind_to_port") and not listener.bind_to_port.value:
        return True
    if listener.HasField("use_original_dst") and listener.use_original_dst.value:
        return True
    return any(each.name == _ORIGINAL_DESTINATION for each in listener.listener_filters)


def endpoints(assignment: Any | None) -> list[ClusterEndpoint]:
    """Return the endpoints that take traffic: those of the first priority that has any, by the
    weight of their locality and their own. Weights add up to 1."""
    if assignment is None:
        return []
    groups: dict[int, list[tuple[Any, float]]] = {}
    for locality in assignment.endpoints:
        usable = [e for e in locality.lb_endpoints if _usable(e)]
        if usable:
            rows = groups.setdefault(locality.priority, [])
            rows += [(each, float(each.load_balancing_weight.value or 1)) for each in usable]
    if not groups:
        return []
    chosen = groups[min(groups)]
    total = sum(weight for _, weight in chosen)
    return [_endpoint(each, weight / total) for each, weight in chosen]


def _usable(endpoint: Any) -> bool:
    from envoy.config.core.v3 import health_check_pb2

    return health_check_pb2.HealthStatus.Name(endpoint.health_status) in _HEALTHY


def _endpoint(each: Any, share: float) -> ClusterEndpoint:
    socket = each.endpoint.address.socket_address
    return ClusterEndpoint(socket.address, socket.port_value, each, share)


def socket_for(cluster: Any, endpoint: ClusterEndpoint) -> tuple[Any | None, str]:
    """Return the transport socket towards an endpoint, None for plaintext, and the name of the
    match that chose it (empty where the cluster has one socket)."""
    labels = endpoint.message.metadata.filter_metadata.get(_MATCH) if endpoint.message else None
    have = {k: v.string_value for k, v in labels.fields.items()} if labels is not None else {}
    for each in cluster.transport_socket_matches:
        wanted = {k: v.string_value for k, v in each.match.fields.items()}
        if wanted.items() <= have.items():
            return each.transport_socket, each.name
    return (cluster.transport_socket if cluster.HasField("transport_socket") else None), ""


def tls_context(socket: Any | None) -> Any | None:
    """Return the UpstreamTlsContext of a transport socket; None for plaintext. Raises UnknownError
    for a socket of another kind."""
    if socket is None:
        return None
    kind = any_messages.type_of(socket.typed_config)
    if kind.endswith("RawBuffer"):
        return None
    opened = any_messages.opened(socket.typed_config)
    if opened is None:
        raise UnknownError(f"the transport socket {socket.name}")
    if kind.endswith("ProxyProtocolUpstreamTransport"):
        raise UnknownError("a cluster that begins with the PROXY protocol")
    return opened


_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def http_options(cluster: Any) -> Any | None:
    """Return the HttpProtocolOptions of a cluster, if it has any."""
    if _OPTIONS not in cluster.typed_extension_protocol_options:
        return None
    return any_messages.opened(cluster.typed_extension_protocol_options[_OPTIONS])


def version_upstream(options: Any | None, downstream: str) -> str:
    """Return the HTTP version that a cluster is spoken to in, `1.1` or `2`."""
    if options is None:
        return "1.1"
    kind = options.WhichOneof("upstream_protocol_options")
    if kind == "explicit_http_config":
        http2 = options.explicit_http_config.WhichOneof("protocol_config")
        return "2" if http2 == "http2_protocol_options" else "1.1"
    if kind == "use_downstream_protocol_config":
        return "2" if downstream == "2" else "1.1"
    raise UnknownError(f"an upstream protocol chosen by {kind}")


def full(cluster: Any) -> bool:
    """Whether a circuit breaker lets nothing through at all. Of several for one priority the first
    counts: what a patch adds behind it is without effect."""
    every = cluster.circuit_breakers.thresholds
    first = next((each for each in every if each.priority == _DEFAULT_PRIORITY), None)
    if first is None:
        return False
    limits = ("max_requests", "max_connections")
    return any(first.HasField(name) and getattr(first, name).value == 0 for name in limits)


def weighted(clusters: Iterable[Any]) -> list[tuple[Any, float]]:
    """Return weighted clusters with their shares; those of weight 0 get nothing."""
    rows = [(each, float(each.weight.value)) for each in clusters if each.weight.value]
    total = sum(weight for _, weight in rows)
    return [(each, weight / total) for each, weight in rows]
