"""Forms of output that a person writes: JSONPath templates and columns of their own."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.objects import jsonpath
from lateen.cli.objects.jsonpath_reading import Template, TemplateError, parse, relaxed
from lateen.cli.screen import tables

Json = dict[str, Any]
Form = Callable[[Json], str]
"""Prints an object, or a List of them."""
NAMES = ("jsonpath", "jsonpath-as-json", "jsonpath-file", "custom-columns", "custom-columns-file")
_GO = ("go-template", "go-template-file", "template", "templatefile")


class _Column(msgspec.Struct, frozen=True):
    head: str
    template: Template


def named(output: str, *, header: bool) -> Form | None:
    """Return the form that `-o NAME=TEMPLATE` asks for, None if it is of another kind.

    Raises LabError (usage) for a template that cannot be read.
    """
    name, equals, text = output.partition("=")
    if name in _GO:
        raise LabError(
            f"-o {name}: Go's templates are not there: use jsonpath, custom-columns, or "
            "`kubectl get` with the lab's kubeconfig",
            exits.USAGE,
        )
    if name not in NAMES:
        return None
    if not equals or not text:
        what = "custom-columns format" if name.startswith("custom") else "template format"
        missing = "custom columns" if name.startswith("custom") else "template"
        raise LabError(f"{what} specified but no {missing} given", exits.USAGE)
    if name.endswith("-file"):
        text = Path(text).read_text(encoding="utf-8")
        if name.startswith("custom"):
            text = _columns_of(text)
    try:
        if name.startswith("custom"):
            return functools.partial(_columns, _specified(text), header=header)
        return functools.partial(_evaluated, text, parse(text), lists=name.endswith("json"))
    except TemplateError as error:
        where = "" if name.startswith("custom") else f"error parsing jsonpath {text}, "
        raise LabError(f"{where}{error}", exits.USAGE) from error


def _evaluated(text: str, template: Template, document: Json, *, lists: bool) -> str:
    try:
        found = jsonpath.find(template, document)
    except TemplateError as error:
        raise LabError(f'error executing jsonpath "{text}": {error}') from error
    if not lists:
        return jsonpath.printed(found)
    return "".join(json.dumps(values, indent=4, sort_keys=True) + "\n" for values in found)


def _columns_of(text: str) -> str:
    """Return what a file says, a line of heads and a line of paths, as on the command line."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or len(lines[0]) != len(lines[1]):
        raise LabError(
            "custom-columns-file: write a line of heads, and below it as many paths", exits.USAGE
        )
    return ",".join(f"{head}:{path}" for head, path in zip(*lines[:2], strict=True))


def _specified(text: str) -> tuple[_Column, ...]:
    found = []
    for part in text.split(","):
        head, colon, path = part.partition(":")
        if not colon:
            raise LabError(
                f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>",
                exits.USAGE,
            )
        found.append(_Column(head, parse(relaxed(path))))
    return tuple(found)


def _columns(columns: Sequence[_Column], document: Json, *, header: bool) -> str:
    every = document.get("items", [document])
    try:
        rows = [[_cell(jsonpath.find(c.template, one)) for c in columns] for one in every]
    except TemplateError as error:
        raise LabError(str(error)) from error
    text = tables.layout([c.head for c in columns], rows, header=header, raw=True)
    return f"{text}\n" if text else ""


def _cell(found: list[list[Any]]) -> str:
    if not found or not found[0]:
        return "<none>"
    return ",".join(_spelt(value) for values in found for value in values)


def _spelt(value: Any) -> str:
    """Return a value as Go prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_spelt(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_spelt, value))}]"
    return "<nil>" if value is None else jsonpath.shown(value)


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
