"""Who goes first when a server comes to accept something else. Pure.

What a server accepts follows from its PeerAuthentication mode, and so does what its clients send;
each proxy learns of a changed mode at a moment of its own. Make before break, across proxies:

1. a server accepts what it did and what it will, before any client sends the new;
2. then its clients send the new, gateways first, a few at a time: a dozen proxies that take theirs
   at once hold each other up, and the requests that pass them;
3. the server refuses the old once no client sends it any more.

A turn is what may be published now. The next one comes when the proxies it waits for have answered.
"""

from collections.abc import Mapping, Set
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from lateen.compiler.ir.proxy import (
    ClusterEndpoints,
    Inbound,
    InboundPort,
    OutboundCluster,
    PortMode,
    ProxyView,
)
from lateen.compiler.ir.workload import Mode, MtlsMode

Changed = TypeVar("Changed", bound=msgspec.Struct)
Part = TypeVar("Part")

ABREAST = 2
"""How many clients may have had their turn without having answered."""


class Turn(msgspec.Struct, frozen=True):
    """What to publish now, by proxy, and who must answer before the rest may follow."""

    views: Mapping[str, ProxyView]
    opening: frozenset[str]
    """Servers that accept more than before and may not know it yet."""
    choosing: frozenset[str]
    """Clients that send something else than before and may not know it yet."""


def next_turn(
    sent: Mapping[str, ProxyView],
    wanted: Mapping[str, ProxyView],
    opening: Set[str],
    choosing: Set[str],
    abreast: int = ABREAST,
) -> Turn:
    """Return what may be published now.

    `wanted` has the newest view of each proxy that was sent another, `sent` the last view of every
    proxy. `opening` and `choosing` are those of the turns before that have not answered, `abreast`
    is how many clients may be among the latter. Views that
    hold nothing up are published in the first turn; an empty turn means that somebody must answer.
    """
    servers = {name: _between(sent.get(name), view) for name, view in wanted.items()}
    opened = {name for name, inbound in servers.items() if _opens(sent.get(name), inbound)}
    choice = _Choice()
    order = sorted(wanted, key=lambda name: wanted[name].gateway is None)
    anew = [name for name in order if choice.differs(sent.get(name), wanted[name])]
    opened |= opening
    room = 0 if opened else max(0, abreast - len(choosing))
    held, chose = set(anew[room:]), choosing | set(anew[:room])
    refusing = not opened and not chose and not held
    views = {}
    for name in order:
        last, view = sent.get(name), wanted[name]
        made = view if refusing else _with(view, inbound=servers[name])
        if last is not None and name in held:
            made = _with(made, outbound=last.outbound, gateway=last.gateway)
        if last is None or made is view or made != last:
            views[name] = made
    return Turn(views, frozenset(opened), frozenset(chose))


def widened(old: Inbound, new: Inbound) -> Inbound:
    """Return `new`, accepting at each port what `old` accepts there too."""
    mode = _both(old.mode, new.mode)
    ports = tuple([_with(p, mode=_both(mode_at(old, p.port), p.mode)) for p in new.ports])
    served = {port.port for port in ports}
    modes = {}
    for number in sorted(_listed(old) | _listed(new)):
        joined = _both(mode_at(old, number), mode_at(new, number))
        own = any(entry.port == number for entry in new.port_modes)
        if number not in served and (own or joined.mode is not mode.mode):
            modes[number] = joined
    port_modes = tuple([PortMode(port=number, mode=each) for number, each in modes.items()])
    made = replace(new, mode=mode, ports=ports, port_modes=port_modes)
    return next((known for known in (new, old) if made == known), made)


def mode_at(inbound: Inbound, port: int) -> Mode:
    """Return what counts for a port, listed or not."""
    return next((entry.mode for entry in _entries(inbound) if entry.port == port), inbound.mode)


def _listed(inbound: Inbound) -> set[int]:
    return {entry.port for entry in _entries(inbound)}


