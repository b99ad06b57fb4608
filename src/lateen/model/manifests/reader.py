"""Manifests from text: YAML of several documents or JSON, with the place of every field. Pure."""

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec
import yaml

from lateen.base.jsonvalue import Json
from lateen.model.manifests import yamlscalars
from lateen.model.meta import Location
from lateen.model.schema import fieldpath

_TEXT = re.compile(r"\S")
MAX_NODES = 1_000_000
"""Values a file may hold once its aliases are written out."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong in the text itself, where, and what to do about it."""

    location: Location
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.location.file}:{self.location.line}:{self.location.column}"
        return f"{place}: {self.message}. {self.remedy}"


@dataclass(frozen=True)
class _Document:
    """Text of one document. Its parse tree is made when places are asked for, not kept before:
    it is ten times as large and seldom needed."""

    text: str
    file: str
    offset: int
    """Lines of the file before it."""

    @cached_property
    def node(self) -> yaml.Node:
        """Return the parse tree, kept from now on: the elements of a list share it."""
        node: yaml.Node = _compose(self.text)
        return node


@dataclass(frozen=True)
class Manifest:
    """One object as written. `line` is where it begins, from 1."""

    body: Json
    file: str
    line: int
    _document: _Document | None = field(default=None, repr=False, compare=False)
    _element: tuple[int, ...] = field(default=(), repr=False, compare=False)
    """Which element of the document's list (of lists) it is."""

    @cached_property
    def locations(self) -> Mapping[str, Location]:
        """Return the place of every field by JSON path (`spec.http[0].match`); `` is the whole."""
        document = self._document
        if document is None:
            return {"": Location(self.file, self.line)}
        if not self._element:
            return dict(_places(_compose(document.text), self.file, document.offset))
        node: yaml.Node = document.node
        for index in self._element:
            node = _elements(node)[index]
        return dict(_places(node, self.file, document.offset))

    def locate(self, path: str) -> Location:
        """Return the place of a field, or of the nearest one around it that was written."""
        places = self.locations
        return next(places[around] for around in fieldpath.enclosing(path) if around in places)


class Parsed(msgspec.Struct, frozen=True):
    """All objects of a text, and what was wrong with the rest."""

    manifests: tuple[Manifest, ...]
    problems: tuple[Problem, ...] = ()


def parse(text: str, file: str) -> Parsed:
    """Read manifests; `file` is the name that places are reported with.

    Empty documents are skipped, lists are opened, and reading goes on after a broken document.
    """
    reader = _Reader(file)
    text = text.removeprefix("\ufeff")
    read = reader.read_json(text)
    offset, rest = text.count("\n", 0, read), text[read:]
    while rest:
        broken_at = reader.read_yaml(rest, offset)
        if broken_at is None:
            break
        rest, offset = _after(rest, broken_at, offset)
    return Parsed(tuple(reader.manifests), tuple(reader.problems))


def _unspaced(text: str, position: int) -> int:
    """Return where the next text that is not white space begins."""
    found = _TEXT.search(text, position)
    return found.start() if found else len(text)


def _misread(text: str) -> bool:
    """Whether JSON has what YAML would misread."""
    return "\t" in text or "\\/" in text


def _compose(document: str) -> Any:
    loader = _Loader(document)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class _Loader(yaml.CBaseLoader):
    """Composes nodes; a plain scalar keeps an empty tag, to be resolved by us."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Return the tag of a node that names none."""
        if kind is yaml.ScalarNode:
            return "" if implicit[0] else _STR
        return _SEQ if kind is yaml.SequenceNode else _MAP


