"""JSON Patch (RFC 6902) over JSON Pointer (RFC 6901). Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lateen.model.patch.problem import PatchError

_ARRAY_END = "-"


def apply_json_patch(obj: Any, ops: Any) -> Any:
    """Return the object after all operations; the object given is not changed.

    Raises PatchError: malformed for what is no list of operations, not malformed for a path that
    is not there or a test that fails; then no operation counts.
    """
    if not isinstance(ops, Sequence) or isinstance(ops, str | bytes):
        raise PatchError("a JSON patch is a list of operations")
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
            obj = apply(obj, op)
        except PatchError as error:
            raise PatchError(
                f"operation {index} ({op['op']} {op.get('path')}): {error}",
                malformed=error.malformed,
            ) from error
    return obj


def parse_pointer(pointer: Any) -> tuple[str, ...]:
    """Take a JSON Pointer apart. Raises PatchError."""
    if not isinstance(pointer, str):
        raise PatchError("a path is a string")
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise PatchError(f"the path {pointer!r} does not start with a slash")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


def _add(obj: Any, op: Mapping[str, Any]) -> Any:
    return _insert(obj, _path(op, "path"), _value(op))


def _remove(obj: Any, op: Mapping[str, Any]) -> Any:
    return _without(obj, _path(op, "path"))


def _replace(obj: Any, op: Mapping[str, Any]) -> Any:
    path = _path(op, "path")
    _find(obj, path)
    return _put(obj, path, _value(op))


def _move(obj: Any, op: Mapping[str, Any]) -> Any:
    source, target = _path(op, "from"), _path(op, "path")
    if target[: len(source)] == source and target != source:
        raise PatchError("a value cannot be moved into itself", malformed=False)
    value = _find(obj, source)
    return obj if source == target else _insert(_without(obj, source), target, value)


def _copy(obj: Any, op: Mapping[str, Any]) -> Any:
    return _insert(obj, _path(op, "path"), _find(obj, _path(op, "from")))


def _test(obj: Any, op: Mapping[str, Any]) -> Any:
    found, wanted = _find(obj, _path(op, "path")), _value(op)
    if not same(found, wanted):
        raise PatchError(f"testing value {op['path']} failed", malformed=False)
    return obj


_OPERATIONS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
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


def _find(obj: Any, path: tuple[str, ...]) -> Any:
    for depth, token in enumerate(path):
        if isinstance(obj, Mapping) and token in obj:
            obj = obj[token]
        elif _is_list(obj):
            obj = obj[_index(token, len(obj) - 1)]
        else:
            raise _missing(path[: depth + 1])
    return obj


def _rewrite(obj: Any, path: tuple[str, ...], change: Callable[[Any, str], Any]) -> Any:
    """Return a copy of `obj` in which the holder of the path's last token is changed."""
    token, *rest = path
    if not rest:
        return change(obj, token)
    child = _rewrite(_find(obj, (token,)), tuple(rest), change)
    return _put(obj, (token,), child)


def _put(obj: Any, path: tuple[str, ...], value: Any) -> Any:
    def change(holder: Any, token: str) -> Any:
        if isinstance(holder, Mapping):
            return {**holder, token: value}
        copy = list(holder)
        copy[_index(token, len(holder) - 1)] = value
        return copy

    return _rewrite(obj, path, change) if path else value


def _insert(obj: Any, path: tuple[str, ...], value: Any) -> Any:
    def change(holder: Any, token: str) -> Any:
        if isinstance(holder, Mapping):
            return {**holder, token: value}
        if not _is_list(holder):
            raise _missing(path)
        at = len(holder) if token == _ARRAY_END else _index(token, len(holder))
        return [*holder[:at], value, *holder[at:]]

    return _rewrite(obj, path, change) if path else value


def _without(obj: Any, path: tuple[str, ...]) -> Any:
    def change(holder: Any, token: str) -> Any:
        _find(holder, (token,))
        if isinstance(holder, Mapping):
            return {key: value for key, value in holder.items() if key != token}
        at = _index(token, len(holder) - 1)
        return [*holder[:at], *holder[at + 1 :]]

    return _rewrite(obj, path, change) if path else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _index(token: str, last: int) -> int:
    if not token.isascii() or not token.isdigit() or (len(token) > 1 and token[0] == "0"):
        raise PatchError(f"{token!r} is not an array index", malformed=False)
    if int(token) > last:
        raise PatchError(f"index {token} is out of bounds", malformed=False)
    return int(token)


def _missing(path: tuple[str, ...]) -> PatchError:
    return PatchError(f"/{'/'.join(path)} does not exist", malformed=False)
