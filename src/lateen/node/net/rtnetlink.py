"""Links, addresses, routes and neighbours in rtnetlink's terms: messages out, values in.

The functions that build messages are pure; `find`, `links` and `routes` ask a socket.
"""

import ipaddress
import socket
import struct

import msgspec

from lateen.node.net import netlink

_NEW_LINK, _DEL_LINK, _GET_LINK = 16, 17, 18
_NEW_ADDRESS = 20
_NEW_ROUTE, _DEL_ROUTE, _GET_ROUTE = 24, 25, 26
_NEW_NEIGHBOUR = 28

_IFF_UP = 1
_PERMANENT = 0x80
_TABLE_MAIN = 254
_PROTO_STATIC = 4
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_UNICAST, _NOWHERE = 1, 7
_LAST = 0x7FFFFFFF
"""Priority of a route that counts when no other does."""
_ONLINK = 4

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_QDISC = 1, 3, 6
_IFLA_OPERSTATE, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 16, 18, 28
_IFLA_AF_SPEC, _RP_FILTER = 26, 8
_INFO_KIND, _INFO_DATA, _PEER = 1, 2, 1

_link = struct.Struct("=BxHiII")
_address = struct.Struct("=BBBBI")
_route = struct.Struct("=BBBBBBBBI")
_neighbour = struct.Struct("=BxxxiHBB")


class Link(msgspec.Struct, frozen=True):
    """A network interface as the kernel reports it."""

    index: int
    name: str
    mac: bytes
    up: bool
    carries: bool
    """Both ends are up and the queue is in place: packets sent now are not dropped."""


class KernelRoute(msgspec.Struct, frozen=True):
    """One IPv4 route of the main table: destination network, interface index (0: none)."""

    destination: ipaddress.IPv4Network
    interface: int


def find(rt: netlink.Netlink, name: str) -> Link | None:
    """Return the interface of that name, or None."""
    body = rt.get(
        netlink.Message(
            _GET_LINK, 0, _link.pack(0, 0, 0, 0, 0) + netlink.text(_IFLA_IFNAME, name), name
        )
    )
    return None if body is None else _parse_link(body)


def links(rt: netlink.Netlink) -> tuple[Link, ...]:
    """Return every interface of the namespace."""
    bodies = rt.dump(netlink.Message(_GET_LINK, 0, _link.pack(0, 0, 0, 0, 0), "list links"))
    return tuple(_parse_link(body) for body in bodies)


def _parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _link.unpack_from(body)
    found = dict(netlink.attributes(body[_link.size :]))
    return Link(
        index=index,
        name=found[_IFLA_IFNAME].rstrip(b"\0").decode(),
        mac=found.get(_IFLA_ADDRESS, b""),
        up=bool(flags & _IFF_UP),
        carries=found.get(_IFLA_OPERSTATE) == b"\x06"
        and found.get(_IFLA_QDISC, b"").rstrip(b"\0") not in (b"", b"noop"),
    )


def routes(rt: netlink.Netlink) -> tuple[KernelRoute, ...]:
    """Return the IPv4 routes of the main table."""
    query = _route.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    found: list[KernelRoute] = []
    for body in rt.dump(netlink.Message(_GET_ROUTE, 0, query, "list routes")):
        _, length, _, _, table, _, _, _, _ = _route.unpack_from(body)
        values = dict(netlink.attributes(body[_route.size :]))
        if table != _TABLE_MAIN:
            continue
        network = ipaddress.IPv4Network((values.get(1, b"\0\0\0\0"), length))
        interface = struct.unpack("=I", values[4])[0] if 4 in values else 0
        found.append(KernelRoute(network, interface))
    return tuple(found)


# Messages. Pure: what to ask, not the asking.


def veth(
    name: str, mac: bytes, peer: str, peer_mac: bytes, peer_namespace: int | None
) -> netlink.Message:
    """Make a veth pair, the peer straight inside a namespace."""
    inner = _link.pack(0, 0, 0, 0, 0) + netlink.text(_IFLA_IFNAME, peer)
    inner += netlink.attribute(_IFLA_ADDRESS, peer_mac)
    if peer_namespace is not None:
        inner += netlink.u32(_IFLA_NET_NS_FD, peer_namespace)
    info = netlink.nested(
        _IFLA_LINKINFO,
        netlink.text(_INFO_KIND, "veth"),
        netlink.nested(_INFO_DATA, netlink.attribute(_PEER, inner)),
    )
    body = _link.pack(0, 0, 0, 0, 0) + netlink.text(_IFLA_IFNAME, name)
    body += netlink.attribute(_IFLA_ADDRESS, mac) + info
    flags = netlink.REQUEST | netlink.ACK | netlink.CREATE | netlink.EXCLUSIVE
    return netlink.Message(_NEW_LINK, flags, body, f"make the links {name} and {peer}")


