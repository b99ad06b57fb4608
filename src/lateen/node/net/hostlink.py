"""The one thing a lab makes on the host, as root only: a link over which balancers answer.

A veth pair between the host and the lab's root namespace, and one route on the host. The host's end
has an address of its own, which is what a gateway sees as its client's. An ordinary user has no
link; the pool of balancer addresses is chosen the same way and lives inside the lab.
"""

import errno
import hashlib
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Iterator

import msgspec

from lateen.node.net import ledger, links, netlink, rtnetlink

LAB_LINK = "host0"
"""Name of the lab's end."""

_OWN_PLANS = (ipaddress.IPv4Network("10.244.0.0/16"), ipaddress.IPv4Network("10.96.0.0/12"))


class Pool(msgspec.Struct, frozen=True):
    """A /24 of private addresses that belongs to one lab."""

    network: str

    @property
    def host_ip(self) -> str:
        """The host's end: the source of requests from the host."""
        return self._at(1)

    @property
    def lab_ip(self) -> str:
        """The lab's end; node ports answer on it."""
        return self._at(2)

    @property
    def balancers(self) -> str:
        """The upper half: addresses for Services of type LoadBalancer."""
        return str(list(ipaddress.IPv4Network(self.network).subnets(1))[1])

    def _at(self, offset: int) -> str:
        return str(ipaddress.IPv4Network(self.network)[offset])


class NoPool(Exception):
    """Every candidate network is in use on this host."""


def choose(lab: str, used: Iterable[ipaddress.IPv4Network]) -> Pool:
    """Return a pool that overlaps no network in use: the same for the same lab name, mostly
    different for different ones. Pure. Raises NoPool."""
    taken = [*_OWN_PLANS, *(each for each in used if each.prefixlen)]
    for candidate in _candidates(lab):
        if not any(candidate.overlaps(each) for each in taken):
            return Pool(str(candidate))
    raise NoPool(
        "no private network is free for the load balancer: the host has routes into all of"
        " 172.28.0.0/14 and 192.168.0.0/16; run the lab as an ordinary user, or remove one"
    )


def _candidates(lab: str) -> Iterator[ipaddress.IPv4Network]:
    """Networks in an order of the lab's own. 172.28.0.0/14 first: Docker and home routers seldom
    get that far."""
    start = int.from_bytes(hashlib.sha256(lab.encode()).digest()[:4], "big")
    for block in ("172.28.0.0/14", "192.168.0.0/16"):
        network = ipaddress.IPv4Network(block)
        size = network.num_addresses // 256
        for step in range(size):
            first = network[(start + step) % size * 256]
            yield ipaddress.IPv4Network((first, 24))


def in_use(rt: netlink.Netlink, own: Iterable[str] = ()) -> tuple[ipaddress.IPv4Network, ...]:
    """Return the networks that the namespace of the socket has routes to, besides those of `own`
    that only lead nowhere: a lab that was killed left them, and gets them again."""
    kept = {ipaddress.IPv4Network(each) for each in own}
    return tuple(
        each.destination
        for each in rtnetlink.routes(rt)
        if each.interface or each.destination not in kept
    )


def claim(lab: str, own: Iterable[str] = ()) -> tuple[Pool, socket.socket]:
    """Choose a pool and hold it against labs that start at the same time: its route, by which the
    others know that it is taken, comes only when the lab's node is up. `own` are the networks that
    the lab's ledger names. Raises NoPool.

    What holds it is a socket whose name belongs to the network namespace, as routes do, and goes
    with its process. Close it once the link stands.
    """
    others: list[ipaddress.IPv4Network] = []
    with netlink.open_netlink() as rt:
        while True:
            pool = choose(lab, (*in_use(rt, own), *others))
            holder = _hold(pool)
            if holder is None:
                others.append(ipaddress.IPv4Network(pool.network))
            elif choose(lab, (*in_use(rt, own), *others)) == pool:
                return pool, holder
            else:  # who held it let go between the two, because the link stands
                holder.close()


