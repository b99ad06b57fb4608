"""Gateway servers: which a proxy opens, on which ports, and how they merge. Pure."""

from collections.abc import Callable, Iterable
from enum import Enum

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.origin import LISTENER_MARK, Origin
from lateen.compiler.frontend.registry import hosts, protocols
from lateen.compiler.ir.policy import TlsMode
from lateen.compiler.ir.proxy import ServerTls
from lateen.compiler.ir.value import Value
from lateen.compiler.ir.workload import Protocol
from lateen.model import ciphers
from lateen.model.istio import networking
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.schema.objectmeta import ObjectMeta

ANYWHERE = "0.0.0.0"

ANY_NAMESPACE = "*"

_TERMINATING = (TlsMode.SIMPLE, TlsMode.MUTUAL, TlsMode.ISTIO_MUTUAL, TlsMode.OPTIONAL_MUTUAL)
_CHECKING = (TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL)


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Where a VirtualService attaches to gateways: all that decides which hosts it serves, and
    nothing of what it does there, so that a changed route leaves it equal."""

    metadata: ObjectMeta
    """Name, namespace and age only."""
    gateways: tuple[str, ...]
    hosts: tuple[str, ...]
    export_to: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Return the VirtualService's namespace and name."""
        return self.metadata.namespace, self.metadata.name


class Kind(Enum):
    """What a server does with a connection."""

    HTTP = "plaintext HTTP"
    HTTPS = "HTTP over TLS that ends here"
    TLS = "bytes over TLS that ends here"
    PASSTHROUGH = "TLS passed on by SNI"
    TO_SERVICES = "Istio mTLS passed on to the Service that its SNI names"
    TCP = "bytes"


class BoundServer(msgspec.Struct, frozen=True, kw_only=True):
    """One server of a Gateway on one port of the proxy."""

    gateway: str
    """`namespace/name`."""
    kind: Kind
    bind: str
    port: int
    """Port bound in the pod."""
    number: int
    """Port as the Gateway writes it: what routes match."""
    port_name: str
    hosts: tuple[tuple[str, str], ...]
    """(namespace or `*`, host)."""
    source: Source
    protocol: Protocol
    tls: ServerTls | None = None
    redirect: bool = False

    @property
    def label(self) -> str:
        """Return how messages name it."""
        owner, made, listener = self.gateway.partition(LISTENER_MARK)
        return f"{owner}:{listener if made else self.port_name or self.number}"

    @property
    def table(self) -> str:
        """Return the name of its route table, if it has one."""
        bind = "" if self.bind == ANYWHERE else f".{self.bind}"
        if self.kind is Kind.HTTP:
            return f"http.{self.port}{bind}"
        if self.kind is Kind.HTTPS:
            namespace, _, name = self.gateway.partition("/")
            return f"https.{self.number}.{self.port_name}.{name}.{namespace}{bind}"
        return ""

    @property
    def sni(self) -> tuple[str, ...]:
        """Return the server names of its filter chain; empty for every name."""
        names = tuple(dict.fromkeys(host for _, host in self.hosts))
        return () if "*" in names else names


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """The servers that share one bind and port: all plaintext HTTP, or one chain each."""

    bind: str
    port: int
    servers: tuple[BoundServer, ...]


class HostPlan(Value, frozen=True, kw_only=True):
    """Which VirtualServices make a virtual host of a gateway table, in order."""

    host: str
    number: int
    require_tls: bool
    parts: tuple[tuple[str, int, str, str], ...]
    """(gateway, server port, namespace, name)."""


Ports = Callable[[int], tuple[int, ...]]
"""Gateway port -> ports bound in the pod (the targetPorts of the proxy's Services)."""


def bound_servers(
    gateways: Iterable[networking.Gateway], namespace: str, labels: dict[str, str], ports: Ports
) -> tuple[tuple[BoundServer, ...], tuple[Diagnostic, ...]]:
    """Return the servers of every Gateway that selects a proxy, oldest Gateway first, and why
    others cannot be opened. An empty selector selects every gateway proxy. What was made of the
    Gateway API's objects is for proxies of its own namespace alone."""
    found: list[BoundServer] = []
    refused: list[Diagnostic] = []
    for obj in gateways:
        if not precedence.selects(obj.spec.selector, labels):
            continue
        if isinstance(obj.metadata, Origin) and obj.metadata.served_namespace != namespace:
            continue
        for index, server in enumerate(obj.spec.servers):
            source = precedence.source("Gateway", obj, f"spec.servers[{index}]")
            obstacle = _obstacle(server, source)
            if obstacle is not None:
                refused.append(obstacle)
                continue
            number = server.port.number if server.port is not None else 0
            found += [_bound(obj, server, source, port) for port in ports(number)]
    return tuple(found), tuple(refused)


