"""The rules of a structural schema (`x-kubernetes-validations`), checked and evaluated.

What a rule sees and what its failure says is Kubernetes': `self` is the value at the schema that
carries the rule, typed by it; a rule that names `oldSelf` is about a change and is asked only where
the value was there before; messages, reasons and paths are the rule's own.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lateen.apiserver import fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds import cel, structural
from lateen.model.schema import durations

KEY = structural.RULES
MAX_EVALUATIONS = 20_000
"""Rules evaluated for one object; a cluster bounds them by their cost."""

_NOT_HERE = (
    "find",
    "findAll",
    "semver",
    "isSemver",
    "isCanonical",
    "named",
    "authorizer",
    "jsonpatch",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "existsOne",
    "base64",
)
"""Names that a cluster knows and that are not there here: a rule that uses one is not evaluated."""

Schema = Mapping[str, Any]
_REASONS = ("FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate")
_OLD = re.compile(r"\boldSelf\b")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'")
_ABSENT = re.compile(rf"\b({'|'.join(_NOT_HERE)})\s*\(|\bauthorizer\b")
_TWO_NAMES = re.compile(r"\.(?:all|exists)\(\s*\w+\s*,\s*\w+\s*,")
_PATH = re.compile(r"(?:\.[A-Za-z0-9_-]+|\['[^']+'\])+")


def is_about_change(expression: str) -> bool:
    """Tell whether an expression names oldSelf."""
    return bool(_OLD.search(_TEXT.sub("''", expression)))


# -- when a definition is written ------------------------------------------------------------------


def check(schema: Schema, path: str) -> structural.RuleFindings:
    """Compile every rule of a schema that lives at a path of its definition."""
    causes: list[Cause] = []
    skipped: list[tuple[str, str, str]] = []
    for at, node, correlates in _nodes(schema, path, True):
        given = node.get(KEY)
        if not isinstance(given, list):
            causes.append(fieldcauses.invalid(f"{at}.{KEY}", given, "must be a list"))
            continue
        for index, rule in enumerate(given):
            where = f"{at}.{KEY}[{index}]"
            if not isinstance(rule, dict) or not isinstance(rule.get("rule"), str):
                causes.append(fieldcauses.required(f"{where}.rule"))
                continue
            if why := _absent(rule):
                skipped.append((where, rule["rule"], why))
                continue
            causes += _check(rule, where, correlates=correlates)
    return structural.RuleFindings(tuple(causes), tuple(skipped))


def _nodes(schema: Any, path: str, correlates: bool) -> Iterator[tuple[str, Schema, bool]]:
    """Yield each schema that has rules, with its path and whether the value that was there before
    can be told: not in lists that are not maps."""
    if not isinstance(schema, dict):
        return
    if KEY in schema:
        yield path, schema, correlates
    for name, one in (schema.get("properties") or {}).items():
        yield from _nodes(one, f"{path}.properties[{name}]", correlates)
    yield from _nodes(
        schema.get("additionalProperties"), f"{path}.additionalProperties", correlates
    )
    mapped = schema.get("x-kubernetes-list-type") == "map"
    yield from _nodes(schema.get("items"), f"{path}.items", correlates and mapped)


def _absent(rule: Mapping[str, Any]) -> str:
    """Return what of a rule's expressions is not there here; empty if nothing is."""
    texts = (str(rule.get(field) or "") for field in ("rule", "messageExpression"))
    return next((why for text in texts if (why := absent(text))), "")


def absent(expression: str) -> str:
    """Return what of an expression is not there here; empty if nothing is."""
    text = _TEXT.sub("''", expression)
    if found := _ABSENT.search(text):
        return f"{found.group(1) or 'authorizer'} is not known here"
    if _TWO_NAMES.search(text):
        return "macros with two names are not known here"
    return ""


def _check(rule: Mapping[str, Any], where: str, *, correlates: bool) -> Iterator[Cause]:
    text = rule["rule"].strip()
    if not text:
        yield fieldcauses.required(f"{where}.rule", "rule is not specified")
        return
    try:
        cel.compiled(_expression(rule))
    except cel.RuleError as error:
        yield fieldcauses.invalid(f"{where}.rule", text, f"compilation failed: {error}")
    if is_about_change(text) and not correlates:
        detail = (
            "oldSelf cannot be used on the uncorrelatable portion of the schema within "
            "a list that is not of type map"
        )
        yield fieldcauses.invalid(f"{where}.rule", text, detail)
    if expression := rule.get("messageExpression"):
        try:
            cel.compiled(str(expression))
        except cel.RuleError as error:
            detail = f"messageExpression compilation failed: {error}"
            yield fieldcauses.invalid(f"{where}.messageExpression", expression, detail)
    if rule.get("reason") not in (None, "", *_REASONS):
        yield fieldcauses.unsupported(f"{where}.reason", rule["reason"], _REASONS)
    path = rule.get("fieldPath")
    if path and not (isinstance(path, str) and _PATH.fullmatch(path)):
        yield fieldcauses.invalid(f"{where}.fieldPath", path, "fieldPath must be a valid path")
    message = rule.get("message")
    if message is not None and (not isinstance(message, str) or "\n" in message):
        yield fieldcauses.invalid(
            f"{where}.message", message, "message must not contain line breaks"
        )


def _expression(rule: Mapping[str, Any]) -> str:
    """Return what is evaluated for a rule. An optional oldSelf is made inside the language: values
    of that type cannot be handed in."""
    text = str(rule["rule"])
    if not rule.get("optionalOldSelf"):
        return text
    old = "size(held) == 0 ? optional.none() : optional.of(held[0])"
    return f"cel.bind(oldSelf, {old}, (\n{text}\n))"


# -- when an object is written ---------------------------------------------------------------------


