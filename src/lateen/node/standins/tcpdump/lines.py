"""One line (or more, with `-v`) per packet, in tcpdump's own words."""

import time
from typing import NamedTuple

from lateen.node.standins.tcpdump import arp, dns, dump, tcp
from lateen.node.standins.tcpdump.checksum import checksum, transport
from lateen.node.standins.tcpdump.names import Names
from lateen.node.standins.tcpdump.packet import (
    ARP,
    ICMP,
    ICMP6,
    IPV4,
    IPV6,
    LINUX_SLL2,
    TCP,
    UDP,
    IpHeader,
    Packet,
)

_ETHERTYPES = {IPV4: "IPv4", ARP: "ARP", IPV6: "IPv6", 0x8100: "802.1Q"}
_DNS_PORTS = (53, 5353)


class Style(NamedTuple):
    """What the command line asked for."""

    times: int = 0
    link: bool = False
    verbose: int = 0
    quiet: bool = False
    absolute: bool = False
    contents: str = ""
    """`A`, `AA`, `x`, `xx`, `X` or `XX`."""
    numbered: bool = False
    unchecked: bool = False
    """Whether checksums are taken as they are."""


class LinePrinter:
    """Writes packets; remembers connections and the times it counts from."""

    def __init__(self, names: Names, style: Style) -> None:
        self._names = names
        self._style = style
        self._connections = tcp.Connections()
        self._tcp = tcp.Style(style.verbose, style.quiet, style.absolute, style.unchecked)
        self._first = 0
        self._last = 0
        self._count = 0

    def write(self, packet: Packet) -> str:
        """Return everything about a packet, with its line end."""
        self._count += 1
        line = f"{self._count:5}  " if self._style.numbered else ""
        line += self._stamp(packet.time) + self._link(packet) + self._network(packet)
        return line + self._contents(packet) + "\n"

    def _stamp(self, at: int) -> str:
        kind = self._style.times
        self._first = self._first or at
        before, self._last = self._last or at, at
        if kind == 1:
            return ""
        if kind == 2:
            return f"{at // 10**9}.{at % 10**9 // 1000:06} "
        if kind in (3, 5):
            delta = at - (before if kind == 3 else self._first)
            return f" {_clock(time.gmtime(delta // 10**9))}.{delta % 10**9 // 1000:06} "
        local = time.localtime(at // 10**9)
        day = f"{local.tm_year}-{local.tm_mon:02}-{local.tm_mday:02} " if kind == 4 else ""
        return f"{day}{_clock(local)}.{at % 10**9 // 1000:06} "

    def _link(self, packet: Packet) -> str:
        if packet.link == LINUX_SLL2:
            return f"{packet.interface:<5} {packet.direction:<3} {self._cooked(packet)}"
        if not self._style.link or len(packet.data) < 14:
            return ""
        target, source = packet.data[:6], packet.data[6:12]
        kind = int.from_bytes(packet.data[12:14], "big")
        name = _ETHERTYPES.get(kind, "Unknown")
        ends = f"{self._names.mac(source)} > {self._names.mac(target)}"
        return f"{ends}, ethertype {name} (0x{kind:04x}), length {packet.wire}: "

    def _cooked(self, packet: Packet) -> str:
        """Write what else a cooked header tells: index and address of the interface."""
        if not self._style.link or len(packet.data) < 20:
            return ""
        kind, index = (int.from_bytes(packet.data[a:b], "big") for a, b in ((0, 2), (4, 8)))
        address = f"{self._names.mac(packet.data[12:18])} " if packet.data[11] == 6 else ""
        name = _ETHERTYPES.get(kind, "Unknown")
        told = f"ethertype {name} (0x{kind:04x}), length {packet.wire}: "
        return f"ifindex {index} {address}{told}"

    def _network(self, packet: Packet) -> str:
        named = not self._style.link
        if packet.network is not None:
            label = "IP" if packet.network.version == 4 else "IP6"
            return (f"{label} " if named else "") + self._internet(packet, packet.network)
        if packet.ethertype == ARP:
            text = arp.arp(packet, self._names, verbose=bool(self._style.verbose))
            return text if named else text.removeprefix("ARP, ")
        if packet.ethertype in (IPV4, IPV6):
            label = "IP" if packet.ethertype == IPV4 else "IP6"
            return (f"{label} " if named else "") + f" [|{label.lower()}]"
        label = f"Unknown Ethertype (0x{packet.ethertype:04x})" if named else "Unknown"
        return f"{label}, length {len(packet.data)}"

    def _internet(self, packet: Packet, network: IpHeader) -> str:
        details = self._details(packet.data, network) if self._style.verbose else ""
        source, target = self._names.host(network.source), self._names.host(network.target)
        body = self._transport(packet, network)
        if packet.ports is not None and network.protocol in (TCP, UDP):
            name = "tcp" if network.protocol == TCP else "udp"
            source += f".{self._names.port(packet.ports[0], name)}"
            target += f".{self._names.port(packet.ports[1], name)}"
        return f"{details}{source} > {target}: {body}"

    def _transport(self, packet: Packet, network: IpHeader) -> str:
        data = packet.data
        if network.fragment:
            return self._names.protocol(network.protocol)
        if network.protocol == TCP and packet.ports:
            return tcp.describe(data, network, packet.ports, self._connections, self._tcp)
        if network.protocol == UDP and packet.ports:
            return self._udp(data, network, packet.ports)
        if network.protocol == ICMP and network.version == 4:
            return f"ICMP, length {network.length}"
        if network.protocol == ICMP6 and network.version == 6:
            return f"ICMP6, length {network.length}"
        return f" ip-proto-{network.protocol} {network.length}"

    def _udp(self, data: bytes, network: IpHeader, ports: tuple[int, int]) -> str:
        body = data[network.payload + 8 : network.end]
        length = int.from_bytes(data[network.payload + 4 : network.payload + 6], "big") - 8
        if self._style.quiet:
            return f"UDP, length {length}"
        checked = self._style.verbose > 1 and not self._style.unchecked
        check = self._udp_check(data, network) if checked else ""
        if any(port in _DNS_PORTS for port in ports):
            return check + dns.describe(body, self._style.verbose)
        return f"{check}UDP, length {length}"

    def _udp_check(self, data: bytes, network: IpHeader) -> str:
        found = int.from_bytes(data[network.payload + 6 : network.payload + 8], "big")
        if not found and network.version == 4 and not network.more:
            return "[no cksum] "
        if network.more or network.end - network.payload < network.length:
            return ""
        wanted = transport(data, network, 6) or 0xFFFF
        if wanted == found:
            return "[udp sum ok] "
        return f"[bad udp cksum 0x{found:04x} -> 0x{wanted:04x}!] "

    def _details(self, data: bytes, network: IpHeader) -> str:
        at = network.offset
        if network.version == 6:
            flow = int.from_bytes(data[at : at + 4], "big")
            label = f"class 0x{flow >> 20 & 0xFF:02x}, " if flow >> 20 & 0xFF else ""
            label += f"flowlabel 0x{flow & 0xFFFFF:05x}, " if flow & 0xFFFFF else ""
            length = int.from_bytes(data[at + 4 : at + 6], "big")
            name = arp.protocol_name(data[at + 6])
            return (
                f"({label}hlim {data[at + 7]}, next-header {name} ({data[at + 6]})"
                f" payload length: {length}) "
            )
        tos, ttl = data[at + 1], data[at + 8]
        ecn = (",ECT(1)", ",ECT(0)", ",CE")[(tos & 3) - 1] if tos & 3 else ""
        word = int.from_bytes(data[at + 6 : at + 8], "big")
        flags = [name for bit, name in ((0x8000, "+"), (0x4000, "DF"), (0x2000, "+")) if word & bit]
        shown = ", ".join(flags) or "none"
        ident = int.from_bytes(data[at + 4 : at + 6], "big")
        total = int.from_bytes(data[at + 2 : at + 4], "big")
        name = arp.protocol_name(network.protocol)
        text = (
            f"(tos 0x{tos:x}{ecn}, ttl {ttl}, id {ident}, offset {network.fragment},"
            f" flags [{shown}], proto {name} ({network.protocol}), length {total}"
        )
        header = data[at : network.payload]
        if checksum(header) and not self._style.unchecked:
            found = int.from_bytes(header[10:12], "big")
            right = checksum(header[:10] + b"\0\0" + header[12:])
            text += f", bad cksum {found:x} (->{right:x})!"
        return f"{text})\n    "

    def _contents(self, packet: Packet) -> str:
        kind = self._style.contents
        if not kind:
            return ""
        start = 0 if len(kind) > 1 else packet.network_offset
        end = len(packet.data)
        if packet.network is not None and len(kind) == 1:
            end = max(packet.network.end, start)
        data = packet.data[start:end]
        if kind[0] == "A":
            return dump.ascii_text(data)
        return dump.hex_text(data, letters=kind[0] == "X")


def _clock(at: time.struct_time) -> str:
    return f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