def link_up(name: str) -> netlink.Message:
    """Set an interface up, found by name."""
    body = _link.pack(0, 0, 0, _IFF_UP, _IFF_UP) + netlink.text(_IFLA_IFNAME, name)
    return netlink.Message(_NEW_LINK, netlink.REQUEST | netlink.ACK, body, f"set {name} up")


def own_sources_only(name: str) -> netlink.Message:
    """Have an interface drop packets from addresses that are not routed to it (strict reverse path
    filtering): whoever is behind it cannot speak for others."""
    settings = netlink.nested(socket.AF_INET, netlink.nested(1, netlink.u32(_RP_FILTER, 1)))
    body = _link.pack(0, 0, 0, 0, 0) + netlink.text(_IFLA_IFNAME, name)
    body += netlink.nested(_IFLA_AF_SPEC, settings)
    about = f"check the sources of {name}"
    return netlink.Message(_NEW_LINK, netlink.REQUEST | netlink.ACK, body, about)


def link_delete(name: str) -> netlink.Message:
    """Delete an interface, found by name, and its peer with it."""
    body = _link.pack(0, 0, 0, 0, 0) + netlink.text(_IFLA_IFNAME, name)
    return netlink.Message(_DEL_LINK, netlink.REQUEST | netlink.ACK, body, f"delete link {name}")


def address(index: int, ip: str, prefix: int = 32) -> netlink.Message:
    """Give an interface an IPv4 address."""
    packed = socket.inet_aton(ip)
    body = _address.pack(socket.AF_INET, prefix, 0, _SCOPE_UNIVERSE, index)
    body += netlink.attribute(1, packed) + netlink.attribute(2, packed)
    flags = netlink.REQUEST | netlink.ACK | netlink.CREATE | netlink.REPLACE
    return netlink.Message(_NEW_ADDRESS, flags, body, f"give {ip}/{prefix} to interface {index}")


def route(
    destination: str, index: int, *, via: str = "", source: str = "", replace: bool = True
) -> netlink.Message:
    """Add or replace an IPv4 route (`0.0.0.0/0` is the default route). `via` need not be on a
    connected network: the interface is told that it is there. Without `replace` a route to the
    same network is left alone, and the answer is EEXIST."""
    network = ipaddress.IPv4Network(destination)
    scope = _SCOPE_UNIVERSE if via else _SCOPE_LINK
    body = _route.pack(
        socket.AF_INET,
        network.prefixlen,
        0,
        0,
        _TABLE_MAIN,
        _PROTO_STATIC,
        scope,
        _UNICAST,
        _ONLINK if via else 0,
    )
    if network.prefixlen:
        body += netlink.attribute(1, network.network_address.packed)
    body += netlink.u32(4, index)
    if via:
        body += netlink.attribute(5, socket.inet_aton(via))
    if source:
        body += netlink.attribute(7, socket.inet_aton(source))
    flags = netlink.REQUEST | netlink.ACK | netlink.CREATE
    flags |= netlink.REPLACE if replace else netlink.EXCLUSIVE
    return netlink.Message(_NEW_ROUTE, flags, body, f"route {destination}")


def unreachable(destination: str) -> netlink.Message:
    """Have a network answered with "no route to host" as long as no other route leads to it."""
    network = ipaddress.IPv4Network(destination)
    flags = netlink.REQUEST | netlink.ACK | netlink.CREATE | netlink.REPLACE
    return netlink.Message(
        _NEW_ROUTE, flags, _last_resort(network), f"route {destination} to nowhere"
    )


def reachable(destination: str) -> netlink.Message:
    """Take an `unreachable` back; ESRCH when there is none."""
    network = ipaddress.IPv4Network(destination)
    flags = netlink.REQUEST | netlink.ACK
    return netlink.Message(
        _DEL_ROUTE, flags, _last_resort(network), f"no more route {destination} to nowhere"
    )


def _last_resort(network: ipaddress.IPv4Network) -> bytes:
    family, table = socket.AF_INET, _TABLE_MAIN
    head = (family, network.prefixlen, 0, 0, table, _PROTO_STATIC, _SCOPE_UNIVERSE, _NOWHERE, 0)
    body = _route.pack(*head) + netlink.attribute(1, network.network_address.packed)
    return body + netlink.u32(6, _LAST)


def neighbour(index: int, ip: str, mac: bytes) -> netlink.Message:
    """Add or replace a permanent neighbour entry."""
    body = _neighbour.pack(socket.AF_INET, index, _PERMANENT, 0, 0)
    body += netlink.attribute(1, socket.inet_aton(ip)) + netlink.attribute(2, mac)
    flags = netlink.REQUEST | netlink.ACK | netlink.CREATE | netlink.REPLACE
    return netlink.Message(_NEW_NEIGHBOUR, flags, body, f"neighbour {ip}")
