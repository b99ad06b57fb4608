"""Sets of fields, and `fieldsV1`, the form in which managedFields writes them. Pure.

A path is a tuple of elements as fieldsV1 spells them: `f:spec` a field, `k:{"name":"web"}` an item
of a keyed list, `v:"a"` an item of a set.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lateen.model.patch import descent
from lateen.model.patch.descent import UNKNOWN
from lateen.model.patch.problem import PatchError
from lateen.model.schema.describe import Schema

Path = tuple[str, ...]
FieldSet = frozenset[Path]

EMPTY: FieldSet = frozenset()

_NOT_OWNED: FieldSet = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "selfLink",
            "managedFields",
        )
    }
)


def children(value: Any, schema: Schema) -> Iterator[tuple[str, Any, Schema]] | None:
    """Yield what a value is made of: element, value and schema of each; None for what is owned
    as a whole: scalars, atomic and empty maps and lists.

    Raises PatchError for a keyed list whose items cannot be told apart.
    """
    if schema.atomic or not value:
        return None
    if isinstance(value, Mapping):
        return ((f"f:{key}", each, descent.field(schema, key)) for key, each in value.items())
    if isinstance(value, list | tuple):
        if schema.list_type == "map":
            return _items(value, schema)
        if schema.list_type == "set":
            members = {_compact(each): each for each in value}
            return ((f"v:{text}", each, UNKNOWN) for text, each in members.items())
    return None


def is_item(element: str) -> bool:
    """Tell whether an element stands for an item of a list."""
    return not element.startswith("f:")


def of(value: Any, schema: Schema) -> FieldSet:
    """Return the fields that an object sets, without those that nobody owns (its identity)."""
    found: set[Path] = set()
    _collect(value, schema, (), found)
    return frozenset(found) - _NOT_OWNED - {()}


def compare(old: Any, new: Any, schema: Schema) -> tuple[FieldSet, FieldSet]:
    """Return the fields of `new` that are not in `old` or differ, and those of `old` that are
    gone."""
    changed: set[Path] = set()
    gone: set[Path] = set()
    _compare(old, new, schema, (), changed, gone)
    return frozenset(changed) - _NOT_OWNED - {()}, frozenset(gone) - _NOT_OWNED - {()}


def encode(fields: Iterable[Path]) -> dict[str, Any]:
    """Write a set as fieldsV1; `.` marks a field that is owned itself, beside fields in it."""
    root: dict[str, Any] = {}
    for path in sorted(fields, key=len, reverse=True):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        if node:
            node["."] = {}
    return _sorted(root)


def decode(fields: Any) -> FieldSet:
    """Read fieldsV1. Raises PatchError."""
    found: set[Path] = set()
    _decode(fields, (), found)
    return frozenset(found)


def describe(path: Path) -> str:
    """Write a path as messages do: `.spec.containers[name="web"].image`."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = json.loads(rest)
            text += f"[{','.join(f'{key}={_compact(keys[key])}' for key in keys)}]"
        else:
            text += f"[={rest}]"
    return text


def _items(
    value: "list[Any] | tuple[Any, ...]", schema: Schema
) -> Iterator[tuple[str, Any, Schema]]:
    seen: set[str] = set()
    for each in value:
        element = _key_of(each, schema.list_keys)
        if element not in seen:
            seen.add(element)
            yield element, each, descent.item(schema)


def _key_of(item: Any, keys: tuple[str, ...]) -> str:
    if not isinstance(item, Mapping):
        raise PatchError(f"a list keyed by {', '.join(keys)} has an item that is no object")
    values = {key: descent.key_value(item, key) for key in sorted(keys)}
    values = {key: value for key, value in values.items() if value is not None}
    if not values:
        raise PatchError(f"an item of a list lacks its key {', '.join(keys)}")
    return f"k:{_compact(values)}"


def duplicates(value: Any, schema: Schema, path: Path = ()) -> Path | None:
    """Return the first item that a keyed list names twice, if any."""
    if isinstance(value, list | tuple) and schema.list_keys:
        seen: set[str] = set()
        for each in value:
            element = _key_of(each, schema.list_keys)
            if element in seen:
                return (*path, element)
            seen.add(element)
    for element, each, below in children(value, schema) or ():
        if (found := duplicates(each, below, (*path, element))) is not None:
            return found
    return None


def _collect(value: Any, schema: Schema, path: Path, found: set[Path]) -> None:
    parts = children(value, schema)
    if parts is None:
        found.add(path)
        return
    if path and is_item(path[-1]):
        found.add(path)
    for element, each, below in parts:
        _collect(each, below, (*path, element), found)


def _compare(
    old: Any, new: Any, schema: Schema, path: Path, changed: set[Path], gone: set[Path]
) -> None:
    if old == new:
        return
    before, after = children(old, schema), children(new, schema)
    if before is None or after is None or type(old) is not type(new):
        if old != new:
            _collect(old, schema, path, gone)
            _collect(new, schema, path, changed)
            gone -= changed
        return
    olds = {element: each for element, each, _ in before}
    for element, each, below in after:
        here = (*path, element)
        if element in olds:
            _compare(olds.pop(element), each, below, here, changed, gone)
        else:
            _collect(each, below, here, changed)
    for element, each, below in children(old, schema) or ():
        if element in olds:
            _collect(each, below, (*path, element), gone)


def _decode(fields: Any, path: Path, found: set[Path]) -> None:
    if not isinstance(fields, Mapping):
        raise PatchError("fieldsV1 is made of objects")
    if path and not fields:
        found.add(path)
    for element, below in fields.items():
        if element == ".":
            found.add(path)
        elif element[:2] in ("f:", "k:", "v:", "i:"):
            _decode(below, (*path, _normal(element)), found)
        else:
            raise PatchError(f"fieldsV1 has an element {element!r}")


def _normal(element: str) -> str:
    if element[0] not in "kv":
        return element
    try:
        return element[:2] + _compact(json.loads(element[2:]))
    except ValueError as error:
        raise PatchError(f"fieldsV1 has an element {element!r}: {error}") from error


def _sorted(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _sorted(node[key]) for key in sorted(node)}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
