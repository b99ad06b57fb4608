"""Expressions in RE2's syntax as languages: the whole value has to match, as in Envoy. Pure."""

from collections.abc import Iterable

from lateen.predict.classes.languages import LAST, Language, Languages, Range

_DIGIT, _SPACE = ((48, 57),), ((9, 10), (12, 13), (32, 32))
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_LETTERS = {"d": _DIGIT, "s": _SPACE, "w": _WORD}
_NAMED: dict[str, tuple[Range, ...]] = {
    "alpha": ((65, 90), (97, 122)),
    "digit": _DIGIT,
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "lower": ((97, 122),),
    "upper": ((65, 90),),
    "space": ((9, 13), (32, 32)),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
}
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_MOST_REPEATS = 1000


class ExpressionError(ValueError):
    """Syntax that is not modelled; the message names it."""


def language(made: Languages, expression: str, *, fold: bool = False) -> Language:
    """Return the values that an expression matches as a whole.

    Raises ExpressionError for boundaries of words, classes of Unicode, and anchors inside.
    """
    reader = _Reader(made, expression, fold)
    found = reader.alternatives(depth=0)
    if reader.position < len(expression):
        raise ExpressionError(f"{expression!r}: a parenthesis is closed that was not opened")
    return found


def others(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the characters that some ranges have not."""
    found, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return (*found, (start, LAST)) if start <= LAST else tuple(found)


def folded(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return ranges with the other case of their ASCII letters."""
    found = set(ranges)
    for low, high in tuple(found):
        for first, last, shift in ((65, 90, 32), (97, 122, -32)):
            start, end = max(low, first), min(high, last)
            if start <= end:
                found.add((start + shift, end + shift))
    return tuple(sorted(found))


class _Reader:
    def __init__(self, made: Languages, text: str, fold: bool) -> None:
        self._made, self._text, self._fold = made, text, fold
        self._dot_newline = False
        self.position = 0

    def _error(self, what: str) -> ExpressionError:
        return ExpressionError(f"{self._text!r}: {what}")

    def _at(self, text: str) -> bool:
        return self._text.startswith(text, self.position)

    def _take(self, text: str) -> bool:
        if self._at(text):
            self.position += len(text)
            return True
        return False

    def _next(self) -> str:
        if self.position >= len(self._text):
            raise self._error("it ends too early")
        self.position += 1
        return self._text[self.position - 1]

    def alternatives(self, depth: int) -> Language:
        parts = [self._sequence(depth)]
        while self._take("|"):
            parts.append(self._sequence(depth))
        return self._made.either(*parts)

    def _sequence(self, depth: int) -> Language:
        parts: list[Language] = []
        while self.position < len(self._text) and not self._at("|") and not self._at(")"):
            if self._take("^") or self._take("\\A"):
                if parts or depth:
                    raise self._error("an anchor inside")
            elif self._take("$") or self._take("\\z"):
                if depth or not (self.position == len(self._text) or self._at("|")):
                    raise self._error("an anchor inside")
            elif self._take("\\Q"):
                end = self._text.find("\\E", self.position)
                end = len(self._text) if end < 0 else end
                parts += [self._character(each) for each in self._text[self.position : end]]
                self.position = min(len(self._text), end + 2)
            else:
                parts.append(self._repeated(self._atom(depth)))
        found = self._made.empty_word
        for each in reversed(parts):
            found = self._made.then(each, found)
        return found

    def _character(self, char: str) -> Language:
        if self._fold and char.isascii() and char.isalpha():
            return self._made.one_of(folded([(ord(char), ord(char))]))
        return self._made.word(char)

    def _set(self, ranges: Iterable[Range]) -> Language:
        return self._made.one_of(folded(ranges) if self._fold else ranges)

    def _atom(self, depth: int) -> Language:
        char = self._next()
        if char == "(":
            return self._group(depth)
        if char == "[":
            return self._class()
        if char == ".":
            return self._set([(0, LAST)] if self._dot_newline else others([(10, 10)]))
        if char in "*+?":
            raise self._error(f"{char} repeats nothing")
        if char == "\\":
            found = self._escape()
            return self._character(found) if isinstance(found, str) else self._set(found)
        return self._character(char)

    def _group(self, depth: int) -> Language:
        before = self._fold, self._dot_newline
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                while self._next() != ">":
                    pass
            elif not self._flags():
                return self._made.empty_word  # flags for what follows
        found = self.alternatives(depth + 1)
        self._fold, self._dot_newline = before
        if self._next() != ")":
            raise self._error("a parenthesis is not closed")
        return found

    def _flags(self) -> bool:
        """Read flags; tell whether a group follows that they are for."""
        on = True
        while True:
            char = self._next()
            if char in ":)":
                return char == ":"
            if char == "-":
                on = False
            elif char == "i":
                self._fold = on
            elif char == "s":
                self._dot_newline = on
            elif char != "U":
                raise self._error(f"the flag {char}")

    def _repeated(self, part: Language) -> Language:
        made = self._made
        while self.position < len(self._text):
            if self._take("*"):
                part = made.many(part)
            elif self._take("+"):
                part = made.then(part, made.many(part))
            elif self._take("?"):
                part = made.either(part, made.empty_word)
            elif (bounds := self._bounds()) is not None:
                part = self._times(part, *bounds)
            else:
                break
            self._take("?")  # the fewest or the most: the same values match as a whole
        return part

    def _bounds(self) -> tuple[int, int | None] | None:
        end = self._text.find("}", self.position)
        if not self._at("{") or end < 0:
            return None
        low, comma, high = self._text[self.position + 1 : end].partition(",")
        if not low.isdigit() or (high and not high.isdigit()):
            return None
        self.position = end + 1
        least = int(low)
        most = int(high) if high else None if comma else least
        if max(least, most or 0) > _MOST_REPEATS:
            raise self._error(f"more than {_MOST_REPEATS} repetitions")
        return least, most

    def _times(self, part: Language, least: int, most: int | None) -> Language:
        made = self._made
        found = made.many(part) if most is None else made.empty_word
        for _ in range(0 if most is None else most - least):
            found = made.either(made.then(part, found), made.empty_word)
        for _ in range(least):
            found = made.then(part, found)
        return found

    def _escape(self) -> str | tuple[Range, ...]:
        char = self._next()
        if char in _PLAIN_ESCAPES:
            return _PLAIN_ESCAPES[char]
        if char.lower() in _LETTERS:
            ranges = _LETTERS[char.lower()]
            return ranges if char.islower() else others(ranges)
        if char == "x":
            if self._take("{"):
                end = self._text.index("}", self.position)
                digits, self.position = self._text[self.position : end], end + 1
            else:
                digits = self._next() + self._next()
            return chr(int(digits, 16))
        if char.isalnum():
            raise self._error(f"\\{char}")
        return char

    def _class(self) -> Language:
        negative = self._take("^")
        ranges: list[Range] = []
        first = True
        while first or not self._at("]"):
            first = False
            found = self._member()
            if not isinstance(found, str):
                ranges += found
                continue
            low = high = ord(found)
            following = self._text[self.position + 1 : self.position + 2]
            if self._at("-") and following != "]" and following:
                self.position += 1
                end = self._member()
                if not isinstance(end, str):
                    raise self._error("a range that ends in a class")
                high = ord(end)
            ranges.append((low, high))
        self.position += 1
        ranges = list(folded(ranges)) if self._fold else ranges
        return self._made.one_of(others(ranges) if negative else ranges)

    def _member(self) -> str | tuple[Range, ...]:
        if self._take("[:"):
            end = self._text.find(":]", self.position)
            name = self._text[self.position : end]
            self.position = end + 2
            known = _NAMED.get(name.removeprefix("^"))
            if known is None:
                raise self._error(f"[:{name}:]")
            return others(known) if name.startswith("^") else known
        char = self._next()
        return self._escape() if char == "\\" else char
