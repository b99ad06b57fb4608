"""Evaluates kubectl's JSONPath on objects, and prints what it gives as kubectl prints it. Pure."""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from lateen.cli.objects.jsonpath_template import (
    Action,
    Field,
    Filter,
    Node,
    Recursive,
    Slice,
    Template,
    TemplateError,
    Text,
    Union,
    Value,
    Wildcard,
    Word,
)
from lateen.cli.screen import printer

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def find(template: Template, data: Any) -> list[list[Any]]:
    """Return what each action gives, in the order in which it is printed; those within a range
    once for each of its values. Raises TemplateError where the template does not fit the data."""
    found: list[list[Any]] = []
    _block(template, 0, data, found, depth=0)
    return found


def printed(found: Sequence[Sequence[Any]]) -> str:
    """Return kubectl's text of what was found."""
    return "".join(" ".join(shown(value) for value in values) for values in found)


def shown(value: Any) -> str:
    """Return one value as text: strings as they are, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _float(value)
    return as_json(value)


def as_json(value: Any) -> str:
    """Return a value as Go writes JSON: keys in order, and what HTML would act on escaped."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.translate(printer.IN_GO)


def _float(value: float) -> str:
    if value and not 1e-4 <= abs(value) < 1e21:
        return repr(value)
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _block(
    template: Template, at: int, data: Any, found: list[list[Any]], *, depth: int
) -> int | None:
    """Evaluate actions up to the end of the range that they are in; return its place."""
    while at < len(template):
        words = [node.name for node in template[at] if isinstance(node, Word)]
        if "end" in words:
            if not depth:
                raise TemplateError("not in range, nothing to end")
            return at
        values = _walk(template[at], [data])
        at += 1
        if "range" not in words:
            found.append(values)
            continue
        end: int | None = None
        for value in values:
            end = _block(template, at, value, found, depth=depth + 1)
        if not values:
            end = _block(template, at, None, [], depth=depth + 1)
        at = at if end is None else end + 1
    return None


def _walk(action: Action, values: list[Any]) -> list[Any]:
    for node in action:
        values = _step(node, values)
    return values


def _step(node: Node, values: list[Any]) -> list[Any]:
    match node:
        case Text(text):
            return [text]
        case Value(value):
            return [value for _ in values]
        case Word(name):
            if name != "range":
                raise TemplateError(f"unrecognized identifier {name}")
            return values
        case Field(name):
            return [v[name] for v in values if isinstance(v, dict) and name in v]
        case Wildcard():
            return [below for value in values for below in _children(value)]
        case Recursive():
            return [each for value in values for each in _descended(value)]
        case Union(parts):
            return [value for part in parts for value in _walk(part, values)]
        case Slice():
            return [each for v in values if v is not None for each in _sliced(node, v)]
        case Filter():
            return [each for value in values for each in _filtered(node, value)]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return value if isinstance(value, list) else []


def _descended(value: Any) -> list[Any]:
    below = _children(value)
    deeper = [each for child in below for each in _descended(child)]
    return [value, *deeper] if below else []


def _sliced(node: Slice, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TemplateError(f"{_type(value)} is not array or slice")
    length = len(value)
    start = node.start or 0
    stop = start + 1 if node.single else length if node.stop is None else node.stop
    start += length if start < 0 else 0
    stop += length if stop < 0 or (node.single and not stop) else 0
    if start == stop:
        return []
    out = None if 0 <= stop <= length else stop - 1
    out = out if 0 <= start < length else start
    if out is not None:
        raise TemplateError(f"array index out of bounds: index {out}, length {length}")
    if start > stop:
        raise TemplateError(f"starting index {start} is greater than ending index {stop}")
    if node.step is not None and node.step <= 0:
        raise TemplateError("step must be > 0")
    return value[start : stop : node.step or 1]


def _filtered(node: Filter, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TemplateError(f"{shown(value)} is not array or slice and cannot be filtered")
    return [each for each in value if _kept(node, each)]


def _kept(node: Filter, element: Any) -> bool:
    left = _walk(node.left, [element])
    if node.operator == "exists":
        return bool(left)
    right = _walk(node.right, [element]) if left else []
    if len(left) > 1 or len(right) > 1:
        raise TemplateError("can only compare one element at a time")
    if not left or not right:
        return False
    if node.operator not in _ORDERS:
        raise TemplateError(f"unrecognized filter operator {node.operator}")
    kinds = {type(left[0]), type(right[0])}
    ordered = node.operator not in ("==", "!=")
    if not kinds <= {str, int, float, bool} or (ordered and kinds == {bool}):
        raise TemplateError("invalid type for comparison")
    if len(kinds) > 1:
        raise TemplateError("incompatible types for comparison")
    return _ORDERS[node.operator](left[0], right[0])


_TYPES: Mapping[type, str] = {
    dict: "map[string]interface {}",
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
}


def _type(value: Any) -> str:
    return _TYPES.get(type(value), type(value).__name__)
