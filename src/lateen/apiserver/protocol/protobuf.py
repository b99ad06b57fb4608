"""Kubernetes' protobuf form of objects, read into JSON. Pure.

kubectl's own `create` commands and the reviews send their bodies in this form, and have no way
back to JSON when it is refused; they take JSON as the answer. Only reading is needed, and only a
table of field numbers (`wirefields.json`), which is loaded when the first such body comes.
"""

import base64
import functools
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from lateen.base.jsonvalue import Json

MAGIC = b"k8s\0"
_MAX_DEPTH = 32


class WireError(ValueError):
    """The bytes are not an object in this form."""


class WireField(msgspec.Struct, frozen=True):
    """A row of the table. `shape` is empty, `*` (list) or `%` (map)."""

    name: str
    type: str
    shape: str = ""
    mark: str = ""


Message = dict[int, WireField]


class _File(msgspec.Struct, frozen=True):
    """The generated table: the message of each kind, and the fields of each message, of which one
    is NUMBER[MARK]:NAME:TYPE. Types are s text, b bytes, i integer, f flag, d double, t and u
    times, q quantity, x integer or text, j JSON, n duration, or a message; before one, * makes it
    a list and % a map by text. Marks: ~ its fields belong to the outer object, ! a zero is a
    value, - nothing when empty."""

    kinds: dict[str, str]
    messages: dict[str, str]


@functools.cache
def _table() -> tuple[dict[str, str], dict[str, Message]]:
    text = pkgutil.get_data(__name__, "wirefields.json") or b""
    file = msgspec.json.decode(text, type=_File)
    return file.kinds, {name: _message(rows) for name, rows in file.messages.items()}


def _message(rows: str) -> Message:
    found: Message = {}
    for row in rows.split():
        number, name, kind = row.split(":")
        mark = number[-1] if not number[-1].isdigit() else ""
        shape = kind[0] if kind[0] in "*%" else ""
        found[int(number.rstrip("~!-"))] = WireField(name, kind[len(shape) :], shape, mark)
    return found


def decode(body: bytes) -> Json:
    """Read one object with its kind and apiVersion. Raises WireError."""
    if not body.startswith(MAGIC):
        raise WireError("it does not begin with the mark of Kubernetes' protobuf form")
    kinds, messages = _table()
    version = kind = ""
    raw = b""
    for number, value in _fields(body[4:]):
        if number == 1 and isinstance(value, bytes):
            named = {n: v for n, v in _fields(value) if isinstance(v, bytes)}
            version, kind = _text(named.get(1, b"")), _text(named.get(2, b""))
        elif number == 2 and isinstance(value, bytes):
            raw = value
    message = kinds.get(f"{version}/{kind}") or (
        kinds["v1/DeleteOptions"] if kind == "DeleteOptions" else None
    )
    if message is None:
        raise WireError(f"{kind[:60]!r} of {version[:60]!r} is read as JSON only")
    return {"apiVersion": version, "kind": kind, **_object(messages, message, raw, 0)}


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(wire, 0)
        if wire == 2:
            size, position = _varint(data, position)
        elif not size:
            raise WireError(f"wire type {wire} is not used by Kubernetes")
        if size > len(data) - position:
            raise WireError("a field reaches beyond its message")
        yield tag >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise WireError("a number is cut off")


def _object(messages: dict[str, Message], name: str, data: bytes, depth: int) -> Json:
    if depth > _MAX_DEPTH:
        raise WireError("the object nests too deep")
    known = messages[name]
    made: Json = {}
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            continue
        if field.shape == "%":
            key, inner = _entry(messages, field, value, depth)
            made.setdefault(field.name, {})[key] = inner
        elif field.shape == "*":
            made.setdefault(field.name, []).append(_value(messages, field, value, depth))
        else:
            _put(made, field, _value(messages, field, value, depth))
    return made


def _put(made: Json, field: WireField, value: Any) -> None:
    """Set a single field, unless Go's JSON would leave its zero value out."""
    if field.mark == "~":
        made.update(value or {})
    elif field.mark == "!":
        made[field.name] = value
    elif value in ("", 0, False, None) or (field.mark == "-" and value == {}):
        return
    else:
        made[field.name] = value


def _entry(
    messages: dict[str, Message], field: WireField, data: int | bytes, depth: int
) -> tuple[str, Any]:
    if not isinstance(data, bytes):
        raise WireError("a map entry is no message")
    parts = dict(_fields(data))
    key, value = parts.get(1, b""), parts.get(2)
    if not isinstance(key, bytes):
        raise WireError("a map is not by text")
    empty: int | bytes = 0 if field.type in ("i", "f") else b""
    return _text(key), _value(messages, field, empty if value is None else value, depth)


def _value(messages: dict[str, Message], field: WireField, value: int | bytes, depth: int) -> Any:
    if field.type in ("i", "f"):
        if not isinstance(value, int):
            raise WireError(f"{field.name} is no number")
        return bool(value) if field.type == "f" else _signed(value)
    if not isinstance(value, bytes):
        raise WireError(f"{field.name} is no text or message")
    reader = _READERS.get(field.type)
    if reader is not None:
        return reader(value)
    return _object(messages, field.type, value, depth + 1)


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise WireError("a text is not UTF-8") from None


def _numbers(value: bytes) -> dict[int, int]:
    return {number: _signed(one) for number, one in _fields(value) if isinstance(one, int)}


def _time(value: bytes) -> str | None:
    parts = _numbers(value)
    if not parts:
        return None
    return _moment(parts).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: bytes) -> str | None:
    parts = _numbers(value)
    return _moment(parts).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if parts else None


def _moment(parts: dict[int, int]) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            seconds=parts.get(1, 0), microseconds=parts.get(2, 0) // 1000
        )
    except OverflowError:
        raise WireError("a time is out of range") from None


def _first_text(value: bytes) -> str:
    return next((_text(v) for n, v in _fields(value) if n == 1 and isinstance(v, bytes)), "")


def _int_or_string(value: bytes) -> int | str:
    parts = dict(_fields(value))
    if parts.get(1):
        text = parts.get(3, b"")
        return _text(text) if isinstance(text, bytes) else ""
    number = parts.get(2, 0)
    return _signed(number) if isinstance(number, int) else 0


def _json(value: bytes) -> Any:
    raw = next((v for n, v in _fields(value) if n == 1 and isinstance(v, bytes)), b"")
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        raise WireError("embedded JSON cannot be read") from None


def _duration(value: bytes) -> str:
    return f"{_numbers(value).get(1, 0) / 1e9:g}s"


def _double(value: bytes) -> float:
    raise WireError("floating point numbers are read from JSON only")


_READERS = {
    "s": _text,
    "b": lambda value: base64.b64encode(value).decode(),
    "t": _time,
    "u": _micro_time,
    "q": _first_text,
    "x": _int_or_string,
    "j": _json,
    "n": _duration,
    "d": _double,
}
