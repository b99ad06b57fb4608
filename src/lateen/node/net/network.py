"""The lab's network as the agent drives it: addresses, links, capture rules, Services' rules.

Runs in the lab's root namespace; every method takes about a millisecond and may be repeated.
"""

import errno
from collections.abc import Iterable

from lateen.model.kube import discovery
from lateen.model.kube.core import objects
from lateen.node.net import (
    addressing,
    egress,
    hostlink,
    links,
    netlink,
    nft,
    nftwire,
    redirect,
    services,
)
from lateen.node.net.podnetwork import CaptureOptions


class LabNetwork:
    """Implements `podnetwork.PodNetwork`, and keeps the rules of Services.

    Opening it gives the root namespace its addresses, and leaves the rules of an earlier agent
    alone until the first `commit`. Raises OSError when the kernel refuses.
    """

    def __init__(self, plan: addressing.Plan) -> None:
        self._plan = plan
        self.node_ip = plan.node_ip
        self.dns_ip = plan.dns_ip
        self._pool = addressing.Pool(plan.pod_cidr, reserved=(plan.node_ip,))
        self._route = netlink.open_netlink()
        self._filter = netlink.open_netlink(protocol=netlink.NETFILTER)
        self._node = services.NodeAddresses(
            ip=plan.node_ip,
            port_addresses=plan.node_port_addresses,
            own=(plan.dns_ip,),
            virtual=plan.virtual,
            outside=hostlink.LAB_LINK,
        )
        self._frontends: dict[str, tuple[services.Frontend, ...]] = {}
        self._table: nft.RuleTable | None = None
        links.prepare_root(self._route, links.Root(plan.node_ip, plan.dns_ip, plan.virtual))

    def close(self) -> None:
        """Close the sockets; links and rules stay for the next agent."""
        self._route.close()
        self._filter.close()

    def address(self, pod_uid: str, wanted: str = "") -> str:
        """Return the pod's address: `wanted` if it is free, else the next free one. The same uid
        always gets the same answer until `detach`. Raises OSError when none is left."""
        try:
            return self._pool.take(pod_uid, wanted)
        except addressing.Exhausted as error:
            raise OSError(errno.EADDRNOTAVAIL, str(error)) from error

    def attach(self, pod_uid: str, ip: str, netns_fd: int) -> None:
        """Bring up lo and eth0 in the namespace, with the address and the routes both ways."""
        links.attach(self._route, pod_uid, ip, netns_fd, self.node_ip)

    def capture(self, pod_uid: str, netns_fd: int, options: CaptureOptions) -> None:
        """Put the capture rules into the namespace; replaces earlier ones.

        Raises OSError: EINVAL naming the annotation that cannot be a rule.
        """
        if options.mode == "NONE":
            return
        if problems := redirect.problems(options):
            raise OSError(errno.EINVAL, "; ".join(problems))
        table = redirect.ruleset(options)
        with netlink.open_netlink(netns_fd, netlink.NETFILTER) as socket:
            try:
                nftwire.apply(socket, nftwire.create(table))
            except netlink.NetlinkError as error:
                if error.errno != errno.EEXIST:
                    raise
                nftwire.apply(socket, nftwire.replace(table))

    def lead_out(self) -> None:
        """Lead pods' connections to what is outside the lab to the relay. Raises NetlinkError."""
        nftwire.apply(self._filter, nftwire.replace(egress.table(self._plan)))

    def detach(self, pod_uid: str) -> None:
        """Give the address back and forget the pod; its link goes with the namespace."""
        self._pool.release(pod_uid)

    def set_service(
        self, service: objects.Service, slices: Iterable[discovery.EndpointSlice]
    ) -> None:
        """Take note of a Service and the EndpointSlices of it; `commit` makes it so."""
        name = f"{service.metadata.namespace}/{service.metadata.name}"
        self._frontends[name] = services.frontends(service, slices, self._node)

    def remove_service(self, namespace: str, name: str) -> None:
        """Forget a Service; `commit` makes it so."""
        self._frontends.pop(f"{namespace}/{name}", None)

    def commit(self) -> None:
        """Bring the kernel's rules to what was noted: a change of endpoints takes as many elements
        as changed, and no connection is refused for it that somebody answers before and after.
        The first one replaces what an earlier agent left, and so does the one after a failure.
        Raises NetlinkError, with the old rules in place, or those with what is new among them."""
        names = sorted(self._frontends)
        every = (frontend for name in names for frontend in self._frontends[name])
        table = services.table(every, self._node)
        known, self._table = self._table, None
        steps = nftwire.changes(known, table) if known else [nftwire.replace(table)]
        for messages in steps:
            nftwire.apply(self._filter, messages)
        self._table = table
