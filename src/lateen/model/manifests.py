"""Manifests from text: YAML of several documents or JSON, with the place of every field. Pure."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from lateen.model import yamlscalars
from lateen.model.meta import Location

Json = dict[str, Any]
MAX_NODES = 1_000_000
"""Values a file may hold once its aliases are written out."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in the text itself, where, and what to do about it."""

    location: Location
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.location.file}:{self.location.line}:{self.location.column}"
        return f"{place}: {self.message}. {self.remedy}"


@dataclass(frozen=True)
class Manifest:
    """One object as written. `line` is where it begins, from 1."""

    body: Json
    file: str
    line: int
    node: yaml.Node | None = field(default=None, repr=False, compare=False)

    @cached_property
    def locations(self) -> Mapping[str, Location]:
        """Return the place of every field by JSON path (`spec.http[0].match`); `` is the whole."""
        if self.node is None:
            return {"": Location(self.file, self.line)}
        offset = self.line - 1 - self.node.start_mark.line
        return dict(_places(self.node, self.file, offset))

    def locate(self, path: str) -> Location:
        """Return the place of a field, or of the nearest one around it that was written."""
        places = self.locations
        while path not in places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return places[path]


@dataclass(frozen=True, slots=True)
class Parsed:
    """All objects of a text, and what was wrong with the rest."""

    manifests: tuple[Manifest, ...]
    problems: tuple[Problem, ...] = ()


def parse(text: str, file: str) -> Parsed:
    """Read manifests; `file` is the name that places are reported with.

    Empty documents are skipped, lists are opened, and reading goes on after a broken document.
    """
    reader = _Reader(file)
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] == "{" and reader.read_json(text):
        return Parsed(tuple(reader.manifests), tuple(reader.problems))
    offset = 0
    rest = text
    while rest:
        broken_at = reader.read_yaml(rest, offset)
        if broken_at is None:
            break
        rest, offset = _after(rest, broken_at, offset)
    return Parsed(tuple(reader.manifests), tuple(reader.problems))


class _Loader(yaml.CBaseLoader):
    """Composes nodes; a plain scalar keeps an empty tag, to be resolved by us."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Return the tag of a node that names none."""
        if kind is yaml.ScalarNode:
            return "" if implicit[0] else _STR
        return _SEQ if kind is yaml.SequenceNode else _MAP


_STR, _SEQ, _MAP = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))
_TAGGED = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}


class _Broken(Exception):
    def __init__(self, mark: yaml.Mark, message: str, remedy: str):
        super().__init__(message)
        self.mark = mark
        self.message = message
        self.remedy = remedy


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.manifests: list[Manifest] = []
        self.problems: list[Problem] = []

    def read_yaml(self, text: str, offset: int) -> int | None:
        """Read documents until one is broken; return the line, from 0, where it broke."""
        loader = _Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                if node is not None:
                    self._document(node, offset)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line if mark else 0
            column = mark.column if mark else 0
            self._report(line + offset, column, *_explained(error, text, line))
            return line
        except yaml.YAMLError as error:
            found = re.search(r"position (\d+)", str(error))
            line = text.count("\n", 0, int(found[1])) if found else 0
            self._report(
                line + offset, 0, "a character that YAML does not allow", "Remove it or quote it."
            )
            return line
        finally:
            loader.dispose()
        return None

    def read_json(self, text: str) -> bool:
        """Read JSON objects if the text is JSON that YAML could misread; False otherwise."""
        if "\t" not in text and "\\/" not in text:
            return False
        decoder = json.JSONDecoder()
        position = 0
        found: list[tuple[Any, int]] = []
        try:
            while position < len(text):
                value, end = decoder.raw_decode(text, position)
                found.append((value, text.count("\n", 0, position) + 1))
                position = end + len(text[end:]) - len(text[end:].lstrip())
        except ValueError:
            return False
        for value, line in found:
            if isinstance(value, dict):
                self._object(value, None, line)
        return True

    def _document(self, node: yaml.Node, offset: int) -> None:
        try:
            value = _Builder(self, offset).build(node)
        except _Broken as error:
            self._report(error.mark.line + offset, error.mark.column, error.message, error.remedy)
            return
        line = node.start_mark.line + offset + 1
        if isinstance(value, dict):
            self._object(value, node, line)
        elif value is not None:
            self._report(
                line - 1,
                node.start_mark.column,
                "a manifest must be a mapping of fields",
                "Begin it with apiVersion: and kind:.",
            )

    def _object(self, body: Json, node: yaml.Node | None, line: int) -> None:
        items = body.get("items")
        if not (str(body.get("kind", "")).endswith("List") and isinstance(items, list)):
            self.manifests.append(Manifest(body, self.file, line, node))
            return
        nodes = _item_nodes(node, len(items))
        first = node.start_mark.line if node is not None else 0
        for item, item_node in zip(items, nodes, strict=True):
            if isinstance(item, dict):
                at = line + (item_node.start_mark.line - first if item_node is not None else 0)
                self._object(item, item_node, at)

    def duplicate(self, mark: yaml.Mark, offset: int, name: str, first: yaml.Mark) -> None:
        """Report a key that is set twice in one mapping."""
        self._report(
            mark.line + offset,
            mark.column,
            f'key "{name}" already set in map at line {first.line + offset + 1}',
            "Keep one of the two.",
        )

    def _report(self, line: int, column: int, message: str, remedy: str) -> None:
        self.problems.append(Problem(Location(self.file, line + 1, column + 1), message, remedy))


