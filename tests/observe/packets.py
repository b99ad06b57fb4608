"""Segments, frames and real TLS handshakes, made in memory."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Sequence
from pathlib import Path

from lateen.observe.wire.frames import ACK, SYN, Address, Segment

CLIENT, SERVER = Address("10.244.0.2", 40000), Address("10.244.0.3", 80)
CLIENT6, SERVER6 = Address("fd00::2", 40000), Address("fd00::3", 80)


def frame(segment: Segment, extensions: Sequence[int] = ()) -> bytes:
    """Write a segment as an Ethernet frame (the inverse of frames.segment).

    `extensions` are numbers of IPv6 extension headers that stand before TCP.
    """
    ports = (segment.source.port, segment.target.port)
    numbers = (segment.seq, segment.ack, 5 << 4, segment.flags, 64240, 0, 0)
    tcp = struct.pack(">HHIIBBHHH", *ports, *numbers) + segment.payload
    source, target = segment.source.ip, segment.target.ip
    if ":" in source:
        kinds = [*extensions, 6]
        between = b"".join(bytes([kind, 0, 1, 4, 0, 0, 0, 0]) for kind in kinds[1:])
        addresses = b"".join(socket.inet_pton(socket.AF_INET6, ip) for ip in (source, target))
        size = len(between) + len(tcp)
        head = struct.pack(">IHBB", 6 << 28, size, kinds[0], 64) + addresses
        return b"\x02" * 12 + b"\x86\xdd" + head + between + tcp
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0)
    return b"\x02" * 12 + b"\x08\x00" + head + addresses + tcp


def talk(
    client: bytes,
    server: bytes,
    *,
    isn: int = 0xFFFFFFF0,
    size: int = 7,
    ends: tuple[Address, Address] = (CLIENT, SERVER),
) -> list[Segment]:
    """Make the segments of one connection, its sequence numbers wrapping around."""
    asking, asked = ends
    out = [
        Segment(0.0, asking, asked, isn, 0, SYN, b""),
        Segment(0.1, asked, asking, 99, (isn + 1) % 2**32, SYN | ACK, b""),
    ]
    for source, target, start, data in (
        (asking, asked, isn + 1, client),
        (asked, asking, 100, server),
    ):
        for at in range(0, len(data), size):
            seq = (start + at) % 2**32
            out.append(Segment(0.2, source, target, seq, 0, ACK, data[at : at + size]))
    return out


def tls_bytes(tmp_path: Path, maximum: ssl.TLSVersion, alpn: list[str]) -> tuple[bytes, bytes]:
    """Make a real handshake between two contexts of Python's own, in memory."""
    from lateen.base.clock import SystemClock
    from lateen.pki.authority import Authority

    made = Authority.open(tmp_path, SystemClock()).server_certificate(["a.example"])
    pem = tmp_path / "server.pem"
    pem.write_text(made.chain_pem + made.key_pem)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem)
    server_side.set_alpn_protocols(alpn)
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname, client_side.verify_mode = False, ssl.CERT_NONE
    client_side.maximum_version = maximum
    client_side.set_alpn_protocols(alpn)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname="a.example")
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    sent, got = bytearray(), bytearray()
    for _ in range(4):
        for side, bio, log in ((client, to_server, sent), (server, to_client, got)):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            log += (data := bio.read())
            bio.write(data)
    client.write(b"secret")
    sent += to_server.read()
    server_data = b""
    to_server.write(b"")
    return bytes(sent), bytes(got) + server_data