def merge(
    servers: Iterable[BoundServer],
) -> tuple[tuple[Merged, ...], tuple[Diagnostic, ...]]:
    """Merge servers that share a bind and port.

    The first decides whether it is a plaintext HTTP port; later servers of the other sort are
    dropped, and so, whole, is a TLS server any of whose hosts is taken.
    """
    groups: dict[tuple[str, int], list[BoundServer]] = {}
    refused: list[Diagnostic] = []
    for server in servers:
        group = groups.setdefault((server.bind, server.port), [])
        clash = _clash(group, server)
        if clash is not None:
            refused.append(clash)
        else:
            group.append(server)
    merged = (Merged(bind=b, port=p, servers=tuple(g)) for (b, p), g in groups.items())
    return tuple(sorted(merged, key=lambda m: (m.port, m.bind))), tuple(refused)


def plan(
    servers: Iterable[BoundServer], bound: Callable[[str], Iterable[Binding]], namespace: str
) -> tuple[HostPlan, ...]:
    """Return the virtual hosts of one route table, in server order, then by age.

    `bound` gives the bindings to a Gateway, oldest first; `namespace` is the proxy's, to which a
    VirtualService must be exported. Where host patterns overlap the narrower is served. A server
    that redirects to https does so for all its hosts, even without a VirtualService.
    """
    parts: dict[str, dict[tuple[str, int, str, str], None]] = {}
    numbers: dict[str, int] = {}
    redirected: set[str] = set()
    for server in servers:
        served = _served(server, bound(server.gateway), namespace)
        for host, key in served:
            parts.setdefault(host, {})[(server.gateway, server.number, *key)] = None
            numbers.setdefault(host, server.number)
            if server.redirect:
                redirected.add(host)
        if server.redirect:
            for _, host in server.hosts:
                parts.setdefault(host, {})
                numbers.setdefault(host, server.number)
                redirected.add(host)
    return tuple(
        HostPlan(
            host=host,
            number=numbers[host],
            require_tls=host in redirected,
            parts=tuple(contributions),
        )
        for host, contributions in parts.items()
    )


def attaches(server: BoundServer, binding: Binding) -> tuple[str, ...]:
    """Return the hosts under which a VirtualService is served by a server."""
    found: dict[str, None] = {}
    for namespace, pattern in server.hosts:
        if namespace not in (ANY_NAMESPACE, binding.metadata.namespace):
            continue
        for host in binding.hosts:
            narrower = hosts.intersect(pattern, host)
            if narrower is not None:
                found[narrower] = None
    return tuple(found)


def admits(gateway: networking.Gateway, namespace: str, host: str) -> bool:
    """Whether a VirtualService of a namespace is served under a host, or some of it, by a server of
    a Gateway."""
    own = gateway.metadata.namespace
    written = (_host(each, own) for server in gateway.spec.servers for each in server.hosts)
    return any(
        owner in (ANY_NAMESPACE, namespace) and hosts.intersect(pattern, host) is not None
        for owner, pattern in written
    )


def _served(
    server: BoundServer, bindings: Iterable[Binding], namespace: str
) -> Iterable[tuple[str, tuple[str, str]]]:
    for binding in bindings:
        if precedence.exported(binding.export_to, binding.metadata.namespace, namespace):
            for host in attaches(server, binding):
                yield host, binding.key


def _clash(group: list[BoundServer], server: BoundServer) -> Diagnostic | None:
    if not group:
        return None
    first, http = group[0], server.kind is Kind.HTTP
    both_bytes = server.kind is Kind.TCP and any(o.kind is Kind.TCP for o in group)
    if (first.kind is Kind.HTTP) != http or both_bytes:
        return make(
            "LTN0020",
            server.source,
            server=server.label,
            port=server.number,
            other=first.source,
            protocol=first.kind.value,
        )
    if http or server.kind is Kind.TCP:
        return None
    for other in group:
        taken = {host for _, host in other.hosts}
        shared = sorted(host for _, host in server.hosts if host in taken)
        if shared and other.kind is not Kind.TCP:
            return make(
                "LTN0021",
                server.source,
                server=server.label,
                port=server.number,
                other=other.source,
                host=shared[0],
            )
    return None


def _obstacle(server: networking.Server, source: Source) -> Diagnostic | None:
    """Return why a server cannot be opened at all, if so."""
    if server.port is None or not server.port.number:
        return make("IST0106", source.at("port"), detail="the server has no port number")
    mode = _mode(server)
    if not _is_tls(server) or server.tls is None:
        return None
    needs = mode in _TERMINATING and mode is not TlsMode.ISTIO_MUTUAL
    if needs and not _certificates(server.tls):
        detail = f"TLS mode {mode.value} needs a certificate: set credentialName"
        return make("IST0106", source.at("tls"), detail=detail)
    return None


