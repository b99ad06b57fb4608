"""ProxyView: everything one proxy's configuration is made from, and nothing else. Pure.

A view is the cache key of rendering: equal views share bytes. What many proxies have in common
(the outbound side of a namespace) is one shared value, so a change that does not touch it costs
nothing to find out.
"""

from lateen.compiler.ir.authz import Authorization, Authorizer
from lateen.compiler.ir.jwt import Authentication
from lateen.compiler.ir.patches import Patches
from lateen.compiler.ir.policy import ConnectionPool, RetryBudget, TlsMode, TrafficPolicy
from lateen.compiler.ir.routing import RouteTable, TcpRoute
from lateen.compiler.ir.telemetry import DEFAULT, Telemetry
from lateen.compiler.ir.value import Choice, Kept, Value
from lateen.compiler.ir.workload import Endpoint, Labels, Mode, Protocol, Resolution, Service
from lateen.model import wellknown
from lateen.model.identity import TRUST_DOMAIN
from lateen.model.meta import ObjectRef, Source


class ProxyKind(Choice):
    """The first part of Istio's node id."""

    SIDECAR = "sidecar"
    ROUTER = "router"


class Features(Value, frozen=True, kw_only=True):
    """What the chosen Istio version does: one field per row of the version table."""

    version: str
    """`1.17`, `1.32`: major.minor, or with a patch."""
    verify_upstream: bool = True
    """1.21: SIMPLE and MUTUAL without caCertificates verify against the system roots."""
    auto_sni: bool = True
    """1.21: SNI and SAN follow the request's Host when neither is set."""
    alpn_override_for_user_tls: bool = False
    """Before 1.19 the ALPN override also hit SIMPLE and MUTUAL clusters."""
    inbound_retry: bool = True
    """1.24: reset-before-request, twice, on inbound HTTP routes."""
    inbound_retry_of_grpc: bool = False
    """Before 1.26 on those of gRPC ports too."""
    none_target_port: bool = True
    """1.22: targetPort of a ServiceEntry of resolution NONE counts."""
    topology_locality_label: bool = True
    """1.29: the label `topology.istio.io/locality` says where a pod is, before `istio-locality`."""
    empty_selects_none: bool = True
    """1.18: a ServiceEntry's empty workloadSelector selects nothing; before, everything."""
    picks_best_namespace: bool = True
    """1.30: of a destination's host in several namespaces a Sidecar imports Kubernetes' first, then
    the oldest; before, that of the namespace that is first by name."""
    rule_exported_beside_home: bool = True
    """1.21: a DestinationRule exported to its own namespace and others is known to the others."""
    allocates_addresses: bool = True
    """1.25: hosts of ServiceEntries are given addresses; before, proxies have to ask for that."""
    node_local_services: bool = True
    """1.17: `internalTrafficPolicy: Local` leaves the endpoints of the client's node."""
    traffic_distribution: bool = True
    """1.25: `trafficDistribution` prefers near endpoints."""
    close_is_zone: bool = True
    """1.27: PreferClose goes by the zone alone; before, by the subzone too."""
    shadow_host_suffix: bool = False
    """Before 1.28 mirrored requests carry `-shadow` in their Host."""
    absolute_fqdn_domain: bool = True
    """1.27: virtual hosts also answer to `host.` with the trailing dot."""
    retry_503: bool = False
    """Before 1.24 the default retry policy also retried a 503."""
    auto_san: bool = True
    """1.21: with auto SNI the upstream's SAN is checked against the same Host."""
    insecure_skip_verify: bool = True
    """1.19: `insecureSkipVerify` has an effect."""
    external_name_alias: bool = True
    """1.21: an ExternalName service is another name for its target, not a cluster of its own."""
    wildcard_most_specific: bool = True
    """1.21: among overlapping wildcard hosts the most specific VirtualService wins, not the
    oldest."""
    catch_all_any_regex: bool = True
    """1.21: regex `.*` is a catch-all; before, only `*` was."""
    without_header_missing: bool = True
    """1.22: `withoutHeaders` also matches when the header is absent."""
    hash_retries_same_host: bool = True
    """1.23: with a consistent hash, retries may go to the host that failed."""
    retry_budget_of_a_fifth: bool = True
    """1.30: a retryBudget without percent allows 20 %; before, 0.2 %."""
    rule_merge_by_export: bool = True
    """1.24: DestinationRules for one host merge only if their exportTo agree."""
    lower_case_hosts: bool = True
    """1.27: VirtualService hosts are compared in lower case."""
    sidecar_ignore_port: bool = True
    """1.16: sidecars ignore the port in Host; before, another than the one dialed is unknown."""
    private_is_internal: bool = False
    """Before 1.25 clients with private addresses count as internal: `x-envoy-internal`, and their
    `x-envoy-*` headers are believed."""
    authz_path_templates: bool = True
    """1.22: `{*}` and `{**}` in an AuthorizationPolicy's paths stand for segments."""
    authz_service_accounts: bool = True
    """1.25: a source has `serviceAccounts`; before, the schema drops the field."""
    authz_trust_domains: bool = True
    """1.31: a source has `trustDomains`."""
    authz_target_ref: bool = True
    """1.20: policies have `targetRef`."""
    authz_target_refs: bool = True
    """1.22: policies have `targetRefs`."""
    authz_escapes_accounts: bool = True
    """1.30: a dot in `serviceAccounts` is a dot (CVE-2026-39350)."""
    authz_escapes_identities: bool = True
    """1.30: likewise in `namespaces` and in `principals` that begin with a star."""
    authz_custom_by_rule: bool = True
    """1.20: CUSTOM with an unknown provider refuses what its rules match; before, everything."""
    jwt_issuer_trims_slash: bool = True
    """1.19: a slash at the issuer's end is left out where its keys are looked for."""
    jwt_cookies: bool = True
    """1.21: tokens are taken from cookies too; before, the schema drops the field."""
    jwt_claim_lists: bool = True
    """1.28: a rule names further claims that are lists of words."""
    zipkin_by_default: bool = False
    """Before 1.22 a Zipkin tracer is there without being asked for: B3 headers."""


