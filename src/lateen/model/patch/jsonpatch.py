"""JSON Patch (RFC 6902) over JSON Pointer (RFC 6901). Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lateen.model.patch.problem import PatchError, PatchTooLargeError

MAX_COPIED = 3 * 1024 * 1024
"""Bytes that the copies of one patch may come to, as JSON: each may double what is there."""
_ARRAY_END = "-"
_INDEX_LENGTH = 19
"""Digits of an index: no list is longer, and a number of thousands of digits is not read."""


def apply_json_patch(obj: Any, ops: Any) -> Any:
    """Return the object after all operations; the object given is not changed.

    Raises PatchError: malformed for what is no list of operations, not malformed for a path that
    is not there or a test that fails, PatchTooLargeError for copies without end; then no operation
    counts.
    """
    if not isinstance(ops, Sequence) or isinstance(ops, str | bytes):
        raise PatchError("a JSON patch is a list of operations")
    document = _Document(obj)
    for index, op in enumerate(ops):
        if not isinstance(op, Mapping):
            raise PatchError(f"operation {index} of the JSON patch is not an object")
        apply = _OPERATIONS.get(str(op.get("op")))
        if apply is None:
            known = ", ".join(_OPERATIONS)
            raise PatchError(
                f"operation {index} has op {op.get('op')!r}; it must be one of {known}"
            )
        try:
            apply(document, op)
        except PatchError as error:
            message = f"operation {index} ({op['op']} {str(op.get('path'))[:200]}): {error}"
            raise type(error)(message, malformed=error.malformed) from error
    return document.root


def parse_pointer(pointer: Any) -> tuple[str, ...]:
    """Take a JSON Pointer apart. Raises PatchError."""
    if not isinstance(pointer, str):
        raise PatchError("a path is a string")
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise PatchError(f"the path {pointer!r} does not start with a slash")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


class _Document:
    """What a patch works on. A dict or list is copied the first time that it is changed, and
    changed in place from then on: a patch of many operations copies nothing twice."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._own: dict[int, Any] = {}
        self._copied = 0

    def find(self, path: tuple[str, ...]) -> Any:
        """Return the value at a path. Raises PatchError."""
        found = self.root
        for depth in range(len(path)):
            found = _child(found, path, depth)
        return found

    def holder(self, path: tuple[str, ...]) -> Any:
        """Return what holds the last token of a path, as a copy of our own."""
        self.root = found = self._owned(self.root)
        for depth, token in enumerate(path[:-1]):
            child = self._owned(_child(found, path, depth))
            if isinstance(found, dict):
                found[token] = child
            else:
                found[_index(token, len(found) - 1)] = child
            found = child
        return found

    def copied(self, value: Any) -> Any:
        """Return a copy that shares nothing with the document. Raises PatchTooLargeError."""
        encoded = msgspec.json.encode(value)
        self._copied += len(encoded)
        if self._copied > MAX_COPIED:
            raise PatchTooLargeError(f"its copies come to more than {MAX_COPIED} bytes")
        return msgspec.json.decode(encoded)

    def _owned(self, value: Any) -> Any:
        if id(value) in self._own:
            return value
        if isinstance(value, Mapping):
            made: Any = dict(value)
        elif _is_list(value):
            made = list(value)
        else:
            return value
        self._own[id(made)] = made
        return made


def _child(holder: Any, path: tuple[str, ...], depth: int) -> Any:
    token = path[depth]
    if isinstance(holder, Mapping) and token in holder:
        return holder[token]
    if _is_list(holder):
        return holder[_index(token, len(holder) - 1)]
    raise _missing(path[: depth + 1])


def _add(document: _Document, op: Mapping[str, Any]) -> None:
    _insert(document, _path(op, "path"), _value(op))


def _insert(document: _Document, path: tuple[str, ...], value: Any) -> None:
    if not path:
        document.root = value
        return
    holder, token = document.holder(path), path[-1]
    if isinstance(holder, dict):
        holder[token] = value
    elif isinstance(holder, list):
        holder.insert(len(holder) if token == _ARRAY_END else _index(token, len(holder)), value)
    else:
        raise _missing(path)


def _remove(document: _Document, op: Mapping[str, Any]) -> None:
    _take(document, _path(op, "path"))


def _take(document: _Document, path: tuple[str, ...]) -> Any:
    value = document.find(path)
    if not path:
        document.root = None
        return value
    holder, token = document.holder(path), path[-1]
    del holder[token if isinstance(holder, dict) else _index(token, len(holder) - 1)]
    return value


def _replace(document: _Document, op: Mapping[str, Any]) -> None:
    path = _path(op, "path")
    document.find(path)
    value = _value(op)
    if not path:
        document.root = value
        return
    holder, token = document.holder(path), path[-1]
    holder[token if isinstance(holder, dict) else _index(token, len(holder) - 1)] = value


def _move(document: _Document, op: Mapping[str, Any]) -> None:
    source, target = _path(op, "from"), _path(op, "path")
    if target[: len(source)] == source and target != source:
        raise PatchError("a value cannot be moved into itself", malformed=False)
    if source == target:
        document.find(source)
    else:
        _insert(document, target, _take(document, source))


def _copy(document: _Document, op: Mapping[str, Any]) -> None:
    value = document.copied(document.find(_path(op, "from")))
    _insert(document, _path(op, "path"), value)


def _test(document: _Document, op: Mapping[str, Any]) -> None:
    found, wanted = document.find(_path(op, "path")), _value(op)
    if not same(found, wanted):
        raise PatchError(f"testing value {op['path']} failed", malformed=False)


_OPERATIONS: dict[str, Callable[[_Document, Mapping[str, Any]], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def same(one: Any, other: Any) -> bool:
    """Compare as JSON does (RFC 6902 4.6): 1 equals 1.0, but true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _path(op: Mapping[str, Any], name: str) -> tuple[str, ...]:
    if name not in op:
        raise PatchError(f"it has no {name}")
    return parse_pointer(op[name])


def _value(op: Mapping[str, Any]) -> Any:
    if "value" not in op:
        raise PatchError("it has no value")
    return op["value"]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _index(token: str, last: int) -> int:
    if not token.isascii() or not token.isdigit() or (len(token) > 1 and token[0] == "0"):
        raise PatchError(f"{token!r} is not an array index", malformed=False)
    if len(token) > _INDEX_LENGTH or int(token) > last:
        raise PatchError(f"index {token[:_INDEX_LENGTH]} is out of bounds", malformed=False)
    return int(token)


def _missing(path: tuple[str, ...]) -> PatchError:
    return PatchError(f"/{'/'.join(path)} does not exist", malformed=False)
