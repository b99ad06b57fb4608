"""Packet rules as values: tables, chains, sets, rules, and their text in nft's language. Pure.

Only what pods and Services need. `nftwire` turns a table into what the kernel takes; the text is
for people, and for tests that compare it with what `nft list ruleset` prints.
"""

import ipaddress
from collections.abc import Mapping
from enum import Enum

import msgspec


class PacketField(Enum):
    """What a rule can look at, by the words nft has for it."""

    PROTOCOL = "meta l4proto"
    PORT = "th dport"
    SOURCE = "ip saddr"
    DESTINATION = "ip daddr"
    IN_LINK = "iifname"
    OUT_LINK = "oifname"
    MARK = "meta mark"


class Match(msgspec.Struct, frozen=True):
    """`field` is, or with `negate` is not, `value`.

    Values: protocol `tcp` or `udp`, port number, IPv4 network in text, link name, mark number.
    """

    field: PacketField
    value: str | int
    negate: bool = False

    def __str__(self) -> str:
        value = (
            f'"{self.value}"'
            if self.field in (PacketField.IN_LINK, PacketField.OUT_LINK)
            else self.value
        )
        if isinstance(value, str) and value.endswith("/32"):
            value = value[:-3]
        return f"{self.field.value} {'!= ' if self.negate else ''}{value}"


class Member(msgspec.Struct, frozen=True):
    """The fields together are a member of the set."""

    fields: tuple[PacketField, ...]
    set: str

    def __str__(self) -> str:
        return " . ".join(each.value for each in self.fields) + f" @{self.set}"


class Translated(msgspec.Struct, frozen=True):
    """A rule has changed the connection's destination."""

    def __str__(self) -> str:
        return "ct status dnat"


class NewConnection(msgspec.Struct, frozen=True):
    """The packet begins a connection, as far as the kernel follows any."""

    def __str__(self) -> str:
        return "ct state new"


Condition = Match | Member | Translated | NewConnection


class Return(msgspec.Struct, frozen=True):
    """Leave this chain; at the end of a base chain the packet is accepted."""

    def __str__(self) -> str:
        return "return"


class Jump(msgspec.Struct, frozen=True):
    """Go on in another chain and, unless it decides, come back."""

    chain: str

    def __str__(self) -> str:
        return f"jump {self.chain}"


class Redirect(msgspec.Struct, frozen=True):
    """Send to a port of the machine itself; SO_ORIGINAL_DST tells where it was going."""

    port: int

    def __str__(self) -> str:
        return f"redirect to :{self.port}"


class Reject(msgspec.Struct, frozen=True):
    """Refuse at once: with `reset`, which needs a match on TCP before, by a TCP RST, else by ICMP
    port unreachable. A TCP client sees ECONNREFUSED in both cases."""

    reset: bool = False

    def __str__(self) -> str:
        return "reject with tcp reset" if self.reset else "reject"


class SourceNat(msgspec.Struct, frozen=True):
    """Change the source address."""

    address: str

    def __str__(self) -> str:
        return f"snat to {self.address}"


class DestinationNat(msgspec.Struct, frozen=True):
    """Send to an address and port; SO_ORIGINAL_DST tells where it was going."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"dnat to {self.address}:{self.port}"


class Spread(msgspec.Struct, frozen=True):
    """Send to one of `count` endpoints of the map, whose keys are destination, protocol, port and
    number of the endpoint: a random one, or with `sticky` one that the client's address decides.
    Where the map has no entry the rule does not match.
    """

    map: str
    count: int
    sticky: bool = False

    def __str__(self) -> str:
        pick = "jhash ip saddr" if self.sticky else "numgen random"
        return (
            f"dnat to ip daddr . meta l4proto . th dport . {pick} mod {self.count} map @{self.map}"
        )


Action = Return | Jump | Redirect | Reject | SourceNat | DestinationNat | Spread


class PacketRule(msgspec.Struct, frozen=True):
    """All matches hold, then the action."""

    matches: tuple[Condition, ...]
    action: Action

    def __str__(self) -> str:
        return " ".join(str(part) for part in (*self.matches, self.action))


class Hook(Enum):
    """Where the kernel calls a chain, by its number."""

    PREROUTING = 0
    INPUT = 1
    FORWARD = 2
    OUTPUT = 3
    POSTROUTING = 4


class ChainHook(msgspec.Struct, frozen=True):
    """What makes a chain a base chain. `type` is `nat` or `filter`; the policy is accept."""

    type: str
    hook: Hook
    priority: int


class Chain(msgspec.Struct, frozen=True):
    """Rules in order."""

    name: str
    rules: tuple[PacketRule, ...] = ()
    base: ChainHook | None = None


class SetKind(Enum):
    """What a part of a set's key or value is, by nft's name for it."""

    ADDRESS = "ipv4_addr"
    PROTOCOL = "inet_proto"
    PORT = "inet_service"
    NUMBER = "mark"


Value = tuple[str | int, ...]
"""One key or value of a set, a part for each Kind."""


class Set(msgspec.Struct, frozen=True):
    """A set, or with `value` a map. A set's elements are keys with an empty value."""

    name: str
    key: tuple[SetKind, ...]
    elements: Mapping[Value, Value] = msgspec.field(default_factory=dict)
    value: tuple[SetKind, ...] = ()


class RuleTable(msgspec.Struct, frozen=True):
    """One IPv4 table; applied whole."""

    name: str
    chains: tuple[Chain, ...]
    sets: tuple[Set, ...] = ()


def text(table: RuleTable) -> str:
    """Return the table in nft's language; `nft -f` takes it."""
    lines = [f"table ip {table.name} {{"]
    for each in table.sets:
        lines += _set_lines(each)
    for chain in table.chains:
        lines.append(f"\tchain {chain.name} {{")
        if chain.base:
            base = chain.base
            lines.append(
                f"\t\ttype {base.type} hook {base.hook.name.lower()}"
                f" priority {base.priority}; policy accept;"
            )
        lines += [f"\t\t{rule}" for rule in chain.rules]
        lines.append("\t}")
    return "\n".join([*lines, "}", ""])


def _set_lines(each: Set) -> list[str]:
    kinds = " . ".join(kind.value for kind in each.key)
    if each.value:
        kinds += " : " + " . ".join(kind.value for kind in each.value)
    lines = [f"\t{'map' if each.value else 'set'} {each.name} {{", f"\t\ttype {kinds}"]
    elements = [
        _joined(key) + (f" : {_joined(value)}" if value else "")
        for key, value in sorted(each.elements.items(), key=lambda item: _order(item[0]))
    ]
    if elements:
        lines.append("\t\telements = { " + ",\n\t\t\t".join(elements) + " }")
    return [*lines, "\t}"]


def _joined(value: Value) -> str:
    return " . ".join(str(part) for part in value)


def _order(value: Value) -> tuple[int, ...]:
    """Addresses by number, names by length and letters: an order that people expect."""
    return tuple(
        part
        if isinstance(part, int)
        else int(ipaddress.IPv4Address(part))
        if part[:1].isdigit()
        else int.from_bytes(part.encode(), "big")
        for part in value
    )
