"""From a JSON mapping to a typed struct, with every problem reported at once. Pure."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from lateen.model.schema import describe as schemas, fieldpath, octets, quantities
from lateen.model.schema.describe import Schema
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.schema.objectmeta import StoredObject

ProblemKind = Literal["unknown", "type", "enum", "required", "duplicate"]


class Problem(msgspec.Struct, frozen=True):
    """What is wrong at one place.

    `path` is a JSON path (`spec.http[0].match[0].uri.exact`), `message` is worded as the API
    server words it, `suggestion` is a sentence that says what to write instead, or empty.
    """

    path: str
    kind: ProblemKind
    message: str
    suggestion: str = ""


class Decoded(msgspec.Struct, frozen=True):
    """`object` is the typed value; where there are problems, the fields in question are unset.
    It is None only if nothing could be made of the body. `body` is the JSON in its plain form:
    no nulls, protobuf's alternative spellings replaced, unknown fields dropped, quantities and
    bytes as the API server writes them."""

    object: Any
    problems: tuple[Problem, ...] = ()
    body: dict[str, Any] = msgspec.field(default_factory=dict)


def decode(info: KindInfo, body: object, *, strict: bool = True) -> Decoded:
    """Decode one object of a kind, in the version it says it is of.

    Without `strict`, unknown fields are dropped in silence.
    """
    if not isinstance(body, Mapping):
        return Decoded(None, (Problem("", "type", "the manifest is not a mapping"),))
    return _decode(schemas.of_kind(info), info.struct or StoredObject, body, strict)


def decode_stored(info: KindInfo, body: Mapping[str, Any]) -> Any:
    """Return the typed value of an object that was checked when it was stored; None when nothing
    can be made of it. Without the walk for problems, so at a tenth of the price."""
    try:
        return msgspec.convert(body, info.struct or StoredObject, str_keys=True)
    except msgspec.ValidationError:
        return decode(info, body, strict=False).object


def decode_struct(struct: type[msgspec.Struct], body: object) -> Decoded:
    """Decode what is no object of its own but a text inside one, as strictly."""
    if not isinstance(body, Mapping):
        return Decoded(None, (Problem("", "type", "it is not a mapping"),))
    return _decode(schemas.of_struct(struct), struct, body, True)


def _decode(
    tree: Schema, struct: type[msgspec.Struct], body: Mapping[Any, Any], strict: bool
) -> Decoded:
    found = _Findings(tree)
    plain = _walk(tree, body, "", found)
    problems = [problem for problem in found.problems if _counts(problem, strict)]
    try:
        value = msgspec.convert(plain, struct, str_keys=True)
    except msgspec.ValidationError as error:
        return Decoded(None, (*problems, Problem("", "type", str(error))), plain)
    return Decoded(value, tuple(problems), plain)


def _counts(problem: Problem, strict: bool) -> bool:
    """A status is written by programs, which leave zero values out: nothing is required there."""
    if problem.kind == "required" and problem.path.startswith("status"):
        return False
    return strict or problem.kind not in ("unknown", "duplicate")


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the name closest to a misspelt word, or an empty string when none is close."""
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


class _Findings(msgspec.Struct, frozen=True):
    tree: Schema
    problems: list[Problem] = msgspec.field(default_factory=list)


_ABSENT = object()
"""What a walk returns for a value that must not be kept."""


