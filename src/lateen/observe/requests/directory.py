"""Who is at an address, and what the compiled views say about a connection. Pure.

The rules are not told again here: the answers are read from the values that the proxies'
configuration was made from, each with the manifest field that decided it.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from lateen.compiler.ir.policy import SYSTEM_ROOTS, ClientTls, TlsMode
from lateen.compiler.ir.proxy import OutboundCluster, ProxyKind, ProxyView
from lateen.compiler.ir.routing import Route, VirtualHost
from lateen.compiler.ir.workload import Endpoint, Mode, MtlsMode
from lateen.model.meta import Source
from lateen.model.snapshot import Snapshot
from lateen.observe.ends import HOST, host_end


class Party(msgspec.Struct, frozen=True):
    """One end of a leg. `role` is `host`, `client`, `app`, `sidecar`, `gateway`, `service` or
    `outside`; `name` is `namespace/pod` for the middle four."""

    role: str
    name: str
    identity: str = ""

    def as_app(self) -> "Party":
        """The application of the same pod."""
        return Party("app", self.name, self.identity)


class Directory(msgspec.Struct, frozen=True):
    """Who has which address. `proxies` maps `namespace/pod` to the proxy's role."""

    pods: Mapping[str, str]
    """Pod address to `namespace/pod`."""
    proxies: Mapping[str, str]
    identities: Mapping[str, str]
    services: Mapping[str, str]
    """Cluster and load balancer address to `namespace/service`."""
    backed: Mapping[str, tuple[str, ...]]
    """`namespace/service` to the pods behind it."""
    hosts: frozenset[str] = frozenset()
    """Addresses of the machine outside the pods, as they see it."""

    def party(self, address: str) -> Party:
        """Return who answers at `IP:port`: a pod's proxy where it has one."""
        host = address.rpartition(":")[0]
        pod = self.pods.get(host)
        if pod is not None:
            return self.pod(pod)
        if host in self.hosts:
            return Party(HOST, HOST)
        service = self.services.get(host)
        return Party("service", service) if service else Party("outside", address)

    def pod(self, pod: str) -> Party:
        """Return what answers for a pod: its gateway or sidecar, or the application."""
        return Party(self.proxies.get(pod, "app"), pod, self.identities.get(pod, ""))

    def address(self, pod: str) -> str:
        """Return a pod's address, empty if it has none."""
        return next((host for host, known in self.pods.items() if known == pod), "")

    def logs(self, address: str) -> bool:
        """Whether a proxy stands at an address, or may stand behind it, that would log."""
        party = self.party(address)
        if party.role == "service":
            return any(pod in self.proxies for pod in self.backed.get(party.name, ()))
        return party.name in self.proxies


def directory(snapshot: Snapshot, views: Mapping[str, ProxyView]) -> Directory:
    """Build the directory of one compiled state."""
    pods = {
        pod.status.pod_ip: f"{namespace}/{name}"
        for (namespace, name), pod in snapshot.pods.items()
        if pod.status.pod_ip and not pod.metadata.deletion_timestamp
    }
    services: dict[str, str] = {}
    hosts = {pod.status.host_ip for pod in snapshot.pods.values() if pod.status.host_ip}
    backed: dict[str, tuple[str, ...]] = {}
    for (namespace, name), service in snapshot.services.items():
        key = f"{namespace}/{name}"
        balancer = service.status.load_balancer
        addresses = [*service.spec.cluster_ips, service.spec.cluster_ip]
        outside = [i.ip for i in balancer.ingress if i.ip] if balancer else []
        addresses += outside
        hosts.update(map(host_end, outside))
        services.update({each: key for each in addresses if each and each != "None"})
        if service.spec.selector:
            found = snapshot.matching("pods", namespace, service.spec.selector)
            backed[key] = tuple(f"{namespace}/{pod.metadata.name}" for pod in found)
    return Directory(
        pods=pods,
        proxies={proxy: role(view) for proxy, view in views.items()},
        identities={proxy: view.node.identity for proxy, view in views.items()},
        services=services,
        backed=backed,
        hosts=frozenset(hosts),
    )