class _Builder:
    """Turns the nodes of one document into JSON values."""

    def __init__(self, reader: _Reader, offset: int) -> None:
        self._reader = reader
        self._offset = offset
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: yaml.Node) -> Any:
        """Return the value of a node. Raises _Broken."""
        if isinstance(node, yaml.ScalarNode):
            if node.tag == _STR:
                return node.value
            return _scalar(node)
        self._count += 1 + len(node.value)
        if self._count > MAX_NODES or id(node) in self._open:
            raise _Broken(node.start_mark, "aliases grow without bound", "Write the values out.")
        self._open.add(id(node))
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node)
        else:
            value = [self.build(item) for item in node.value]
        self._open.discard(id(node))
        return value

    def _mapping(self, node: yaml.MappingNode) -> Json:
        value: Json = {}
        seen: dict[str, yaml.Node] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            name = _key(key_node)
            if name == "<<" and not key_node.tag:
                merged.append(value_node)
                continue
            if name in seen:
                first = seen[name].start_mark
                self._reader.duplicate(key_node.start_mark, self._offset, name, first)
            seen[name] = key_node
            value[name] = self.build(value_node)
        for source in merged:
            for part in source.value if isinstance(source, yaml.SequenceNode) else (source,):
                if not isinstance(part, yaml.MappingNode):
                    raise _Broken(
                        part.start_mark, "only a mapping can be merged in", "Point << at one."
                    )
                value = self.build(part) | value
        return value


def _scalar(node: yaml.ScalarNode) -> Any:
    if node.tag and node.tag not in _TAGGED:
        raise _Broken(node.start_mark, f"unknown tag {node.tag}", "Remove the tag.")
    value = yamlscalars.resolve(node.value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _Broken(node.start_mark, f"{node.value} is not a JSON number", "Put it in quotes.")
    return value


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _Broken(
            node.start_mark,
            "a key must be a single value",
            "If this is a template's {{ … }}, render it first; otherwise put it in quotes.",
        )
    if node.tag == _STR:
        return str(node.value)
    try:
        return yamlscalars.key(_scalar(node)) if node.value != "<<" else "<<"
    except ValueError as error:
        raise _Broken(node.start_mark, str(error), "Put it in quotes.") from None


def _item_nodes(node: yaml.Node | None, count: int) -> Sequence[yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in reversed(node.value):
            if key_node.value == "items" and isinstance(value_node, yaml.SequenceNode):
                return list(value_node.value)
    return [None] * count


def _places(node: yaml.Node, file: str, offset: int) -> Iterator[tuple[str, Location]]:
    pending: list[tuple[yaml.Node, yaml.Mark, str]] = [(node, node.start_mark, "")]
    while pending:
        here, mark, path = pending.pop()
        yield path, Location(file, mark.line + offset + 1, mark.column + 1)
        if isinstance(here, yaml.MappingNode):
            for key_node, value_node in here.value:
                name = key_node.value
                quoted = "." in name or "/" in name
                step = f'["{name}"]' if quoted else f".{name}" if path else name
                pending.append((value_node, key_node.start_mark, path + step))
        elif isinstance(here, yaml.SequenceNode):
            for index, item in enumerate(here.value):
                pending.append((item, item.start_mark, f"{path}[{index}]"))


def _after(text: str, line: int, offset: int) -> tuple[str, int]:
    """Return what follows the next document mark after a line, and that mark's line offset."""
    lines = text.splitlines(keepends=True)
    for number in range(line + 1, len(lines)):
        if lines[number].startswith("---"):
            return "".join(lines[number:]), offset + number
    return "", offset


def _explained(error: yaml.MarkedYAMLError, text: str, line: int) -> tuple[str, str]:
    """Return a message and a remedy for a syntax error."""
    lines = text.splitlines()
    written = lines[line] if line < len(lines) else ""
    problem = error.problem or "broken YAML"
    if "\t" in written[: len(written) - len(written.lstrip())] or "'\\t'" in problem:
        return "a tab in the indentation", "Indent with spaces: YAML does not allow tabs."
    if "mapping values are not allowed" in problem:
        return (
            "a colon where no field can begin",
            "Check the indentation of this line, or put the text in quotes.",
        )
    if "did not find expected" in problem or "found unexpected" in problem:
        return (
            problem,
            "Check the indentation, dashes, quotes and brackets on this line and the one before.",
        )
    if "could not find expected ':'" in problem:
        return problem, "Write a colon and a space after the field's name."
    return problem, "Check the quotes and brackets on this line."