def _walk(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    return _WALKS[node.type](node, value, path, found)


def _object(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    if type(value) is not dict and not isinstance(value, Mapping):
        return _mistyped(node, value, path, found)
    fields = node.fields
    plain: dict[str, Any] = {}
    for name, item in value.items():
        child = fields.get(name)
        at = f"{path}.{name}" if path else name
        if child is None:
            known = node.aliases.get(name)
            if known is None:
                if node.preserve_unknown:
                    plain[name] = item
                else:
                    found.problems.append(_unknown(node, name, at))
                continue
            if known in value:
                found.problems.append(
                    Problem(at, "duplicate", f'duplicate field "{at}"', f"It is {known} again.")
                )
                continue
            name, child = known, fields[known]
        if item is None:
            continue
        kept = _WALKS[child.type](child, item, at, found)
        if kept is not _ABSENT:
            plain[name] = kept
    for name in node.required:
        if name not in plain and value.get(name) is None and not _aliased(node, name, value):
            found.problems.append(
                Problem(f"{path}.{name}" if path else name, "required", "Required value")
            )
    return plain


def _aliased(node: Schema, name: str, value: Mapping[str, Any]) -> bool:
    return any(
        value.get(alias) is not None for alias, known in node.aliases.items() if known == name
    )


def _map(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    if not isinstance(value, Mapping):
        return _mistyped(node, value, path, found)
    items = node.items
    if items is None:
        return dict(value)
    plain: dict[str, Any] = {}
    walk = _WALKS[items.type]
    for key, item in value.items():
        at = fieldpath.join(path, str(key))
        if node.integer_keys and not str(key).isdigit():
            found.problems.append(
                Problem(at, "type", f'Invalid value: "{key}": must be a port number', "")
            )
            continue
        if item is None:
            if items.type == "string" and not node.proto:
                plain[str(key)] = ""
            else:
                _mistyped(items, item, at, found)
            continue
        kept = walk(items, item, at, found)
        if kept is not _ABSENT:
            plain[str(key)] = kept
    return plain


def _array(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    if not isinstance(value, list | tuple):
        return _mistyped(node, value, path, found)
    items = node.items
    if items is None:
        return list(value)
    walk = _WALKS[items.type]
    plain = []
    for index, item in enumerate(value):
        kept = walk(items, item, f"{path}[{index}]", found)
        if kept is not _ABSENT:
            plain.append(kept)
    return plain


def _string(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    if isinstance(value, str):
        if node.enum and value not in node.enum:
            return (
                _ABSENT if not value and not node.proto else _unsupported(node, value, path, found)
            )
        form = _FORMS.get(node.form)
        return value if form is None or node.proto else form(value, path, found)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _mistyped(node, value, path, found)
    if node.form == "quantity":
        return _quantity(str(value), path, found)
    if node.enum and node.proto and isinstance(value, int):
        known = 0 <= value < len(node.enum)
        return node.enum[value] if known else _unsupported(node, str(value), path, found)
    return _mistyped(node, value, path, found)


_TIME = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"([.,][0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def _quantity(value: str, path: str, found: _Findings) -> Any:
    try:
        return quantities.written(value)
    except ValueError:
        pass
    form = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
    message = f"quantities must match the regular expression '{form}'"
    hint = "Write a number, and a unit if there is one: 500m, 64Mi, 2, 1e3."
    found.problems.append(Problem(path, "type", message, hint))
    return _ABSENT


def _time(value: str, path: str, found: _Findings) -> Any:
    if _TIME.fullmatch(value):
        return value
    form = "2006-01-02T15:04:05Z07:00"
    message = f'parsing time "{value}" as "{form}": cannot parse "{value}" as "2006"'
    hint = "Write a moment such as 2026-11-24T08:00:00Z."
    found.problems.append(Problem(path, "type", message, hint))
    return _ABSENT


def _bytes(value: str, path: str, found: _Findings) -> Any:
    try:
        return octets.written(value)
    except ValueError as error:
        hint = "Write the bytes in base64; text may stand in a Secret's stringData as it is."
        found.problems.append(Problem(path, "type", str(error), hint))
    return _ABSENT


_FORMS: dict[str, Callable[[str, str, _Findings], Any]] = {
    "byte": _bytes,
    "date-time": _time,
    "quantity": _quantity,
}


_RANGES = {"int32": 2**31, "int64": 2**63}


def _integer(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    number: Any = value
    whole = isinstance(value, float) and value.is_integer()
    if whole or (node.proto and isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value)):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int):
        return _mistyped(node, value, path, found)
    if node.form in _UNSIGNED:
        return _unsigned(node, number, path, found)
    bound = _RANGES.get(node.form, 2**63)
    if not -bound <= number < bound:
        return _mistyped(node, value, path, found)
    return number


_UNSIGNED = {"uint32": 2**32 - 1, "uint64": 2**63 - 1}


def _unsigned(node: Schema, number: int, path: str, found: _Findings) -> Any:
    """Protobuf's unsigned numbers have bounds in Istio's schemas, in whose words it is said."""
    most = _UNSIGNED[node.form]
    if 0 <= number <= most:
        return number
    wrong = "greater than or equal to 0" if number < 0 else f"less than or equal to {most}"
    message = f"Invalid value: {number}: {path} in body should be {wrong}"
    found.problems.append(Problem(path, "type", message, "The number is out of range."))
    return _ABSENT


def _number(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and node.proto:
        try:
            return float(value)
        except ValueError:
            return _mistyped(node, value, path, found)
    return _mistyped(node, value, path, found)


def _boolean(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    return value if isinstance(value, bool) else _mistyped(node, value, path, found)


def _int_or_string(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    return _mistyped(node, value, path, found)


def _any(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    return value


_WALKS: dict[str, Callable[[Schema, Any, str, _Findings], Any]] = {
    "object": _object,
    "map": _map,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "int-or-string": _int_or_string,
    "any": _any,
}


def _unknown(node: Schema, name: str, path: str) -> Problem:
    close = nearest(name, node.fields)
    if close:
        hint = f'Did you mean "{close}"?'
    elif len(node.fields) <= 12:
        hint = f"Known here: {', '.join(node.fields)}."
    else:
        hint = f"{node.name} has no such field."
    return Problem(path, "unknown", f'unknown field "{path}"', hint)


def _unsupported(node: Schema, value: str, path: str, found: _Findings) -> Any:
    names = node.enum if node.proto else tuple(sorted(node.enum))
    listed = ", ".join(f'"{name}"' for name in names)
    close = nearest(value, node.enum)
    hint = f'Did you mean "{close}"?' if close else ""
    message = f'Unsupported value: "{value}": supported values: {listed}'
    found.problems.append(Problem(path, "enum", message, hint))
    return _ABSENT


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


_GO_TYPES = {"string": "string", "boolean": "bool", "number": "float64", "any": "interface {}"}


def _go_type(node: Schema) -> str:
    """Name a type as the API server's JSON reader does."""
    if node.type == "integer":
        return node.form or "int32"
    if node.type == "object":
        return f"v1.{node.name}"
    if node.items is not None:
        prefix = "[]" if node.type == "array" else "map[string]"
        return prefix + _go_type(node.items)
    return _GO_TYPES.get(node.type, node.type)


def _go_field(tree: Schema, path: str) -> str:
    """Name a field as Go does: the struct that holds it, then all names without indexes."""
    node, owner = tree, tree.name
    names: list[str] = []
    for name in fieldpath.steps(path):
        if isinstance(name, int):
            continue
        while node.type == "array" and node.items is not None:
            node = node.items
        if node.type == "map" and node.items is not None:
            node = node.items
        elif name in node.fields:
            owner = node.name
            names.append(name)
            node = node.fields[name]
    return f"{owner}.{'.'.join(names)}"


def _mistyped(node: Schema, value: Any, path: str, found: _Findings) -> Any:
    have = _json_type(value)
    if node.proto:
        want = "object" if node.type == "map" else node.type
        message = f'Invalid value: "{have}": {path} in body must be of type {want}: "{have}"'
    else:
        short = {"integer": "number", "boolean": "bool"}.get(have, have)
        if short == "number" and node.type == "integer":
            short = f"number {value}"
        message = (
            f"json: cannot unmarshal {short} into Go struct field {_go_field(found.tree, path)}"
            f" of type {_go_type(node)}"
        )
    found.problems.append(Problem(path, "type", message, _type_hint(node, value)))
    return _ABSENT


def _type_hint(node: Schema, value: Any) -> str:
    if node.form == "quantity":
        return "Write a quantity such as 100m, 0.5 or 1Gi."
    if node.type == "string" and isinstance(value, bool | int | float):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f'Put it in quotes: "{text}".'
    if node.type == "integer" and isinstance(value, str) and value.lstrip("-").isdigit():
        return f"Write it without quotes: {value}."
    if node.type == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return "The number is out of range."
    if node.type == "boolean" and isinstance(value, str):
        return "Write true or false, without quotes."
    if node.type == "array" and not isinstance(value, list | tuple):
        return "Write it as a list: each element begins with a dash."
    if node.type in ("object", "map"):
        if isinstance(value, list | tuple):
            return "Write fields here, not a list: remove the dash."
        names = ", ".join(list(node.fields)[:6])
        return f"Write fields below it, indented{f': {names}' if names else ''}."
    return f"Write a value of type {node.type}."
