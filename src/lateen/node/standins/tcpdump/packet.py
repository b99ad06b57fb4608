"""A captured frame taken apart as far as addresses and ports. Pure."""

import struct
from typing import NamedTuple

ETHERNET = 1
LINUX_SLL2 = 276

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58

_PORTED = (TCP, UDP, 132)
_EXTENSIONS = (0, 43, 60)


class IpHeader(NamedTuple):
    """The IP part: `offset` and `payload` are where it and what it carries begin in the frame."""

    version: int
    source: bytes
    target: bytes
    protocol: int
    offset: int
    payload: int
    end: int
    """Where IP says that the packet ends; never beyond what was captured."""
    length: int
    """The payload's length on the wire."""
    fragment: int
    """Offset of a fragment in bytes; ports are in the first one only."""
    more: bool


class Packet(NamedTuple):
    """One frame. `time` counts nanoseconds since 1970; `wire` is its length before truncation."""

    time: int
    data: bytes
    wire: int
    link: int
    network_offset: int
    ethertype: int
    network: IpHeader | None
    ports: tuple[int, int] | None
    interface: str
    direction: str


def parse(
    time: int, data: bytes, wire: int, link: int, interface: str = "", direction: str = ""
) -> Packet:
    """Take a frame apart; what cannot be read is None."""
    offset, ethertype = _link(data, link)
    network = None
    if ethertype == IPV4:
        network = _ipv4(data, offset)
    elif ethertype == IPV6:
        network = _ipv6(data, offset)
    ports = None
    if network and network.protocol in _PORTED and not network.fragment:
        at = network.payload
        if len(data) >= at + 4:
            ports = struct.unpack_from(">HH", data, at)
    return Packet(time, data, wire, link, offset, ethertype, network, ports, interface, direction)


def _link(data: bytes, link: int) -> tuple[int, int]:
    if link == LINUX_SLL2:
        return (20, int.from_bytes(data[:2], "big")) if len(data) >= 20 else (len(data), 0)
    if len(data) < 14:
        return len(data), 0
    offset, ethertype = 14, int.from_bytes(data[12:14], "big")
    while ethertype in (0x8100, 0x88A8) and len(data) >= offset + 4:
        ethertype = int.from_bytes(data[offset + 2 : offset + 4], "big")
        offset += 4
    return offset, ethertype


def _ipv4(data: bytes, offset: int) -> IpHeader | None:
    if len(data) < offset + 20 or data[offset] >> 4 != 4:
        return None
    header = (data[offset] & 15) * 4
    total, _, fragment = struct.unpack_from(">HHH", data, offset + 2)
    return IpHeader(
        4,
        data[offset + 12 : offset + 16],
        data[offset + 16 : offset + 20],
        data[offset + 9],
        offset,
        offset + header,
        min(len(data), offset + (total or len(data) - offset)),
        max(0, (total or len(data) - offset) - header),
        (fragment & 0x1FFF) * 8,
        bool(fragment & 0x2000),
    )


def _ipv6(data: bytes, offset: int) -> IpHeader | None:
    if len(data) < offset + 40 or data[offset] >> 4 != 6:
        return None
    length = int.from_bytes(data[offset + 4 : offset + 6], "big")
    protocol, at, fragment, more = data[offset + 6], offset + 40, 0, False
    while (protocol in _EXTENSIONS or protocol == 44) and len(data) >= at + 8:
        size = 8
        if protocol == 44:
            word = int.from_bytes(data[at + 2 : at + 4], "big")
            fragment, more = word & 0xFFF8, bool(word & 1)
        else:
            size = 8 + data[at + 1] * 8
        protocol, at = data[at], at + size
    end = offset + 40 + length
    return IpHeader(
        6,
        data[offset + 8 : offset + 24],
        data[offset + 24 : offset + 40],
        protocol,
        offset,
        at,
        min(len(data), end),
        max(0, end - at),
        fragment,
        more,
    )
