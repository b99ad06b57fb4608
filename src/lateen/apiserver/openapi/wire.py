"""The OpenAPI v2 document in protobuf's form, which kubectl asks for and has no way around. Pure.

kubectl fetches it before it sends a `kind: List`, and before it says of a kind that the server does
not know it. Field numbers are those of gnostic's openapi.v2 messages; only the parts of a document
that `openapi_v2` makes have rows here.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from lateen.base.jsonvalue import Json

MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ASKED = (MEDIA, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
"""As clients ask for it. Most do so by the second name, which cannot be one of a media type; the
answer has the first, as on a cluster."""

_Write = Callable[[Any], bytes]
"""Returns the content of a field that is a text, a message or such."""
_Row = tuple[int, _Write]


def encode(document: Json) -> bytes:
    """Return the bytes of a v2 document. Raises KeyError for a part that has no row."""
    return _message(_DOCUMENT, document)


@lru_cache(maxsize=1024)
def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _flag(number: int, value: bool) -> bytes:
    return _varint(number << 3) + _varint(int(value))


def _text(value: str) -> bytes:
    return value.encode()


def _any(value: Any) -> bytes:
    """Any value, as YAML, of which JSON is a part."""
    return _field(2, msgspec.json.encode(value))


def _named(pairs: Iterable[tuple[str, Any]], number: int, write: _Write) -> bytes:
    """A map: repeated messages of a name and a value."""
    entries = (_field(1, name.encode()) + _field(2, write(value)) for name, value in pairs)
    return b"".join(_field(number, entry) for entry in entries)


def _message(rows: Mapping[str, _Row], value: Json) -> bytes:
    """One message. Keywords that begin with `x-` are its extensions; a row that is about a list
    writes each member."""
    made = []
    for key, one in value.items():
        if key.startswith("x-"):
            made.append(_named([(key, one)], *rows["x-"]))
            continue
        number, write = rows[key]
        if isinstance(one, bool):
            made.append(_flag(number, one))
        elif isinstance(one, list):
            made += [_field(number, write(member)) for member in one]
        else:
            made.append(_field(number, write(one)))
    return b"".join(made)


def _wrapped(number: int, write: _Write) -> _Write:
    """A message with one field."""
    return lambda value: _field(number, write(value))


def _map(number: int, write: _Write) -> _Write:
    """A message that is a map."""
    return lambda value: _named(value.items(), number, write)


def _schema(value: Json) -> bytes:
    return _message(_SCHEMA, value)


def _additional(value: Json | bool) -> bytes:
    return _flag(2, value) if isinstance(value, bool) else _field(1, _schema(value))


_SCHEMA: Mapping[str, _Row] = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "required": (19, _text),
    "enum": (20, _any),
    "additionalProperties": (21, _additional),
    "type": (22, _wrapped(1, _text)),
    "items": (23, _wrapped(1, _schema)),
    "allOf": (24, _schema),
    "properties": (25, _map(1, _schema)),
    "x-": (31, _any),
}
_IN_URL: Mapping[str, Mapping[str, _Row]] = {
    "query": {
        "required": (1, _text),
        "in": (2, _text),
        "description": (3, _text),
        "name": (4, _text),
        "type": (6, _text),
    },
    "path": {
        "required": (1, _text),
        "in": (2, _text),
        "description": (3, _text),
        "name": (4, _text),
        "type": (5, _text),
    },
}
_IN_BODY: Mapping[str, _Row] = {
    "description": (1, _text),
    "name": (2, _text),
    "in": (3, _text),
    "required": (4, _text),
    "schema": (5, _schema),
}


def _parameter(value: Json) -> bytes:
    """A parameter: of the body, or of the query (3) or the path (4) of the URL."""
    if value["in"] == "body":
        return _field(1, _field(1, _message(_IN_BODY, value)))
    return _url_parameter(tuple(value.items()))


@lru_cache(maxsize=256)
def _url_parameter(items: tuple[tuple[str, Any], ...]) -> bytes:
    """One of a few parameters that every path has again."""
    value = dict(items)
    number = 3 if value["in"] == "query" else 4
    return _field(1, _field(2, _field(number, _message(_IN_URL[value["in"]], value))))


_RESPONSE: Mapping[str, _Row] = {"description": (1, _text), "schema": (2, _wrapped(1, _schema))}


def _response(value: Json) -> bytes:
    return _message(_RESPONSE, value)


def _answer(value: Json) -> bytes:
    """A response, or a reference to one."""
    if "$ref" in value:
        return _reference(value["$ref"])
    return _field(1, _response(value))


@lru_cache(maxsize=256)
def _reference(target: str) -> bytes:
    return _field(2, _field(1, target.encode()))


_OPERATION: Mapping[str, _Row] = {
    "tags": (1, _text),
    "description": (3, _text),
    "operationId": (5, _text),
    "produces": (6, _text),
    "consumes": (7, _text),
    "parameters": (8, _parameter),
    "responses": (9, _map(1, _answer)),
    "x-": (13, _any),
}


def _operation(value: Json) -> bytes:
    return _message(_OPERATION, value)


_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_PATH: Mapping[str, _Row] = {
    **{method: (number, _operation) for number, method in enumerate(_METHODS, 2)},
    "parameters": (9, _parameter),
    "x-": (10, _any),
}
_INFO: Mapping[str, _Row] = {"title": (1, _text), "version": (2, _text)}
_DOCUMENT: Mapping[str, _Row] = {
    "swagger": (1, _text),
    "info": (2, lambda value: _message(_INFO, value)),
    "paths": (8, _map(2, lambda value: _message(_PATH, value))),
    "definitions": (9, _map(1, _schema)),
    "responses": (11, _map(1, _response)),
}
