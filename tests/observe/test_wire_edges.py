"""Where one byte decides: limits of frames and records, what arrives late, numbers of protocols."""

import ssl

import hpack
import pytest
from hypothesis import given, strategies as st

from lateen.observe.wire import classify, frames, http2, streams, tls
from lateen.observe.wire.frames import ACK, SYN, Segment
from lateen.observe.wire.http2 import FrameReader, Head
from tests.observe.packets import CLIENT, CLIENT6, SERVER, SERVER6, frame, talk

KNOWN = {one.value: one.name.removeprefix("ALERT_DESCRIPTION_") for one in ssl.AlertDescription}
LATER = {86: "inappropriate_fallback", 109: "missing_extension", 116: "certificate_required"}
"""Alerts that Python's list lacks, as RFC 7507 and RFC 8446 name them."""


def test_alerts_are_called_what_the_standards_call_them() -> None:
    known = {code: name.lower() for code, name in KNOWN.items()}
    known |= {**LATER, 90: "user_canceled", 120: "no_application_protocol"}
    assert {code: known[code] for code in tls.ALERTS} == tls.ALERTS
    assert len(tls.ALERTS) == 24


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("records", "alert"),
    [
        (record(21, b"\x02\x30"), "unknown_ca"),
        (record(21, b"\x02\x30") + record(21, b"\x01\x00"), "unknown_ca"),
        (record(21, b"\x02\xff"), "alert 255"),
        (record(21, bytes(26)), ""),
        (record(21, bytes(3)), ""),
        (record(20, b"\x02\x30"), ""),
    ],
)
def test_an_alert_is_two_plain_bytes_and_the_first_counts(records: bytes, alert: str) -> None:
    assert tls.read(records).alert == alert


PARTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), max_size=12)


@given(st.binary(min_size=1, max_size=70), PARTS, st.randoms(use_true_random=False))
def test_segments_that_overlap_make_the_same_text_in_any_order(data: bytes, parts, random) -> None:
    whole = [(at, 9) for at in range(0, len(data), 9)]
    pieces = [(at, data[at : at + size]) for at, size in [*whole, *parts] if at < len(data)]
    random.shuffle(pieces)
    taken = [Segment(0.2, CLIENT, SERVER, (7 + at) % 2**32, 0, ACK, text) for at, text in pieces]
    opening = Segment(0.0, CLIENT, SERVER, 6, 0, SYN, b"")
    (found,) = streams.conversations([opening, *taken])
    assert bytes(found.from_client.data) == data
    assert found.packets == len(taken) + 1


def test_segments_held_out_of_order_are_all_used() -> None:
    """The later one was held first, and begins within what the other brings."""
    data = bytes(range(40))
    order = [(0, 10), (28, 40), (20, 30), (10, 25)]
    taken = [Segment(0.2, CLIENT, SERVER, 7 + at, 0, ACK, data[at:end]) for at, end in order]
    (found,) = streams.conversations([Segment(0.0, CLIENT, SERVER, 6, 0, SYN, b""), *taken])
    assert bytes(found.from_client.data) == data


def test_frames_are_read_by_the_numbers_that_captures_use() -> None:
    """1, 101 and 113 are LINKTYPE_ETHERNET, _RAW and _LINUX_SLL of every capture file."""
    sent = talk(b"hello", b"")[2]
    written = frame(sent)
    cooked = bytes(14) + written[12:]
    for link, content in ((1, written), (101, written[14:]), (113, cooked)):
        found = frames.segment(content, sent.time, link)
        assert found is not None
        assert found.payload == sent.payload
    assert frames.segment(written, sent.time, 2) is None


@pytest.mark.parametrize("ends", [(CLIENT, SERVER), (CLIENT6, SERVER6)])
@pytest.mark.parametrize("extensions", [(), (0,), (0, 43, 60)])
def test_a_frame_may_be_cut_anywhere(ends, extensions) -> None:
    sent = talk(b"hello", b"", ends=ends)[2]
    written = frame(sent, extensions)
    for size in range(len(written)):
        found = frames.segment(written[:size], sent.time)
        assert found is None or sent.payload.startswith(found.payload)
    assert frames.segment(written, sent.time) == sent


def block(fields: list[tuple[bytes, bytes]], *, ends: bool) -> bytes:
    """What a server sends first, its settings, and one header block."""
    text = hpack.Encoder().encode(fields)
    return (
        bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        + len(text).to_bytes(3, "big")
        + bytes([1, 5 if ends else 4, 0, 0, 0, 1])
        + text
    )


@pytest.mark.parametrize("ends", [True, False])
def test_a_head_says_whether_it_ends_the_stream(ends: bool) -> None:
    reader = FrameReader(client=False)
    (head,) = reader.read(block([(b":status", b"204")], ends=ends))
    assert isinstance(head, Head)
    assert head.ended is ends


def test_a_header_that_is_no_text_stops_nothing() -> None:
    reader = FrameReader(client=False)
    (head,) = reader.read(block([(b":status", b"200"), (b"x", b"\xff\xfe")], ends=True))
    assert isinstance(head, Head)
    assert [name for name, _ in head.headers] == [":status", "x"]
    assert not reader.stopped


@pytest.mark.parametrize(
    ("reading", "line"),
    [
        ({}, "TLS (no ServerHello)"),
        ({"version": "TLSv1.3", "sni": "a.example"}, "TLSv1.3, SNI a.example"),
        ({"alpn": ("istio", "h2")}, "TLS (no ServerHello), ALPN istio, h2"),
        ({"version": "TLSv1.2", "server_alert": "x"}, "TLSv1.2, server alert x"),
        ({"version": "TLSv1.2", "client_alert": "y"}, "TLSv1.2, client alert y"),
    ],
)
def test_a_reading_is_told_in_a_line(reading, line: str) -> None:
    assert classify.Reading(classify.WireKind.TLS, **reading).line == line


def test_a_certificate_in_clear_is_mutual_tls() -> None:
    shown = tls.Records(certificates=(b"x",))
    assert classify._mutual(shown, tls.Records()) is True
    assert classify._mutual(tls.Records(), tls.Records()) is None
    assert len(http2.PREFACE) == 24


@pytest.mark.parametrize("tags", [b"", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x07\x81\x00\x00\x05"])
def test_tags_of_virtual_networks_are_stepped_over(tags: bytes) -> None:
    sent = talk(b"hello", b"")[2]
    written = frame(sent)
    assert frames.segment(written[:12] + tags + written[12:], sent.time) == sent


@pytest.mark.parametrize("place", [1, 2, 0x1FFF])
def test_a_later_fragment_holds_no_beginning(place: int) -> None:
    written = bytearray(frame(talk(b"hello", b"")[2]))
    written[20:22] = place.to_bytes(2, "big")
    assert frames.segment(bytes(written), 0.0) is None


def test_what_ends_a_connection_is_read_without_what_follows() -> None:
    reader = FrameReader(client=False)
    goaway = b"\x00\x00\x00\x09" + (11).to_bytes(4, "big") + b"debug"
    sent = len(goaway).to_bytes(3, "big") + bytes([7, 0, 0, 0, 0, 0]) + goaway
    (ending,) = reader.read(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) + sent)
    assert ending == http2.Ending(0, http2.ERRORS[11])
    assert http2.ERRORS[11] == "ENHANCE_YOUR_CALM"
