"""The same packets read by us and by tshark: IPv4 and IPv6, in order and not, TLS and HTTP."""

import random
import ssl
import subprocess
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from lateen.cli.traffic.capturefile import CaptureFile
from lateen.observe.packets.capture_ring import Frame
from lateen.observe.wire import classify, frames, streams
from lateen.observe.wire.classify import WireKind
from lateen.observe.wire.frames import Address, Segment
from tests import programs
from tests.observe import dialogues
from tests.observe.packets import frame, talk, tls_bytes

WAYS = ("in order", "repeated", "out of order")
NETWORKS = (
    ("10.0.0.2", "10.0.0.3", ()),
    ("fd00::2", "fd00::3", ()),
    ("fd00::2", "fd00::3", (0, 60)),
)
REQUEST = b"GET /%s HTTP/1.1\r\nHost: a.example\r\n\r\n"
RESPONSE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nhi"


def contents(folder: Path) -> dict[str, tuple[int, bytes, bytes]]:
    """Return what to send by name: the server's port, the client's bytes and the server's."""
    old = tls_bytes(folder, ssl.TLSVersion.TLSv1_2, ["istio", "http/1.1"])
    new = tls_bytes(folder, ssl.TLSVersion.TLSv1_3, ["istio-peer-exchange", "h2"])
    http2 = dialogues.Dialogue()
    http2.exchange(dialogues.Exchange(dialogues.request("/two"), dialogues.response(503)))
    return {
        "TLS 1.2": (443, *old),
        "TLS 1.3": (443, *new),
        "HTTP/1": (8080, REQUEST % b"one" + REQUEST % b"more", RESPONSE * 2),
        "HTTP/2": (8081, http2.said(0), http2.said(1)),
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Segment]]:
    """A file with every content over every network in every way, and its segments."""
    programs.require("tshark")
    folder, port, batch = tmp_path_factory.mktemp("made"), 40000, []
    chance = random.Random(1)
    for content, way, network in product(contents(folder).values(), WAYS, NETWORKS):
        port += 1
        server, said, answered = content
        ends = (Address(network[0], port), Address(network[1], server))
        segments = talk(said, answered, isn=1000, size=60, ends=ends)
        batch += [frame(s, network[2]) for s in disordered(segments, way, chance)]
    path = folder / "made.pcapng"
    with CaptureFile(str(path), ["default/web"], ("eth0",)) as file:
        times = range(10**18, 10**18 + len(batch) * 10**6, 10**6)
        rows = zip(times, batch, strict=True)
        file.write([("default/web", Frame(t, "eth0", data, len(data))) for t, data in rows])
        file.finish({})
    read = [frames.segment(data, t / 1e9) for t, data in zip(times, batch, strict=True)]
    return path, [segment for segment in read if segment is not None]


def disordered(segments: Sequence[Segment], way: str, chance: random.Random) -> list[Segment]:
    """Repeat segments, or let neighbours of one direction overtake one another."""
    found = list(segments)
    if way == "repeated":
        return [again for segment in found for again in [segment] * chance.choice((1, 1, 2))]
    for at in range(3, len(found) - 1, 3) if way == "out of order" else ():
        if found[at].source == found[at + 1].source:
            found[at], found[at + 1] = found[at + 1], found[at]
    return found


def tshark(file: Path, chosen: str, *fields: str) -> list[list[str]]:
    argv = ["tshark", "-r", str(file), "-o", "tcp.reassemble_out_of_order:TRUE"]
    argv += ["-d", "tcp.port==8081,http2"]
    argv += ["-Y", chosen, "-T", "fields", "-E", "separator=;", "-E", "aggregator=|"]
    for name in fields:
        argv += ["-e", name]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split(";") for line in done.stdout.splitlines()]


def test_handshakes_are_read_as_tshark_reads_them(made: tuple[Path, list[Segment]]) -> None:
    file, segments = made
    ours = {}
    for conversation in streams.conversations(segments):
        reading = classify.read(conversation)
        if reading.kind is WireKind.TLS:
            told = (reading.version, reading.sni, "|".join(reading.alpn))
            ours[conversation.client.port] = (*told, len(reading.server_certificates))
    hellos = tshark(
        file,
        "tls.handshake.type == 1",
        "tcp.srcport",
        "tls.handshake.extensions_server_name",
        "tls.handshake.extensions_alpn_str",
    )
    answers = tshark(
        file,
        "tls.handshake.type == 2",
        "tcp.dstport",
        "tls.handshake.extensions.supported_version",
    )
    certificates = tshark(
        file, "tls.handshake.type == 11", "tcp.dstport", "tls.handshake.certificate"
    )
    version = {int(port): "TLSv1.3" if v == "0x0304" else "TLSv1.2" for port, v in answers}
    shown = {int(port): found.count("|") + 1 for port, found in certificates}
    theirs = {
        int(port): (version[int(port)], sni, alpn, shown.get(int(port), 0))
        for port, sni, alpn in hellos
    }
    assert len(ours) == 2 * len(WAYS) * len(NETWORKS)
    assert {told[0] for told in ours.values()} == {"TLSv1.2", "TLSv1.3"}
    assert ours == theirs


def test_http_is_read_as_tshark_reads_it(made: tuple[Path, list[Segment]]) -> None:
    file, segments = made
    ours = set()
    for conversation in streams.conversations(segments):
        reading = classify.read(conversation)
        for message in (*reading.requests, *reading.responses):
            words = message.start.split()
            ours.add((conversation.client.port, reading.kind.value, *words[:2]))
    theirs = set()
    for port, method, uri in tshark(
        file, "http.request", "tcp.srcport", "http.request.method", "http.request.uri"
    ):
        theirs |= {
            (int(port), "HTTP/1", *both)
            for both in zip(method.split("|"), uri.split("|"), strict=True)
            if both[0] != "PRI"
        }
    for port, code in tshark(file, "http.response", "tcp.dstport", "http.response.code"):
        theirs |= {(int(port), "HTTP/1", "HTTP/1.1", each) for each in code.split("|")}
    for port, method, path in tshark(
        file, "http2.headers.method", "tcp.srcport", "http2.headers.method", "http2.headers.path"
    ):
        theirs.add((int(port), "HTTP/2", method, path))
    for port, status in tshark(file, "http2.headers.status", "tcp.dstport", "http2.headers.status"):
        theirs.add((int(port), "HTTP/2", "HTTP/2", status))
    assert len({found[0] for found in ours}) == 2 * len(WAYS) * len(NETWORKS)
    assert ours == theirs