class _Missing:
    """There was no value before."""


_MISSING = _Missing()


def evaluate(schema: Schema, obj: Any, old: Any = None) -> Iterator[Cause]:
    """Yield the failures of every rule; `old` is the object before the change, None on creation.

    The object fits its schema already."""
    walk = _Walk()
    yield from walk.node(schema, obj, _MISSING if old is None else old, "")


class _Walk:
    def __init__(self) -> None:
        self._left = MAX_EVALUATIONS

    def node(self, schema: Any, value: Any, old: Any, path: str) -> Iterator[Cause]:
        if not structural.has_rules(schema) or value is None or self._left < 0:
            return
        for rule in schema.get(KEY) or ():
            yield from self._rule(rule, schema, value, old, path)
        if isinstance(value, dict):
            yield from self._inside(schema, value, old, path)
        elif isinstance(value, list):
            before = structural.keyed(schema, old)
            for index, one in enumerate(value):
                was = before.get(structural.key_of(schema, one), _MISSING)
                yield from self.node(schema.get("items"), one, was, f"{path}[{index}]")

    def _inside(self, schema: Schema, value: Any, old: Any, path: str) -> Iterator[Cause]:
        fields, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, one in value.items():
            was = old.get(name, _MISSING) if isinstance(old, dict) else _MISSING
            at = f"{path}.{name}" if path else str(name)
            if name in fields:
                yield from self.node(fields[name], one, was, at)
            elif isinstance(extra, dict):
                yield from self.node(extra, one, was, f"{path}[{name}]")

    def _rule(
        self, rule: Mapping[str, Any], schema: Schema, value: Any, old: Any, path: str
    ) -> Iterator[Cause]:
        text, optional = rule["rule"], rule.get("optionalOldSelf")
        about_change = is_about_change(text)
        if _absent(rule) or (about_change and not optional and old is _MISSING):
            return
        if old == value and not about_change:
            return  # what was there before a rule came may stay as long as it is not touched
        self._left -= 1
        if self._left < 0:
            detail = (
                "validation failed due to running out of cost budget, no further validation rules "
                "will be run"
            )
            yield _cause("", schema, path, detail)
            return
        before = [] if old is _MISSING else [typed(schema, old)]
        seen = {"self": typed(schema, value), "held": before}
        if before:
            seen["oldSelf"] = before[0]
        try:
            outcome = cel.evaluate(_expression(rule), seen)
        except cel.RuleError as error:
            said = rule.get("message") or text.strip()
            yield _cause("", schema, path, f"{error} evaluating rule: {said}")
            return
        if outcome.value is not True:
            at = path + str(rule.get("fieldPath") or "")
            reason = str(rule.get("reason") or "")
            yield _cause(reason, schema, at.removeprefix("."), _message(rule, seen))


def _message(rule: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Return what a broken rule says: what its messageExpression makes, its message, or itself."""
    fallback = str(rule.get("message") or f"failed rule: {rule['rule'].strip()}")
    expression = rule.get("messageExpression")
    if not expression:
        return fallback
    try:
        made = cel.evaluate(str(expression), seen)
    except cel.RuleError:
        return fallback
    if made.kind != "STRING" or not made.value.strip() or "\n" in made.value:
        return fallback
    return str(made.value)


def _cause(reason: str, schema: Schema, path: str, detail: str) -> Cause:
    reason = reason or "FieldValueInvalid"
    shown = str(schema.get("type") or "object")
    opening = {
        "FieldValueForbidden": "Forbidden",
        "FieldValueRequired": "Required value",
        "FieldValueDuplicate": f'Duplicate value: "{shown}"',
    }.get(reason, f'Invalid value: "{shown}"')
    # Kubernetes leaves the rule's message out of what says that a value is a duplicate.
    text = opening if reason == "FieldValueDuplicate" else f"{opening}: {detail}"
    return Cause(reason, text, path or "<nil>")


# -- values as the language has them ---------------------------------------------------------------

_RESERVED = (
    "true false null in as break const continue else for function if import let loop package "
    "namespace return var void while"
)
_WORDS = frozenset(_RESERVED.split())


_SIGNS = (
    ("__", "__underscores__"),
    (".", "__dot__"),
    ("-", "__dash__"),
    ("/", "__slash__"),
)


def typed(schema: Any, value: Any) -> Any:
    """Return a JSON value with the types that its schema gives it: moments, durations and bytes of
    strings with a format, doubles of whole numbers, names that are identifiers."""
    if not isinstance(schema, dict) or value is None:
        return value
    if isinstance(value, dict):
        fields, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        found = {}
        for name, one in value.items():
            if name in fields:
                found[escaped(name)] = typed(fields[name], one)
            else:
                found[name] = typed(extra, one)
        return found
    if isinstance(value, list):
        return [typed(schema.get("items"), one) for one in value]
    if schema.get("type") == "number" and isinstance(value, int):
        return float(value)
    if isinstance(value, str) and schema.get("format") in ("date-time", "duration", "byte", "date"):
        return _formed(str(schema["format"]), value)
    return value


def _formed(form: str, text: str) -> Any:
    import base64

    from google.protobuf import duration_pb2, timestamp_pb2

    try:
        if form == "byte":
            return base64.b64decode(text, validate=True)
        if form == "duration":
            seconds = durations.seconds(text)
            return duration_pb2.Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
        made = timestamp_pb2.Timestamp()
        made.FromJsonString(text if form == "date-time" else f"{text}T00:00:00Z")
    except ValueError:
        return text
    return made


def escaped(name: str) -> str:
    """Return a property's name as rules write it: `__namespace__`, `a__dash__b`."""
    if name in _WORDS:
        return f"__{name}__"
    for sign, word in _SIGNS:
        name = name.replace(sign, word)
    return name
