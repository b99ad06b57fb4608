"""Server-side apply on values: joining an applied object into a live one, and taking out what
nobody wants any more. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from lateen.model.patch import descent, fieldset
from lateen.model.patch.descent import UNKNOWN
from lateen.model.patch.fieldset import FieldSet, Path
from lateen.model.schema.describe import Schema


def merge(live: Any, applied: Any, schema: Schema) -> Any:
    """Return the live value with the applied one in it. Items of keyed lists and of sets are
    joined; the applied order holds, and items it does not name stay behind the same neighbour."""
    if isinstance(live, Mapping) and isinstance(applied, Mapping) and not schema.atomic:
        result = dict(live)
        for key, value in applied.items():
            result[key] = merge(live.get(key), value, descent.field(schema, key))
        return result
    if (
        isinstance(live, list | tuple)
        and isinstance(applied, list | tuple)
        and not schema.atomic
        and (schema.list_type in ("map", "set"))
    ):
        return _merge_list(live, applied, schema)
    return applied


def _merge_list(live: Sequence[Any], applied: Sequence[Any], schema: Schema) -> list[Any]:
    before = {element: each for element, each, _ in fieldset.children(live, schema) or ()}
    wanted = {element: each for element, each, _ in fieldset.children(applied, schema) or ()}
    # What is not applied stays behind the applied element that it followed, or before them all.
    following: dict[str, list[str]] = {"": []}
    behind = following[""]
    for element in before:
        if element in wanted:
            behind = following[element] = []
        else:
            behind.append(element)
    order = list(following[""])
    for element in wanted:
        order += [element, *following.get(element, ())]
    item = descent.item(schema) if schema.list_keys else UNKNOWN
    return [
        merge(before.get(element), wanted[element], item) if element in wanted else before[element]
        for element in order
    ]


def prune(obj: Any, schema: Schema, unwanted: FieldSet, kept: FieldSet) -> Any:
    """Return the object without the unwanted fields.

    Of an unwanted map or item that holds fields in `kept` only those stay (and an item's keys). A
    map or list that loses its last field goes with it.
    """
    holding = {path[:length] for path in kept for length in range(len(path) + 1)}
    return _prune(obj, schema, (), unwanted, holding, doomed=False)


_GONE = object()


def _prune(
    value: Any,
    schema: Schema,
    path: Path,
    unwanted: FieldSet,
    holding: set[Path],
    *,
    doomed: bool,
) -> Any:
    doomed = doomed or path in unwanted
    if doomed and path not in holding:
        return _GONE
    parts = fieldset.children(value, schema)
    if parts is None:
        return value
    left: list[tuple[str, Any]] = []
    same = True
    for element, each, below in parts:
        here = (*path, element)
        if doomed and _is_key(element, path):
            left.append((element, each))
            continue
        result = _prune(each, below, here, unwanted, holding, doomed=doomed)
        same = same and result is each
        if result is not _GONE:
            left.append((element, result))
    if same:
        return value
    if not left and len(path) > 1 and path not in holding:
        return _GONE
    if isinstance(value, Mapping):
        return {element[2:]: each for element, each in left}
    return [each for _, each in left]


def _is_key(element: str, path: Path) -> bool:
    """Tell whether a field is one of those that its list item is known by."""
    if not path or not path[-1].startswith("k:"):
        return False
    return f'"{element[2:]}":' in path[-1]