class AccessLog(Value, frozen=True, kw_only=True):
    """The mesh's access log: `encoding` TEXT or JSON, empty `format` for Istio's default."""

    enabled: bool = True
    encoding: str = "TEXT"
    format: str = ""


class MeshSettings(Value, frozen=True, kw_only=True):
    """Mesh-wide settings: Istio's MeshConfig, as far as it is modelled."""

    features: Features
    trust_domain: str = TRUST_DOMAIN
    trust_domain_aliases: tuple[str, ...] = ()
    root_namespace: str = "istio-system"
    domain: str = wellknown.CLUSTER_DOMAIN
    auto_mtls: bool = True
    allow_any: bool = True
    """outboundTrafficPolicy ALLOW_ANY; False is REGISTRY_ONLY."""
    access_log: AccessLog = AccessLog()
    service_export_to: tuple[str, ...] = ()
    """Who sees Services and ServiceEntries that say nothing of it; empty: everybody."""
    routes_export_to: tuple[str, ...] = ()
    """Likewise of VirtualServices."""
    rules_export_to: tuple[str, ...] = ()
    """Likewise of DestinationRules."""
    connect_timeout: float = 10.0
    trace_sampling: float = 1.0
    """Percent."""
    mesh_id: str = wellknown.CLUSTER_DOMAIN
    cluster_id: str = "Kubernetes"
    authorizers: tuple[Authorizer, ...] = ()
    """Providers of the mesh configuration that decide for AuthorizationPolicies of action
    CUSTOM."""
    key_log: str = ""
    """File in the proxy's container for the keys of every TLS connection; empty for none."""


class Node(Kept, frozen=True, kw_only=True):
    """Who the proxy is, and what it reports: all that its listeners do not share with others."""

    kind: ProxyKind
    pod: str
    namespace: str
    ip: str
    identity: str
    """`spiffe://td/ns/NS/sa/SA`."""
    labels: Labels = ()
    workload: str = ""
    peer_metadata: str = ""
    """Base64 of the protobuf Struct that Istio sends as x-envoy-peer-metadata."""
    telemetry: Telemetry = DEFAULT

    @property
    def id(self) -> str:
        """Istio's node id: `sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local`."""
        return (
            f"{self.kind.value}~{self.ip}~{self.pod}.{self.namespace}"
            f"~{self.namespace}.svc.cluster.local"
        )


