"""Reading bytes: real handshakes made here, and any noise at all."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.observe.wire import classify, frames, http, http2, streams, tls
from lateen.observe.wire.frames import ACK, FIN, RST, Address, Segment
from tests.observe.packets import CLIENT, CLIENT6, SERVER, SERVER6, frame, talk, tls_bytes

REQUEST = b"GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("maximum", "version"),
    [(ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")],
)
def test_a_real_handshake_is_read(tmp_path: Path, maximum: ssl.TLSVersion, version: str) -> None:
    sent, got = tls_bytes(tmp_path, maximum, ["istio", "http/1.1"])
    (found,) = streams.conversations(talk(sent, got, size=100))
    reading = classify.read(found)
    assert (reading.kind, reading.version) == (classify.WireKind.TLS, version)
    assert (reading.sni, reading.alpn) == ("a.example", ("istio", "http/1.1"))
    assert reading.istio_mtls
    assert bool(reading.server_certificates) == (version == "TLSv1.2")


def test_plaintext_http_is_read_with_its_headers() -> None:
    (found,) = streams.conversations(talk(REQUEST * 2, RESPONSE * 2))
    reading = classify.read(found)
    assert reading.kind is classify.WireKind.HTTP1
    assert [m.header("x-request-id") for m in reading.requests] == ["7", "7"]
    assert [m.start for m in reading.responses] == ["HTTP/1.1 200 OK"] * 2


def test_chunked_bodies_are_skipped() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    assert len(http.heads(chunked + RESPONSE)) == 2


def test_http2_preface_is_known() -> None:
    (found,) = streams.conversations(talk(http2.PREFACE + b"\0\0\0\4\0\0\0\0\0", b""))
    assert classify.read(found).kind is classify.WireKind.HTTP2


def test_who_ends_a_connection() -> None:
    end = Segment(1.0, SERVER, CLIENT, 100, 0, RST, b"")
    (found,) = streams.conversations([*talk(REQUEST, b""), end])
    assert found.ended_by == "server RST"


def test_a_port_used_again_is_another_connection() -> None:
    first = [*talk(REQUEST, RESPONSE), Segment(1.0, CLIENT, SERVER, 0, 0, FIN | ACK, b"")]
    assert len(streams.conversations([*first, *talk(REQUEST, b"", isn=5)])) == 2


def captured(segments: list[Segment], rule: int = 15001) -> list[Segment]:
    """Rewrite what a client sends as the capture rules of its pod do on the loopback."""
    leads = Address("127.0.0.1", rule)
    return [s._replace(target=leads) if s.target == SERVER else s for s in segments]


@pytest.mark.parametrize("rule", [15001, 15006])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_both_directions_of_a_captured_connection_are_one(rule: int, lost: int) -> None:
    """Whether or not the capture holds its opening, and whichever side is seen first."""
    asked, answered = talk(REQUEST, RESPONSE, size=500)[2:]
    acked = answered._replace(ack=(asked.seq + len(REQUEST)) % 2**32)
    again = asked._replace(seq=acked.ack, ack=acked.seq + len(RESPONSE))
    opening = talk(b"", b"")[lost:]
    for first in ([asked._replace(ack=acked.seq), acked], [acked]):
        if lost < 2 and len(first) == 1:
            continue
        (found,) = streams.conversations(captured([*opening, *first, again], rule))
        assert (found.client, found.server) == (CLIENT, SERVER)
        assert bytes(found.from_client.data).endswith(REQUEST)
        assert bytes(found.from_server.data) == RESPONSE


def test_a_captured_connection_is_joined_to_its_own_answers_only() -> None:
    """A port used again, by a connection to elsewhere, is not mixed with the one before."""
    end = Segment(1.0, CLIENT, SERVER, 0, 0, FIN | ACK, b"")
    other = Address("10.244.0.9", 443)
    second = [
        s._replace(source=other if s.source == SERVER else s.source)
        for s in captured(talk(b"second", b"two", isn=77))
    ]
    found = streams.conversations([*captured([*talk(b"first", b"one"), end]), *second])
    assert [(c.server, bytes(c.from_server.data)) for c in found] == [
        (SERVER, b"one"),
        (other, b"two"),
    ]
    stranger = Segment(2.0, other, CLIENT, 5, 1 << 31, ACK, b"not an answer")
    assert len(streams.conversations([*captured(talk(b"x", b"")[:1]), stranger])) == 2


@given(st.randoms(use_true_random=False), st.integers(1, 40), st.binary(max_size=400))
def test_order_and_repetition_do_not_matter(random, size: int, data: bytes) -> None:
    opening, rest = (segments := talk(data, RESPONSE, size=size))[:2], segments[2:]
    shuffled = rest + random.sample(rest, k=len(rest) // 2)
    random.shuffle(shuffled)
    (found,) = streams.conversations(opening + shuffled)
    assert bytes(found.from_client.data) == data
    assert bytes(found.from_server.data) == RESPONSE
    assert not found.from_client.missing


@given(st.integers(1, 30), st.integers(1, 30))
def test_overlapping_segments_are_joined(size: int, other: int) -> None:
    data = bytes(range(200))
    both = [*talk(data, b"", size=size)[2:], *talk(data, b"", size=other)[2:]]
    (found,) = streams.conversations([*talk(b"", b""), *both])
    assert bytes(found.from_client.data) == data


@given(st.binary(max_size=60), st.integers(0, 60), st.lists(st.sampled_from([0, 43, 60])))
def test_a_frame_of_ipv6_is_read_back(payload: bytes, cut: int, extensions: list[int]) -> None:
    original = Segment(1.5, CLIENT6, SERVER6, 1, 2, ACK, payload)
    made = frame(original, extensions)
    assert frames.segment(made, 1.5) == original
    shorter = frames.segment(made[: len(made) - len(payload) + cut], 1.5)
    assert shorter is not None
    assert shorter.cut == max(0, len(payload) - cut)


@given(st.data(), st.sampled_from([(CLIENT, SERVER), (CLIENT6, SERVER6)]))
def test_a_damaged_frame_is_read_or_not_but_never_raises(data, ends) -> None:
    """Cuts, swaps and changed bytes of a real frame: headers are read as far as they make sense."""
    original = Segment(0.0, *ends, 1, 2, ACK, REQUEST)
    made = bytearray(frame(original, data.draw(st.lists(st.sampled_from([0, 43, 60]), max_size=3))))
    for _ in range(data.draw(st.integers(1, 6))):
        at, other = (data.draw(st.integers(0, len(made) - 1)) for _ in range(2))
        made[at] = data.draw(st.integers(0, 255))
        made[at], made[other] = made[other], made[at]
    for link in (1, 101, 113):
        found = frames.segment(bytes(made[: data.draw(st.integers(0, len(made)))]), 0.0, link)
        if found is not None:
            assert found.cut >= 0
            (conversation,) = streams.conversations([found])
            assert classify.read(conversation).line


@given(st.binary(max_size=300), st.sampled_from([1, 101, 113, 7]))
def test_any_frame_is_read_without_raising(data: bytes, link: int) -> None:
    frames.segment(data, 0.0, link)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_frame_is_read_back(payload: bytes, cut: int) -> None:
    original = Segment(1.5, CLIENT, SERVER, 1, 2, ACK, payload)
    assert frames.segment(frame(original), 1.5) == original
    shorter = frames.segment(frame(original)[: 54 + cut], 1.5)
    assert shorter is not None
    assert shorter.cut == max(0, len(payload) - cut)


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_any_bytes_are_classified(client: bytes, server: bytes) -> None:
    for found in streams.conversations(talk(client, server, size=64)):
        assert classify.read(found).line
    tls.read_both(client, server)


@given(st.data())
def test_a_damaged_handshake_is_read_as_far_as_it_goes(data) -> None:
    hello = bytearray(CLIENT_HELLO)
    for _ in range(data.draw(st.integers(1, 5))):
        hello[data.draw(st.integers(0, len(hello) - 1))] = data.draw(st.integers(0, 255))
    tls.read(bytes(hello[: data.draw(st.integers(0, len(hello)))]))


def _client_hello() -> bytes:
    ours, theirs = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def speak() -> None:
        with ours, contextlib.suppress(OSError):
            context.wrap_socket(ours, server_hostname="b.example")

    thread = threading.Thread(target=speak)
    thread.start()
    hello = theirs.recv(4096)
    theirs.close()
    thread.join()
    return hello


CLIENT_HELLO = _client_hello()


def test_a_client_hello_alone_is_enough() -> None:
    (found,) = streams.conversations(talk(CLIENT_HELLO, b""))
    reading = classify.read(found)
    assert (reading.kind, reading.sni, reading.version) == (classify.WireKind.TLS, "b.example", "")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MESSAGES = (
    REQUEST,
    b"POST /y HTTP/1.1\r\nContent-Length: 30\r\n\r\n" + b"GET / HTTP/1.1\r\n".ljust(30, b"x"),
    RESPONSE,
    b"HTTP/1.1 100 Continue\r\n\r\n",
    CHUNKED + b"12;a=b\r\nHTTP/1.1 200 OK\r\n\r\n\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n",
)


@given(st.lists(st.sampled_from(MESSAGES), max_size=12), st.lists(st.integers(0, 900), max_size=9))
def test_messages_are_read_one_by_one_however_cut(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    reader, found, last = http.HeadReader(), [], 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        found += reader.read(data[last:cut])
        last = cut
    assert [m.start for m in found] == [part.split(b"\r\n")[0].decode() for part in parts]


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(MESSAGES)), max_size=9))
def test_a_reader_takes_any_bytes(parts: list[bytes]) -> None:
    reader = http.HeadReader()
    for part in parts:
        reader.read(part)


def test_a_head_is_told_before_its_body_has_come() -> None:
    reader = http.HeadReader()
    (head,) = reader.read(CHUNKED + b"5\r\nhel")
    assert head.start == "HTTP/1.1 200 OK"
    assert [m.start for m in reader.read(b"lo\r\n0\r\n\r\n" + RESPONSE)] == ["HTTP/1.1 200 OK"]


def test_the_answer_to_head_has_no_body() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    assert len(http.heads(answer * 3, ["HEAD", "HEAD", "HEAD"])) == 3
    assert len(http.heads(answer * 3, ["HEAD", "GET", "GET"])) == 2


@pytest.mark.parametrize("text", ["²", "-1", "+1", "1_0", "", "9" * 20])
def test_a_length_that_is_no_number_is_none(text: str) -> None:
    (head,) = http.heads(f"GET / HTTP/1.1\r\nContent-Length: {text}\r\n\r\n".encode())
    assert http.content_length(head) is None
