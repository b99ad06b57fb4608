"""SPDY/3.1 framing as Kubernetes clients use it for exec, attach and port-forward. Pure.

Bytes in, frames out, and back. Only what those clients send is kept: SYN_STREAM, SYN_REPLY, DATA,
RST_STREAM, PING, GOAWAY, HEADERS; SETTINGS and WINDOW_UPDATE are read and dropped, since their SPDY
library knows no flow control.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping

import msgspec

MAX_FRAME = 1 << 20
"""The longest frame taken from a client, in bytes."""
MAX_HEADERS = 64 * 1024
"""The longest inflated header block."""

_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base "
    "content-encoding content-language content-length content-location content-md5 "
    "content-range content-type date etag expect expires from host if-match if-modified-since "
    "if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer "
    "transfer-encoding upgrade user-agent vary via warning www-authenticate method get status"
)
_MORE = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_WORDS = (*_NAMES.split(), *_MORE)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS) + _TAIL.encode()
)
"""The shared dictionary of header compression (SPDY/3, section 2.6.10.1)."""

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
_CONTROL = 0x8003


class SpdyError(ValueError):
    """The peer sent what SPDY/3.1 does not allow, or more than is taken."""


class SynStream(msgspec.Struct, frozen=True):
    """The peer opens a stream. Header names are lower case, values of a name joined by a comma."""

    stream: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    fin: bool = False


class Data(msgspec.Struct, frozen=True):
    """Bytes on a stream; `fin` says they are the last."""

    stream: int
    data: bytes
    fin: bool = False


class Reset(msgspec.Struct, frozen=True):
    """The peer gives a stream up."""

    stream: int
    status: int = 0


class Ping(msgspec.Struct, frozen=True):
    """To be answered by the same."""

    number: int


class GoAway(msgspec.Struct, frozen=True):
    """The peer will open no more streams."""


class Reply(msgspec.Struct, frozen=True):
    """The peer accepts a stream that we opened."""

    stream: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    fin: bool = False


Frame = SynStream | Data | Reset | Ping | GoAway | Reply


class Decoder:
    """Bytes as they arrive to frames. Header blocks share one inflater, so order matters."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflater = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and yield the frames that are complete. Raises SpdyError."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            length = second & 0xFFFFFF
            if length > MAX_FRAME:
                raise SpdyError(f"a frame of {length} bytes is longer than {MAX_FRAME}")
            if len(self._buffer) < 8 + length:
                return
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            frame = self._frame(first, second >> 24, payload)
            if frame is not None:
                yield frame

    def _frame(self, first: int, flags: int, payload: bytes) -> Frame | None:
        if not first >> 31:
            return Data(first, payload, bool(flags & FIN))
        if first >> 16 != _CONTROL:
            raise SpdyError(f"SPDY version {(first >> 16) & 0x7FFF} is not spoken here, only 3")
        try:
            return self._control(first & 0xFFFF, flags, payload)
        except struct.error:
            raise SpdyError("a control frame is too short") from None

    def _control(self, kind: int, flags: int, payload: bytes) -> Frame | None:
        fin = bool(flags & FIN)
        if kind == SYN_STREAM:
            (stream,) = struct.unpack_from(">I", payload)
            return SynStream(stream & 0x7FFFFFFF, self._headers(payload[10:]), fin)
        if kind == SYN_REPLY:
            (stream,) = struct.unpack_from(">I", payload)
            return Reply(stream & 0x7FFFFFFF, self._headers(payload[4:]), fin)
        if kind == HEADERS:
            self._headers(payload[4:])
            return None
        if kind == RST_STREAM:
            stream, status = struct.unpack_from(">II", payload)
            return Reset(stream & 0x7FFFFFFF, status)
        if kind == PING:
            return Ping(struct.unpack_from(">I", payload)[0])
        if kind == GOAWAY:
            return GoAway()
        if kind in (SETTINGS, WINDOW):
            return None
        raise SpdyError(f"unknown control frame {kind}")

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflater.decompress(block, MAX_HEADERS)
        except zlib.error:
            raise SpdyError("a header block cannot be inflated") from None
        if self._inflater.unconsumed_tail:
            raise SpdyError(f"a header block is longer than {MAX_HEADERS} bytes")
        return _parse_headers(plain)


def _parse_headers(plain: bytes) -> dict[str, str]:
    (count,) = struct.unpack_from(">I", plain)
    position, texts = 4, []
    if count > 256:
        raise SpdyError(f"{count} headers are too many")
    for _ in range(2 * count):
        (length,) = struct.unpack_from(">I", plain, position)
        position += 4
        if length > len(plain) - position:
            raise SpdyError("a header reaches beyond its block")
        texts.append(plain[position : position + length].decode("latin-1"))
        position += length
    return {
        name.lower(): value.replace("\0", ",")
        for name, value in zip(texts[::2], texts[1::2], strict=True)
    }


class Encoder:
    """Frames to bytes. Header blocks share one deflater, so each goes out in the order made."""

    def __init__(self) -> None:
        self._deflater = zlib.compressobj(9, zlib.DEFLATED, 15, 8, 0, DICTIONARY)

    def syn_stream(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        """Open a stream."""
        head = struct.pack(">IIH", stream, 0, 0)
        return _control_frame(SYN_STREAM, FIN if fin else 0, head + self._block(headers))

    def reply(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """Accept a stream that the peer opened."""
        return _control_frame(SYN_REPLY, 0, struct.pack(">I", stream) + self._block(headers))

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """Send bytes on a stream; `fin` ends our side of it."""
        return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data

    def reset(self, stream: int, status: int) -> bytes:
        """Give a stream up: 1 is protocol error, 3 refused, 5 cancelled."""
        return _control_frame(RST_STREAM, 0, struct.pack(">II", stream, status))

    def ping(self, number: int) -> bytes:
        """Answer a ping."""
        return _control_frame(PING, 0, struct.pack(">I", number))

    def go_away(self, last: int) -> bytes:
        """Say that no more streams are taken."""
        return _control_frame(GOAWAY, 0, struct.pack(">II", last, 0))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        parts = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode("latin-1"), value.encode("latin-1")):
                parts.append(struct.pack(">I", len(text)) + text)
        return self._deflater.compress(b"".join(parts)) + self._deflater.flush(zlib.Z_SYNC_FLUSH)


def _control_frame(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", _CONTROL, kind, flags << 24 | len(payload)) + payload
