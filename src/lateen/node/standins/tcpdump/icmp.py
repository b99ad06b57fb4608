"""How ICMP, ICMPv6 and ARP messages are written."""

import socket
import struct

from lateen.node.standins.tcpdump.checksum import checksum, transport
from lateen.node.standins.tcpdump.names import Names
from lateen.node.standins.tcpdump.packet import IPV4, TCP, UDP, Network, Packet, parse

_PROTOCOLS = {TCP: "tcp", UDP: "udp"}
_UNREACHABLE = {0: "net {} unreachable", 1: "host {} unreachable", 6: "net {} unknown",
                7: "host {} unknown", 13: "host {} unreachable - admin prohibited filter",
                10: "host {} unreachable - admin prohibited"}  # fmt: skip
_ICMP6 = {133: "router solicitation", 134: "router advertisement", 135: "neighbor solicitation",
          136: "neighbor advertisement", 143: "multicast listener report v2",
          131: "multicast listener report", 132: "multicast listener done"}  # fmt: skip


def icmp(data: bytes, network: Network, names: Names) -> str:
    """Write an ICMP message with its length."""
    body = data[network.payload : network.end]
    if len(body) < 8:
        return "[|icmp]"
    kind, code = body[0], body[1]
    tail = f", length {network.length}"
    if kind in (0, 8):
        ident, sequence = struct.unpack_from(">HH", body, 4)
        what = "echo request" if kind == 8 else "echo reply"
        return f"ICMP {what}, id {ident}, seq {sequence}{tail}"
    if kind == 3:
        return f"ICMP {_unreachable(code, body, names)}{tail}"
    if kind == 11:
        what = "time exceeded in-transit" if code == 0 else "ip reassembly time exceeded"
        return f"ICMP {what}{tail}"
    if kind == 5 and code < 4:
        what = ("net", "host", "tos", "net tos")[code]
        return f"ICMP redirect {_inner(body, names)} to {what} {names.host(body[4:8])}{tail}"
    return f"ICMP type-#{kind}{tail}"


def quoted(body: bytes) -> Packet | None:
    """Return the packet that an ICMP error quotes."""
    if len(body) < 36 or body[0] not in (3, 4, 5, 11, 12):
        return None
    return parse(0, bytes(12) + IPV4.to_bytes(2, "big") + body[8:], 0, 1)


def _inner(body: bytes, names: Names) -> str:
    return names.host(body[24:28]) if len(body) >= 28 else "?"


def _unreachable(code: int, body: bytes, names: Names) -> str:
    inner = quoted(body)
    target = _inner(body, names)
    if code == 2 and inner and inner.network:
        return f"{target} protocol {inner.network.protocol} unreachable"
    if code == 3 and inner and inner.network and inner.ports:
        protocol = _PROTOCOLS.get(inner.network.protocol, str(inner.network.protocol))
        return f"{target} {protocol} port {names.port(inner.ports[1], protocol)} unreachable"
    if code == 4:
        mtu = int.from_bytes(body[6:8], "big")
        return f"{target} unreachable - need to frag" + (f" (mtu {mtu})" if mtu else "")
    return _UNREACHABLE.get(code, f"{{}} unreachable - #{code}").format(target)


def wrong_checksum(data: bytes, network: Network) -> str:
    """Return a remark if an ICMP message's checksum is wrong; nothing if it cannot be told."""
    body = data[network.payload : network.end]
    if len(body) < network.length or len(body) < 4 or checksum(body) == 0:
        return ""
    found = int.from_bytes(body[2:4], "big")
    return f" (wrong icmp cksum {found:x} (->{checksum(body[:2] + bytes(2) + body[4:]):x})!)"


def icmp6(data: bytes, network: Network, names: Names, *, verbose: bool = False) -> str:
    """Write an ICMPv6 message with its length."""
    body = data[network.payload : network.end]
    if len(body) < 8:
        return " [|icmp6]"
    kind = body[0]
    check = _checked6(data, network) if verbose else ""
    tail = f", length {network.length}"
    if kind in (128, 129):
        ident, sequence = struct.unpack_from(">HH", body, 4)
        what = "echo request" if kind == 128 else "echo reply"
        return f"{check}ICMP6, {what}, id {ident}, seq {sequence}" + ("" if verbose else tail)
    what = _ICMP6.get(kind, f"type-#{kind}")
    about = ""
    if kind == 135 and len(body) >= 24:
        about = f", who has {names.host(body[8:24])}"
    elif kind == 136 and len(body) >= 24:
        about = f", tgt is {names.host(body[8:24])}"
        if verbose:
            about += f", Flags [{_neighbor_flags(body[4])}]"
    elif kind == 143:
        about = f", {int.from_bytes(body[6:8], 'big')} group record(s)"
    return f"{check}ICMP6, {what}" + (tail + about if verbose else about + tail)


def _neighbor_flags(flags: int) -> str:
    names = ((0x80, "router"), (0x40, "solicited"), (0x20, "override"))
    return ", ".join(name for bit, name in names if flags & bit) or "none"


def _checked6(data: bytes, network: Network) -> str:
    if network.end - network.payload < network.length:
        return ""
    found = int.from_bytes(data[network.payload + 2 : network.payload + 4], "big")
    wanted = transport(data, network, 2)
    if wanted == found:
        return "[icmp6 sum ok] "
    return f"[bad icmp6 cksum 0x{found:04x} -> 0x{wanted:04x}!] "


def arp(packet: Packet, names: Names, *, verbose: bool = False) -> str:
    """Write an ARP message."""
    body = packet.data[packet.network_offset :]
    length = max(0, packet.wire - packet.network_offset)
    if len(body) < 28:
        return "[|arp]"
    (operation,) = struct.unpack_from(">H", body, 6)
    types = "Ethernet (len 6), IPv4 (len 4), " if verbose else ""
    sender, asked = names.host(body[14:18]), names.host(body[24:28])
    if operation == 1:
        known = body[18:24]
        to = f" ({names.mac(known)})" if any(known) else ""
        return f"ARP, {types}Request who-has {asked}{to} tell {sender}, length {length}"
    if operation == 2:
        return f"ARP, {types}Reply {sender} is-at {names.mac(body[8:14])}, length {length}"
    return f"ARP, Unknown ({operation}), length {length}"


def protocol_name(number: int) -> str:
    """Return the name of an IP protocol, as /etc/protocols has it in capitals."""
    known = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 58: "ICMPv6",
             89: "OSPF", 132: "SCTP"}  # fmt: skip
    if number in known:
        return known[number]
    for name in dir(socket):
        if name.startswith("IPPROTO_") and getattr(socket, name) == number:
            return name.removeprefix("IPPROTO_")
    return "unknown"
