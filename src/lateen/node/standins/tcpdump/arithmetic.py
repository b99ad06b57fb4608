"""Comparisons over packet bytes, such as `tcp[tcpflags] & (tcp-syn|tcp-fin) != 0`. Pure."""

import operator
from collections.abc import Callable

from lateen.node.standins.tcpdump.lexer import FilterError
from lateen.node.standins.tcpdump.packet import ICMP, ICMP6, IPV4, IPV6, TCP, UDP, Packet

Value = Callable[[Packet], int]

_CONSTANTS = {
    "tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16,
    "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
    "icmptype": 0, "icmpcode": 1, "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-redirect": 5,
    "icmp-echo": 8, "icmp-timxceed": 11,
}  # fmt: skip
_LAYERS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMP6}
_COMPARISONS = {"=": operator.eq, "==": operator.eq, "!=": operator.ne, "<": operator.lt,
                "<=": operator.le, ">": operator.gt, ">=": operator.ge}  # fmt: skip
_LEVELS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"|": operator.or_, "^": operator.xor},
    {"&": operator.and_},
    {"<<": operator.lshift, ">>": operator.rshift},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.floordiv, "%": operator.mod},
)


class CutShort(Exception):
    """The packet ends before a byte that is looked at: the kernel's filters then drop it,
    whatever the rest of the expression says."""


class _NotThereError(Exception):
    """The packet has no such header; then no comparison with it holds."""


def begins(tokens: list[str]) -> bool:
    """Tell whether a comparison starts here (and no address, host or parenthesis)."""
    at = 0
    while at < len(tokens) and tokens[at] in ("(", "-"):
        at += 1
    if at >= len(tokens):
        return False
    if tokens[at] == "len" or tokens[at] in _CONSTANTS:
        return True
    if tokens[at + 1 : at + 2] == ["["]:
        return True
    following = tokens[at + 1 : at + 2]
    return _is_number(tokens[at]) and bool(following) and following[0] in _COMPARED


_COMPARED = {*_COMPARISONS, "+", "-", "*", "/", "&", "|", "<<", ">>"}


def comparison(tokens: list[str]) -> Callable[[Packet], bool]:
    """Take a comparison from the front of the words. Raises FilterError."""
    left = _value(tokens, 0)
    if not tokens or tokens[0] not in _COMPARISONS:
        raise FilterError("syntax error")
    compare = _COMPARISONS[tokens.pop(0)]
    right = _value(tokens, 0)

    def test(packet: Packet) -> bool:
        try:
            return bool(compare(left(packet), right(packet)))
        except (_NotThereError, ZeroDivisionError):
            return False

    return test


def _value(tokens: list[str], level: int) -> Value:
    if level == len(_LEVELS):
        return _atom(tokens)
    left = _value(tokens, level + 1)
    while tokens and tokens[0] in _LEVELS[level]:
        left = _joined(_LEVELS[level][tokens.pop(0)], left, _value(tokens, level + 1))
    return left


def _joined(operate: Callable[[int, int], int], left: Value, right: Value) -> Value:
    return lambda packet: operate(left(packet), right(packet)) & 0xFFFFFFFF


def _atom(tokens: list[str]) -> Value:
    if not tokens:
        raise FilterError("syntax error")
    word = tokens.pop(0)
    if word == "(":
        inner = _value(tokens, 0)
        _expect(tokens, ")")
        return inner
    if word == "-":
        negated = _atom(tokens)
        return lambda packet: -negated(packet) & 0xFFFFFFFF
    if word == "len":
        return lambda packet: packet.wire
    if word in _CONSTANTS:
        constant = _CONSTANTS[word]
        return lambda packet: constant
    if tokens[:1] == ["["]:
        return _accessor(word, tokens)
    if _is_number(word):
        number = int(word, 0)
        return lambda packet: number
    raise FilterError("syntax error")


def _accessor(layer: str, tokens: list[str]) -> Value:
    tokens.pop(0)
    index = _value(tokens, 0)
    size = 1
    if tokens[:1] == [":"]:
        tokens.pop(0)
        word = tokens.pop(0) if tokens else ""
        if word not in ("1", "2", "4"):
            raise FilterError("data size must be 1, 2, or 4")
        size = int(word)
    _expect(tokens, "]")
    base = _base(layer)

    def read(packet: Packet) -> int:
        at = base(packet) + index(packet)
        if at + size > len(packet.data):
            raise CutShort
        return int.from_bytes(packet.data[at : at + size], "big")

    return read


def _base(layer: str) -> Value:
    if layer == "ether":
        return lambda packet: 0
    if layer in ("ip", "ip6"):
        kind = IPV4 if layer == "ip" else IPV6

        def header(packet: Packet) -> int:
            if packet.ethertype != kind:
                raise _NotThereError
            return packet.network_offset

        return header
    if layer not in _LAYERS:
        raise FilterError(f"unsupported index operation on '{layer}'")
    protocol = _LAYERS[layer]

    def payload(packet: Packet) -> int:
        network = packet.network
        # As in libpcap, transport headers are found behind IPv4 only (ICMPv6 apart).
        version = 6 if protocol == ICMP6 else 4
        if network is None and packet.ethertype == (IPV4 if version == 4 else IPV6):
            raise CutShort
        if network is None or network.protocol != protocol or network.version != version:
            raise _NotThereError
        if network.fragment:
            raise _NotThereError
        return network.payload

    return payload


def _is_number(word: str) -> bool:
    try:
        int(word, 0)
    except ValueError:
        return False
    return True


def _expect(tokens: list[str], word: str) -> None:
    if tokens[:1] != [word]:
        raise FilterError("syntax error")
    tokens.pop(0)