def role(view: ProxyView) -> str:
    """Return what a proxy is, `gateway` or `sidecar`."""
    return "gateway" if view.node.kind is ProxyKind.ROUTER else "sidecar"


class TlsChoice(msgspec.Struct, frozen=True):
    """What a client's proxy was told to do towards a server, and by which fields.

    `tls` is `none`, `tls` or `mtls`; `why` completes the sentence `because …`.
    """

    tls: str
    why: str
    sources: tuple[Source, ...] = ()


Wanted = Callable[[Source], str]
"""The mode that a DestinationRule's `tls` block is written with; empty where that is not known."""


def _as_compiled(_: Source) -> str:
    return ""


class Acceptance(msgspec.Struct, frozen=True):
    """What a server's sidecar accepts on a port: `STRICT`, `PERMISSIVE` or `DISABLE`."""

    mode: str
    source: Source | None = None


def cluster(view: ProxyView, name: str) -> OutboundCluster | None:
    """Return a proxy's outbound cluster by Envoy's name."""
    return next((c for c in clusters(view) if c.name == name), None)


def clusters(view: ProxyView) -> tuple[OutboundCluster, ...]:
    """Return a proxy's outbound clusters."""
    side = view.gateway or view.outbound
    return side.clusters if side else ()


def route(view: ProxyView, source: str) -> Route | None:
    """Return a proxy's route by the field that made it; None where no field did."""
    side = view.gateway or view.outbound
    for table in side.tables if side and source else ():
        for host in table.hosts:
            for found in host.routes:
                if str(found.source) == source:
                    return found
    return None


def virtual_host(view: ProxyView, port: int, host: str) -> VirtualHost | None:
    """Return the virtual host that a gateway looks a Host up in, on a port of its own: an exact
    name comes before the longest wildcard, that before `*` (Envoy's order)."""
    gateway = view.gateway
    tables = {
        chain.route_table
        for listener in (gateway.listeners if gateway is not None else ())
        for chain in (listener.chains if listener.port == port else ())
    }
    found: list[tuple[int, VirtualHost]] = []
    for table in gateway.tables if gateway is not None else ():
        for each in table.hosts if table.name in tables else ():
            found += [(fit, each) for d in each.domains if (fit := _fit(d, host))]
    return max(found, key=lambda item: item[0])[1] if found else None


def _fit(domain: str, host: str) -> int:
    """How well a domain fits a Host, 0 for not at all."""
    if domain == host:
        return 1 << 16
    if domain == "*":
        return 1
    return len(domain) if domain.startswith("*") and host.endswith(domain[1:]) else 0


def servers(view: ProxyView, port: int) -> dict[Source, tuple[str, ...]]:
    """Return the servers of a gateway's port, each with the TLS names that it is for."""
    gateway = view.gateway
    return {
        chain.source: chain.sni
        for listener in (gateway.listeners if gateway is not None else ())
        for chain in (listener.chains if listener.port == port else ())
    }


def limits(view: ProxyView, name: str) -> Source | None:
    """Return the field that limits a cluster's connections and requests; None if none does."""
    found = cluster(view, name)
    pool = found.policy.connection_pool if found is not None else None
    return pool.source if pool is not None else None


def endpoint(view: ProxyView, name: str, address: str) -> tuple[Endpoint, bool] | None:
    """Return a cluster's endpoint at `IP:port` and whether it is marked for mutual TLS."""
    side = view.gateway or view.outbound
    for load in side.endpoints if side else ():
        if load.cluster == name:
            for found, marked in zip(load.endpoints, load.mtls, strict=True):
                if f"{found.address}:{found.port}" == address:
                    return found, marked
    return None


