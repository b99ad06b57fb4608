"""Structural schemas of CustomResourceDefinitions: prune, default, validate. Pure.

A schema is the plain JSON of `openAPIV3Schema`. `apiVersion`, `kind` and `metadata` are left to
the server, at the root and inside embedded resources.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lateen.apiserver import fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.base.jsonvalue import Json, clone

_SERVER = ("apiVersion", "kind", "metadata")
RULES = "x-kubernetes-validations"
_MAX_CAUSES = 50


class _Absent:
    """There was no value before, or it cannot be told which it was."""


_ABSENT = _Absent()

Schema = Mapping[str, Any]


def prune(schema: Schema, obj: Json) -> tuple[Json, list[str]]:
    """Return the object without fields the schema does not know, and the paths of those."""
    dropped: list[str] = []
    return _prune(schema, obj, "", dropped, root=True), dropped


def _prune(schema: Schema, value: Any, path: str, dropped: list[str], *, root: bool = False) -> Any:
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return value
        return [_prune(items, one, f"{path}[{i}]", dropped) for i, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    keep = schema.get("x-kubernetes-preserve-unknown-fields") is True or extra is True
    server = _SERVER if root or schema.get("x-kubernetes-embedded-resource") else ()
    result: Json = {}
    for key, one in value.items():
        at = f"{path}.{key}" if path else str(key)
        if key in server:
            result[key] = one
        elif key in fields:
            result[key] = _prune(fields[key], one, at, dropped)
        elif isinstance(extra, dict):
            result[key] = _prune(extra, one, at, dropped)
        elif keep:
            result[key] = one
        else:
            dropped.append(at)
    return result


def defaulted(schema: Schema, value: Any) -> Any:
    """Return the value with the schema's defaults filled in, parents before children."""
    if isinstance(value, list):
        items = schema.get("items")
        return [defaulted(items, one) for one in value] if isinstance(items, dict) else value
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties") or {}
    result = dict(value)
    for key, child in fields.items():
        if "default" in child and (key not in result or _drops_null(child, result[key])):
            result[key] = clone(child["default"])
    extra = schema.get("additionalProperties")
    for key, one in result.items():
        child = fields.get(key, extra)
        if isinstance(child, dict):
            result[key] = defaulted(child, one)
    return result


def _drops_null(schema: Schema, value: Any) -> bool:
    return value is None and not schema.get("nullable")


class RuleFindings(msgspec.Struct, frozen=True):
    """What is wrong with the rules of a schema, and (path, rule, why) of those that are not
    evaluated here though a cluster does."""

    causes: tuple[Cause, ...] = ()
    skipped: tuple[tuple[str, str, str], ...] = ()


def has_rules(schema: Any) -> bool:
    """Tell whether a schema, or one inside it, has a rule."""
    if not isinstance(schema, dict):
        return False
    if schema.get(RULES):
        return True
    inner = [*(schema.get("properties") or {}).values(), schema.get("items")]
    return any(has_rules(one) for one in (*inner, schema.get("additionalProperties")))


def validate(schema: Schema, obj: Json, old: Json | None = None) -> tuple[Cause, ...]:
    """Return what in the object breaks the schema, the first fifty.

    What is as it was in `old` is not looked at: a schema that became stricter refuses only what is
    changed, as in Kubernetes.
    """
    found: list[Cause] = []
    body = {key: value for key, value in obj.items() if key not in _SERVER}
    rest = {**schema, "required": [r for r in schema.get("required") or () if r not in _SERVER]}
    before = {k: v for k, v in old.items() if k not in _SERVER} if old is not None else _ABSENT
    for cause in _validate(rest, body, "", before):
        found.append(cause)
        if len(found) >= _MAX_CAUSES:
            break
    return tuple(found)


def _validate(schema: Schema, value: Any, path: str, old: Any = _ABSENT) -> Iterator[Cause]:
    if old == value:
        return
    if value is None:
        if not schema.get("nullable") and schema.get("type"):
            yield _mistyped(schema, value, path)
        return
    if not _is_type(schema, value):
        yield _mistyped(schema, value, path)
        return
    if (allowed := schema.get("enum")) and value not in allowed:
        yield fieldcauses.unsupported(path, value, tuple(str(one) for one in allowed))
    if isinstance(value, str):
        yield from _string(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(schema, value, path)
    elif isinstance(value, list):
        yield from _array(schema, value, path, old)
    elif isinstance(value, dict):
        yield from _object(schema, value, path, old)
    yield from _combined(schema, value, path)


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "number": (int, float),
    "integer": (int,),
}


def _is_type(schema: Schema, value: Any) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    wanted = _TYPES.get(str(schema.get("type", "")))
    if wanted is None:
        return True
    if isinstance(value, bool):
        return bool in wanted
    if int in wanted and isinstance(value, float) and value.is_integer():
        return True
    return isinstance(value, wanted)


