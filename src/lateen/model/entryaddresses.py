"""The addresses that hosts of ServiceEntries are given where they have none of their own, and who
asks for them: proxies that capture their pod's DNS. Pure.

As Istio's controller has it: one IPv4 address a host of 240.240.0.0/16, in the entry's status. The
lab's pods have no IPv6, so none of that is given.
"""

import ipaddress
from collections.abc import Iterable, Iterator

from lateen.model.istio.networking_entry import ServiceEntry

NETWORK = ipaddress.IPv4Network("240.240.0.0/16")
LABEL = "networking.istio.io/enable-autoallocate-ip"
CAPTURE = "ISTIO_META_DNS_CAPTURE"
"""Variable of the proxy's container that says whether it answers its pod's DNS."""
ALLOCATE = "ISTIO_META_DNS_AUTO_ALLOCATE"
"""Likewise whether it gives out addresses: before Istio 1.25 that had to be asked for."""


def wanting(entry: ServiceEntry) -> tuple[str, ...]:
    """Return the hosts of an entry that are to be given an address, each once."""
    spec = entry.spec
    if spec.resolution == "NONE" or spec.addresses or entry.metadata.deletion_timestamp:
        return ()
    if entry.metadata.labels.get(LABEL, "").lower() == "false":
        return ()
    dynamic = spec.resolution == "DYNAMIC_DNS"
    return tuple(h for h in dict.fromkeys(map(str.lower, spec.hosts)) if dynamic or "*" not in h)


def given(entry: ServiceEntry) -> dict[str, str]:
    """Return the IPv4 addresses that an entry's status says its hosts were given."""
    wanted = set(wanting(entry))
    return {
        each.host: each.value
        for each in entry.status.addresses
        if each.host in wanted and is_given(each.value)
    }


def is_given(address: str) -> bool:
    """Whether an address is one of those that hosts are given."""
    try:
        return ipaddress.ip_address(address) in NETWORK
    except ValueError:
        return False


def allocate(entries: Iterable[ServiceEntry]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the addresses of all entries' hosts by the entry's namespace and name. Entries are
    oldest first: each keeps what it has, and of two with the same address the older does."""
    listed = list(entries)
    owners: dict[str, tuple[str, str, str]] = {}
    for entry in listed:
        for host, address in given(entry).items():
            owners.setdefault(address, (entry.metadata.namespace, entry.metadata.name, host))
    free = (str(each) for each in NETWORK.hosts() if str(each) not in owners)
    found: dict[tuple[str, str], dict[str, str]] = {}
    for entry in listed:
        key = (entry.metadata.namespace, entry.metadata.name)
        had, own = given(entry), found.setdefault(key, {})
        for host in wanting(entry):
            address = had.get(host, "")
            kept = owners.get(address) == (*key, host)
            own[host] = address if kept else next(free, "")
    return found


def names(entry: ServiceEntry) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield an entry's hosts with the addresses that a proxy which captures DNS answers: its own,
    networks aside, else the one that it was given; not hosts that have neither."""
    own = tuple(a for a in entry.spec.addresses if _is_address(a))
    allocated = given(entry)
    for host in dict.fromkeys(map(str.lower, entry.spec.hosts)):
        found = own or ((allocated[host],) if host in allocated else ())
        if found:
            yield host, found


def captures(variables: Iterable[tuple[str, str]], *, allocation_asked: bool = False) -> bool:
    """Whether a proxy, by its container's variables, answers its pod's DNS, and with
    `allocation_asked` whether it also asks for the addresses that hosts are given."""
    known = dict(variables)
    return known.get(CAPTURE) == "true" and (not allocation_asked or known.get(ALLOCATE) == "true")


def _is_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False