def routed(view: ProxyView, source: str) -> tuple[Source, ...]:
    """Return the fields that name the destinations of a route (known by its own source), and
    those that define them where they exist."""
    made = route(view, source)
    found: list[Source] = []
    for destination in made.destinations if made is not None else ():
        defined = cluster(view, destination.cluster)
        named = (destination.source, defined.source if defined else None)
        found += [each for each in named if each is not None]
    return tuple(dict.fromkeys(found))


def choice(
    view: ProxyView, name: str, address: str, wanted: Wanted = _as_compiled
) -> TlsChoice | None:
    """Return what a client's proxy does on the way to an endpoint of a cluster, and why.

    None for clusters that are no service's (pass-through, the inbound ones). `wanted` tells the
    mode that a `tls` block is written with.
    """
    found = cluster(view, name)
    if found is None:
        return None
    if found.policy.tls is not None:
        return _by_rule(found.policy.tls, wanted)
    if not found.auto_mtls:
        why = "automatic mutual TLS does not apply to this service"
        if not view.settings.auto_mtls:
            why = "automatic mutual TLS is switched off in the mesh config"
        elif found.service.external:
            why = "the service is outside the mesh"
        elif found.keeps_destination(view.node.kind):
            why = "of the service's endpoints, which it must treat alike, not every one takes it"
        return TlsChoice("none", why)
    at = endpoint(view, name, address)
    if at is None and found.keeps_destination(view.node.kind):
        return TlsChoice(
            "mtls",
            "automatic mutual TLS applies to all pods of this service together: each has a sidecar",
        )
    if at is None:
        return TlsChoice("none", "this proxy knows no endpoint with mutual TLS at that address")
    rule = found.policy.rule
    return _automatic(*at, (rule,) if rule is not None else ())


def _by_rule(tls: ClientTls, wanted: Wanted) -> TlsChoice:
    mode = tls.mode.value
    written = wanted(tls.source) or mode
    if tls.mode is TlsMode.DISABLE and written != mode:
        why = (
            f"a DestinationRule sets TLS mode {written} for it with settings that its proxy cannot "
            "use, and then Istio sends plaintext"
        )
        return TlsChoice("none", why, (tls.source,))
    why = f"a DestinationRule sets TLS mode {mode} for it"
    if tls.mode is TlsMode.DISABLE:
        return TlsChoice("none", why, (tls.source,))
    if tls.ca == SYSTEM_ROOTS and not tls.insecure_skip_verify:
        why += ", which since Istio 1.21 verifies the server against the machine's own roots"
    elif not tls.ca and tls.mode is not TlsMode.ISTIO_MUTUAL:
        why += ", which verifies nothing: the server may be anybody"
    with_certificate = tls.mode is TlsMode.ISTIO_MUTUAL or bool(tls.certificate)
    return TlsChoice("mtls" if with_certificate else "tls", why, (tls.source,))


def _automatic(at: Endpoint, marked: bool, rule: tuple[Source, ...]) -> TlsChoice:
    sources = (at.mode_source,) if at.mode_source is not None else ()
    if marked:
        accepts = f"its server accepts it ({at.mode.value})"
        return TlsChoice("mtls", f"automatic mutual TLS applies: {accepts}", sources)
    if at.sidecar and at.mode is not MtlsMode.DISABLE:
        why = "the DestinationRule's TLS mode around the port's settings stays for its endpoints"
        return TlsChoice("none", why, rule)
    if not at.sidecar:
        return TlsChoice(
            "none", "its server has no sidecar, so automatic mutual TLS leaves it alone"
        )
    return TlsChoice("none", f"its server's PeerAuthentication mode is {at.mode.value}", sources)


def accepts(view: ProxyView, port: int) -> Acceptance | None:
    """Return what a server's sidecar accepts on a workload port; None for a gateway."""
    if view.inbound is None:
        return None
    modes: Iterable[tuple[int, Mode]] = (
        *((p.port, p.mode) for p in view.inbound.ports),
        *((p.port, p.mode) for p in view.inbound.port_modes),
    )
    mode = next((mode for number, mode in modes if number == port), view.inbound.mode)
    return Acceptance(mode.mode.value, mode.source)
