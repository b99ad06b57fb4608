"""Forms of output that a person writes, and orders that a path gives: JSONPath."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lateen.app.lab.lab import LabError
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.objects import jsonpath
from lateen.cli.objects.jsonpath_template import Template, TemplateError, parse, relaxed

Form = Callable[[Json], str]
"""Prints an object, or a List of them."""
NAMES = ("jsonpath", "jsonpath-as-json", "jsonpath-file")
_KUBECTLS = (
    "custom-columns",
    "custom-columns-file",
    "go-template",
    "go-template-file",
    "template",
    "templatefile",
)


def named(output: str) -> Form | None:
    """Return the form that `-o NAME=TEMPLATE` asks for, None if it is of another kind.

    Raises LabError (usage) for a template that cannot be read, and for forms that only kubectl has.
    """
    name, equals, text = output.partition("=")
    if name in _KUBECTLS:
        raise LabError(
            f"-o {name}: only kubectl has this form: use jsonpath, or `kubectl get` with the lab's "
            "kubeconfig",
            exits.USAGE,
        )
    if name not in NAMES:
        return None
    if not equals or not text:
        raise LabError("template format specified but no template given", exits.USAGE)
    if name.endswith("-file"):
        text = Path(text).read_text(encoding="utf-8")
    try:
        return functools.partial(_evaluated, text, parse(text), lists=name.endswith("json"))
    except TemplateError as error:
        raise LabError(f"error parsing jsonpath {text}, {error}", exits.USAGE) from error


def _evaluated(text: str, template: Template, document: Json, *, lists: bool) -> str:
    try:
        found = jsonpath.find(template, document)
    except TemplateError as error:
        raise LabError(f'error executing jsonpath "{text}": {error}') from error
    if not lists:
        return jsonpath.printed(found)
    return "".join(json.dumps(values, indent=4, sort_keys=True) + "\n" for values in found)


class Order:
    """Sorts objects by what a path finds in them; what has no such field comes first."""

    def __init__(self, path: str) -> None:
        """Raises LabError (usage) for a path that cannot be read."""
        try:
            self._text = relaxed(path)
            self._template = parse(self._text)
        except TemplateError as error:
            raise LabError(str(error), exits.USAGE) from error

    def sorted(self, every: Sequence[Any], of: Callable[[Any], Json]) -> list[Any]:
        """Return the elements in order; `of` gives the object of one. Raises LabError when no
        object has the field."""
        values = [self._value(of(one)) for one in every]
        if every and all(value is None for value in values):
            raise LabError(
                f'couldn\'t find any field with path "{self._text}" in the list of objects'
            )
        pairs = sorted(zip(values, every, strict=True), key=lambda pair: _rank(pair[0]))
        return [one for _, one in pairs]

    def _value(self, one: Json) -> Any:
        try:
            found = jsonpath.find(self._template, one)
        except TemplateError as error:
            raise LabError(str(error)) from error
        return found[0][0] if found and found[0] else None


def _rank(value: Any) -> tuple[Any, ...]:
    """Return what sorts as kubectl does: by number, else by text and the numbers in it."""
    if value is None:
        return (0,)
    if isinstance(value, bool | int | float):
        return (1, value)
    return (2, *_natural(str(value)))


def _natural(text: str) -> tuple[tuple[int, Any, str], ...]:
    """Return text so that `a9` comes before `a10`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(p), p) if p.isdecimal() else (1, p, "") for p in parts)