def _mistyped(schema: Schema, value: Any, path: str) -> Cause:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    have = names.get(type(value), "integer" if isinstance(value, int) else "number")
    want = "integer or string" if schema.get("x-kubernetes-int-or-string") else schema.get("type")
    return Cause(
        "FieldValueTypeInvalid",
        f'Invalid value: "{have}": {path} in body must be of type {want}: "{have}"',
        path,
    )


def _string(schema: Schema, value: str, path: str) -> Iterator[Cause]:
    if (most := schema.get("maxLength")) is not None and len(value) > most:
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {most} bytes", path)
    if (least := schema.get("minLength")) is not None and len(value) < least:
        detail = f"{path} in body should be at least {least} chars long"
        yield fieldcauses.invalid(path, value, detail)
    pattern = schema.get("pattern")
    if pattern and not _matches(pattern, value):
        yield fieldcauses.invalid(path, value, f"{path} in body should match '{pattern}'")


def _matches(pattern: str, value: str) -> bool:
    from lateen.apiserver.kinds import cel  # a start does not need it

    return cel.matches(pattern, value)


def _number(schema: Schema, value: float, path: str) -> Iterator[Cause]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield fieldcauses.invalid(path, value, f"{path} in body should be {word} {least}")
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield fieldcauses.invalid(path, value, f"{path} in body should be {word} {most}")
    if (factor := schema.get("multipleOf")) and value % factor:
        yield fieldcauses.invalid(path, value, f"{path} in body should be a multiple of {factor}")


def _array(schema: Schema, value: list[Any], path: str, old: Any) -> Iterator[Cause]:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield Cause(
            "FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path
        )
    if least is not None and len(value) < least:
        yield fieldcauses.invalid(
            path, len(value), f"{path} in body should have at least {least} items"
        )
    items = schema.get("items")
    if isinstance(items, dict):
        before = keyed(schema, old)
        for index, one in enumerate(value):
            was = before.get(key_of(schema, one), _ABSENT)
            yield from _validate(items, one, f"{path}[{index}]", was)
    yield from _unique(schema, value, path)


def keyed(schema: Schema, values: Any) -> dict[Any, Any]:
    """Return the items of a list of type map by their keys; nothing of any other list."""
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(values, list):
        return {}
    return {key_of(schema, one): one for one in values}


def key_of(schema: Schema, item: Any) -> tuple[str, ...]:
    """Return what tells an item of a list of type map from others."""
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return tuple(str(item.get(key)) for key in keys) if isinstance(item, dict) else ()


def _unique(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("map", "set") and not schema.get("uniqueItems"):
        return
    seen: set[str] = set()
    for index, one in enumerate(value):
        identity = {k: one.get(k) for k in keys} if keys and isinstance(one, dict) else one
        shown = json.dumps(identity, separators=(",", ":"), sort_keys=True)
        if shown in seen:
            yield Cause("FieldValueDuplicate", f"Duplicate value: {shown}", f"{path}[{index}]")
        seen.add(shown)


def _object(schema: Schema, value: Json, path: str, old: Any) -> Iterator[Cause]:
    for name in schema.get("required") or ():
        if name not in value:
            yield fieldcauses.required(f"{path}.{name}" if path else str(name))
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: at most {most}", path)
    if least is not None and len(value) < least:
        yield fieldcauses.invalid(
            path, len(value), f"{path} in body should have at least {least} properties"
        )
    fields = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    embedded = schema.get("x-kubernetes-embedded-resource")
    if embedded:
        for name in ("apiVersion", "kind"):
            if not isinstance(value.get(name), str) or not value[name]:
                yield fieldcauses.required(f"{path}.{name}", "must not be empty")
    for name, one in value.items():
        child = fields.get(name, extra)
        if isinstance(child, dict) and not (embedded and name in _SERVER):
            was = old.get(name, _ABSENT) if isinstance(old, dict) else _ABSENT
            yield from _validate(child, one, f"{path}.{name}" if path else str(name), was)


def _combined(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    for child in schema.get("allOf") or ():
        yield from _validate(child, value, path)
    some = schema.get("anyOf") or ()
    exempt = not some or schema.get("x-kubernetes-int-or-string")
    if not exempt and not any(_fits(child, value, path) for child in some):
        yield fieldcauses.invalid(
            path, "", f"{path} in body must validate at least one schema (anyOf)"
        )
    one_of = schema.get("oneOf") or ()
    if one_of:
        fits = sum(_fits(child, value, path) for child in one_of)
        if fits != 1:
            detail = f"{path} in body must validate one and only one schema (oneOf)"
            yield fieldcauses.invalid(path, "", f"{detail}. Found {fits} valid alternatives")
    negated = schema.get("not")
    if isinstance(negated, dict) and _fits(negated, value, path):
        yield fieldcauses.invalid(path, "", f"{path} in body must not validate the schema (not)")


def _fits(schema: Schema, value: Any, path: str) -> bool:
    return next(_validate(schema, value, path), None) is None
