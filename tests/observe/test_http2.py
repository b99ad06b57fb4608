"""HTTP/2 in clear bytes: what the h2 library wrote is read back, however cut; noise is not."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, strategies as st

from lateen.model.labapi.traffic import Flow
from lateen.observe.packets import pcapng
from lateen.observe.packets.flows import Narrator
from lateen.observe.wire import classify, http2, streams
from lateen.observe.wire.frames import ACK, SYN, Segment
from lateen.observe.wire.http2 import BLOCK_LIMIT, PREFACE, Ending, FrameReader, Head
from tests import programs
from tests.observe.dialogues import Dialogue, Exchange, Headers, request, response
from tests.observe.test_wire import CLIENT, SERVER, frame, talk

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).filter(
    lambda name: name[0] != "-" and name not in ("connection", "te", "upgrade", "host")
)
VALUES = st.text("abcdefghij /=;,._0123456789", max_size=40).map(str.strip)
MORE = st.lists(st.tuples(NAMES.map("x-{}".format), VALUES), max_size=6)
EXCHANGES = st.lists(
    st.builds(
        lambda path, more, status, back, body, trailers: Exchange(
            request(f"/{path}", *more), response(status, *back), body, trailers
        ),
        st.text("abc0/", max_size=20),
        MORE,
        st.sampled_from([200, 204, 404, 503]),
        MORE,
        st.sampled_from([b"", b"x" * 3000]),
        st.sampled_from([[], [("grpc-status", "0")]]),
    ),
    min_size=1,
    max_size=8,
)


def held(exchanges: list[Exchange], *, table: int = 4096) -> Dialogue:
    made = Dialogue(table=table)
    for each in exchanges:
        made.exchange(each)
    return made


def read(data: bytes, cuts: list[int], *, client: bool) -> list[Head | Ending]:
    reader, found, last = FrameReader(client=client), [], 0
    for cut in [*sorted(min(c, len(data)) for c in cuts), len(data)]:
        found += reader.read(data[last:cut])
        last = cut
    assert not reader.stopped
    return found


CUTS = st.lists(st.integers(0, 4000), max_size=12)


@given(EXCHANGES, CUTS, st.sampled_from([0, 100, 4096, 65536]))
def test_what_was_written_is_read_back(
    exchanges: list[Exchange], cuts: list[int], table: int
) -> None:
    made = held(exchanges, table=table)
    asked = read(made.said(0), cuts, client=True)
    assert [list(head.headers) for head in asked] == [each.request for each in exchanges]
    told: list[Headers] = []
    for each in exchanges:
        told += [each.response, *([each.trailers] if each.trailers else [])]
    answered = read(made.said(1), cuts, client=False)
    assert [list(head.headers) for head in answered] == told
    assert [head.stream for head in asked] == sorted({head.stream for head in answered})


@given(st.binary(max_size=400), st.booleans(), CUTS)
def test_noise_stops_a_reader_or_is_waited_out(data: bytes, client: bool, cuts: list[int]) -> None:
    reader, last = FrameReader(client=client), 0
    for cut in [*sorted(min(c, len(data)) for c in cuts), len(data)]:
        reader.read(data[last:cut])
        last = cut


SOME = held([Exchange(request("/a", ("x-a", "b" * 50)), response(200), b"c" * 100)] * 4)


@given(st.data())
def test_damaged_bytes_are_read_as_far_as_they_go(data: st.DataObject) -> None:
    side = data.draw(st.integers(0, 1))
    said = bytearray(SOME.said(side))
    for _ in range(data.draw(st.integers(1, 6))):
        said[data.draw(st.integers(0, len(said) - 1))] = data.draw(st.integers(0, 255))
    at = data.draw(st.integers(0, len(said)))
    FrameReader(client=not side).read(
        bytes(said[:at] + said[data.draw(st.integers(0, len(said))) :])
    )


@given(st.integers(1, 2000))
def test_nothing_is_guessed_without_the_beginning(start: int) -> None:
    for side in (0, 1):
        said = SOME.said(side)
        found = FrameReader(client=not side).read(said[start:])
        # A second SETTINGS frame, before any headers, is a beginning too.
        assert found in ([], FrameReader(client=not side).read(said))
    assert FrameReader(client=True).read(b"GET / HTTP/1.1\r\n\r\n") == []


def test_padding_priority_and_continuations_are_taken_off() -> None:
    import hpack

    block = hpack.Encoder().encode(request("/long", ("x-a", "v" * 100)))
    head = b"\x05" + b"\0\0\0\0\x10" + block[:20] + b"\0" * 5

    def framed(kind: int, flags: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes((kind, flags, 0, 0, 0, 1)) + payload

    data = PREFACE + framed(4, 0, b"")[:8] + b"\0" + framed(1, 0x29, head)
    data += framed(9, 0, block[20:50]) + framed(9, 4, block[50:])
    (found,) = read(data, [30, 60], client=True)
    assert isinstance(found, Head)
    assert list(found.headers) == request("/long", ("x-a", "v" * 100))
    assert (found.stream, found.ended) == (1, True)


def test_what_is_kept_is_bounded() -> None:
    settings = PREFACE + b"\0\0\0\4\0\0\0\0\0"
    piece = (16000).to_bytes(3, "big") + b"\x09\0\0\0\0\1" + b"\0" * 16000
    reader = FrameReader(client=True)
    reader.read(settings + b"\0\0\0\x01\0\0\0\0\1")
    for _ in range(BLOCK_LIMIT // 16000 + 2):
        reader.read(piece)
    assert reader.stopped == "a header block is larger than 64 KiB"
    reader = FrameReader(client=True)
    reader.read(settings + b"\xff\xff\xff\x01\0\0\0\0\1")
    assert reader.stopped == "a frame is larger than 64 KiB"


def test_a_server_that_speaks_first_is_http2_too() -> None:
    (found,) = streams.conversations(talk(b"", SOME.said(1)[:40]))
    assert classify.read(found).kind is classify.WireKind.HTTP2


def test_a_reading_has_the_requests_and_responses() -> None:
    (found,) = streams.conversations(talk(SOME.said(0), SOME.said(1), size=100))
    reading = classify.read(found)
    assert [each.start for each in reading.requests] == ["GET /a HTTP/2"] * 4
    assert [each.start for each in reading.responses] == ["HTTP/2 200"] * 4
    assert [each.stream for each in reading.responses] == [1, 3, 5, 7]


def segments(made: Dialogue, size: int = 1000) -> list[Segment]:
    """The turns of a dialogue as segments of one connection."""
    ends, seq = (CLIENT, SERVER), [1000, 5000]
    found = [
        Segment(0.0, CLIENT, SERVER, 999, 0, SYN, b""),
        Segment(0.1, SERVER, CLIENT, 4999, 1000, SYN | ACK, b""),
    ]
    for number, data in made.turns:
        for at in range(0, len(data), size):
            part = data[at : at + size]
            source, target = ends[number], ends[1 - number]
            time = 0.2 + len(found) / 1000
            found.append(Segment(time, source, target, seq[number], seq[1 - number], ACK, part))
            seq[number] += len(part)
    return found


def told(parts: list[Segment], **more: object) -> list[Flow]:
    narrator = Narrator("default/web", CLIENT.ip, **more)
    return [flow for segment in parts for flow in narrator.take(segment, "eth0")]


def test_lines_tell_each_stream() -> None:
    made = Dialogue()
    secret = ("authorization", "Bearer hunter2")
    made.exchange(Exchange(request("/a?token=hunter2", secret), response(503)))
    made.exchange(
        Exchange(
            request("/svc/Call", ("content-type", "application/grpc"), method="POST"),
            response(200),
            b"x" * 10,
            [("grpc-status", "5"), ("grpc-message", "none")],
        )
    )
    made.reset(Exchange(request("/c"), []), 7)
    flows = told(segments(made))
    assert {(flow.kind, flow.tls) for flow in flows} == {("HTTP/2", "none")}
    assert [flow.text for flow in flows] == [
        "GET /a?token=(redacted) db stream=1",
        "-> 503 stream=1",
        "POST /svc/Call db stream=3",
        "-> 200 stream=3",
        "-> trailers grpc-status=5 grpc-message=none stream=3",
        "GET /c db stream=5",
        "stream reset by server: REFUSED_STREAM",
    ]
    assert ("authorization", "(redacted)") in flows[0].headers
    shown = told(segments(made), secrets=True)
    assert shown[0].path == "/a?token=hunter2"
    assert secret in shown[0].headers


def test_a_switch_from_http_1_is_followed() -> None:
    made = Dialogue()
    made.exchange(Exchange(request("/b"), response(204)))
    asked = b"GET /a HTTP/1.1\r\nhost: db\r\nupgrade: h2c\r\n\r\n"
    agreed = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n"
    made.turns[:0] = [(0, asked), (1, agreed)]
    assert [flow.text for flow in told(segments(made))] == [
        "GET /a db",
        "-> 101 Switching Protocols",
        "GET /b db stream=1",
        "-> 204 stream=1",
    ]


@given(st.randoms(use_true_random=False), st.integers(20, 400))
def test_reordering_and_repetition_change_nothing(random, size: int) -> None:
    whole = segments(SOME, size)
    moved = [*whole[2:], *random.sample(whole[2:], k=len(whole) // 3)]
    order = {id(each): number + random.randint(0, 8) for number, each in enumerate(moved)}
    mixed = [*whole[:2], *sorted(moved, key=lambda each: order[id(each)])]
    expected = [(flow.event, flow.stream, flow.headers) for flow in told(whole)]
    found = [(flow.event, flow.stream, flow.headers) for flow in told(mixed)]
    assert sorted(found) == sorted(expected)


def test_lost_bytes_are_said_and_nothing_is_guessed_after_them() -> None:
    many = held([Exchange(request(f"/{n}"), response(200), b"x" * 200) for n in range(60)])
    whole = segments(many)
    asked = [s for s in whole if s.source == CLIENT and s.payload]
    lost = asked[10]
    flows = told([s for s in whole if s is not lost])
    paths = [flow.path for flow in flows if flow.event == "request"]
    assert paths == [f"/{n}" for n in range(len(paths))]
    assert len(paths) < 12
    reasons = [flow.text for flow in flows if flow.event == "data"]
    assert reasons == ["client not read on: bytes are missing from the capture"]


def test_a_capture_that_begins_in_the_middle_says_so() -> None:
    later = segments(SOME)[8:]
    (flow,) = told(later)
    assert flow.text == "other connection, opened before the capture"
    older = Flow(
        time=1.0,
        pod="default/web",
        leg="wire",
        client=str(CLIENT),
        server=str(SERVER),
        event="data",
        tls="none",
        kind="HTTP/2",
    )
    (flow,) = told(later, known=lambda client, server: older)
    assert flow.text == "opened before the capture: its headers' compression is not known"
    assert flow.kind == "HTTP/2"


def packets(parts: list[Segment]) -> Iterator[bytes]:
    yield pcapng.section("test")
    yield pcapng.interface("default/web wire")
    for each in parts:
        data = frame(each)
        yield pcapng.packet(0, int(each.time * 1e9), data, len(data))


def test_tshark_reads_the_same(tmp_path: Path) -> None:
    made = Dialogue()
    for number in range(5):
        grown = [("x-number", str(number)), ("x-same", "same"), ("x-long", "v" * 40 * number)]
        body = b"x" * 500 * number
        made.exchange(Exchange(request(f"/{number}", *grown), response(200 + number, *grown), body))
    parts = segments(made)
    path = tmp_path / "h2.pcapng"
    path.write_bytes(b"".join(packets(parts)))
    ports = ["-d", f"tcp.port=={SERVER.port},http2"]
    fields = ("tcp.srcport", "http2.streamid", "http2.header.name", "http2.header.value")
    argv = [programs.require("tshark"), *ports, "-r", str(path), "-T", "fields"]
    argv += ["-E", "separator=\t", "-E", "aggregator=|", "-Y", "http2.headers"]
    for name in fields:
        argv += ["-e", name]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    theirs = []
    for line in done.stdout.splitlines():
        port, stream, names, values = line.split("\t")
        pairs = tuple(zip(names.split("|"), values.split("|"), strict=True))
        theirs.append((int(port), max(map(int, stream.split("|"))), pairs))
    ours = [
        (end.port, event.stream, event.headers)
        for side, end in ((0, CLIENT), (1, SERVER))
        for event in http2.FrameReader(client=not side).read(made.said(side))
    ]
    assert len(ours) == 10
    assert sorted(ours) == sorted(theirs)