def _entries(inbound: Inbound) -> tuple[InboundPort | PortMode, ...]:
    return (*inbound.ports, *inbound.port_modes)


def _both(old: Mode, new: Mode) -> Mode:
    """Return the mode that accepts what either does; of two alike the new one."""
    if MtlsMode.PERMISSIVE is new.mode or old.mode is new.mode:
        return new
    if old.mode is MtlsMode.PERMISSIVE:
        return old
    return Mode(mode=MtlsMode.PERMISSIVE, source=new.source)


def _between(last: ProxyView | None, view: ProxyView) -> Inbound | None:
    old, new = last.inbound if last is not None else None, view.inbound
    return new if old is None or new is None or old is new else widened(old, new)


def _opens(last: ProxyView | None, now: Inbound | None) -> bool:
    """Whether a server accepts something now that it refused: `now` accepts no less than before."""
    old = last.inbound if last is not None else None
    if old is None or now is None or old is now:
        return False
    if old.mode.mode is not now.mode.mode:
        return True
    numbers = _listed(old) | _listed(now)
    return any(mode_at(old, n).mode is not mode_at(now, n).mode for n in numbers)


def _with(value: Changed, **parts: object) -> Changed:
    """Return the value with these parts; the same object where they are its own."""
    same = all(getattr(value, name) is part for name, part in parts.items())
    return value if same else replace(value, **parts)


class _Choice:
    """Whether a client sends something else than before; proxies of one scope share what they
    see, which is compared once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}

    def differs(self, last: ProxyView | None, view: ProxyView) -> bool:
        old = (last.outbound or last.gateway) if last is not None else None
        new = view.outbound or view.gateway
        if old is None or new is None or old is new:
            return False
        key = (id(old), id(new))
        if key not in self._known:
            self._known[key] = _clusters_differ(
                old.clusters, new.clusters
            ) or self._endpoints_differ(old.endpoints, new.endpoints)
        return self._known[key]

    def _endpoints_differ(
        self, old: tuple[ClusterEndpoints, ...], new: tuple[ClusterEndpoints, ...]
    ) -> bool:
        """Hundreds of clients see the same change of a cluster: it is looked at once."""
        gone, fresh = _replaced(old, new)
        before = {each.cluster: each for each in gone}
        for each in fresh:
            known = before.get(each.cluster)
            if known is None:
                continue
            key = (id(known), id(each))
            if key not in self._known:
                self._known[key] = _marks_differ(known, each)
            if self._known[key]:
                return True
        return False


def _clusters_differ(old: tuple[OutboundCluster, ...], new: tuple[OutboundCluster, ...]) -> bool:
    """Automatic mutual TLS may come and go for a whole cluster."""
    gone, fresh = _replaced(old, new)
    before = {cluster.name: cluster.auto_mtls for cluster in gone}
    return any(before.get(each.name, each.auto_mtls) != each.auto_mtls for each in fresh)


def _marks_differ(old: ClusterEndpoints, new: ClusterEndpoints) -> bool:
    before = _marks(old)
    return any(before.get(place, mtls) != mtls for place, mtls in _marks(new).items())


def _replaced(old: tuple[Part, ...], new: tuple[Part, ...]) -> tuple[list[Part], list[Part]]:
    """Return what one has that the other has not, by identity: as a rule in the same places."""
    if old is new:
        return [], []
    if len(old) == len(new):
        pairs = [(a, b) for a, b in zip(old, new, strict=True) if a is not b]
        return [a for a, _ in pairs], [b for _, b in pairs]
    before, after = set(map(id, old)), set(map(id, new))
    return [a for a in old if id(a) not in after], [b for b in new if id(b) not in before]


def _marks(found: ClusterEndpoints) -> dict[tuple[str, int], bool]:
    """Return for each address whether it is spoken to by Istio's mutual TLS."""
    pairs = zip(found.endpoints, found.mtls, strict=True)
    return {(endpoint.address, endpoint.port): mtls for endpoint, mtls in pairs}
