"""Filter expressions (the pcap-filter language) as predicates over packets.

`and` and `or` bind equally and to the left, `not` binds tightest, and an identifier without a
keyword takes the qualifiers of the one before it: `tcp port 80 or 443`.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import NamedTuple

from lateen.node.standins.tcpdump.lexer import FilterError, split
from lateen.node.standins.tcpdump.packet import (
    ARP,
    ICMP,
    ICMP6,
    IPV4,
    IPV6,
    LINUX_SLL2,
    TCP,
    UDP,
    Packet,
)

Predicate = Callable[[Packet], bool]

_TRANSPORTS = {"tcp": TCP, "udp": UDP, "sctp": 132, "icmp": ICMP, "icmp6": ICMP6, "igmp": 2}
_PROTOCOLS = ("ip", "ip6", "arp", "rarp", "ether", *_TRANSPORTS)
_TYPES = ("host", "net", "port", "portrange", "proto")
_PORTED = (TCP, UDP, 132)


class Qualifiers(NamedTuple):
    """What is said before an identifier."""

    protocol: str = ""
    direction: str = ""
    type: str = ""


def compile_filter(text: str) -> Predicate:
    """Return the predicate of an expression; an empty one passes everything.

    Raises FilterError."""
    if "[" in text:
        raise FilterError("comparing bytes takes the real tcpdump: install it on the machine")
    parser = _Parser(split(text))
    if not parser.tokens:
        return lambda packet: True
    predicate = parser.expression()
    if parser.tokens:
        raise FilterError("syntax error")
    return predicate


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self._last = Qualifiers()

    def expression(self) -> Predicate:
        left = self._negated()
        while self.tokens and self.tokens[0] in ("and", "&&", "or", "||"):
            word = self.tokens.pop(0)
            left = (_both if word in ("and", "&&") else _either)(left, self._negated())
        return left

    def _negated(self) -> Predicate:
        if self._accept("not", "!"):
            inner = self._negated()
            return lambda packet: not inner(packet)
        if self._accept("("):
            inner = self.expression()
            if not self._accept(")"):
                raise FilterError("syntax error")
            return inner
        return self._primitive()

    def _primitive(self) -> Predicate:
        if not self.tokens:
            raise FilterError("syntax error")
        if self._accept("greater"):
            size = _number(self._word())
            return lambda packet: packet.wire >= size
        if self._accept("less"):
            size = _number(self._word())
            return lambda packet: packet.wire <= size
        for words, test in _KINDS.items():
            if tuple(self.tokens[: len(words)]) == words:
                del self.tokens[: len(words)]
                return test
        said = self._qualifiers()
        if said == Qualifiers():
            if self._last == Qualifiers():
                raise FilterError("syntax error")
            said = self._last
        elif said.protocol and not said.direction and not said.type and self._ends():
            return _protocol(said.protocol)
        if not said.type:
            said = said._replace(type="host")
        self._last = said
        return self._identified(said)

    def _qualifiers(self) -> Qualifiers:
        protocol = direction = type_ = ""
        if self.tokens and self.tokens[0] in _PROTOCOLS:
            protocol = self.tokens.pop(0)
        if self.tokens and self.tokens[0] in ("src", "dst"):
            direction = self.tokens.pop(0)
            if len(self.tokens) > 1 and self.tokens[0] in ("or", "and"):
                other = self.tokens[1]
                if other in ("src", "dst") and other != direction:
                    direction = self.tokens.pop(0)
                    self.tokens.pop(0)
        if self.tokens and self.tokens[0] in _TYPES:
            type_ = self.tokens.pop(0)
        return Qualifiers(protocol, direction, type_)

    def _identified(self, said: Qualifiers) -> Predicate:
        word = self._word()
        if said.type == "proto":
            return _numbered(said, word)
        if said.type in ("port", "portrange"):
            return _port(said, word)
        if said.protocol == "ether":
            return _ethernet(said.direction, word)
        if said.type == "net":
            mask = self._word() if self._accept("mask") else ""
            return _network(said, word, mask)
        return _host(said, word)

    def _word(self) -> str:
        if not self.tokens or self.tokens[0] in ("and", "or", "not", "(", ")", "&&", "||", "!"):
            raise FilterError("syntax error")
        return self.tokens.pop(0).removeprefix("\\")

    def _accept(self, *words: str) -> bool:
        if self.tokens and self.tokens[0] in words:
            self.tokens.pop(0)
            return True
        return False

    def _ends(self) -> bool:
        return not self.tokens or self.tokens[0] in ("and", "or", "&&", "||", ")")


def _both(one: Predicate, other: Predicate) -> Predicate:
    return lambda packet: one(packet) and other(packet)


def _either(one: Predicate, other: Predicate) -> Predicate:
    return lambda packet: one(packet) or other(packet)


def _protocol(name: str) -> Predicate:
    if name == "ip":
        return lambda packet: packet.ethertype == IPV4
    if name == "ip6":
        return lambda packet: packet.ethertype == IPV6
    if name in ("arp", "rarp"):
        kind = ARP if name == "arp" else 0x8035
        return lambda packet: packet.ethertype == kind
    if name == "ether":
        raise FilterError("syntax error")
    number = _TRANSPORTS[name]
    family = {ICMP: 4, 2: 4, ICMP6: 6}.get(number, 0)
    return lambda packet: (
        packet.network is not None
        and packet.network.protocol == number
        and family in (0, packet.network.version)
    )


def _numbered(said: Qualifiers, word: str) -> Predicate:
    names = {**_TRANSPORTS, "ipv6-icmp": ICMP6, "esp": 50, "ah": 51}
    if said.protocol == "ether":
        kinds = {"ip": IPV4, "ip6": IPV6, "arp": ARP}
        kind = kinds[word] if word in kinds else _number(word)
        return lambda packet: packet.ethertype == kind
    number = names[word] if word in names else _number(word)
    family = {"ip": 4, "ip6": 6}.get(said.protocol, 0)
    return lambda packet: (
        packet.network is not None
        and packet.network.protocol == number
        and family in (0, packet.network.version)
    )


def _port(said: Qualifiers, word: str) -> Predicate:
    first, dash, last = word.partition("-")
    if said.type == "port" or not dash:
        low = high = _port_number(word, said.protocol)
    else:
        low, high = sorted((_port_number(first, ""), _port_number(last, "")))
    transport = _TRANSPORTS.get(said.protocol)
    if said.protocol and transport not in _PORTED and said.protocol not in ("ip", "ip6"):
        raise FilterError(f"'{said.protocol}' cannot qualify 'port'")
    family = {"ip": 4, "ip6": 6}.get(said.protocol, 0)
    wanted = _PORTED if transport is None else (transport,)

    def test(packet: Packet) -> bool:
        if packet.network is None or packet.ports is None:
            return False
        if packet.network.protocol not in wanted or family not in (0, packet.network.version):
            return False
        source, target = (low <= port <= high for port in packet.ports)
        return _directed(said.direction, source, target)

    return test


def _host(said: Qualifiers, word: str) -> Predicate:
    addresses = _addresses(word)
    if said.protocol not in ("", "ip", "ip6", "arp", *_TRANSPORTS):
        raise FilterError(f"'{said.protocol}' cannot qualify 'host'")
    return _by_address(said, lambda address: address in addresses)


def _network(said: Qualifiers, word: str, mask: str) -> Predicate:
    text, _, prefix = word.partition("/")
    try:
        if ":" in text:
            net: ipaddress.IPv4Network | ipaddress.IPv6Network = ipaddress.IPv6Network(
                f"{text}/{prefix or 128}"
            )
        else:
            parts = text.split(".")
            full = ".".join([*parts, *["0"] * (4 - len(parts))])
            net = ipaddress.IPv4Network(f"{full}/{mask or prefix or len(parts) * 8}")
    except ValueError as error:
        raise FilterError(f"{error}") from error
    base, bits = int(net.network_address), int(net.netmask)
    size = len(net.network_address.packed)
    return _by_address(
        said,
        lambda address: len(address) == size and int.from_bytes(address, "big") & bits == base,
    )


def _by_address(said: Qualifiers, wanted: Callable[[bytes], bool]) -> Predicate:
    below = _protocol(said.protocol) if said.protocol else None

    def test(packet: Packet) -> bool:
        if below is not None and not below(packet):
            return False
        if packet.network is not None:
            ends = packet.network.source, packet.network.target
        elif packet.ethertype == ARP and said.protocol in ("", "arp"):
            at = packet.network_offset
            ends = packet.data[at + 14 : at + 18], packet.data[at + 24 : at + 28]
        else:
            return False
        return _directed(said.direction, wanted(ends[0]), wanted(ends[1]))

    return test


def _ethernet(direction: str, word: str) -> Predicate:
    try:
        address = bytes(int(part, 16) for part in word.replace("-", ":").split(":"))
    except ValueError as error:
        raise FilterError(f"ethernet address expected, not '{word}'") from error
    return lambda packet: (
        packet.link != LINUX_SLL2
        and _directed(direction, packet.data[6:12] == address, packet.data[:6] == address)
    )


def _directed(direction: str, source: bool, target: bool) -> bool:
    if direction == "src":
        return source
    if direction == "dst":
        return target
    return source and target if direction == "and" else source or target


def _broadcast(packet: Packet) -> bool:
    return packet.link != LINUX_SLL2 and packet.data[:6] == b"\xff" * 6


def _multicast(packet: Packet) -> bool:
    return packet.link != LINUX_SLL2 and bool(packet.data[:1]) and bool(packet.data[0] & 1)


def _ip_multicast(packet: Packet) -> bool:
    net = packet.network
    return net is not None and net.version == 4 and 224 <= net.target[0] < 240


def _ip6_multicast(packet: Packet) -> bool:
    net = packet.network
    return net is not None and net.version == 6 and net.target[0] == 0xFF


def _outbound(packet: Packet) -> bool:
    if not packet.direction:
        raise FilterError("inbound/outbound not supported on Ethernet when reading savefiles")
    return packet.direction == "Out"


def _inbound(packet: Packet) -> bool:
    return not _outbound(packet)


_KINDS: dict[tuple[str, ...], Predicate] = {
    ("inbound",): _inbound,
    ("outbound",): _outbound,
    ("broadcast",): _broadcast,
    ("ether", "broadcast"): _broadcast,
    ("multicast",): _multicast,
    ("ether", "multicast"): _multicast,
    ("ip", "multicast"): _ip_multicast,
    ("ip6", "multicast"): _ip6_multicast,
}


def _addresses(word: str) -> frozenset[bytes]:
    try:
        return frozenset({ipaddress.ip_address(word).packed})
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(word, None)
    except OSError as error:
        raise FilterError(f"unknown host '{word}'") from error
    return frozenset(ipaddress.ip_address(each[4][0]).packed for each in found)


def _port_number(word: str, protocol: str) -> int:
    if word.isdigit():
        if int(word) > 65535:
            raise FilterError(f"illegal port number {word} > 65535")
        return int(word)
    for name in (protocol,) if protocol in ("tcp", "udp") else ("tcp", "udp"):
        try:
            return socket.getservbyname(word, name)
        except OSError:
            continue
    known = {"http": 80, "https": 443, "domain": 53, "ssh": 22, "ntp": 123}
    if word in known:
        return known[word]
    raise FilterError(f"unknown port '{word}'")


def _number(word: str) -> int:
    try:
        return int(word, 0)
    except ValueError as error:
        raise FilterError(f"'{word}' is not a number") from error
