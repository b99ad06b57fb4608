"""Istio's DestinationRule. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.istio.types import (
    Duration,
    IstioStatus,
    Percent,
    PortSelector,
    ProtoObject,
    WorkloadSelector,
)
from lateen.model.schema.marks import ProtoStruct, doc


class TcpKeepalive(ProtoStruct, frozen=True, kw_only=True):
    """TCP keep-alive probes."""

    probes: Annotated[int, doc("Probes without answer before giving up.", form="uint32")] = 0
    time: Annotated[Duration, doc("Idle time before the first probe.")] = ""
    interval: Annotated[Duration, doc("Time between probes.")] = ""


class TCPSettings(ProtoStruct, frozen=True, kw_only=True):
    """Limits of connections."""

    max_connections: Annotated[int, doc("Connections to the host; 0 is no limit.")] = 0
    connect_timeout: Annotated[Duration, doc("Time to connect; default 10s.")] = ""
    tcp_keepalive: Annotated[TcpKeepalive | None, doc("Keep-alive probes.")] = None
    max_connection_duration: Annotated[Duration, doc("Life of a connection.")] = ""
    idle_timeout: Annotated[Duration, doc("Idle time before it is closed.")] = ""


class HTTP2Keepalive(ProtoStruct, frozen=True, kw_only=True):
    """HTTP/2 ping frames."""

    interval: Annotated[Duration, doc("Time between pings.")] = ""
    timeout: Annotated[Duration, doc("Time to answer.")] = ""


class HTTPSettings(ProtoStruct, frozen=True, kw_only=True):
    """Limits of requests."""

    http1_max_pending_requests: Annotated[int, doc("Requests waiting; 0 is no limit.")] = 0
    http2_max_requests: Annotated[int, doc("Requests at a time; 0 is no limit.")] = 0
    max_requests_per_connection: Annotated[int, doc("Requests before it is closed.")] = 0
    max_retries: Annotated[int, doc("Retries at a time; 0 is no limit.")] = 0
    idle_timeout: Annotated[Duration, doc("Idle time before it is closed.")] = ""
    h2_upgrade_policy: Annotated[
        str,
        doc("Whether HTTP/1 becomes HTTP/2.", enum=("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE")),
    ] = "DEFAULT"
    use_client_protocol: Annotated[bool, doc("Use the protocol the client used.")] = False
    max_concurrent_streams: Annotated[int, doc("Streams on a connection.")] = 0
    http2_keep_alive: Annotated[HTTP2Keepalive | None, doc("Ping frames.")] = None


class ConnectionPoolSettings(ProtoStruct, frozen=True, kw_only=True):
    """How many connections and requests at a time."""

    tcp: Annotated[TCPSettings | None, doc("Connections.")] = None
    http: Annotated[HTTPSettings | None, doc("Requests.")] = None


class OutlierDetection(ProtoStruct, frozen=True, kw_only=True):
    """Takes failing endpoints out for a while."""

    consecutive_errors: Annotated[int, doc("Deprecated.", inert=True)] = 0
    split_external_local_origin_errors: Annotated[
        bool, doc("Count failures to connect apart from error answers.")
    ] = False
    consecutive_local_origin_failures: Annotated[
        int | None, doc("Failures to connect in a row; default 5.", form="uint32")
    ] = None
    consecutive_gateway_errors: Annotated[
        int | None,
        doc("502, 503, 504 or failures to connect in a row; default off.", form="uint32"),
    ] = None
    consecutive_5xx_errors: Annotated[
        int | None, doc("5xx in a row; default 5.", form="uint32")
    ] = None
    interval: Annotated[Duration, doc("Time between looks; default 10s.")] = ""
    base_ejection_time: Annotated[Duration, doc("First time out; default 30s.")] = ""
    max_ejection_percent: Annotated[int, doc("Share that may be out; default 10.")] = 0
    min_health_percent: Annotated[int, doc("Share below which all are used again.")] = 0


class CookieAttribute(ProtoStruct, frozen=True, kw_only=True):
    """One attribute of a cookie."""

    name: Annotated[str, doc("Name.", required=True)] = ""
    value: Annotated[str, doc("Value.")] = ""


class HTTPCookie(ProtoStruct, frozen=True, kw_only=True):
    """A cookie to hash on; made when missing if it has a ttl."""

    name: Annotated[str, doc("Its name.", required=True)] = ""
    path: Annotated[str, doc("Its path.")] = ""
    ttl: Annotated[Duration | None, doc("Its life; `0s` for the session.")] = None
    attributes: Annotated[tuple[CookieAttribute, ...], doc("More attributes.")] = ()


class RingHash(ProtoStruct, frozen=True, kw_only=True):
    """Ring hash."""

    minimum_ring_size: Annotated[
        int, doc("Least entries on the ring; default 1024.", form="uint64")
    ] = 0


class MagLev(ProtoStruct, frozen=True, kw_only=True):
    """Maglev hash."""

    table_size: Annotated[
        int | None, doc("Entries of the table, a prime; default 65537.", form="uint64")
    ] = None


class ConsistentHashLB(ProtoStruct, frozen=True, kw_only=True):
    """Sends equal requests to the same endpoint."""

    http_header_name: Annotated[str | None, doc("Equal by this header.")] = None
    http_cookie: Annotated[HTTPCookie | None, doc("Equal by this cookie.")] = None
    use_source_ip: Annotated[bool | None, doc("Equal by client address.")] = None
    http_query_parameter_name: Annotated[str | None, doc("Equal by this parameter.")] = None
    ring_hash: Annotated[RingHash | None, doc("Use ring hash (the default).")] = None
    maglev: Annotated[MagLev | None, doc("Use Maglev.")] = None
    minimum_ring_size: Annotated[int, doc("Deprecated: use ringHash.", form="uint64")] = 0


class LocalityDistribute(ProtoStruct, frozen=True, kw_only=True):
    """Shares by locality."""

    from_: Annotated[str, doc("Where requests come from: region/zone/subzone.")] = ""
    to: Annotated[dict[str, int], doc("Share per locality, 100 together.")] = field(
        default_factory=dict
    )


class LocalityFailover(ProtoStruct, frozen=True, kw_only=True):
    """The next region."""

    from_: Annotated[str, doc("Region.")] = ""
    to: Annotated[str, doc("Region used when it is ill.")] = ""


class LocalityLoadBalancerSetting(ProtoStruct, frozen=True, kw_only=True):
    """Prefers near endpoints."""

    distribute: Annotated[tuple[LocalityDistribute, ...], doc("Fixed shares.")] = ()
    failover: Annotated[tuple[LocalityFailover, ...], doc("Next regions.")] = ()
    failover_priority: Annotated[tuple[str, ...], doc("Labels in order of nearness.")] = ()
    enabled: Annotated[bool | None, doc("Whether it acts; default the mesh's setting.")] = None


class ZoneAwareLbSetting(ProtoStruct, frozen=True, kw_only=True):
    """Keeps requests in the zone as far as endpoints allow."""

    routing_enabled: Annotated[Percent | None, doc("Share of requests it acts on.")] = None
    min_cluster_size: Annotated[
        int | None, doc("Least endpoints for it to act.", form="uint32")
    ] = None


class WarmupConfiguration(ProtoStruct, frozen=True, kw_only=True):
    """Lets a new endpoint start slowly."""

    duration: Annotated[Duration, doc("How long.", required=True)] = ""
    minimum_percent: Annotated[float | None, doc("First share of its weight; default 10.")] = None
    aggression: Annotated[float | None, doc("Shape of the growth; default 1.")] = None


class LoadBalancerSettings(ProtoStruct, frozen=True, kw_only=True):
    """How an endpoint is chosen."""

    simple: Annotated[
        str | None,
        doc(
            "Plain algorithm; default LEAST_REQUEST.",
            enum=(
                "UNSPECIFIED",
                "LEAST_CONN",
                "RANDOM",
                "PASSTHROUGH",
                "ROUND_ROBIN",
                "LEAST_REQUEST",
            ),
        ),
    ] = None
    consistent_hash: Annotated[ConsistentHashLB | None, doc("By hash.")] = None
    locality_lb_setting: Annotated[LocalityLoadBalancerSetting | None, doc("By nearness.")] = None
    zone_aware_lb_setting: Annotated[ZoneAwareLbSetting | None, doc("By zone.", compiled=False)] = (
        None
    )
    warmup_duration_secs: Annotated[Duration, doc("Deprecated: use warmup.")] = ""
    warmup: Annotated[WarmupConfiguration | None, doc("Slow start.")] = None


class ClientTLSSettings(ProtoStruct, frozen=True, kw_only=True):
    """How a proxy starts TLS towards the host. Set, it switches automatic mutual TLS off."""

    mode: Annotated[
        str,
        doc(
            "Kind of TLS; default DISABLE.",
            enum=("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
        ),
    ] = "DISABLE"
    client_certificate: Annotated[str, doc("File of the client certificate.")] = ""
    private_key: Annotated[str, doc("File of the private key.")] = ""
    ca_certificates: Annotated[
        str, doc("File of the CA; without it the system's CAs are used.")
    ] = ""
    credential_name: Annotated[str, doc("Secret with certificate and CA.")] = ""
    subject_alt_names: Annotated[tuple[str, ...], doc("Names the server must have.")] = ()
    sni: Annotated[str, doc("Server name sent.")] = ""
    insecure_skip_verify: Annotated[bool | None, doc("Accept any server certificate.")] = None
    ca_crl: Annotated[str, doc("File of revoked certificates.")] = ""


class PortTrafficPolicy(ProtoStruct, frozen=True, kw_only=True):
    """Policy of one port; it replaces the whole policy above it."""

    port: Annotated[PortSelector | None, doc("The service's port.")] = None
    load_balancer: Annotated[LoadBalancerSettings | None, doc("Choice of endpoint.")] = None
    connection_pool: Annotated[ConnectionPoolSettings | None, doc("Limits.")] = None
    outlier_detection: Annotated[OutlierDetection | None, doc("Failing endpoints.")] = None
    tls: Annotated[ClientTLSSettings | None, doc("TLS; unset means automatic.")] = None


class TunnelSettings(ProtoStruct, frozen=True, kw_only=True):
    """Sends TCP through an HTTP tunnel."""

    protocol: Annotated[str, doc("CONNECT (default) or POST.")] = ""
    target_host: Annotated[str, doc("Host at the far end.", required=True)] = ""
    target_port: Annotated[int, doc("Port at the far end.", required=True, form="uint32")] = 0


class ProxyProtocol(ProtoStruct, frozen=True, kw_only=True):
    """Sends the PROXY protocol first."""

    version: Annotated[str, doc("V1 or V2.", enum=("V1", "V2"))] = "V1"


class RetryBudget(ProtoStruct, frozen=True, kw_only=True):
    """Bounds retries by the number of requests."""

    percent: Annotated[float | None, doc("Share of active requests; default 20.")] = None
    min_retry_concurrency: Annotated[
        int, doc("Retries always allowed; default 3.", form="uint32")
    ] = 0


class TrafficPolicy(ProtoStruct, frozen=True, kw_only=True):
    """How the host is talked to."""

    load_balancer: Annotated[LoadBalancerSettings | None, doc("Choice of endpoint.")] = None
    connection_pool: Annotated[ConnectionPoolSettings | None, doc("Limits.")] = None
    outlier_detection: Annotated[OutlierDetection | None, doc("Failing endpoints.")] = None
    tls: Annotated[ClientTLSSettings | None, doc("TLS; unset means automatic.")] = None
    port_level_settings: Annotated[
        tuple[PortTrafficPolicy, ...], doc("Policies of single ports, instead of this one.")
    ] = ()
    tunnel: Annotated[TunnelSettings | None, doc("HTTP tunnel.")] = None
    proxy_protocol: Annotated[ProxyProtocol | None, doc("PROXY protocol.")] = None
    retry_budget: Annotated[RetryBudget | None, doc("Bound on retries.")] = None


class Subset(ProtoStruct, frozen=True, kw_only=True):
    """A named part of a service's endpoints."""

    name: Annotated[str, doc("Name used by routes.", required=True)] = ""
    labels: Annotated[dict[str, str], doc("Labels its pods have.")] = field(default_factory=dict)
    traffic_policy: Annotated[TrafficPolicy | None, doc("Policy of the subset.")] = None


class DestinationRuleSpec(ProtoStruct, frozen=True, kw_only=True):
    """Which host, and how it is talked to."""

    host: Annotated[
        str, doc("Host in the registry; a name without a dot means this namespace.", required=True)
    ] = ""
    traffic_policy: Annotated[TrafficPolicy | None, doc("Policy of the host.")] = None
    subsets: Annotated[tuple[Subset, ...], doc("Named parts.")] = ()
    export_to: Annotated[
        tuple[str, ...], doc("Namespaces that see it: `*` (default), `.`, names.")
    ] = ()
    workload_selector: Annotated[
        WorkloadSelector | None, doc("Only for these client pods of its namespace.")
    ] = None


class DestinationRule(ProtoObject, frozen=True, kw_only=True):
    """Decides how a host is talked to, once a route has chosen it."""

    spec: Annotated[DestinationRuleSpec, doc("Host and policy.")] = DestinationRuleSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()
