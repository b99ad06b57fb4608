"""Traffic policy after Istio's merge order: what one cluster gets. Pure."""

from lateen.compiler.ir.value import Choice, Value
from lateen.compiler.ir.workload import Protocol
from lateen.model.meta import Source


class TlsMode(Choice):
    """A client's TLS mode (DestinationRule) or a server's (Gateway)."""

    DISABLE = "DISABLE"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    PASSTHROUGH = "PASSTHROUGH"
    AUTO_PASSTHROUGH = "AUTO_PASSTHROUGH"
    OPTIONAL_MUTUAL = "OPTIONAL_MUTUAL"


SYSTEM_ROOTS = "system"
"""Value of `ClientTls.ca` for the machine's own bundle (Istio 1.21 and newer)."""


class ClientTls(Value, frozen=True, kw_only=True):
    """A DestinationRule's `tls` block, with the version's defaults already applied.

    `ca` is a secret resource name (`kubernetes://NAME-cacert`), `SYSTEM_ROOTS`, or empty: no
    verification. `certificate` is a secret resource name or empty. Files go by Istio's names of
    theirs, `file-root:PATH` and `file-cert:CERTIFICATE~KEY`.
    """

    mode: TlsMode
    source: Source
    sni: str = ""
    auto_sni: bool = False
    auto_san: bool = False
    sans: tuple[str, ...] = ()
    ca: str = ""
    certificate: str = ""
    crl: str = ""
    """File of revoked certificates, as the proxy sees it."""
    insecure_skip_verify: bool = False
    alpn_override: bool = False
    """Whether the Istio ALPN override applies although this is not Istio mTLS (before 1.19)."""


class ConnectionPool(Value, frozen=True, kw_only=True):
    """DestinationRule `connectionPool`; None is unset. Durations are seconds."""

    max_connections: int | None = None
    connect_timeout: float | None = None
    max_connection_duration: float | None = None
    keepalive: tuple[int | None, float | None, float | None] | None = None
    """(probes, time, interval)."""
    http1_max_pending: int | None = None
    http2_max_requests: int | None = None
    max_requests_per_connection: int | None = None
    max_retries: int | None = None
    http_idle_timeout: float | None = None
    h2_upgrade: str = ""
    """`UPGRADE`, `DO_NOT_UPGRADE` or empty."""
    use_client_protocol: bool = False
    max_concurrent_streams: int | None = None
    http2_keepalive: tuple[float | None, float | None] | None = None
    """(interval, timeout)."""
    source: Source | None = None


class OutlierDetection(Value, frozen=True, kw_only=True):
    """DestinationRule `outlierDetection`; None is unset. Durations are seconds."""

    consecutive_5xx: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_local_origin_failures: int | None = None
    split_local_origin_errors: bool = False
    interval: float | None = None
    base_ejection_time: float | None = None
    max_ejection_percent: int | None = None
    min_health_percent: int = 0
    source: Source | None = None


class HashKey(Value, frozen=True, kw_only=True):
    """What a consistent-hash policy hashes: one of header, cookie, source IP, query parameter."""

    kind: str
    """`header`, `cookie`, `source_ip` or `query`."""
    name: str = ""
    ttl: float | None = None
    path: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


class LoadBalancer(Value, frozen=True, kw_only=True):
    """DestinationRule `loadBalancer`. `policy` is LEAST_REQUEST, ROUND_ROBIN, RANDOM,
    PASSTHROUGH, RING_HASH or MAGLEV."""

    policy: str = "LEAST_REQUEST"
    minimum_ring_size: int = 1024
    maglev_table_size: int = 65537
    warmup: float | None = None
    warmup_least: float | None = None
    """Percent of its weight that a new endpoint begins with."""
    warmup_aggression: float | None = None
    locality_enabled: bool | None = None
    distribute: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    failover: tuple[tuple[str, str], ...] = ()
    failover_priority: tuple[str, ...] = ()
    always: bool = False
    """Whether endpoints stand in for others though none is ever ejected."""
    source: Source | None = None


class RetryBudget(Value, frozen=True, kw_only=True):
    """DestinationRule `retryBudget`: retries at a time, in percent of active requests."""

    percent: float = 20.0
    least: int = 3
    source: Source | None = None


class TrafficPolicy(Value, frozen=True, kw_only=True):
    """The merged policy of one service port or subset. A None block is Istio's default."""

    tls: ClientTls | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    load_balancer: LoadBalancer | None = None
    retry_budget: RetryBudget | None = None
    by_locality: bool = False
    """Whether the weights of localities count, not only those of endpoints."""
    proxy_protocol: int = 0
    """Version of the PROXY protocol that each connection begins with; 0 for none."""
    rule: Source | None = None
    """The DestinationRule that supplied it, if any."""

    def http2(self, protocol: Protocol) -> bool:
        """Whether a port of that protocol is spoken to in HTTP/2, whatever the client speaks.

        h2UpgradePolicy UPGRADE says so for a port that is declared HTTP, never for a sniffed one;
        useClientProtocol takes it back from an HTTP/2 port.
        """
        pool = self.connection_pool
        if pool is not None and pool.h2_upgrade == "UPGRADE" and protocol.is_http:
            return True
        return protocol.is_http2 and not (pool is not None and pool.use_client_protocol)
