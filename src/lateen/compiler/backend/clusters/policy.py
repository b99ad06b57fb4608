"""A DestinationRule's traffic policy written into a cluster: pools, ejection, balancing. Pure."""

from functools import lru_cache

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from lateen.compiler.backend import pack
from lateen.compiler.ir.policy import (
    ClientTls,
    ConnectionPool,
    LoadBalancer,
    OutlierDetection,
    RetryBudget,
    TrafficPolicy,
)
from lateen.compiler.ir.workload import Protocol

UNLIMITED = 4294967295
"""Istio's default for every circuit-breaker threshold: the largest uint32."""

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

_Lb = cluster_pb2.Cluster.LbPolicy
_POLICIES = {
    "LEAST_REQUEST": _Lb.LEAST_REQUEST,
    "ROUND_ROBIN": _Lb.ROUND_ROBIN,
    "RANDOM": _Lb.RANDOM,
    "PASSTHROUGH": _Lb.CLUSTER_PROVIDED,
    "RING_HASH": _Lb.RING_HASH,
    "MAGLEV": _Lb.MAGLEV,
}


def _or_unlimited(limit: int | None) -> int:
    return UNLIMITED if limit is None or limit <= 0 else limit


def circuit_breakers(
    cluster: cluster_pb2.Cluster, pool: ConnectionPool | None, budget: RetryBudget | None = None
) -> None:
    """Write the thresholds; without a pool all of them are unlimited. A budget for retries takes
    the place of their limit."""
    pool = pool or ConnectionPool()
    limits = (
        pool.max_connections,
        pool.http1_max_pending,
        pool.http2_max_requests,
        pool.max_retries,
    )
    cluster.circuit_breakers.ParseFromString(_thresholds(limits))
    if budget is not None:
        out = cluster.circuit_breakers.thresholds[0].retry_budget
        out.budget_percent.value = budget.percent
        out.min_retry_concurrency.value = budget.least


@lru_cache(maxsize=256)
def _thresholds(limits: tuple[int | None, ...]) -> bytes:
    """Return the breakers of connections, pending requests, requests and retries, serialized: a
    mesh has few different ones, and parsing them costs a tenth of setting them."""
    connections, pending, requests, retries = map(_or_unlimited, limits)
    made = circuit_breaker_pb2.CircuitBreakers.Thresholds(
        max_connections={"value": connections},
        max_pending_requests={"value": pending},
        max_requests={"value": requests},
        max_retries={"value": retries},
        track_remaining=True,
    )
    return bytes(circuit_breaker_pb2.CircuitBreakers(thresholds=[made]).SerializeToString())


def tcp_options(cluster: cluster_pb2.Cluster, pool: ConnectionPool | None) -> None:
    """Write TCP keepalive and the connect timeout where the rule sets them."""
    if pool is None:
        return
    if pool.connect_timeout is not None:
        cluster.connect_timeout.CopyFrom(pack.duration(pool.connect_timeout))
    if pool.keepalive is not None:
        probes, idle, interval = pool.keepalive
        keepalive = cluster.upstream_connection_options.tcp_keepalive
        keepalive.SetInParent()
        if probes is not None:
            keepalive.keepalive_probes.value = probes
        if idle is not None:
            keepalive.keepalive_time.value = int(idle)
        if interval is not None:
            keepalive.keepalive_interval.value = int(interval)


def outlier_detection(cluster: cluster_pb2.Cluster, policy: OutlierDetection | None) -> None:
    """Write outlier detection. Success-rate ejection is always off, as on Istio; the panic
    threshold is `minHealthPercent`, 0 being no panic mode."""
    if policy is None:
        return
    out = cluster.outlier_detection
    out.enforcing_success_rate.value = 0
    if policy.consecutive_5xx is not None:
        out.consecutive_5xx.value = policy.consecutive_5xx
        out.enforcing_consecutive_5xx.value = 100 if policy.consecutive_5xx else 0
    if policy.consecutive_gateway_errors is not None:
        count = policy.consecutive_gateway_errors
        out.consecutive_gateway_failure.value = count
        out.enforcing_consecutive_gateway_failure.value = 100 if count else 0
    if policy.split_local_origin_errors:
        out.split_external_local_origin_errors = True
        if policy.consecutive_local_origin_failures is not None:
            count = policy.consecutive_local_origin_failures
            out.consecutive_local_origin_failure.value = count
            out.enforcing_consecutive_local_origin_failure.value = 100 if count else 0
            out.enforcing_local_origin_success_rate.value = 0
    if policy.interval is not None:
        out.interval.CopyFrom(pack.duration(policy.interval))
    if policy.base_ejection_time is not None:
        out.base_ejection_time.CopyFrom(pack.duration(policy.base_ejection_time))
    if policy.max_ejection_percent is not None:
        out.max_ejection_percent.value = policy.max_ejection_percent
    cluster.common_lb_config.healthy_panic_threshold.value = float(policy.min_health_percent)


