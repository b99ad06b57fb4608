"""Protobuf's wire format and gRPC's answers over HTTP/2, as small servers need them."""

from collections.abc import Iterator

from lateen.node.standins.http1 import SiteResponse

UNIMPLEMENTED, INTERNAL = 12, 13
"""Statuses of gRPC."""
_LENGTHS = 2
"""The wire type of what has a length: strings and messages."""
_HEADERS = (("Content-Type", "application/grpc"),)


def answer(message: bytes) -> SiteResponse:
    """Return a call's one message with the status OK."""
    return SiteResponse(200, _HEADERS, framed(message), [("grpc-status", "0")])


def refusal(status: int, words: str = "") -> SiteResponse:
    """Return a call's answer without a message: a status of gRPC and what is said about it."""
    told = [("grpc-message", words)] if words else []
    return SiteResponse(200, _HEADERS, b"", [("grpc-status", str(status)), *told])


def framed(message: bytes) -> bytes:
    """Return a message as gRPC sends it: uncompressed, behind its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unframed(body: bytes) -> bytes:
    """Return the first message of a call's body; empty where there is none."""
    return body[5 : 5 + int.from_bytes(body[1:5], "big")]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | str | int) -> bytes:
    """Write one field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _LENGTHS) + _varint(len(data)) + data


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Read a protobuf message's fields that have a length; the others are passed over.

    Raises ValueError for what is no message."""
    at = 0
    while at < len(message):
        key, at = _read(message, at)
        kind = key & 7
        if kind == _LENGTHS:
            size, at = _read(message, at)
            if at + size > len(message):
                raise ValueError("the message is cut short")
            yield key >> 3, message[at : at + size]
            at += size
        elif kind == 0:
            _, at = _read(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")


def _read(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        value |= (message[at] & 0x7F) << shift
        at += 1
        if not message[at - 1] & 0x80:
            return value, at
        shift += 7
    raise ValueError("the message is cut short")
