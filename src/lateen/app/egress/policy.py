"""Which addresses outside the lab a pod may reach. Pure.

The relay connects from the host: what only the host may reach must stay closed to pods. So the
public internet is open, and private networks that the settings list; the host itself, link-local
addresses (a cloud's metadata service is one) and what is no host's address never are.
"""

import ipaddress

import msgspec

_NEVER = tuple(
    (ipaddress.IPv4Network(network), why)
    for network, why in (
        ("0.0.0.0/8", "it is no host's address"),
        ("127.0.0.0/8", "it is the host's loopback"),
        ("169.254.0.0/16", "it is link-local, as a cloud's metadata service is"),
        ("224.0.0.0/4", "it is a multicast group"),
        ("240.0.0.0/4", "it is reserved"),
    )
)
_FIB_LOCAL = "/32 host LOCAL"


class Policy(msgspec.Struct, frozen=True):
    """What the settings open beside the public internet."""

    private: tuple[str, ...] = ()
    """Private networks that pods may reach, as CIDRs."""

    def refusal(self, address: str, own: frozenset[str]) -> str:
        """Return why an IPv4 address may not be reached; empty if it may. `own` are the host's
        addresses at this moment."""
        try:
            ip = ipaddress.IPv4Address(address)
        except ValueError:
            return "it is no IPv4 address"
        for network, why in _NEVER:
            if ip in network:
                return why
        if address in own:
            return "it is an address of the host itself"
        if ip.is_global or any(ip in ipaddress.IPv4Network(each) for each in self.private):
            return ""
        return "it is private, and egressPrivate in lateen.yaml does not list it"


def own_addresses(trie: str) -> frozenset[str]:
    """Return the addresses that a machine answers on, from its /proc/net/fib_trie."""
    found: set[str] = set()
    last = ""
    for line in trie.splitlines():
        words = line.split()
        if words and words[0] == "|--":
            last = words[1]
        elif _FIB_LOCAL in line:
            found.add(last)
    return frozenset(found)
