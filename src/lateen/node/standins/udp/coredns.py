"""CoreDNS with its plugin `whoami`: tells clients their own address and port.

    python -m lateen.node.standins.udp.coredns [-conf FILE] [-dns.port N]

Of the configuration the zones are read (`example.org:53 {`) and whether `whoami` or `erratic` is in
them; what no zone has is refused. DNS over TCP is not served.
"""

import ipaddress
import os
import re
import struct
import sys
from typing import NamedTuple

from lateen.node.standins.udp.datagrams import serve_udp

_A, _AAAA, _SRV, _IN = 1, 28, 33, 1
_ANSWER, _AUTHORITATIVE, _REFUSED = 0x8000, 0x0400, 5
_HEAD = struct.Struct("!6H")
_BLOCK = re.compile(r"([^{}]+)\{([^{}]*)\}")
DEFAULT = ".:53 {\n whoami\n}\n"
"""What CoreDNS serves without a configuration."""


class Zone(NamedTuple):
    """One server block of a Corefile."""

    name: str
    port: int
    plugins: tuple[str, ...]


def zones(corefile: str, port: int) -> tuple[Zone, ...]:
    """Read a Corefile; `port` is that of zones that name none."""
    text = re.sub(r"#.*", "", corefile)
    found = []
    for names, body in _BLOCK.findall(text):
        plugins = tuple(line.split()[0] for line in body.splitlines() if line.split())
        for name in names.replace(",", " ").split():
            host, _, number = name.removeprefix("dns://").partition(":")
            at = int(number) if number.isdigit() else port
            found.append(Zone(host.lower().strip("."), at, plugins))
    return tuple(found)


def reply(query: bytes, peer: tuple[str, int], served: tuple[Zone, ...]) -> bytes:
    """Return the answer to one query; empty for what is none."""
    if len(query) < _HEAD.size:
        return b""
    identity, flags, questions, *_ = _HEAD.unpack_from(query)
    if flags & _ANSWER or questions != 1:
        return b""
    labels, at = [], _HEAD.size
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    question = query[_HEAD.size : at + 5]
    name = ".".join(labels)
    zone = max((each for each in served if _holds(each.name, name)), key=_length, default=None)
    kept = flags & 0x0110 | _ANSWER
    if zone is None or "whoami" not in zone.plugins:
        return _HEAD.pack(identity, kept | _REFUSED, 1, 0, 0, 0) + question
    told = _whoami(name, peer)
    return _HEAD.pack(identity, kept | _AUTHORITATIVE, 1, 0, 0, 2) + question + told


def _whoami(name: str, peer: tuple[str, int]) -> bytes:
    """Return the client's address, and its port as an SRV record, as additional records."""
    address = ipaddress.ip_address(peer[0])
    owner = b"\xc0\x0c"  # the question's name
    kind = _A if address.version == 4 else _AAAA
    record = owner + struct.pack("!HHIH", kind, _IN, 0, len(address.packed)) + address.packed
    data = struct.pack("!HHH", 0, 0, peer[1]) + b"\0"
    service = _encoded(f"_udp.{name}") + struct.pack("!HHIH", _SRV, _IN, 0, len(data)) + data
    return record + service


def _encoded(name: str) -> bytes:
    parts = [part.encode("latin-1") for part in name.split(".") if part]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def _holds(zone: str, name: str) -> bool:
    return not zone or name == zone or name.endswith(f".{zone}")


def _length(zone: Zone) -> int:
    return len(zone.name)


def main(words: list[str]) -> int:
    """Serve the first zone's port until killed."""
    given = dict(zip(words[::2], words[1::2], strict=False))
    try:
        corefile = DEFAULT
        if path := given.get("-conf"):
            with open(path, encoding="utf-8") as file:
                corefile = file.read()
        elif os.path.exists("Corefile"):
            with open("Corefile", encoding="utf-8") as file:
                corefile = file.read()
        served = zones(corefile, int(given.get("-dns.port", "53")))
        for zone in served:
            sys.stdout.write(f"{zone.name or '.'}:{zone.port}\n")
        sys.stdout.flush()
        port = served[0].port if served else 53
        return serve_udp(port, lambda data, peer: reply(data, peer, served))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"coredns: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
