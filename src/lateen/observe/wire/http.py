"""HTTP/1 messages and HTTP/2 frames in clear bytes. Pure and total."""

import re

import msgspec

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_METHOD = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [^ \r\n]{1,65536} HTTP/1\.[01]\r?\n")
_PARTIAL = re.compile(rb"^[A-Z]{3,8} [!-~]*( H?T?T?P?/?1?\.?)?$")
_STATUS = re.compile(rb"^HTTP/1\.[01] [0-9]{3}")
_FRAME_NAMES = {
    0: "DATA",
    1: "HEADERS",
    2: "PRIORITY",
    3: "RST_STREAM",
    4: "SETTINGS",
    5: "PUSH_PROMISE",
    6: "PING",
    7: "GOAWAY",
    8: "WINDOW_UPDATE",
    9: "CONTINUATION",
}


class Message(msgspec.Struct, frozen=True):
    """The head of an HTTP/1 message. `start` is its first line; names are as sent."""

    start: str
    headers: tuple[tuple[str, str], ...]
    complete: bool
    """Whether the blank line after the headers was seen."""

    def header(self, name: str) -> str:
        """Return the first header of that name in any case, or the empty string."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), "")


def is_request(data: bytes) -> bool:
    """Whether the bytes begin with an HTTP/1 request line (or, cut short, look like one)."""
    return bool(_METHOD.match(data)) or (len(data) < 256 and bool(_PARTIAL.match(data)))


def is_response(data: bytes) -> bool:
    """Whether the bytes begin with an HTTP/1 status line."""
    return bool(_STATUS.match(data))


def is_http2(data: bytes) -> bool:
    """Whether the bytes begin with HTTP/2's client preface, as far as they go."""
    return len(data) >= 4 and PREFACE.startswith(data[: len(PREFACE)])


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


def next_message(data: bytes) -> tuple[Message, int] | None:
    """Return the first HTTP/1 message's head and the length of the whole message.

    None while it is not complete, or if the bytes are something else. A body that ends with the
    connection has no length: then the head's is given.
    """
    head = message(data)
    if head is None or not head.complete:
        return None
    begin = data.index(b"\r\n\r\n") + 4
    body = _body_length(head, data[begin:])
    if body is None or begin + body > len(data):
        return None
    return head, begin + body


def heads(data: bytes, limit: int = 32) -> list[Message]:
    """Read the heads of the HTTP/1 messages that follow one another on a connection.

    Bodies are skipped by Content-Length or chunk sizes; the list ends where that is not possible.
    """
    found: list[Message] = []
    while len(found) < limit and (head := message(data)) is not None:
        found.append(head)
        following = next_message(data)
        if following is None:
            break
        data = data[following[1] :]
    return found


def _body_length(head: Message, rest: bytes) -> int | None:
    if "chunked" in head.header("transfer-encoding").lower():
        return _chunked_length(rest)
    length = head.header("content-length")
    return int(length) if length.isdigit() and len(length) < 12 else 0


def _chunked_length(data: bytes) -> int | None:
    offset = 0
    while (end := data.find(b"\r\n", offset)) >= 0:
        size_text = data[offset:end].split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size_text):
            return None
        size = int(size_text, 16)
        offset = end + 2 + size + 2
        if size == 0:
            return offset if offset <= len(data) else None
        if offset > len(data):
            return None
    return None


def frames(data: bytes, limit: int = 64) -> list[tuple[str, int, int]]:
    """Return HTTP/2 frames as (type, stream, length), the preface skipped."""
    offset = len(PREFACE) if data.startswith(PREFACE) else 0
    found: list[tuple[str, int, int]] = []
    while offset + 9 <= len(data) and len(found) < limit:
        length = int.from_bytes(data[offset : offset + 3], "big")
        kind = data[offset + 3]
        stream = int.from_bytes(data[offset + 5 : offset + 9], "big") & 0x7FFFFFFF
        found.append((_FRAME_NAMES.get(kind, f"type {kind}"), stream, length))
        offset += 9 + length
    return found


def header_block(data: bytes) -> bytes:
    """Return the first complete HEADERS block (with its CONTINUATIONs) of an HTTP/2 direction,
    padding and priority removed; empty if there is none. HPACK-decode it to read it."""
    offset = len(PREFACE) if data.startswith(PREFACE) else 0
    block = bytearray()
    stream = 0
    while offset + 9 <= len(data):
        length = int.from_bytes(data[offset : offset + 3], "big")
        kind, flags = data[offset + 3], data[offset + 4]
        number = int.from_bytes(data[offset + 5 : offset + 9], "big") & 0x7FFFFFFF
        payload = data[offset + 9 : offset + 9 + length]
        if len(payload) < length:
            return b""
        if kind == 1 and not stream:
            stream = number
            block += _unpadded(payload, flags)
        elif kind == 9 and number == stream and stream:
            block += payload
        if stream and kind in (1, 9) and number == stream and flags & 0x04:
            return bytes(block)
        offset += 9 + length
    return b""


def _unpadded(payload: bytes, flags: int) -> bytes:
    pad = 0
    if flags & 0x08 and payload:
        pad, payload = payload[0], payload[1:]
    if flags & 0x20:
        payload = payload[5:]
    return payload[: len(payload) - pad] if pad <= len(payload) else b""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
