"""The routed pod network: one veth pair a pod, host routes, permanent neighbours.

A pod has its address as a /32 on `eth0` and one default route over 169.254.1.1, which nobody owns:
a permanent neighbour entry says that it is the lab side of the pair. The lab side has a /32 route
and a permanent neighbour for the pod. So no packet ever waits for ARP, every packet crosses the
lab's root namespace, and what `eth0` shows is what the wire shows.
"""

import errno
import hashlib
import select
import socket
from collections.abc import Sequence

import msgspec

from lateen.node.net import netlink, rtnetlink

GATEWAY = "169.254.1.1"
LAB_MAC = bytes.fromhex("eeeeeeeeeeee")
"""Every lab side has this address, as each is alone on its pair."""

POD_LINK = "eth0"

_POD_SYSCTLS = {
    "net/ipv4/ip_unprivileged_port_start": "0",
    "net/ipv6/conf/default/disable_ipv6": "1",
}
"""As a container runtime sets them: low ports for every user, and no IPv6 on eth0 while pods have
no IPv6 address (lo keeps ::1). Without IPv6 no router solicitations appear in captures."""

_CARRIER_WAIT_MS = 2000


class Root(msgspec.Struct, frozen=True):
    """Addresses that the lab's root namespace itself answers on, and the networks routed there."""

    node_ip: str
    """The node's InternalIP: what probes and node ports use."""
    dns_ip: str
    virtual: tuple[str, ...]
    """Networks routed to lo: ClusterIPs, balancers, and pods, whose own routes are longer."""


def link_name(pod_uid: str) -> str:
    """Return the lab-side interface name of a pod: stable, at most 15 characters."""
    return "lt" + hashlib.sha256(pod_uid.encode()).hexdigest()[:12]


def pod_mac(ip: str) -> bytes:
    """Return a pod's MAC: locally administered, and told by its address, so none is looked up."""
    return b"\x02\x00" + socket.inet_aton(ip)


def prepare_root(rt: netlink.Netlink, root: Root) -> None:
    """Give the lab's root namespace its addresses; may be repeated. Raises NetlinkError.

    Virtual networks are routed to lo so that connections to them get as far as the rules that
    translate or refuse them.
    """
    lo = rtnetlink.find(rt, "lo")
    if lo is None:
        raise netlink.NetlinkError(errno.ENODEV, "the lab's root namespace has no lo interface")
    rt.send(
        [
            rtnetlink.link_up("lo"),
            rtnetlink.address(lo.index, root.node_ip),
            rtnetlink.address(lo.index, root.dns_ip),
            *(rtnetlink.route(each, lo.index, source=root.node_ip) for each in root.virtual),
        ]
    )


def attach(rt: netlink.Netlink, pod_uid: str, ip: str, netns_fd: int, node_ip: str = "") -> None:
    """Join a pod's namespace to the lab; when this returns, the first packet goes through.

    `rt` talks to the lab's root namespace. `node_ip` is the source of the lab's own connections to
    the pod. May be repeated: a pod that is attached already stays so. Raises NetlinkError.
    """
    name = link_name(pod_uid)
    with netlink.inside(netns_fd, _enter_pod) as pod:
        inner, outer = _pair(rt, pod, name, ip, netns_fd)
        pod.send(
            [
                rtnetlink.link_up("lo"),
                rtnetlink.link_up(POD_LINK),
                rtnetlink.address(inner.index, ip),
                rtnetlink.neighbour(inner.index, GATEWAY, LAB_MAC),
                rtnetlink.route("0.0.0.0/0", inner.index, via=GATEWAY, source=ip),
            ]
        )
        rt.send(
            [
                rtnetlink.own_sources_only(name),
                rtnetlink.link_up(name),
                rtnetlink.neighbour(outer.index, ip, pod_mac(ip)),
                rtnetlink.route(f"{ip}/32", outer.index, source=node_ip),
            ]
        )
        await_carrier([(rt, name), (pod, POD_LINK)])


def _enter_pod() -> netlink.Netlink:
    for name, value in _POD_SYSCTLS.items():
        try:
            with open(f"/proc/sys/{name}", "w") as file:
                file.write(value)
        except OSError:
            # A kernel without the setting, or /proc/sys read-only in a container: the pod works,
            # only without that nicety.
            continue
    return netlink.open_netlink()


def _pair(
    rt: netlink.Netlink, pod: netlink.Netlink, name: str, ip: str, netns_fd: int
) -> tuple[rtnetlink.Link, rtnetlink.Link]:
    """Return the pod's and the lab's end, made now or by an agent that was killed half-way."""
    made = rtnetlink.veth(name, LAB_MAC, POD_LINK, pod_mac(ip), netns_fd)
    for attempt in (made, rtnetlink.link_delete(name), made):
        for failure in rt.attempt([attempt]).values():
            if failure.errno != errno.EEXIST:
                raise failure
        inner, outer = rtnetlink.find(pod, POD_LINK), rtnetlink.find(rt, name)
        if inner is not None and outer is not None:
            return inner, outer
    raise netlink.NetlinkError(errno.ENODEV, f"the links of the pod at {ip} vanished")


def await_carrier(ends: Sequence[tuple[netlink.Netlink, str]]) -> None:
    """Wait until every end would send a packet rather than drop it.

    Setting the second end up gives both a carrier, but the queue of the first is put in place by
    the kernel's link watcher, a moment later and not always soon: a SYN sent before is dropped and
    repeated after a second. Raises NetlinkError after two seconds.
    """
    for rt, name in ends:
        for _ in range(_CARRIER_WAIT_MS):
            link = rtnetlink.find(rt, name)
            if link is not None and link.carries:
                break
            select.select([], [], [], 0.001)
        else:
            raise netlink.NetlinkError(errno.ETIMEDOUT, f"interface {name} got no carrier")
