"""Label and field selectors. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.model.schema import fieldpath
from lateen.model.schema.objectmeta import LabelSelector, LabelSelectorRequirement

Labels = Mapping[str, str]

_OPERATORS = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
}


class Requirement(msgspec.Struct, frozen=True):
    """One condition on a label; `operator` is one of in, notin, exists, !, gt, lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        """Say whether it holds. `notin` holds for a label that is not there, as in Kubernetes."""
        value = labels.get(self.key)
        if self.operator == "in":
            return value in self.values
        if self.operator == "notin":
            return value not in self.values
        if self.operator == "exists":
            return value is not None
        if self.operator == "!":
            return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        number = None if value is None else _integer(value)
        bound = _integer(next(iter(self.values)))
        if number is None or bound is None:
            return False
        return number > bound if self.operator == "gt" else number < bound

    def __str__(self) -> str:
        listed = ",".join(sorted(self.values))
        if self.operator == "exists":
            return self.key
        if self.operator == "!":
            return f"!{self.key}"
        if self.operator in ("gt", "lt"):
            return f"{self.key}{'>' if self.operator == 'gt' else '<'}{listed}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator == 'in' else '!='}{listed}"
        return f"{self.key} {self.operator} ({listed})"


class Selector(msgspec.Struct, frozen=True):
    """Conditions that must all hold; without any, everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Say whether labels meet every condition."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = Selector()

_REQUIREMENT = re.compile(
    r"""\s*(?:
      !\s*(?P<absent>[^\s!=<>(),]+)
    | (?P<set>[^\s!=<>(),]+)\s+(?P<how>in|notin)\s*\((?P<members>[^()]*)\)
    | (?P<key>[^\s!=<>(),]+)\s*(?P<op>==|=|!=|<|>)\s*(?P<value>[^\s!=<>(),]*)
    | (?P<present>[^\s!=<>(),]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


def parse(text: str) -> Selector:
    """Read what `kubectl -l` takes: `a=b,c!=d,e in (f,g),h,!i,j>1`.

    Raises ValueError, in the API server's words, for anything else.
    """
    found: list[Requirement] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _REQUIREMENT.match(text, position)
        if match is None:
            raise ValueError(f"unable to parse requirement: found '{text[position:]}'")
        found.append(_requirement(match))
        position = match.end()
    if text.rstrip().endswith(","):
        raise ValueError("unable to parse requirement: found '', expected: identifier after ','")
    return Selector(tuple(found))


def _requirement(match: re.Match[str]) -> Requirement:
    if match["absent"]:
        return Requirement(_key(match["absent"]), "!")
    if match["present"]:
        return Requirement(_key(match["present"]), "exists")
    if match["set"]:
        members = frozenset(_value(part.strip()) for part in match["members"].split(","))
        return Requirement(_key(match["set"]), match["how"], members)
    key, value, operator = _key(match["key"]), match["value"], match["op"]
    if operator in "<>":
        if _integer(value) is None:
            raise ValueError(f"values: Invalid value: {value!r}: for 'Gt', 'Lt' must be an integer")
        return Requirement(key, "gt" if operator == ">" else "lt", frozenset((value,)))
    return Requirement(key, "notin" if operator == "!=" else "in", frozenset((_value(value),)))


def _integer(text: str) -> int | None:
    """Read a number as Kubernetes does for `>` and `<`: one of 64 bits, else none."""
    if not re.fullmatch(r"[-+]?[0-9]{1,4000}", text, re.ASCII):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(
    rf"(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/)?{_NAME}"
)
_VALUE = re.compile(rf"(?:{_NAME})?")


def is_label_key(text: str) -> bool:
    """Say whether a text can be a label key: `[prefix/]name`."""
    return bool(_KEY.fullmatch(text)) and len(text.rpartition("/")[0]) <= 253


def is_label_value(text: str) -> bool:
    """Say whether a text can be a label value."""
    return bool(_VALUE.fullmatch(text))


def _key(text: str) -> str:
    if not is_label_key(text):
        raise ValueError(f"unable to parse requirement: invalid label key {text!r}")
    return text


def _value(text: str) -> str:
    if not is_label_value(text):
        raise ValueError(f"unable to parse requirement: invalid label value {text!r}")
    return text


def of(selector: LabelSelector) -> Selector:
    """Return the conditions of a LabelSelector object. An empty one matches everything; whether a
    missing one does is for the caller to know. Raises ValueError for an unknown operator."""
    return Selector(
        (
            *_equal(selector.match_labels).requirements,
            *(_expression(expression) for expression in selector.match_expressions),
        )
    )


def _expression(expression: LabelSelectorRequirement) -> Requirement:
    if expression.operator not in _OPERATORS:
        raise ValueError(f"{expression.operator!r} is not a valid label selector operator")
    operator = _OPERATORS[expression.operator]
    return Requirement(expression.key, operator, frozenset(expression.values))


def _equal(labels: Labels) -> Selector:
    return Selector(
        tuple(Requirement(key, "in", frozenset((value,))) for key, value in labels.items())
    )


def subset(wanted: Labels, labels: Labels) -> bool:
    """Say whether all wanted labels are there: the selectors of Services and of Istio."""
    return all(labels.get(key) == value for key, value in wanted.items())


class FieldTerm(msgspec.Struct, frozen=True):
    """A field that must, or must not, have a value."""

    field: str
    value: str
    equal: bool = True


class FieldSelector(msgspec.Struct, frozen=True):
    """Conditions on fields that must all hold."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, value: Mapping[str, Any]) -> bool:
        """Say whether an object (its JSON) meets every condition; a missing field is empty."""
        return all((_text(value, term.field) == term.value) is term.equal for term in self.terms)


def _text(value: Mapping[str, Any], field: str) -> str:
    found = fieldpath.lookup(value, field)
    if found is None:
        return ""
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found)


_TERM = re.compile(r"(?P<field>[^=!,]+)(?P<op>==|=|!=)(?P<value>(?:\\.|[^\\,=])*)(?:,|$)")


def parse_fields(text: str) -> FieldSelector:
    """Read what `kubectl --field-selector` takes: `a.b=c,d!=e`, with `\\,` and `\\=` for the
    characters themselves. Raises ValueError for anything else."""
    terms: list[FieldTerm] = []
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{text[position:]}'")
        value = re.sub(r"\\(.)", r"\1", match["value"])
        terms.append(FieldTerm(match["field"].strip(), value, match["op"] != "!="))
        position = match.end()
    return FieldSelector(tuple(terms))
