"""HTTP/2 in clear bytes: requests and responses out of frames, their headers out of HPACK. Total.

Headers are compressed against a table that grows over the connection: who did not see its
beginning, or misses bytes of it, cannot read what comes after. Then `FrameReader.stopped` says so,
and nothing is guessed.
"""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with."""
_HEADERS, _RESET, _SETTINGS, _PROMISE, _GOAWAY, _CONTINUATION = 1, 3, 4, 5, 7, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x01, 0x01, 0x04, 0x08, 0x20
_HEAD = 9
_READ = frozenset({_HEADERS, _RESET, _PROMISE, _GOAWAY, _CONTINUATION})
"""Types whose payload is looked at; that of all others is passed over."""
BLOCK_LIMIT = 64 * 1024
"""Bytes of one header block, compressed or not, and of the table: Envoy's own limit is 60 KiB."""

ERRORS = {
    0: "NO_ERROR",
    1: "PROTOCOL_ERROR",
    2: "INTERNAL_ERROR",
    3: "FLOW_CONTROL_ERROR",
    4: "SETTINGS_TIMEOUT",
    5: "STREAM_CLOSED",
    6: "FRAME_SIZE_ERROR",
    7: "REFUSED_STREAM",
    8: "CANCEL",
    9: "COMPRESSION_ERROR",
    10: "CONNECT_ERROR",
    11: "ENHANCE_YOUR_CALM",
    12: "INADEQUATE_SECURITY",
    13: "HTTP_1_1_REQUIRED",
}


