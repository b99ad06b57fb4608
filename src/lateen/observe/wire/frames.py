"""Ethernet frames to TCP segments. Pure; returns None for anything that is not TCP over IP."""

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

_IPV4, _IPV6, _VLAN, _QINQ = 0x0800, 0x86DD, 0x8100, 0x88A8
_TCP = 6
_EXTENSION_HEADERS = {0, 43, 60}
"""IPv6 hop-by-hop, routing and destination options: skipped by their own length field."""

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

LINK_ETHERNET = 1
LINK_RAW = 101
LINK_COOKED = 113


class Address(NamedTuple):
    """One end of a connection."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Segment(NamedTuple):
    """One TCP segment. `time` is in seconds since the epoch; `cut` counts payload bytes that the
    capture did not keep."""

    time: float
    source: Address
    target: Address
    seq: int
    ack: int
    flags: int
    payload: bytes
    cut: int = 0


def segment(frame: bytes, time: float, link: int = LINK_ETHERNET) -> Segment | None:
    """Read one captured frame."""
    packet = _network_layer(frame, link)
    if packet is None:
        return None
    kind, body = packet
    if kind == _IPV4:
        return _ipv4(body, time)
    if kind == _IPV6:
        return _ipv6(body, time)
    return None


def _network_layer(frame: bytes, link: int) -> tuple[int, bytes] | None:
    if link == LINK_RAW:
        if not frame:
            return None
        return (_IPV6 if frame[0] >> 4 == 6 else _IPV4), frame
    offset = {LINK_ETHERNET: 12, LINK_COOKED: 14}.get(link)
    if offset is None or len(frame) < offset + 2:
        return None
    kind = int.from_bytes(frame[offset : offset + 2], "big")
    offset += 2
    while kind in (_VLAN, _QINQ) and len(frame) >= offset + 4:
        kind = int.from_bytes(frame[offset + 2 : offset + 4], "big")
        offset += 4
    return kind, frame[offset:]


def _ipv4(packet: bytes, time: float) -> Segment | None:
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != _TCP:
        return None
    header = (packet[0] & 0x0F) * 4
    total = int.from_bytes(packet[2:4], "big") or len(packet)
    fragment = int.from_bytes(packet[6:8], "big") & 0x1FFF
    if header < 20 or total < header or fragment:
        return None
    source, target = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
    return _tcp(packet[header:total], total - header, source, target, time)


def _ipv6(packet: bytes, time: float) -> Segment | None:
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return None
    length = int.from_bytes(packet[4:6], "big") or len(packet) - 40
    following, offset = packet[6], 40
    while following in _EXTENSION_HEADERS and len(packet) >= offset + 2:
        size = (packet[offset + 1] + 1) * 8
        following, offset, length = packet[offset], offset + size, length - size
    if following != _TCP or length < 0:
        return None
    source, target = str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40]))
    return _tcp(packet[offset : offset + length], length, source, target, time)


def _tcp(data: bytes, length: int, source: str, target: str, time: float) -> Segment | None:
    """`length` is what the IP header announces; `data` may be shorter if the capture cut it."""
    if len(data) < 20:
        return None
    sport, dport, seq, ack, offset, flags = struct.unpack_from(">HHIIBB", data)
    header = (offset >> 4) * 4
    if header < 20 or length < header:
        return None
    payload = data[header:]
    cut = length - header - len(payload)
    return Segment(
        time, Address(source, sport), Address(target, dport), seq, ack, flags, payload, max(0, cut)
    )
