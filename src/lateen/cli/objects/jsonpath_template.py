"""kubectl's own JSONPath: templates such as `{range .items[*]}{.metadata.name}{"\\n"}{end}`. Pure.

The dialect is that of Kubernetes' client libraries, which is no other's: text around actions in
braces, `range` and `end`, filters that compare one value, keys whose dots are escaped; fields that
are missing give nothing.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_INDEX = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_COMPARED = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_ENDING = re.compile(r"[\s.,\[\]$@{}]")


class TemplateError(ValueError):
    """A template that cannot be read, or does not fit what it is used on; in kubectl's words."""


class Text(NamedTuple):
    """What is printed as it is."""

    text: str


class Value(NamedTuple):
    """A number, true or false, to compare with."""

    value: bool | int | float


class Word(NamedTuple):
    """`range` or `end`."""

    name: str


class Field(NamedTuple):
    """The value under a key."""

    name: str


class Wildcard(NamedTuple):
    """All elements, or the values of all keys."""


class Recursive(NamedTuple):
    """All that is below, at any depth."""


class Slice(NamedTuple):
    """Elements of a list, from the end if negative; `single` is one index without a colon."""

    start: int | None
    stop: int | None
    step: int | None
    single: bool


class Union(NamedTuple):
    """What several brackets give, one after the other."""

    parts: "tuple[Action, ...]"


class Filter(NamedTuple):
    """The elements of a list that a comparison holds for, or `exists`."""

    left: "Action"
    operator: str
    right: "Action"


Node = Text | Value | Word | Field | Wildcard | Recursive | Slice | Union | Filter
Action = tuple[Node, ...]
Template = tuple[Action, ...]


def parse(text: str) -> Template:
    """Return a template. Raises TemplateError."""
    found: list[Action] = []
    position = 0
    while position < len(text):
        begin = text.find("{", position)
        if begin < 0:
            begin = len(text)
        if begin > position:
            found.append((Text(text[position:begin]),))
        if begin == len(text):
            break
        reader = _Reader(text, begin + 1)
        found.append(reader.nodes())
        position = reader.at
    return tuple(found)


def relaxed(path: str) -> str:
    """Return `x.y`, `.x.y`, `{x.y}` or `{.x.y}` as a template. Raises TemplateError."""
    match = re.fullmatch(r"\{\.?([^{}]+)\}|\.?([^{}]+)", path)
    if not path:
        return path
    if match is None:
        raise TemplateError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or "
            "'{name1.name2}' or '{.name1.name2}'"
        )
    return f"{{.{match[1] or match[2]}}}"


class _Reader:
    """Reads one action, from behind its opening brace."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.at = at

    def nodes(self) -> Action:
        """Return what is read up to the closing brace."""
        found: list[Node] = []
        while not self._text.startswith("}", self.at):
            if self._text.startswith("[?(", self.at):
                found.append(self._filter())
            elif self._text.startswith("..", self.at):
                if found and isinstance(found[-1], Recursive):
                    raise TemplateError("invalid multiple recursive descent")
                self.at += 2
                found.append(Recursive())
                if _alphanumeric(self._text[self.at : self.at + 1]):
                    found.append(self._field())
            else:
                self.at += 1
                found += self._plain(self._text[self.at - 1 : self.at])
        self.at += 1
        return tuple(found)

    def _plain(self, char: str) -> Sequence[Node]:
        if char in ("", "\n", "\r"):
            raise TemplateError("unclosed action")
        if char in " @$":
            return ()
        if char == "[":
            return self._brackets()
        if char in "\"'":
            return (self._quoted(char),)
        if char == ".":
            return (self._field(),)
        if char in "+-" or char.isdecimal():
            return (self._number(),)
        if _alphanumeric(char):
            self.at -= 1
            word = self._until_ending()
            return (Value(word == "true") if word in ("true", "false") else Word(word),)
        raise TemplateError(f"unrecognized character in action: U+{ord(char):04X} '{char}'")

    def _until_ending(self) -> str:
        found = _ENDING.search(self._text, self.at)
        begin, self.at = self.at, found.start() if found else len(self._text)
        return self._text[begin : self.at]

    def _field(self) -> Node:
        begin = self.at
        while self.at < len(self._text) and not _ENDING.match(self._text, self.at):
            self.at += 2 if self._text[self.at] == "\\" else 1
        name = self._text[begin : self.at]
        return Wildcard() if name == "*" else Field(name.replace("\\", ""))

    def _number(self) -> Node:
        begin = self.at - 1
        while self._text[self.at : self.at + 1] in tuple(".0123456789"):
            self.at += 1
        written = self._text[begin : self.at]
        try:
            return Value(float(written) if "." in written else int(written))
        except ValueError:
            raise TemplateError(f"cannot parse number {written}") from None

    def _quoted(self, mark: str) -> Node:
        begin = self.at
        while True:
            char = self._text[self.at : self.at + 1]
            self.at += 1
            if char in ("", "\n"):
                raise TemplateError("unterminated quoted string")
            if char == mark and self._text[self.at - 2] != "\\":
                return Text(_unquoted(self._text[begin : self.at - 1]))

    def _brackets(self) -> Sequence[Node]:
        end = self._text.find("]", self.at)
        if end < 0 or "\n" in self._text[self.at : end]:
            raise TemplateError("unterminated array")
        inside, self.at = self._text[self.at : end], end + 1
        if inside == "*":
            inside = ":"
        parts = inside.split(",")
        if len(parts) > 1:
            return [Union(tuple(_action(f"[{part.strip(' ')}]") for part in parts))]
        if key := re.fullmatch(r"'([^']*)'", inside):
            return _action(f".{key[1]}")
        if not (match := _INDEX.fullmatch(inside)):
            raise TemplateError(f"invalid array index {inside}")
        start, stop, step = ((part or "").removeprefix(":") for part in match.groups())
        try:
            return [Slice(_whole(start), _whole(stop), _whole(step), match[2] is None)]
        except ValueError as error:
            raise TemplateError(f"array index {inside} is not a number") from error

    def _filter(self) -> Node:
        begin = self.at = self.at + 3
        opened = closed = ""
        while True:
            char = self._text[self.at : self.at + 1]
            self.at += 1
            if char in ("", "\n"):
                raise TemplateError("unterminated filter")
            if char in "\"'" and not opened:
                opened = char
            elif char and char == opened and self._text[self.at - 2] != "\\":
                closed = char
            elif char == ")" and opened == closed:
                break
        inside = self._text[begin : self.at - 1]
        if self._text[self.at : self.at + 1] != "]":
            raise TemplateError("unclosed array expect ]")
        self.at += 1
        match = _COMPARED.fullmatch(inside)
        if match is None:
            return Filter(_action(inside), "exists", ())
        return Filter(_action(match[1]), match[2], _action(match[3]))


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPE = re.compile(
    r"\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)


def _unquoted(text: str) -> str:
    def meant(match: re.Match[str]) -> str:
        octal, *hexes, char = match.groups()
        if char is not None:
            if char not in _ESCAPES and char not in "\\\"'":
                raise TemplateError(f"unquote string {text} error invalid syntax")
            return _ESCAPES.get(char, char)
        return chr(int(octal, 8) if octal else int("".join(filter(None, hexes)), 16))

    return _ESCAPE.sub(meant, text)


def _alphanumeric(char: str) -> bool:
    return char == "_" or char.isalnum()


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _action(text: str) -> Action:
    return _Reader(text + "}", 0).nodes()