class Head(msgspec.Struct, frozen=True):
    """One header block: a request's, a response's, or trailers. Pseudo-headers are in it."""

    stream: int
    headers: tuple[tuple[str, str], ...]
    ended: bool = False
    """Whether nothing follows it on its stream."""

    def header(self, name: str) -> str:
        """Return the first header of that name (in lower case), or the empty string."""
        return next((v for k, v in self.headers if k == name), "")

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The headers without the pseudo-headers."""
        return tuple((k, v) for k, v in self.headers if not k.startswith(":"))


class Ending(msgspec.Struct, frozen=True):
    """A stream that was reset, or (`stream` 0) a connection that is to end."""

    stream: int
    error: str


class FrameReader:
    """One direction of a connection, from its first byte, in pieces of any size.

    It keeps at most one header block and one table, both within `BLOCK_LIMIT`.
    """

    def __init__(self, *, client: bool) -> None:
        self.stopped = ""
        """Why nothing more can be read; empty as long as all can."""
        self._preface = PREFACE if client else b""
        self._first = True
        self._rest = bytearray()
        self._skip = 0
        self._block = bytearray()
        self._opened: tuple[int, bool] | None = None
        """Stream of a header block that is not finished, and whether it ends the stream."""
        self._decoder: hpack.Decoder | None = None

    def stop(self, why: str) -> None:
        """Read no further: what follows is not all there."""
        self.stopped = self.stopped or why

    def read(self, data: bytes) -> list[Head | Ending]:
        """Take the next bytes; returns what they complete."""
        found: list[Head | Ending] = []
        self._rest += data
        if self._preface and not self._begun():
            return found
        while not self.stopped and (frame := self._next_frame()) is not None:
            event = self._take(*frame)
            if event is not None:
                found.append(event)
        if self.stopped:
            self._rest.clear()
            self._block.clear()
        return found

    def _begun(self) -> bool:
        if not self._preface.startswith(self._rest[: len(self._preface)]):
            self.stopped = "it does not begin as HTTP/2 does"
            self._rest.clear()
            return False
        if len(self._rest) < len(self._preface):
            return False
        del self._rest[: len(self._preface)]
        self._preface = b""
        return True

    def _next_frame(self) -> tuple[int, int, int, bytes] | None:
        """Take a frame that is looked at off what is there: type, flags, stream, payload."""
        while True:
            passed = min(self._skip, len(self._rest))
            del self._rest[:passed]
            self._skip -= passed
            if self._skip or len(self._rest) < _HEAD:
                return None
            length, kind, flags, stream = _head(self._rest)
            if self._first and (kind != _SETTINGS or flags & _ACK or stream):
                self.stopped = "it does not begin as HTTP/2 does"
                return None
            self._first = False
            if self._opened is not None and (kind, stream) != (_CONTINUATION, self._opened[0]):
                self.stopped = "a header block is broken off"
                return None
            if kind not in _READ:
                self._skip = _HEAD + length
                continue
            if length > BLOCK_LIMIT:
                self.stopped = f"a frame is larger than {BLOCK_LIMIT >> 10} KiB"
                return None
            if len(self._rest) < _HEAD + length:
                return None
            payload = bytes(self._rest[_HEAD : _HEAD + length])
            del self._rest[: _HEAD + length]
            return kind, flags, stream, payload

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> Head | Ending | None:
        if kind == _RESET:
            return Ending(stream, _error(payload[:4]))
        if kind == _GOAWAY:
            return Ending(0, _error(payload[4:8]))
        if kind != _CONTINUATION:
            if kind == _PROMISE:
                payload = _unpadded(payload, flags & _PADDED)
                stream, payload = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, payload[4:]
            else:
                payload = _unpadded(payload, flags)
            self._opened = (stream, kind == _HEADERS and bool(flags & _END_STREAM))
        elif self._opened is None:
            self.stopped = "a header block has no beginning"
            return None
        self._block += payload
        if len(self._block) > BLOCK_LIMIT:
            self.stopped = f"a header block is larger than {BLOCK_LIMIT >> 10} KiB"
            return None
        return self._finished() if flags & _END_HEADERS else None

    def _finished(self) -> Head | None:
        assert self._opened is not None
        (stream, ended), block = self._opened, bytes(self._block)
        self._opened = None
        self._block.clear()
        pairs = self._decoded(block)
        return None if pairs is None else Head(stream, pairs, ended)

    def _decoded(self, block: bytes) -> tuple[tuple[str, str], ...] | None:
        import hpack  # its tables take 35 ms, and most connections are not HTTP/2

        if self._decoder is None:
            self._decoder = hpack.Decoder(max_header_list_size=BLOCK_LIMIT)
            self._decoder.max_allowed_table_size = BLOCK_LIMIT
        try:
            pairs = self._decoder.decode(block, raw=True)
        except (hpack.HPACKError, IndexError, ValueError):
            self.stopped = "its headers do not decode"
            return None
        return tuple((_text(name), _text(value)) for name, value in pairs)


def _head(data: bytearray) -> tuple[int, int, int, int]:
    """Return a frame's length, type, flags and stream."""
    stream = int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
    return int.from_bytes(data[:3], "big"), data[3], data[4], stream


def _unpadded(payload: bytes, flags: int) -> bytes:
    pad = 0
    if flags & _PADDED and payload:
        pad, payload = payload[0], payload[1:]
    if flags & _PRIORITY:
        payload = payload[5:]
    return payload[: len(payload) - pad] if pad <= len(payload) else b""


def _error(code: bytes) -> str:
    number = int.from_bytes(code, "big")
    return ERRORS.get(number, f"error {number}")


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")


def begins(client: bytes, server: bytes) -> bool:
    """Whether a connection is HTTP/2: by the client's preface as far as it goes or, where the
    server spoke first, by its settings."""
    if client:
        return len(client) >= 4 and PREFACE.startswith(client[: len(PREFACE)])
    if len(server) < _HEAD:
        return False
    length, kind, flags, stream = _head(bytearray(server[:_HEAD]))
    return (kind, flags, stream) == (_SETTINGS, 0, 0) and length % 6 == 0 and length < 600


def first_line(head: Head) -> str:
    """Return the line that HTTP/1 would have begun with; empty for trailers."""
    if status := head.header(":status"):
        return f"HTTP/2 {status}"
    method = head.header(":method")
    return f"{method} {head.header(':path') or head.header(':authority')} HTTP/2" if method else ""
