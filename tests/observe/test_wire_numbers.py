"""Numbers of the protocols that are read, beside libraries that know them, and odd packets."""

import h2.errors
import pytest

from lateen.observe.wire import frames, http, http2, streams, tls
from lateen.observe.wire.frames import ACK, SYN, Segment
from tests.observe.packets import CLIENT, CLIENT6, SERVER, SERVER6, frame, talk


def test_http2s_errors_have_the_names_of_the_standard() -> None:
    assert {code.value: code.name for code in h2.errors.ErrorCodes} == http2.ERRORS


def hello(versions: list[int], legacy: int = 0x0303) -> bytes:
    listed = b"".join(number.to_bytes(2, "big") for number in versions)
    extension = bytes([0, 43]) + (len(listed) + 1).to_bytes(2, "big") + bytes([len(listed)])
    extensions = extension + listed if versions else b""
    body = (
        legacy.to_bytes(2, "big")
        + bytes(32)
        + b"\0"
        + b"\0\2\x13\x01"
        + b"\1\0"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    shake = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + len(shake).to_bytes(2, "big") + shake


@pytest.mark.parametrize(
    ("offered", "legacy", "versions"),
    [
        ([0x0303, 0x0304], 0x0303, ("TLSv1.3", "TLSv1.2")),
        ([0x0304, 0x2A2A, 0x0303], 0x0303, ("TLSv1.3", "TLSv1.2")),
        ([], 0x0303, ("TLSv1.2",)),
        ([], 0x0301, ("TLSv1",)),
    ],
)
def test_versions_that_a_client_offers_the_newest_first(
    offered: list[int], legacy: int, versions: tuple[str, ...]
) -> None:
    found = tls.read(hello(offered, legacy))
    assert found.client_hello is not None
    assert found.client_hello.versions == versions
    assert found.first_encrypted == 0


@pytest.mark.parametrize("protocol", [0, 1, 5, 17, 58, 132, 255])
@pytest.mark.parametrize("ends", [(CLIENT, SERVER), (CLIENT6, SERVER6)])
def test_other_protocols_than_tcp_are_no_segments(ends, protocol: int) -> None:
    written = bytearray(frame(talk(b"hello", b"", ends=ends)[2]))
    at = 14 + (6 if ends[0] is CLIENT6 else 9)
    assert written[at] == 6
    written[at] = protocol
    assert frames.segment(bytes(written), 0.0) is None


def test_a_segment_that_fills_a_gap_brings_all_that_waited() -> None:
    order = [(20, 30), (10, 20), (30, 35), (0, 10)]
    data = bytes(range(35))
    taken = [Segment(0.2, CLIENT, SERVER, 7 + at, 0, ACK, data[at:end]) for at, end in order]
    (found,) = streams.conversations([Segment(0.0, CLIENT, SERVER, 6, 0, SYN, b""), *taken])
    assert bytes(found.from_client.data) == data
    assert found.from_client.retransmitted == 0


def test_bytes_in_a_first_packet_come_behind_its_number() -> None:
    """TCP fast open: the SYN itself has a number."""
    taken = [
        Segment(0.0, CLIENT, SERVER, 6, 0, SYN, b"ab"),
        Segment(0.1, CLIENT, SERVER, 9, 0, ACK, b"cd"),
    ]
    (found,) = streams.conversations(taken)
    assert bytes(found.from_client.data) == b"abcd"
    assert found.from_client.retransmitted == 0


def test_what_is_left_of_http_is_neither_a_body_nor_a_chunk() -> None:
    for sent, rest in (
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", b""),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab", b""),
        (b"GET / HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\nHost: a"),
    ):
        reader = http.HeadReader()
        reader.read(sent)
        assert reader.rest == rest