def cluster_name(host: str, port: int, subset: str) -> str:
    """Return Istio's name of an outbound cluster: `outbound|8080|v1|reviews.default.svc.…`."""
    return f"outbound|{port}|{subset}|{host}"


def server_name(host: str, port: int, subset: str) -> str:
    """Return the name that clients of Istio mTLS ask for by SNI: `outbound_.8080_.v1_.reviews.…`.
    Gateways of mode AUTO_PASSTHROUGH have clusters of that name."""
    return f"outbound_.{port}_.{subset}_.{host}"


class OutboundCluster(Kept, frozen=True, kw_only=True):
    """One `outbound|port|subset|host` cluster, without its endpoints."""

    service: Service
    port: int
    protocol: Protocol
    subset: str
    policy: TrafficPolicy
    auto_mtls: bool
    """Whether to emit the tlsMode matchers."""
    sans: tuple[str, ...]
    """SPIFFE ids of the service's endpoints, sorted: the SAN list for Istio mTLS."""
    source: Source
    """The Service port, or the DestinationRule subset."""
    inline: "ClusterEndpoints | None" = None
    """Its endpoints, if it holds them itself: the names that the proxy resolves."""
    by_server_name: bool = False
    """Whether it is what a gateway passes TLS on to by the server's name."""

    @property
    def name(self) -> str:
        """Istio's cluster name."""
        if self.by_server_name:
            return self.sni
        return cluster_name(self.service.hostname, self.port, self.subset)

    @property
    def sni(self) -> str:
        """Istio's SNI for it, used by Istio mTLS."""
        return server_name(self.service.hostname, self.port, self.subset)

    def keeps_destination(self, kind: ProxyKind) -> bool:
        """Whether a proxy of that kind connects to the address that its client dialled.

        A sidecar does for headless services and balancing PASSTHROUGH; a gateway has no such
        address.
        """
        balancer = self.policy.load_balancer
        if kind is ProxyKind.ROUTER or self.service.resolution is Resolution.DYNAMIC:
            return False
        if balancer is not None and balancer.policy == "PASSTHROUGH":
            return True
        return self.service.resolution is Resolution.PASSTHROUGH


class ClusterEndpoints(Kept, frozen=True, kw_only=True):
    """EDS for one cluster. `mtls[i]` says whether endpoint i carries `tlsMode: istio`."""

    cluster: str
    endpoints: tuple[Endpoint, ...]
    mtls: tuple[bool, ...]
    priorities: tuple[int, ...] = ()
    """Of each endpoint, 0 first; empty: all 0."""
    shares: tuple[tuple[str, int], ...] = ()
    """Weight by locality; empty: that of its endpoints together."""


class HttpListener(Value, frozen=True, kw_only=True):
    """A sidecar's shared `0.0.0.0_<port>` listener, routed by RDS `route_table`."""

    port: int
    route_table: str
    bind: str = "0.0.0.0"
    elsewhere: "Elsewhere | None" = None
    """Where what it knows no service for goes, if not as the mesh says."""
    bound: bool = False
    """Whether it has a socket of its own; else connections come by capture."""
    resolves: str = ""
    """The wildcard within which requests' own names are resolved; empty: none is."""


class TcpListener(Kept, frozen=True, kw_only=True):
    """A sidecar's listener for a TCP service port (`bind` is a VIP or 0.0.0.0).

    `routes` are tried by SNI and CIDR, the last without either is the default. `sniffed` is
    the AUTO protocol: HTTP is found by inspection and routed by `route_table`.
    """

    bind: str
    port: int
    routes: tuple[TcpRoute, ...]
    source: Source
    sniffed: bool = False
    route_table: str = ""
    mongo: bool = False
    """Whether MongoDB's protocol is read, to be counted."""
    elsewhere: "Elsewhere | None" = None
    """Where what no route takes goes, if not as the mesh says."""
    bound: bool = False
    """Whether it has a socket of its own; else connections come by capture."""


class Elsewhere(Value, frozen=True, kw_only=True):
    """Where a sidecar sends what it knows no service for."""

    cluster: str
    """`PassthroughCluster`, a service's cluster that carries it on, or empty: nowhere."""


