"""The wire format of google.protobuf.Struct, by hand: the front end imports no protobuf. Pure.

Istio sends a workload's metadata as such a Struct, base64-encoded, in `x-envoy-peer-metadata`.
"""

import struct
from collections.abc import Mapping

Value = str | float | bool | None | Mapping[str, "Value"] | tuple["Value", ...]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_NULL, _NUMBER, _STRING, _BOOL, _STRUCT, _LIST = range(1, 7)


def encode(fields: Mapping[str, Value]) -> bytes:
    """Serialize with keys in order, as Istio's deterministic marshalling does."""
    return b"".join(
        _chunk(1, _chunk(1, key.encode()) + _chunk(2, _encode_value(fields[key])))
        for key in sorted(fields)
    )


def decode(data: bytes) -> dict[str, Value]:
    """Read back a Struct. Raises ValueError on anything else."""
    result: dict[str, Value] = {}
    for number, body in _fields(data):
        if number != 1 or not isinstance(body, bytes):
            raise ValueError(f"not a Struct: field {number}")
        key, value = "", b""
        for part, content in _fields(body):
            if part == 1 and isinstance(content, bytes):
                key = content.decode()
            elif part == 2 and isinstance(content, bytes):
                value = content
        result[key] = _decode_value(value)
    return result


def _encode_value(value: Value) -> bytes:
    if value is None:
        return _tag(_NULL, _VARINT) + b"\0"
    if isinstance(value, bool):
        return _tag(_BOOL, _VARINT) + (b"\1" if value else b"\0")
    if isinstance(value, (int, float)):
        return _tag(_NUMBER, _FIXED64) + struct.pack("<d", value)
    if isinstance(value, str):
        return _chunk(_STRING, value.encode())
    if isinstance(value, Mapping):
        return _chunk(_STRUCT, encode(value))
    return _chunk(_LIST, b"".join(_chunk(1, _encode_value(item)) for item in value))


def _decode_value(data: bytes) -> Value:
    for number, body in _fields(data):
        if isinstance(body, bytes):
            if number == _STRING:
                return body.decode()
            if number == _STRUCT:
                return decode(body)
            if number == _LIST:
                return tuple(
                    _decode_value(item) for _, item in _fields(body) if isinstance(item, bytes)
                )
        elif number == _NUMBER:
            return float(struct.unpack("<d", struct.pack("<Q", body))[0])
        elif number == _BOOL:
            return bool(body)
    return None


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _chunk(number: int, body: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("not a Struct: cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> list[tuple[int, bytes | int]]:
    """Split a message into (field number, bytes or integer)."""
    found: list[tuple[int, bytes | int]] = []
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _read_varint(data, at)
            found.append((key >> 3, value))
            continue
        if wire == _BYTES:
            size, at = _read_varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"not a Struct: wire type {wire}")
        body = data[at : at + size]
        if len(body) != size:
            raise ValueError("not a Struct: cut short")
        at += size
        found.append((key >> 3, body if wire == _BYTES else int.from_bytes(body, "little")))
    return found
