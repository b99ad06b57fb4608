"""Which address a pod gets, and how a lab's addresses are laid out. Pure."""

import ipaddress
from collections.abc import Iterable

import msgspec

POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/12"
DNS_IP = "10.96.0.10"


class Plan(msgspec.Struct, frozen=True):
    """The addresses of one lab."""

    pod_cidr: str = POD_CIDR
    service_cidr: str = SERVICE_CIDR
    dns_ip: str = DNS_IP
    balancer_cidr: str = ""
    """Network of load balancer addresses; empty when there are none."""
    extra_node_addresses: tuple[str, ...] = ()
    """Further addresses on which node ports answer: the lab's end of the link to the host."""

    @property
    def node_ip(self) -> str:
        """The node's own address: the first of the pods' network, as on a bridge."""
        return str(ipaddress.IPv4Network(self.pod_cidr)[1])

    @property
    def node_port_addresses(self) -> tuple[str, ...]:
        """Where node ports answer."""
        return (self.node_ip, *self.extra_node_addresses)

    @property
    def virtual(self) -> tuple[str, ...]:
        """Networks that the root namespace routes to itself: addresses that exist as rules only,
        and those of pods that are gone."""
        every = (self.pod_cidr, self.service_cidr, self.balancer_cidr)
        return tuple(each for each in every if each)


class Exhausted(Exception):
    """No address is left."""


class Pool:
    """Hands out pod addresses in rising order, round and round, so that a freed one comes last and
    a client that still knows it does not reach a stranger."""

    def __init__(self, cidr: str, reserved: Iterable[str] = ()) -> None:
        self._network = ipaddress.IPv4Network(cidr)
        self._last = 0
        """Offset in the network of the address handed out last."""
        self._owners: dict[str, str] = dict.fromkeys(reserved, "")
        self._addresses: dict[str, str] = {}

    def take(self, owner: str, wanted: str = "") -> str:
        """Return the owner's address, the same at every call; `wanted` if it is free and of this
        network, as after a restart. Raises Exhausted."""
        if owner in self._addresses:
            return self._addresses[owner]
        address = self._wanted(wanted) or self._next()
        self._owners[address] = owner
        self._addresses[owner] = address
        return address

    def release(self, owner: str) -> None:
        """Give the owner's address back; nothing when there is none."""
        if address := self._addresses.pop(owner, ""):
            del self._owners[address]

    def _wanted(self, address: str) -> str:
        """Return the address if it may be had, else nothing; go on after it."""
        try:
            offset = int(ipaddress.IPv4Address(address)) - int(self._network[0])
        except ValueError:
            return ""
        if not 0 < offset < self._network.num_addresses - 1 or address in self._owners:
            return ""
        self._last = max(self._last, offset)
        return address

    def _next(self) -> str:
        usable = self._network.num_addresses - 2
        for step in range(usable):
            offset = (self._last + step) % usable + 1
            address = str(self._network[offset])
            if address not in self._owners:
                self._last = offset
                return address
        raise Exhausted(f"all addresses of {self._network} are taken")
