"""What a Sidecar lets its proxies know of the mesh: services, VirtualServices, and where everything
else goes. Pure."""

from collections.abc import Iterable

from lateen.compiler.frontend.registry import hosts, protocols
from lateen.compiler.ir.value import Value
from lateen.compiler.ir.workload import Protocol, Service
from lateen.model.istio import networking_proxy
from lateen.model.meta import Source

ANY = "*"
_EXCLUDED = "~"
UNIX = "unix://"


class Pattern(Value, frozen=True, kw_only=True):
    """One written host: which namespaces' services, by which names."""

    namespace: str
    """`*` for every namespace."""
    host: str

    def covers(self, namespace: str, host: str) -> bool:
        """Whether it takes in every name that a host of a namespace stands for."""
        return self.namespace in (ANY, namespace) and hosts.covers(self.host, host)

    def meets(self, namespace: str, host: str) -> bool:
        """Whether it has a name in common with a host of a namespace."""
        there = self.namespace in (ANY, namespace)
        return there and hosts.intersect(self.host, host) is not None


class Patterns(Value, frozen=True, kw_only=True):
    """The hosts of an entry, filed so that a mesh of thousands is looked through once: names that
    are written out are found, only wildcards are tried."""

    every: tuple[Pattern, ...]
    exact: frozenset[tuple[str, str]]
    wide: tuple[Pattern, ...]

    @classmethod
    def of(cls, every: Iterable[Pattern]) -> "Patterns":
        """Return written hosts, filed."""
        listed = tuple(every)
        return cls(
            every=listed,
            exact=frozenset((p.namespace, p.host) for p in listed if not _is_wide(p)),
            wide=tuple(filter(_is_wide, listed)),
        )

    def covers(self, namespace: str, host: str) -> bool:
        """Whether one of them covers a host of a namespace."""
        if self.exact and ((namespace, host) in self.exact or (ANY, host) in self.exact):
            return True
        return any(one.covers(namespace, host) for one in self.wide)

    def meets(self, namespace: str, host: str) -> bool:
        """Whether one of them has a name in common with a host of a namespace."""
        if not hosts.is_wildcard(host):
            return self.covers(namespace, host)
        return any(one.meets(namespace, host) for one in self.every)


def _is_wide(pattern: Pattern) -> bool:
    return hosts.is_wildcard(pattern.host)


class EgressListener(Value, frozen=True, kw_only=True):
    """One entry of `egress`. Without a port (0) it is for all ports that no entry before it has."""

    port: int
    included: Patterns
    excluded: Patterns
    source: Source
    protocol: Protocol = Protocol.AUTO
    """What is spoken on its port, whatever the services there say."""
    bind: str = ""
    """The address that its listener has; empty: those of the services."""
    bound: bool = False
    """Whether its listener has a socket of its own (captureMode NONE)."""

    def admits(self, namespace: str, hostname: str) -> bool:
        """Whether it imports a service. What is excluded is, whatever includes it."""
        if self.excluded.covers(namespace, hostname):
            return False
        return self.included.covers(namespace, hostname)

    def admits_rules(self, namespace: str, written: Iterable[str]) -> bool:
        """Whether it imports a VirtualService of a namespace. One of its hosts is enough, and that
        may be wider or narrower than what is imported."""
        return any(
            self.included.meets(namespace, host) and not self.excluded.covers(namespace, host)
            for host in written
        )


