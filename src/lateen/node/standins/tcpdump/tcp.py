"""How a TCP segment is written, with sequence numbers counted from the connection's start."""

import struct
from typing import NamedTuple

from lateen.node.standins.tcpdump import text
from lateen.node.standins.tcpdump.checksum import transport
from lateen.node.standins.tcpdump.packet import IpHeader

_FLAGS = ((1, "F"), (2, "S"), (4, "R"), (8, "P"), (16, "."), (32, "U"), (64, "E"), (128, "W"))
_SYN, _FIN, _RST, _ACK, _URG = 2, 1, 4, 16, 32
_MASK = 0xFFFFFFFF


class Style(NamedTuple):
    """How much is written (`-v`), how little (`-q`), and whether numbers are absolute (`-S`) and
    checksums taken as they are (`-K`)."""

    verbose: int = 0
    quiet: bool = False
    absolute: bool = False
    unchecked: bool = False


class Connections:
    """First sequence numbers of the connections seen, by both ends."""

    def __init__(self) -> None:
        self._seen: dict[tuple[bytes, int, bytes, int], tuple[int, int]] = {}

    def relative(
        self, network: IpHeader, ports: tuple[int, int], seq: int, ack: int, flags: int
    ) -> tuple[int, int, int]:
        """Return sequence and acknowledgement counted from their starts, and the start that
        selective acknowledgements count from.

        The first segment with an acknowledgement sets the starts and is written with its own
        numbers; so is one without.
        """
        if not flags & _ACK:
            return seq, ack, 0
        one, other = (network.source, ports[0]), (network.target, ports[1])
        turned = one > other
        key = (*other, *one) if turned else (*one, *other)
        start = self._seen.get(key)
        mine, theirs = seq, (ack - 1) & _MASK
        if start is None or flags & _SYN:
            self._seen[key] = (theirs, mine) if turned else (mine, theirs)
            return seq, ack, theirs
        mine, theirs = start[::-1] if turned else start
        return (seq - mine) & _MASK, (ack - theirs) & _MASK, theirs


def describe(
    data: bytes,
    network: IpHeader,
    ports: tuple[int, int],
    connections: Connections,
    style: Style,
) -> str:
    """Write what follows `a.b > c.d: `."""
    at = network.payload
    if len(data) < at + 20:
        return " [|tcp]"
    seq, ack, offset, flags, window, checksum, urgent = struct.unpack_from(">IIBBHHH", data, at + 4)
    header = (offset >> 4) * 4
    length = network.length - header
    if header < 20 or length < 0:
        return f"[bad hdr length {header} - too {'short' if header < 20 else 'long'}]"
    if style.quiet:
        return f"tcp {length}"
    base = 0
    if not style.absolute:
        seq, ack, base = connections.relative(network, ports, seq, ack, flags)
    shown = "".join(letter for bit, letter in _FLAGS if flags & bit) or "none"
    parts = [f"Flags [{shown}]"]
    if style.verbose and not style.unchecked:
        parts += _checked(data, network, checksum)
    if style.verbose > 1 or length > 0 or flags & (_SYN | _FIN | _RST):
        end = f":{(seq + length) & _MASK}" if length > 0 else ""
        parts.append(f"seq {seq}{end}")
    if flags & _ACK:
        parts.append(f"ack {ack}")
    parts.append(f"win {window}")
    if flags & _URG:
        parts.append(f"urg {urgent}")
    if header > 20:
        parts.append(f"options [{_options(data[at + 20 : at + header], base)}]")
    parts.append(f"length {length}")
    line = ", ".join(parts)
    return line + text.payload(ports, data[at + header : network.end], length, style.verbose)


def _checked(data: bytes, network: IpHeader, found: int) -> list[str]:
    if network.fragment or network.more or network.end - network.payload < network.length:
        return []
    wanted = transport(data, network, 16)
    if wanted == found:
        return [f"cksum 0x{found:04x} (correct)"]
    return [f"cksum 0x{found:04x} (incorrect -> 0x{wanted:04x})"]


def _options(raw: bytes, base: int) -> str:
    parts = []
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind in (0, 1):
            parts.append("eol" if kind == 0 else "nop")
            at += 1
            if kind == 0:
                break
            continue
        size = raw[at + 1] if at + 1 < len(raw) else 0
        if size < 2 or at + size > len(raw):
            parts.append(f"[bad opt {kind}]")
            break
        parts.append(_option(kind, raw[at + 2 : at + size], base))
        at += size
    return ",".join(parts)


def _option(kind: int, value: bytes, base: int) -> str:
    number = int.from_bytes(value, "big")
    if kind == 2:
        return f"mss {number}"
    if kind == 3:
        return f"wscale {number}"
    if kind == 4:
        return "sackOK"
    if kind == 5:
        edges = struct.unpack(f">{len(value) // 4}I", value[: len(value) // 4 * 4])
        counted = [(edge - base) & _MASK for edge in edges]
        blocks = "".join(
            f"{{{start}:{end}}}" for start, end in zip(counted[::2], counted[1::2], strict=False)
        )
        return f"sack {len(value) // 8} {blocks}"
    if kind == 8 and len(value) == 8:
        return "TS val {} ecr {}".format(*struct.unpack(">II", value))
    if kind == 34:
        return f"tfo  cookie {value.hex()}" if value else "tfo  cookiereq"
    return f"unknown-{kind}" + (f" 0x{value.hex()}" if value else "")
