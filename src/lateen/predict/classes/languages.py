"""Regular languages by derivatives: intersection, complement, emptiness, a shortest word. Pure.

A language is known by what is left of it after a first character (Brzozowski, 1964). So nothing is
built before it is asked for: the search for a shortest word looks at as many states as it needs.
Characters that no expression tells apart are tried once.
"""

from collections.abc import Iterable

Range = tuple[int, int]
"""Characters by their numbers, both ends included."""
LAST = 0x10FFFF
MOST = 3000
"""States that a search looks at."""
_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.~"
"""What a word is made of, where it has a choice."""


_RANK = {char: number for number, char in enumerate(_PLAIN)}


class TooLargeError(ValueError):
    """A search that ends at its bound: it is not known whether there is a word."""


class Language:
    """A set of words; two that are built alike are one object."""

    __slots__ = ("empty_word", "kind", "parts", "ranges", "steps", "text")

    def __init__(
        self, kind: str, parts: tuple["Language", ...], text: str, ranges: tuple[Range, ...]
    ) -> None:
        self.kind, self.parts, self.text, self.ranges = kind, parts, text, ranges
        self.empty_word = self._holds_nothing()
        """Whether the word of no characters is one."""
        self.steps: dict[str, Language] = {}
        """What is left after a character, as far as that was asked."""

    def _holds_nothing(self) -> bool:
        match self.kind:
            case "empty-word" | "star":
                return True
            case "then" | "and":
                return all(each.empty_word for each in self.parts)
            case "or":
                return any(each.empty_word for each in self.parts)
            case "not":
                return not self.parts[0].empty_word
            case _:
                return False


class Languages:
    """Makes languages, and answers about them. What was asked before is known."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Language] = {}
        self._words: dict[Language, str | None] = {}
        self.nothing = self._make("nothing")
        self.empty_word = self._make("empty-word")
        self.all = self.complement(self.nothing)
        """Every word."""

    def _make(
        self,
        kind: str,
        parts: tuple[Language, ...] = (),
        text: str = "",
        ranges: tuple[Range, ...] = (),
    ) -> Language:
        key = (kind, parts, text, ranges)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Language(kind, parts, text, ranges)
        return found

    def word(self, text: str, then: Language | None = None) -> Language:
        """Return what begins with a text and goes on as `then`: with nothing, if that is None."""
        then = self.empty_word if then is None else then
        if not text or then is self.nothing:
            return then
        return self._make("word", (then,), text)

    def one_of(self, ranges: Iterable[Range]) -> Language:
        """Return the words of one character out of some ranges."""
        kept = tuple(sorted(ranges))
        return self._make("one", (), "", kept) if kept else self.nothing

    def then(self, first: Language, second: Language) -> Language:
        """Return the words of one followed by words of the other."""
        if self.nothing in (first, second):
            return self.nothing
        if first is self.empty_word:
            return second
        if second is self.empty_word:
            return first
        if first.kind == "word":
            return self.word(first.text, self.then(first.parts[0], second))
        if first.kind == "then":
            return self.then(first.parts[0], self.then(first.parts[1], second))
        return self._make("then", (first, second))

    def many(self, part: Language) -> Language:
        """Return any number of words of a language, one after the other."""
        if part in (self.nothing, self.empty_word):
            return self.empty_word
        return part if part.kind == "star" else self._make("star", (part,))

    def either(self, *parts: Language) -> Language:
        """Return the words of any of some languages."""
        flat = self._flat("or", parts) - {self.nothing}
        if self.all in flat:
            return self.all
        return self._joined("or", flat, self.nothing)

    def both(self, *parts: Language) -> Language:
        """Return the words that all of some languages have."""
        flat = self._flat("and", parts) - {self.all}
        if self.nothing in flat or any(self._contradicts(each, flat) for each in flat):
            return self.nothing
        return self._joined("and", flat, self.all)

    def _contradicts(self, part: Language, others: set[Language]) -> bool:
        return part.kind == "not" and part.parts[0] in others

    def _flat(self, kind: str, parts: Iterable[Language]) -> set[Language]:
        found: set[Language] = set()
        for each in parts:
            found.update(each.parts if each.kind == kind else (each,))
        return found

    def _joined(self, kind: str, parts: set[Language], none: Language) -> Language:
        if len(parts) < 2:
            return next(iter(parts), none)
        return self._make(kind, tuple(sorted(parts, key=id)))

    def complement(self, part: Language) -> Language:
        """Return the words that a language has not."""
        return part.parts[0] if part.kind == "not" else self._make("not", (part,))

    def less(self, first: Language, second: Language) -> Language:
        """Return the words of one that the other has not."""
        return self.both(first, self.complement(second))

    def after(self, language: Language, text: str) -> Language:
        """Return what is left of a language's words after a text that they begin with."""
        for char in text:
            found = language.steps.get(char)
            if found is None:
                found = language.steps[char] = self._step(language, char)
            language = found
        return language

    def _step(self, language: Language, char: str) -> Language:
        parts = language.parts
        match language.kind:
            case "word":
                if language.text[0] == char:
                    return self.word(language.text[1:], parts[0])
            case "one":
                if any(low <= ord(char) <= high for low, high in language.ranges):
                    return self.empty_word
            case "then":
                first = self.then(self.after(parts[0], char), parts[1])
                if parts[0].empty_word:
                    return self.either(first, self.after(parts[1], char))
                return first
            case "star":
                return self.then(self.after(parts[0], char), language)
            case "or":
                return self.either(*(self.after(each, char) for each in parts))
            case "and":
                return self.both(*(self.after(each, char) for each in parts))
            case "not":
                return self.complement(self.after(parts[0], char))
            case _:
                pass
        return self.nothing

    def holds(self, language: Language, text: str) -> bool:
        """Tell whether a text is a word of a language."""
        return self.after(language, text).empty_word

    def shortest(self, language: Language) -> str | None:
        """Return a shortest word; None for a language without any. Raises TooLargeError."""
        if language not in self._words:
            self._words[language] = self._searched(language)
        return self._words[language]

    def _searched(self, language: Language) -> str | None:
        seen, front = {language}, [(language, "")]
        for state, text in front:
            if state.empty_word:
                return text
            for char in _tried(state):
                following = self.after(state, char)
                if following is not self.nothing and following not in seen:
                    seen.add(following)
                    front.append((following, text + char))
            if len(seen) > MOST:
                raise TooLargeError(f"more than {MOST} states of a language")
        return None


def _tried(language: Language) -> list[str]:
    """Return a character of each group that the first step does not tell apart."""
    edges = {0}
    _edges(language, edges)
    starts = sorted(edge for edge in edges if edge <= LAST)
    ends = [*(start - 1 for start in starts[1:]), LAST]
    every = [_chosen(start, end) for start, end in zip(starts, ends, strict=True)]
    return sorted(every, key=lambda char: _RANK.get(char, len(_RANK)))


def _chosen(start: int, end: int) -> str:
    return next((char for char in _PLAIN if start <= ord(char) <= end), chr(start))


def _edges(language: Language, edges: set[int]) -> None:
    match language.kind:
        case "word":
            edges.update((ord(language.text[0]), ord(language.text[0]) + 1))
        case "one":
            for low, high in language.ranges:
                edges.update((low, high + 1))
        case "then":
            _edges(language.parts[0], edges)
            if language.parts[0].empty_word:
                _edges(language.parts[1], edges)
        case _:
            for each in language.parts:
                _edges(each, edges)
