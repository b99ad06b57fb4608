"""Names of addresses and ports, through this machine's own resolver."""

import socket

_PORTS = {20: "ftp-data", 21: "ftp", 22: "ssh", 25: "smtp", 53: "domain", 67: "bootps",
          68: "bootpc", 80: "http", 123: "ntp", 443: "https", 8080: "http-alt"}  # fmt: skip


class Names:
    """Writes addresses and ports. `-n` writes addresses as numbers and, since tcpdump 4.x does
    so too, ports as well; `-N` drops the domain of a host name."""

    def __init__(self, *, numeric: bool, short: bool = False) -> None:
        self._numeric = numeric
        self._short = short
        self._hosts: dict[bytes, str] = {}
        self._ports: dict[tuple[int, str], str] = {}

    def host(self, address: bytes) -> str:
        """Write an IPv4 or IPv6 address."""
        if address not in self._hosts:
            self._hosts[address] = self._look_up(address)
        return self._hosts[address]

    def port(self, port: int, protocol: str) -> str:
        """Write a port of `tcp` or `udp`."""
        if self._numeric:
            return str(port)
        key = (port, protocol)
        if key not in self._ports:
            try:
                self._ports[key] = socket.getservbyport(port, protocol)
            except OSError:
                # Small container images have no /etc/services.
                self._ports[key] = _PORTS.get(port, str(port)) if not _HAVE_SERVICES else str(port)
        return self._ports[key]

    def protocol(self, number: int) -> str:
        """Write the number of a protocol above IP."""
        known = {1: "icmp", 6: "tcp", 17: "udp", 132: "sctp"}
        return f"ip-proto-{number}" if self._numeric else known.get(number, f"ip-proto-{number}")

    def mac(self, address: bytes) -> str:
        """Write an Ethernet address, with its maker unless everything is in numbers."""
        text = address.hex(":")
        if self._numeric:
            return text
        if address == b"\xff" * 6:
            return "Broadcast"
        return f"{text} (oui {'Ethernet' if address[:3] == bytes(3) else 'Unknown'})"

    def _look_up(self, address: bytes) -> str:
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        text = socket.inet_ntop(family, address)
        if self._numeric or text in ("0.0.0.0", "255.255.255.255", "::"):
            return text
        try:
            name = socket.gethostbyaddr(text)[0]
        except OSError:
            return text
        return name.partition(".")[0] if self._short else name


def _have_services() -> bool:
    try:
        return socket.getservbyname("domain", "udp") == 53
    except OSError:
        return False


_HAVE_SERVICES = _have_services()
