"""HTTP/1 messages in clear bytes. Pure and total."""

import re
from collections.abc import Iterable

import msgspec

HEAD_LIMIT = 64 * 1024
"""Bytes of a message's head that are looked at: proxies take 60 KiB."""
_METHOD = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [^ \r\n]{1,65536} HTTP/1\.[01]\r?\n")
_PARTIAL = re.compile(rb"^[A-Z]{3,8} [!-~]*( H?T?T?P?/?1?\.?)?$")
_STATUS = re.compile(rb"^HTTP/1\.[01] [0-9]{3}")


class Message(msgspec.Struct, frozen=True):
    """The head of a message. `start` is its first line; names are as sent. HTTP/2 has no such line:
    then it is what HTTP/1 would have had."""

    start: str
    headers: tuple[tuple[str, str], ...]
    complete: bool
    """Whether the blank line after the headers was seen."""
    stream: int = 0
    """HTTP/2's number of the exchange."""

    def header(self, name: str) -> str:
        """Return the first header of that name in any case, or the empty string."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), "")


def is_request(data: bytes) -> bool:
    """Whether the bytes begin with an HTTP/1 request line (or, cut short, look like one)."""
    return bool(_METHOD.match(data)) or (len(data) < 256 and bool(_PARTIAL.match(data)))


def is_response(data: bytes) -> bool:
    """Whether the bytes begin with an HTTP/1 status line."""
    return bool(_STATUS.match(data))


def message(data: bytes) -> Message | None:
    """Read the head of an HTTP/1 message; None if the bytes are something else."""
    if not (is_request(data) or is_response(data)):
        return None
    head, blank, _ = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            headers.append((_text(name.strip()), _text(value.strip())))
    return Message(_text(lines[0]), tuple(headers), bool(blank))


def heads(data: bytes, methods: Iterable[str] = (), limit: int = 32) -> list[Message]:
    """Read the heads of the HTTP/1 messages that follow one another from the first byte on.

    `methods` are those of the requests that responses answer. The last head may be incomplete; the
    list ends where a body has no end.
    """
    reader = HeadReader(methods)
    found = reader.read(data)
    rest = message(reader.rest)
    return [*found, *([rest] if rest is not None else [])][:limit]


class HeadReader:
    """One direction of an HTTP/1 connection in pieces of any size: heads as they are complete,
    bodies passed over by Content-Length or chunk sizes.

    It keeps at most `HEAD_LIMIT` bytes. `methods` says what responses answer: the answer to HEAD
    has no body, whatever its Content-Length says.
    """

    def __init__(self, methods: Iterable[str] = ()) -> None:
        self._methods = iter(methods)
        self._rest = bytearray()
        self._skip = 0
        self._chunks = False

    @property
    def rest(self) -> bytes:
        """What was not read yet: an incomplete head, or bytes that are no message."""
        return bytes(self._rest) if not self._skip and not self._chunks else b""

    @property
    def lost(self) -> bool:
        """Whether the next bytes are no message's, so that nothing more will be found."""
        return bool(self.rest) and message(self.rest) is None

    def read(self, data: bytes) -> list[Message]:
        """Take the next bytes; returns the heads that they complete."""
        found: list[Message] = []
        self._rest += data
        while self._passed():
            end = self._rest.find(b"\r\n\r\n") + 4
            head = message(bytes(self._rest[:end])) if end > 3 else None
            if head is None:
                break
            found.append(head)
            del self._rest[:end]
            self._expect(head)
        del self._rest[HEAD_LIMIT:]
        return found

    def _expect(self, head: Message) -> None:
        """Note what of a message comes after its head."""
        if head.start.startswith("HTTP/"):
            status = head.start.partition(" ")[2][:3]
            if status[:1] == "1":
                return
            if next(self._methods, "") == "HEAD" or status in ("204", "304"):
                return
        self._chunks = "chunked" in head.header("transfer-encoding").lower()
        self._skip = 0 if self._chunks else content_length(head) or 0

    def _passed(self) -> bool:
        """Pass over the body's bytes; whether it is over."""
        while True:
            passed = min(self._skip, len(self._rest))
            del self._rest[:passed]
            self._skip -= passed
            if self._skip:
                return False
            if not self._chunks:
                return bool(self._rest)
            if not self._next_chunk():
                return False

    def _next_chunk(self) -> bool:
        """Read a chunk's size, or a trailer after the last; whether there was one."""
        line, end, _ = self._rest.partition(b"\r\n")
        if not end:
            return False
        size = line.split(b";")[0].strip()
        if not line:
            self._chunks = False  # the blank line at the end
            del self._rest[:2]
        elif re.fullmatch(rb"0+", size) or b":" in line:
            del self._rest[: len(line) + 2]  # the last chunk, and trailers
        elif re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            del self._rest[: len(line) + 2]
            self._skip = int(size, 16) + 2
        else:
            return False
        return True


def content_length(head: Message) -> int | None:
    """Return a head's Content-Length; None if it has none that is a number."""
    text = head.header("content-length")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