class Outbound(Kept, frozen=True, kw_only=True):
    """The outbound side that all sidecars of one scope share."""

    clusters: tuple[OutboundCluster, ...]
    endpoints: tuple[ClusterEndpoints, ...]
    http: tuple[HttpListener, ...]
    tcp: tuple[TcpListener, ...]
    tables: tuple[RouteTable, ...]
    elsewhere: Elsewhere | None = None
    """As a Sidecar says; None: as the mesh says."""


class InboundPort(Kept, frozen=True, kw_only=True):
    """A workload port that a Service targets."""

    port: int
    """The workload's (target) port."""
    protocol: Protocol
    mode: Mode
    service: Service
    service_port: int
    source: Source
    connection_pool: ConnectionPool | None = None
    retry_budget: RetryBudget | None = None
    rule: ObjectRef | None = None
    """The Sidecar that lists it, or the DestinationRule that clients in its own namespace obey."""
    endpoint: str = ""
    """Where the application listens, as a Sidecar says: `127.0.0.1:80`, the pod's address and a
    port, or `unix:///path`. Empty: the address that was dialled."""
    bind: str = ""
    """The address of a socket that the proxy has for it; empty: connections come by capture."""


class PortMode(Value, frozen=True, kw_only=True):
    """A `portLevelMtls` entry for a port that no Service targets."""

    port: int
    mode: Mode


class Inbound(Value, frozen=True, kw_only=True):
    """A sidecar's inbound side: its service ports ascending, and the rest by `mode`."""

    mode: Mode
    ports: tuple[InboundPort, ...] = ()
    port_modes: tuple[PortMode, ...] = ()


class ServerTls(Value, frozen=True, kw_only=True):
    """How a Gateway server terminates TLS. `secrets` and `ca` are SDS resource names."""

    mode: TlsMode
    secrets: tuple[str, ...]
    ca: str = ""
    min_version: str = ""
    """`TLSV1_2` …; empty is Envoy's default."""
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    sans: tuple[str, ...] = ()
    insecure_skip_verify: bool = False
    crl: str = ""
    """File of revoked certificates, as the proxy sees it."""
    key_hashes: tuple[str, ...] = ()
    """`verifyCertificateSpki`: base64 SHA-256 of accepted public keys."""
    certificate_hashes: tuple[str, ...] = ()
    """`verifyCertificateHash`: hex SHA-256 of accepted certificates."""
    curves: tuple[str, ...] = ()


class GatewayChain(Value, frozen=True, kw_only=True):
    """One filter chain of a gateway listener.

    Exactly one of `route_table` (HTTP) and `tcp` is set. `sni` empty matches every name.
    """

    sni: tuple[str, ...]
    source: Source
    """The Gateway server that asked for it."""
    tls: ServerTls | None = None
    route_table: str = ""
    tcp: tuple[TcpRoute, ...] = ()
    protocol: Protocol = Protocol.TCP
    """The server's: what is read of gRPC-Web and MongoDB depends on it."""
    mesh_only: bool = False
    """Whether it takes only what offers a protocol of Istio mTLS."""


class GatewayListener(Value, frozen=True, kw_only=True):
    """One `0.0.0.0_<port>` listener. Plaintext HTTP has a single chain without TLS."""

    bind: str
    port: int
    """The port bound in the pod: the Service's targetPort."""
    chains: tuple[GatewayChain, ...]
    numbers: tuple[int, ...] = ()
    """The ports that its Gateways' servers ask for, which a Service maps to this one."""

    @property
    def name(self) -> str:
        """Istio's listener name."""
        return f"{self.bind}_{self.port}"


class GatewayConfig(Kept, frozen=True, kw_only=True):
    """A router's whole traffic configuration."""

    listeners: tuple[GatewayListener, ...]
    tables: tuple[RouteTable, ...]
    clusters: tuple[OutboundCluster, ...]
    endpoints: tuple[ClusterEndpoints, ...]


class ProxyView(Kept, frozen=True, kw_only=True):
    """The whole input of one proxy's generation. A sidecar has inbound and outbound, a router
    has gateway."""

    node: Node
    settings: MeshSettings
    outbound: Outbound | None = None
    inbound: Inbound | None = None
    gateway: GatewayConfig | None = None
    authorization: Authorization | None = None
    authentication: Authentication | None = None
    patches: Patches | None = None
    sidecar: Source | None = None
    """The Sidecar that says what its clients know; None: none does."""