def _bound(
    obj: networking.Gateway, server: networking.Server, source: Source, port: int
) -> BoundServer:
    namespace = obj.metadata.namespace
    number = server.port.number if server.port is not None else 0
    name = server.port.name if server.port is not None else ""
    kind = _kind(server)
    return BoundServer(
        gateway=f"{namespace}/{obj.metadata.name}",
        kind=kind,
        bind=server.bind or ANYWHERE,
        port=port,
        number=number,
        port_name=name,
        hosts=tuple(dict.fromkeys(_host(written, namespace) for written in server.hosts)),
        source=source,
        protocol=protocols.named(server.port.protocol if server.port is not None else ""),
        tls=server_tls(server.tls, translated=isinstance(obj.metadata, Origin))
        if server.tls is not None and kind in (Kind.HTTPS, Kind.TLS)
        else None,
        redirect=kind is Kind.HTTP and server.tls is not None and server.tls.https_redirect,
    )


def _host(written: str, namespace: str) -> tuple[str, str]:
    owner, slash, host = written.partition("/")
    if not slash:
        return ANY_NAMESPACE, written.lower()
    return (namespace if owner == "." else owner), host.lower()


def _is_tls(server: networking.Server) -> bool:
    return server.port is not None and protocols.named(server.port.protocol).is_tls


def _mode(server: networking.Server) -> TlsMode:
    written = server.tls.mode if server.tls is not None else ""
    return TlsMode(written or "PASSTHROUGH")


def _kind(server: networking.Server) -> Kind:
    protocol = protocols.named(server.port.protocol if server.port is not None else "")
    if protocol.is_http:
        return Kind.HTTP
    if not protocol.is_tls:
        return Kind.TCP
    if _mode(server) is TlsMode.AUTO_PASSTHROUGH:
        return Kind.TO_SERVICES
    if _mode(server) not in _TERMINATING:
        return Kind.PASSTHROUGH
    return Kind.HTTPS if protocol is protocols.named("HTTPS") else Kind.TLS


def server_tls(tls: networking.ServerTLSSettings, *, translated: bool = False) -> ServerTls:
    """Return how a server ends TLS, with SDS resource names for its certificates. `translated`: it
    was made of a Gateway API listener, whose names say their namespace, as was granted; a name
    that a user wrote never leaves the proxy's own."""
    mode = TlsMode(tls.mode or "PASSTHROUGH")
    if mode is TlsMode.ISTIO_MUTUAL:
        return ServerTls(
            mode=mode, secrets=("default",), ca="ROOTCA", sans=tuple(tls.subject_alt_names)
        )
    minimum, maximum = tls.min_protocol_version, tls.max_protocol_version
    return ServerTls(
        mode=mode,
        secrets=_certificates(tls, translated=translated),
        ca=_authority(tls, translated=translated) if mode in _CHECKING else "",
        min_version="" if minimum == "TLS_AUTO" else minimum,
        max_version="" if maximum == "TLS_AUTO" else maximum,
        ciphers=tuple(c for c in dict.fromkeys(tls.cipher_suites) if c in ciphers.KNOWN),
        sans=tuple(tls.subject_alt_names),
        insecure_skip_verify=bool(tls.insecure_skip_verify),
        crl=tls.ca_crl,
        key_hashes=tuple(tls.verify_certificate_spki),
        certificate_hashes=tuple(tls.verify_certificate_hash),
        curves=tuple(tls.ecdh_curves),
    )


def _certificates(
    tls: networking.ServerTLSSettings, *, translated: bool = False
) -> tuple[str, ...]:
    for names in ((tls.credential_name,), tls.credential_names[:2]):
        if any(names):
            return tuple(_credential(name, translated=translated) for name in names)
    files = [(tls.server_certificate, tls.private_key)]
    files += [(c.server_certificate, c.private_key) for c in tls.tls_certificates[:2]]
    return tuple(f"file-cert:{cert}~{key}" for cert, key in files if cert and key)


def _credential(name: str, *, translated: bool) -> str:
    """Return the SDS resource's name; one that was made of a granted reference has it already."""
    return name if translated else f"kubernetes://{name}"


def _authority(tls: networking.ServerTLSSettings, *, translated: bool) -> str:
    """`caCertCredentialName` is asked for as it is written: only a name that ends in `-cacert` is
    answered with a CA."""
    if tls.ca_cert_credential_name:
        return _credential(tls.ca_cert_credential_name, translated=translated)
    name = tls.credential_name or next(iter(tls.credential_names), "")
    if name:
        return f"kubernetes://{name.removesuffix('-cacert')}-cacert"
    return f"file-root:{tls.ca_certificates}" if tls.ca_certificates else ""
