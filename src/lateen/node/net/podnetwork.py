"""What the agent needs of the lab's network: implemented on netlink, and by fakes in tests. Pure.

The agent owns the pods; the network owns addresses, links, routes and rules. Every call is short
(about a millisecond), safe to repeat, and raises OSError naming what could not be made.
"""

from typing import Protocol

import msgspec

ALL = "*"


class CaptureOptions(msgspec.Struct, frozen=True):
    """What istio-init is told, per pod: Istio's `traffic.sidecar.istio.io/…` annotations.

    A tuple with the single word `*` means all.
    """

    mode: str = "REDIRECT"
    """`REDIRECT`, `TPROXY` or `NONE`."""
    include_inbound_ports: tuple[str, ...] = (ALL,)
    exclude_inbound_ports: tuple[str, ...] = ("15090", "15021", "15020")
    include_outbound_ports: tuple[str, ...] = ()
    exclude_outbound_ports: tuple[str, ...] = ()
    include_outbound_ranges: tuple[str, ...] = (ALL,)
    exclude_outbound_ranges: tuple[str, ...] = ()
    exclude_interfaces: tuple[str, ...] = ()
    dns: bool = False
    """ISTIO_META_DNS_CAPTURE."""


class PodNetwork(Protocol):
    """Addresses, links and capture rules of pods."""

    node_ip: str
    """The node's own address: what status.hostIP shows and what probes come from."""
    dns_ip: str
    """The cluster DNS address that goes into resolv.conf."""

    def address(self, pod_uid: str, wanted: str = "") -> str:
        """Return the pod's address: `wanted` if it is free, else the next free one. The same uid
        always gets the same answer until `detach`."""
        ...

    def attach(self, pod_uid: str, ip: str, netns_fd: int) -> None:
        """Bring up lo and eth0 in the namespace, with the address and the routes both ways."""
        ...

    def capture(self, pod_uid: str, netns_fd: int, options: CaptureOptions) -> None:
        """Put the capture rules into the namespace; replaces earlier ones."""
        ...

    def detach(self, pod_uid: str) -> None:
        """Give the address back and forget the pod; its link goes with the namespace."""
        ...