def load_balancer(cluster: cluster_pb2.Cluster, policy: LoadBalancer | None) -> None:
    """Write the balancing policy; Istio's default is LEAST_REQUEST."""
    if policy is None:
        cluster.lb_policy = _Lb.LEAST_REQUEST
        return
    cluster.lb_policy = _POLICIES.get(policy.policy, _Lb.LEAST_REQUEST)
    if policy.policy == "RING_HASH":
        cluster.ring_hash_lb_config.minimum_ring_size.value = policy.minimum_ring_size
    elif policy.policy == "MAGLEV":
        cluster.maglev_lb_config.table_size.value = policy.maglev_table_size
    if policy.warmup is not None:
        _slow_start(cluster, policy, policy.warmup)


def _slow_start(cluster: cluster_pb2.Cluster, policy: LoadBalancer, window: float) -> None:
    if policy.policy == "ROUND_ROBIN":
        out = cluster.round_robin_lb_config.slow_start_config
    elif policy.policy == "LEAST_REQUEST":
        out = cluster.least_request_lb_config.slow_start_config
    else:
        return
    out.slow_start_window.CopyFrom(pack.duration(window))
    if policy.warmup_aggression is not None:
        out.aggression.default_value = policy.warmup_aggression
        out.aggression.runtime_key = "lateen.warmup.aggression"
    if policy.warmup_least is not None:
        out.min_weight_percent.value = policy.warmup_least


def http_options(
    cluster: cluster_pb2.Cluster, protocol: Protocol, policy: TrafficPolicy, *, sidecar: bool
) -> None:
    """Write which HTTP version the upstream is spoken to in, its limits and automatic SNI.

    Nothing is written where Envoy's own defaults (HTTP/1.1) are meant.
    """
    pool = policy.connection_pool
    options = http_protocol_options_pb2.HttpProtocolOptions()
    chosen = _upstream_version(options, protocol, policy, sidecar=sidecar)
    common = _common_http(options, pool)
    sni = _automatic_sni(options, policy.tls)
    if not (chosen or common or sni):
        return
    if options.WhichOneof("upstream_protocol_options") is None:
        options.explicit_http_config.http_protocol_options.SetInParent()
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack.any_of(options))


def _upstream_version(
    options: http_protocol_options_pb2.HttpProtocolOptions,
    protocol: Protocol,
    policy: TrafficPolicy,
    *,
    sidecar: bool,
) -> bool:
    pool = policy.connection_pool
    if policy.http2(protocol):
        http2 = options.explicit_http_config.http2_protocol_options
        http2.SetInParent()
        if pool and pool.max_concurrent_streams:
            http2.max_concurrent_streams.value = pool.max_concurrent_streams
    elif (pool and pool.use_client_protocol) or (sidecar and protocol is Protocol.AUTO):
        both = options.use_downstream_protocol_config
        both.http_protocol_options.SetInParent()
        both.http2_protocol_options.SetInParent()
        http2 = both.http2_protocol_options
    else:
        return False
    if pool and pool.http2_keepalive is not None:
        interval, timeout = pool.http2_keepalive
        if interval is not None:
            http2.connection_keepalive.interval.CopyFrom(pack.duration(interval))
        if timeout is not None:
            http2.connection_keepalive.timeout.CopyFrom(pack.duration(timeout))
    return True


def _common_http(
    options: http_protocol_options_pb2.HttpProtocolOptions, pool: ConnectionPool | None
) -> bool:
    if pool is None:
        return False
    common = options.common_http_protocol_options
    if pool.http_idle_timeout is not None:
        common.idle_timeout.CopyFrom(pack.duration(pool.http_idle_timeout))
    if pool.max_requests_per_connection:
        common.max_requests_per_connection.value = pool.max_requests_per_connection
    if pool.max_connection_duration is not None:
        common.max_connection_duration.CopyFrom(pack.duration(pool.max_connection_duration))
    return bool(options.HasField("common_http_protocol_options"))


def _automatic_sni(
    options: http_protocol_options_pb2.HttpProtocolOptions, tls: ClientTls | None
) -> bool:
    """SNI and SAN from the request's Host. On TCP ports, where there are no requests, it is written
    as well and does nothing."""
    if tls is None or not (tls.auto_sni or tls.auto_san):
        return False
    upstream = options.upstream_http_protocol_options
    upstream.auto_sni = tls.auto_sni
    upstream.auto_san_validation = tls.auto_san
    return True
