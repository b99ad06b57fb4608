"""SPDY framing: what one side encodes the other decodes, however it is cut into pieces."""

import zlib

import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.connecting import spdy

names = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
values = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
frames = st.lists(
    st.one_of(
        st.builds(
            spdy.SynStream,
            st.integers(1, 2**31 - 1),
            st.dictionaries(names, values, max_size=5),
            st.booleans(),
        ),
        st.builds(spdy.Data, st.integers(1, 2**31 - 1), st.binary(max_size=300), st.booleans()),
        st.builds(
            spdy.Reply, st.integers(1, 2**31 - 1), st.dictionaries(names, values, max_size=5)
        ),
        st.builds(spdy.Reset, st.integers(1, 2**31 - 1), st.integers(0, 11)),
        st.builds(spdy.Ping, st.integers(0, 2**32 - 1)),
    ),
    max_size=12,
)


def encode(encoder: spdy.Encoder, frame: spdy.Frame) -> bytes:
    match frame:
        case spdy.SynStream(stream, headers, fin):
            return encoder.syn_stream(stream, headers, fin=fin)
        case spdy.Data(stream, data, fin):
            return encoder.data(stream, data, fin=fin)
        case spdy.Reply(stream, headers):
            return encoder.reply(stream, headers)
        case spdy.Reset(stream, status):
            return encoder.reset(stream, status)
        case spdy.Ping(number):
            return encoder.ping(number)
        case _:
            return encoder.go_away(0)


@given(frames, st.lists(st.integers(1, 50), max_size=30))
def test_what_is_sent_is_what_arrives(sent: list[spdy.Frame], cuts: list[int]) -> None:
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    data = b"".join(encode(encoder, frame) for frame in sent)
    got: list[spdy.Frame] = []
    for cut in [*cuts, len(data)]:
        got += decoder.feed(data[:cut])
        data = data[cut:]
    assert got == sent


@given(st.binary(max_size=400))
def test_garbage_raises_nothing_but_its_own_error(data: bytes) -> None:
    try:
        list(spdy.Decoder().feed(data))
    except spdy.SpdyError:
        return


def test_the_dictionary_is_the_one_of_the_specification() -> None:
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"\x00\x00\x00\x01\x00\xff\xff\xff", "longer than"),
        (b"\x80\x02\x00\x01\x00\x00\x00\x00", "version 2 is not spoken"),
        (b"\x80\x03\x00\x01\x00\x00\x00\x02\x00\x00", "too short"),
        (b"\x80\x03\x00\x63\x00\x00\x00\x00", "unknown control frame"),
    ],
)
def test_refusals(frame: bytes, words: str) -> None:
    with pytest.raises(spdy.SpdyError, match=words):
        list(spdy.Decoder().feed(frame))


def test_a_header_bomb_is_refused() -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, 15, 8, 0, spdy.DICTIONARY)
    block = deflater.compress(b"\0" * (10 * spdy.MAX_HEADERS)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    payload = b"\0\0\0\1\0\0\0\0\0\0" + block
    frame = b"\x80\x03\x00\x01" + len(payload).to_bytes(4, "big") + payload
    with pytest.raises(spdy.SpdyError, match="longer than"):
        list(spdy.Decoder().feed(frame))
