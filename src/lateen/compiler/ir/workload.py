"""Services, their ports and the endpoints behind them, in mesh terms. Pure."""

from lateen.compiler.ir.value import Choice, Value
from lateen.model.meta import Source

Labels = tuple[tuple[str, str], ...]


class Protocol(Choice):
    """A port's protocol as Istio classes it."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    MONGO = "Mongo"
    MYSQL = "MySQL"
    REDIS = "Redis"
    UDP = "UDP"
    AUTO = "UnsupportedProtocol"

    @property
    def is_http(self) -> bool:
        """Whether requests on it are routed as HTTP."""
        return self in _HTTP

    @property
    def is_http2(self) -> bool:
        """Whether the upstream must be spoken to in HTTP/2."""
        return self in _HTTP2

    @property
    def is_tls(self) -> bool:
        """Whether the application itself speaks TLS on it."""
        return self in _TLS

    @property
    def is_tcp(self) -> bool:
        """Whether it is forwarded as bytes (TLS included)."""
        return self in _TCP


# Looked up once: a member is found by way of its class only slowly, and clusters ask by thousands.
_HTTP2 = (Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)
_HTTP = (Protocol.HTTP, *_HTTP2)
_TLS = (Protocol.HTTPS, Protocol.TLS)
_TCP = (*_TLS, Protocol.TCP, Protocol.MONGO, Protocol.MYSQL, Protocol.REDIS)


class Resolution(Choice):
    """How a service's endpoints are found."""

    EDS = "EDS"
    """From EndpointSlices (ClusterIP, NodePort, LoadBalancer)."""
    PASSTHROUGH = "PASSTHROUGH"
    """A headless Service, or a ServiceEntry without endpoints: a sidecar keeps the original
    destination, a gateway uses EDS."""
    DNS = "DNS"
    """By name: every address that the name has."""
    DNS_ROUND_ROBIN = "DNS_ROUND_ROBIN"
    """By name: one address at a time."""
    DYNAMIC = "DYNAMIC_DNS"
    """By whatever name a request has, within a wildcard."""
    ALIAS = "ALIAS"
    """ExternalName: another name for a host, without a listener of its own."""

    @property
    def by_name(self) -> bool:
        """Whether the proxy itself asks DNS, so that its cluster holds the endpoints."""
        return self in _BY_NAME


_BY_NAME = (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)


class MtlsMode(Choice):
    """What a server accepts, after mesh, namespace, workload and port levels are resolved."""

    DISABLE = "DISABLE"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"


class Mode(Value, frozen=True, kw_only=True):
    """A resolved PeerAuthentication mode and the field that set it (none: Istio's default)."""

    mode: MtlsMode
    source: Source | None = None


class Port(Value, frozen=True, kw_only=True):
    """One port of a service. `target` is the workload's port: a number, or a named port."""

    number: int
    name: str
    protocol: Protocol
    target: int | str
    source: Source


class Service(Value, frozen=True, kw_only=True):
    """A host in the mesh's registry."""

    hostname: str
    name: str
    namespace: str
    resolution: Resolution
    vips: tuple[str, ...]
    """Its own addresses; those of a ServiceEntry may be networks."""
    ports: tuple[Port, ...]
    source: Source
    given: str = ""
    """The address that a ServiceEntry's host without one was given: of use to proxies that answer
    their pod's DNS, and unknown to all others."""
    created: str = ""
    """creationTimestamp: age decides precedence throughout Istio."""
    external: bool = False
    """MESH_EXTERNAL: never auto mTLS."""
    external_name: str = ""
    entry: bool = False
    """Whether a ServiceEntry declares it, not a Kubernetes Service."""
    joined: bool = False
    """Whether ServiceEntries for the same host add endpoints to a Kubernetes Service."""
    selector: Labels = ()
    export_to: tuple[str, ...] = ()
    """Namespaces whose sidecars may know it, as its annotation names them; empty: all."""
    near: tuple[str, ...] = ()
    """Labels in which clients prefer endpoints that are like themselves, the first counting most
    (`trafficDistribution`); empty: all endpoints are alike."""
    node_local: bool = False
    """Whether clients reach endpoints of their own node alone (`internalTrafficPolicy`)."""
    identities: tuple[str, ...] = ()
    """SPIFFE ids that its annotations claim for its endpoints, or names that a ServiceEntry says
    its servers have."""

    def port(self, number: int) -> Port | None:
        """Return the port of that number, or None."""
        for port in self.ports:
            if port.number == number:
                return port
        return None

    @property
    def headless(self) -> bool:
        """Whether clients dial its pods: a Kubernetes Service without an address."""
        return self.resolution is Resolution.PASSTHROUGH and not self.entry

    @property
    def key(self) -> tuple[str, str]:
        """Return the namespace that declares it, and its hostname."""
        return self.namespace, self.hostname


class Endpoint(Value, frozen=True, kw_only=True):
    """One address behind a service port."""

    address: str
    port: int
    labels: Labels = ()
    identity: str = ""
    """SPIFFE id (`spiffe://td/ns/NS/sa/SA`) of the pod, with a sidecar or not; empty if no pod
    stands behind the address."""
    sidecar: bool = False
    """Whether the workload carries `security.istio.io/tlsMode: istio`."""
    mode: MtlsMode = MtlsMode.PERMISSIVE
    """What the server accepts on this port: the full PeerAuthentication result."""
    mode_source: Source | None = None
    workload: str = ""
    """Owner's name (the Deployment), for metadata and logs."""
    namespace: str = ""
    pod: str = ""
    locality: str = ""
    """`region/zone/subzone`, empty if unknown."""
    node: str = ""
    """The node that it runs on; empty if it runs on none."""
    weight: int = 1
    canonical_name: str = ""
    canonical_revision: str = ""