class Imports(Value, frozen=True, kw_only=True):
    """A Sidecar as clients of one namespace are subject to it."""

    listeners: tuple[EgressListener, ...]
    allow_any: bool | None = None
    """Whether traffic to unknown hosts passes; None: as the mesh says."""
    proxy: tuple[str, str, int] | None = None
    """Host, subset and port of the service that carries that traffic."""

    def admits(self, namespace: str, hostname: str) -> bool:
        """Whether any entry imports a service."""
        return any(one.admits(namespace, hostname) for one in self.listeners)

    def serving(self, service: Service) -> dict[int, int]:
        """Return by port of a service the place of the entry that makes its listener and routes.

        An entry with a port has that port to itself: services that later entries import are not
        served there.
        """
        found: dict[int, int] = {}
        locked: set[int] = set()
        for place, one in enumerate(self.listeners):
            admitted = one.admits(service.namespace, service.hostname)
            if one.port:
                if admitted and one.port not in locked and service.port(one.port) is not None:
                    found[one.port] = place
                locked.add(one.port)
            elif admitted:
                for port in service.ports:
                    if port.number not in locked:
                        found.setdefault(port.number, place)
        return found

    def reaching(self, service: Service) -> frozenset[int]:
        """Return the ports of a service that have clusters: an entry without a port brings all."""
        found: set[int] = set()
        for one in self.listeners:
            if one.admits(service.namespace, service.hostname):
                numbers = {port.number for port in service.ports}
                found |= numbers & {one.port} if one.port > 0 else numbers
        return frozenset(found)

    @property
    def sockets(self) -> dict[int, tuple[str, bool]]:
        """The address of the listener of each port that an entry gives one, and whether it has a
        socket of its own: the first entry that names the port decides."""
        found: dict[int, tuple[str, bool]] = {}
        for one in self.listeners:
            if one.port:
                found.setdefault(one.port, (one.bind, one.bound))
        return {port: socket for port, socket in found.items() if socket[0]}

    def at(self, port: int) -> int | None:
        """Return the place of the entry whose routes are served on a port: the first that names it,
        else the one without a port."""
        places = range(len(self.listeners))
        named = [place for place in places if self.listeners[place].port == port]
        open_ = [place for place in places if not self.listeners[place].port]
        return next(iter((*named, *open_)), None)


def translate(obj: networking_proxy.Sidecar, namespace: str, source: Source) -> Imports:
    """Return a Sidecar as it concerns clients of a namespace, which `.` stands for."""
    spec = obj.spec
    listeners = tuple(
        _listener(one, namespace, source.at(f"spec.egress[{index}]"))
        for index, one in enumerate(spec.egress)
    )
    policy = spec.outbound_traffic_policy
    carrier = policy.egress_proxy if policy is not None else None
    proxy = None
    if policy is not None and policy.mode == "ALLOW_ANY" and carrier is not None:
        number = carrier.port.number if carrier.port is not None else 0
        proxy = (carrier.host, carrier.subset, number)
    return Imports(
        listeners=listeners or (_everything(source),),
        allow_any=policy.mode == "ALLOW_ANY" if policy is not None else None,
        proxy=proxy,
    )


def _everything(source: Source) -> EgressListener:
    every = Pattern(namespace=ANY, host=ANY)
    return EgressListener(
        port=0, included=Patterns.of((every,)), excluded=Patterns.of(()), source=source
    )


def _listener(
    written: networking_proxy.IstioEgressListener, namespace: str, source: Source
) -> EgressListener:
    included: list[Pattern] = []
    excluded: list[Pattern] = []
    for text in written.hosts:
        owner, slash, host = text.partition("/")
        if not slash or "/" in host:
            continue
        out = owner.startswith(_EXCLUDED)
        owner = owner.removeprefix(_EXCLUDED) or ANY
        pattern = Pattern(namespace=namespace if owner == "." else owner, host=host.lower())
        (excluded if out else included).append(pattern)
    return EgressListener(
        port=_port(written),
        included=Patterns.of(included),
        excluded=Patterns.of(excluded),
        source=source,
        protocol=protocols.named(written.port.protocol if written.port is not None else ""),
        bind=_address(written),
        bound=_opens(written),
    )


LOOPBACK = "127.0.0.1"
_BY_PATH = -1
"""The port of an entry whose socket has a path: no service has it, and it brings all clusters."""


def _port(written: networking_proxy.IstioEgressListener) -> int:
    if written.bind.startswith(UNIX):
        return _BY_PATH
    return written.port.number if written.port is not None else 0


def _opens(written: networking_proxy.IstioEgressListener) -> bool:
    return written.capture_mode == "NONE" and written.port is not None


def _address(written: networking_proxy.IstioEgressListener) -> str:
    """Return the address of an entry's listener: the one that is written; without one, loopback
    where applications are to dial it. Entries without a port follow the services."""
    if written.port is None or written.bind.startswith(UNIX):
        return ""
    return written.bind or (LOOPBACK if _opens(written) else "")