def _hold(pool: Pool) -> socket.socket | None:
    """Return what holds a pool, None when somebody else has it."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0lateen network {pool.network}")
    except OSError as error:
        holder.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return holder


def make(book: ledger.Ledger, lab_netns_fd: int, pool: Pool) -> None:
    """Make the link and the route, in the caller's namespace: the host's.

    A link that stands already is left alone, so that traffic outlives whoever made it; other
    leavings that the ledger knows are removed first. Raises NetlinkError: EEXIST when another lab
    has taken the pool in the meantime (choose again), EPERM when not root.
    """
    if _stands(book, lab_netns_fd, pool):
        return
    host_mac = b"\x02" + secrets.token_bytes(5)
    name = "lateen" + secrets.token_hex(4)
    leavings = book.entries()
    made = ledger.LedgerEntry(name, host_mac.hex(":"), pool.network)
    book.record(made)  # before the others are forgotten: the network must stay in the book
    with netlink.open_netlink() as host:
        book.settle(lambda entry: _delete(host, entry), leavings)
        try:
            _make(name, host_mac, lab_netns_fd, pool)
            # While a lab starts its node again, what was meant for a gateway of it must not leave
            # the host by the default route.
            host.send([rtnetlink.unreachable(pool.network)])
        except netlink.NetlinkError as error:
            if error.errno == errno.EEXIST:  # the network is another lab's
                book.settle(lambda entry: _delete(host, entry))
            else:
                _delete(host, made)
            raise


def _stands(book: ledger.Ledger, lab_netns_fd: int, pool: Pool) -> bool:
    """Whether the link is there, whole: the route is the last thing made, and the two ends of a
    pair are only ever deleted together."""
    entries = book.entries()
    if len(entries) != 1 or entries[0].network != pool.network:
        return False
    with netlink.open_netlink() as host, netlink.open_netlink(lab_netns_fd) as lab:
        outer = rtnetlink.find(host, entries[0].name)
        if outer is None or outer.mac.hex(":") != entries[0].mac:
            return False
        wanted = ipaddress.IPv4Network(pool.network)
        routed = any(
            each.destination == wanted and each.interface for each in rtnetlink.routes(host)
        )
        return routed and rtnetlink.find(lab, LAB_LINK) is not None


def _make(name: str, host_mac: bytes, lab_netns_fd: int, pool: Pool) -> None:
    with netlink.open_netlink() as host, netlink.open_netlink(lab_netns_fd) as lab:
        lab_mac = b"\x02" + secrets.token_bytes(5)
        host.send([rtnetlink.veth(name, host_mac, LAB_LINK, lab_mac, lab_netns_fd)])
        outer, inner = rtnetlink.find(host, name), rtnetlink.find(lab, LAB_LINK)
        if outer is None or inner is None:
            raise netlink.NetlinkError(errno.ENODEV, f"interface {name} vanished")
        lab.send(
            [
                rtnetlink.link_up(LAB_LINK),
                rtnetlink.address(inner.index, pool.lab_ip),
                rtnetlink.neighbour(inner.index, pool.host_ip, host_mac),
                rtnetlink.route(f"{pool.host_ip}/32", inner.index, source=pool.lab_ip),
            ]
        )
        host.send(
            [
                rtnetlink.link_up(name),
                rtnetlink.address(outer.index, pool.host_ip),
                rtnetlink.neighbour(outer.index, pool.lab_ip, lab_mac),
                rtnetlink.route(
                    pool.network,
                    outer.index,
                    via=pool.lab_ip,
                    source=pool.host_ip,
                    replace=False,
                ),
            ]
        )
        links.await_carrier([(host, name), (lab, LAB_LINK)])


def remove(book: ledger.Ledger) -> None:
    """Remove what the ledger names, if it is there and ours. May be repeated."""
    entries = book.entries()
    if not entries:
        return
    with netlink.open_netlink() as host:
        nowhere = [rtnetlink.reachable(network) for network in {each.network for each in entries}]
        for failure in host.attempt(nowhere).values():
            if failure.errno != errno.ESRCH:
                raise failure
        book.settle(lambda entry: _delete(host, entry))


def _delete(host: netlink.Netlink, entry: ledger.LedgerEntry) -> None:
    link = rtnetlink.find(host, entry.name)
    if link is None or link.mac.hex(":") != entry.mac:
        return
    for failure in host.attempt([rtnetlink.link_delete(entry.name)]).values():
        if failure.errno != errno.ENODEV:
            raise failure
