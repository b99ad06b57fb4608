"""Kubernetes' strategic merge patch: lists joined by key, and directives in the patch. Pure.

The directives: `$patch` (replace, delete, merge) in a map or a list item, `$retainKeys` beside
the keys of a union, `$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>` beside the
list they are about.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lateen.model.patch import descent
from lateen.model.patch.descent import UNKNOWN
from lateen.model.patch.problem import PatchError
from lateen.model.schema.describe import Schema

PATCH = "$patch"
RETAIN = "$retainKeys"
ORDER = "$setElementOrder/"
DELETE = "$deleteFromPrimitiveList/"

_Identity = Callable[[Any], Any]


def apply_strategic(obj: Any, patch: Any, schema: Schema = UNKNOWN) -> Any:
    """Return the object with the patch merged in, as the schema says. Raises PatchError."""
    if not isinstance(patch, Mapping):
        raise PatchError("a strategic merge patch is an object")
    return _merge_map(obj if isinstance(obj, Mapping) else {}, patch, schema)


def _merge_map(obj: Mapping[str, Any], patch: Mapping[str, Any], schema: Schema) -> Any:
    directive = patch.get(PATCH, "merge")
    if directive == "replace":
        return _clean({key: value for key, value in patch.items() if key != PATCH})
    if directive == "delete":
        return {}
    if directive != "merge":
        raise PatchError(f"{PATCH}: {directive!r} is none of replace, delete, merge")
    result = _retain(obj, patch)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        elif key in result:
            result[key] = _merge_value(result[key], value, descent.field(schema, key))
        else:
            result[key] = _clean(value)
    for key, value in patch.items():
        if key.startswith(DELETE):
            _delete_from(result, key.removeprefix(DELETE), _list(key, value))
        elif key.startswith(ORDER):
            name = key.removeprefix(ORDER)
            _order(result, obj, name, _list(key, value), descent.field(schema, name))
        elif key.startswith("$") and key not in (PATCH, RETAIN):
            raise PatchError(f"{key} is not a directive of a strategic merge patch")
    return result


def _merge_value(old: Any, value: Any, schema: Schema) -> Any:
    if isinstance(old, Mapping) and isinstance(value, Mapping) and not descent.replaces(schema):
        return _merge_map(old, value, schema)
    if _is_list(old) and _is_list(value) and descent.joins(schema):
        return _merge_list(old, value, schema)
    return _clean(value)


def _merge_list(old: Sequence[Any], patch: Sequence[Any], schema: Schema) -> list[Any]:
    """Join two lists. What the patch names comes in the patch's order, what it does not name stays
    where it stood, and of the two, what the server does not know yet goes first."""
    if not any(isinstance(each, Mapping) for each in (*old, *patch)):
        joined = list({_scalar(each): each for each in (*old, *patch)}.values())
        return _ordered(joined, patch, old, _scalar)
    if not schema.merge_key:
        raise PatchError("a list of objects without a merge key cannot be merged", malformed=False)
    identity = _by(schema.merge_key)
    if any(isinstance(each, Mapping) and each.get(PATCH) == "replace" for each in patch):
        return [_clean(each) for each in patch if each.get(PATCH) != "replace"]
    merged: dict[Any, Any] = {identity(each): each for each in old}
    named = []
    for each in patch:
        key = identity(each)
        if each.get(PATCH) == "delete":
            merged.pop(key, None)
            continue
        named.append(key)
        merged[key] = (
            _merge_map(merged[key], each, descent.item(schema)) if key in merged else _clean(each)
        )
    return _ordered(list(merged.values()), named, [identity(each) for each in old], identity)


def _order(
    result: dict[str, Any],
    before: Mapping[str, Any],
    name: str,
    order: Sequence[Any],
    schema: Schema,
) -> None:
    """Carry out `$setElementOrder`: the wanted order for the items it names."""
    items = result.get(name)
    if not _is_list(items) or not items:
        return
    value = before.get(name)
    old: Sequence[Any] = value if isinstance(value, list | tuple) else ()
    identity = _by(schema.merge_key) if isinstance(items[0], Mapping) else _scalar
    wanted = [identity(each) for each in order]
    result[name] = _ordered(items, wanted, [identity(each) for each in old], identity)


def _ordered(
    items: Sequence[Any],
    wanted: Sequence[Any],
    server: Sequence[Any],
    identity: _Identity,
) -> list[Any]:
    """Sort `wanted` ones among themselves, the others as the server had them, then interleave:
    an other one goes first only if the server had it before the next wanted one."""
    rank = {key: at for at, key in reversed(list(enumerate(wanted)))}
    place = {key: at for at, key in reversed(list(enumerate(server)))}
    named = sorted((i for i in items if identity(i) in rank), key=lambda i: rank[identity(i)])
    others = sorted(
        (i for i in items if identity(i) not in rank),
        key=lambda i: place.get(identity(i), len(place)),
    )
    result: list[Any] = []
    while named and others:
        mine, theirs = place.get(identity(named[0])), place.get(identity(others[0]))
        first = mine is not None and theirs is not None and theirs < mine
        result.append((others if first else named).pop(0))
    return [*result, *named, *others]


def _delete_from(result: dict[str, Any], name: str, unwanted: Sequence[Any]) -> None:
    if _is_list(result.get(name)):
        result[name] = [each for each in result[name] if each not in unwanted]


def _retain(obj: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    if RETAIN not in patch:
        return dict(obj)
    keys = _list(RETAIN, patch[RETAIN])
    named = (key for key, value in patch.items() if not key.startswith("$") and value is not None)
    for key in named:
        if key not in keys:
            raise PatchError(f"{RETAIN} does not name {key}, which the patch sets")
    return {key: value for key, value in obj.items() if key in keys}


def _clean(value: Any) -> Any:
    """Return a value that is new to the object: without directives and without nulls."""
    if isinstance(value, Mapping):
        kept = ((key, each) for key, each in value.items() if not key.startswith("$"))
        return {key: _clean(each) for key, each in kept if each is not None}
    if _is_list(value):
        return [_clean(each) for each in value if not _deletes(each)]
    return value


def _deletes(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get(PATCH) in ("delete", "replace")


def _scalar(item: Any) -> Any:
    if isinstance(item, Mapping) or _is_list(item):
        raise PatchError("a list of scalars has an item that is none", malformed=False)
    return item


def _by(merge_key: str) -> _Identity:
    def identity(item: Any) -> Any:
        if not isinstance(item, Mapping):
            raise PatchError("a list mixes objects and scalars", malformed=False)
        if item.get(PATCH) == "replace":
            return None
        if merge_key not in item:
            raise PatchError(f"an item of a list lacks its merge key {merge_key}")
        value = item[merge_key]
        return value if not isinstance(value, Mapping | list | tuple) else repr(value)

    return identity


def _list(name: str, value: Any) -> Sequence[Any]:
    if not _is_list(value):
        raise PatchError(f"{name} must be a list")
    return list(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
