"""ARP messages, and names of IP protocols."""

import socket
import struct

from lateen.node.standins.tcpdump.names import Names
from lateen.node.standins.tcpdump.packet import Packet


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