_STR, _SEQ, _MAP = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))
_PLAIN_KEYS = frozenset(("<<", "apiVersion", "kind", "metadata", "name", "spec"))
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
                    self._document(node, text, offset)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line if mark else 0
            if "end of stream" in (error.problem or "") and error.context_mark:
                mark = error.context_mark
            at, column = (mark.line, mark.column) if mark else (0, 0)
            self._report(at + offset, column, *_explained(error, text, at))
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

    def read_json(self, text: str) -> int:
        """Read the JSON objects that a text begins with, one after the other as kubectl takes
        them, without anything between; return where what YAML is to read begins."""
        decoder = json.JSONDecoder()
        found: list[tuple[Any, int, int]] = []
        position = _unspaced(text, 0)
        with contextlib.suppress(ValueError):  # not JSON from here on
            while text[position : position + 1] == "{":
                value, end = decoder.raw_decode(text, position)
                found.append((value, position, end))
                position = _unspaced(text, end)
        if len(found) < 2 and not _misread(text[:position]):
            return 0
        for value, start, end in found:
            line, column = text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1
            if _misread(text[start:end]):
                self._object(Manifest(value, self.file, line + 1), None)
            else:
                self.read_yaml(" " * column + text[start:end], line)
        return position if found else 0

    def _document(self, node: yaml.Node, text: str, offset: int) -> None:
        start = node.start_mark
        line = start.line + offset + 1
        try:
            value = _Builder(self, offset).build(node)
        except _Broken as error:
            self._report(error.mark.line + offset, error.mark.column, error.message, error.remedy)
            return
        if isinstance(value, dict):
            written = text[start.index - start.column : node.end_mark.index]
            document = _Document(written, self.file, line - 1)
            self._object(Manifest(value, self.file, line, document), node)
        elif value is not None:
            self._report(
                line - 1,
                start.column,
                "a manifest must be a mapping of fields",
                "Begin it with apiVersion: and kind:.",
            )

    def _object(self, found: Manifest, node: yaml.Node | None) -> None:
        items = found.body.get("items")
        if not (str(found.body.get("kind", "")).endswith("List") and isinstance(items, list)):
            self.manifests.append(found)
            return
        typed = self._typed(found.body)
        nodes = _elements(node) if node is not None else ()
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                continue
            body = item
            below: yaml.Node | None = nodes[index] if nodes else None
            line = found.line
            if node is not None and below is not None:
                line += below.start_mark.line - node.start_mark.line
            if typed and not item.get("kind") and not item.get("apiVersion"):
                body = {**item, **typed}
            element = replace(found, body=body, line=line, _element=(*found._element, index))
            self._object(element, below)

    @staticmethod
    def _typed(body: Json) -> Json:
        """Return what the kind of a list (`DeploymentList`) says of elements that name no kind."""
        kind = str(body["kind"]).removesuffix("List")
        return {"apiVersion": body.get("apiVersion", ""), "kind": kind} if kind else {}

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
        if type(node) is yaml.ScalarNode:
            return node.value if node.tag is _STR else _scalar(node)
        self._count += 1 + len(node.value)
        if self._count > MAX_NODES or id(node) in self._open:
            raise _Broken(node.start_mark, "aliases grow without bound", "Write the values out.")
        self._open.add(id(node))
        value: Any
        if type(node) is yaml.MappingNode:
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
    if node.tag == _STR:
        return node.value
    if node.tag and node.tag not in _TAGGED:
        raise _Broken(node.start_mark, f"unknown tag {node.tag}", "Remove the tag.")
    value = yamlscalars.resolve(node.value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _Broken(node.start_mark, f"{node.value} is not a JSON number", "Put it in quotes.")
    return value


def _key(node: yaml.Node) -> str:
    if type(node) is not yaml.ScalarNode:
        raise _Broken(
            node.start_mark,
            "a key must be a single value",
            "If this is a template's {{ … }}, render it first; otherwise put it in quotes.",
        )
    name: str = node.value
    if node.tag is _STR or name in _PLAIN_KEYS:
        return name
    try:
        return yamlscalars.key(_scalar(node))
    except ValueError as error:
        raise _Broken(node.start_mark, str(error), "Put it in quotes.") from None


def _elements(node: yaml.Node) -> Sequence[yaml.Node]:
    """Return the nodes below `items`."""
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in reversed(node.value):
            if key_node.value == "items" and isinstance(value_node, yaml.SequenceNode):
                return list(value_node.value)
    return ()


def _places(node: yaml.Node, file: str, offset: int) -> Iterator[tuple[str, Location]]:
    pending: list[tuple[yaml.Node, yaml.Mark, str]] = [(node, node.start_mark, "")]
    while pending:
        here, mark, path = pending.pop()
        yield path, Location(file, mark.line + offset + 1, mark.column + 1)
        if isinstance(here, yaml.MappingNode):
            for key_node, value_node in here.value:
                name = fieldpath.join(path, str(key_node.value))
                pending.append((value_node, key_node.start_mark, name))
        elif isinstance(here, yaml.SequenceNode):
            for index, item in enumerate(here.value):
                pending.append((item, item.start_mark, f"{path}[{index}]"))


def _after(text: str, line: int, offset: int) -> tuple[str, int]:
    """Return what follows the next document mark after a line, and that mark's line offset."""
    lines = text.splitlines(keepends=True)
    for number in range(max(line, 1), len(lines)):
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
