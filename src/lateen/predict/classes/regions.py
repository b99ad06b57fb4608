"""Classes of requests: for each field the tests that its value passes or fails. Pure."""

from collections.abc import Iterable

import msgspec

from lateen.predict.classes import expressions
from lateen.predict.classes.languages import Language, Languages, TooLargeError
from lateen.predict.values.request import Http
from lateen.predict.values.trail import ISSUER, Literal, Test

_UNIVERSES = {
    "path": r"/([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}|/)*",
    "method": "[A-Z]+",
    "header": r"([!-~]([ -~]*[!-~])?)?",
    "claim": "[!-~]([ -~]*[!-~])?",
    "query": "[a-zA-Z0-9._~!$'()*,;:@/-]*",
}
_ESCAPED = "%(2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE]|00)"
"""What is written plainly by proxies, and what they refuse."""
_NOT_NORMAL = rf".*(//.*|/\.\.?(/.*)?|{_ESCAPED}.*)"
"""Paths that proxies write in another way before anything is asked of them."""
_METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH")
_KINDS = frozenset({"exact", "prefix", "suffix", "contains", "regex", "below"})


class OpenError(ValueError):
    """It cannot be said whether a class has a request; the message says why."""


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a class: the values of its fields, None for those that are absent."""

    path: str = "/"
    method: str = "GET"
    fields: tuple[tuple[str, str | None], ...] = ()
    """Headers, query parameters and claims that it must have or lack, by field."""

    @property
    def claims(self) -> dict[str, str] | None:
        """Those of its token; None without one."""
        found = {
            field.removeprefix("claim "): value
            for field, value in self.fields
            if field.startswith("claim ") and value is not None
        }
        return found if ISSUER.removeprefix("claim ") in found else None

    def applied(self, base: Http) -> Http:
        """Return a request with these values in place of its own."""
        headers = dict(base.headers)
        query: list[str] = []
        for field, value in self.fields:
            kind, _, name = field.partition(" ")
            if kind == "query":
                query += [f"{name}={value}"] if value is not None else []
            elif kind == "claim":
                continue
            elif value is None:
                headers.pop(name, None)
            else:
                headers[name] = value
        path = self.path + (f"?{'&'.join(query)}" if query else "")
        rest = tuple(headers.items())
        claims = tuple(self.claims.items()) if self.claims is not None else None
        return msgspec.structs.replace(
            base, path=path, method=self.method, headers=rest, claims=claims
        )


class Regions:
    """Finds requests of classes. Languages and words are kept by what they were asked for."""

    def __init__(self) -> None:
        self._made = Languages()
        self._tests: dict[Test, Language] = {}
        self._universes = {
            kind: expressions.language(self._made, text) for kind, text in _UNIVERSES.items()
        }
        odd = expressions.language(self._made, _NOT_NORMAL)
        self._universes["path"] = self._made.less(self._universes["path"], odd)
        self._values: dict[tuple[str, frozenset[Literal]], str | None] = {}

    def witness(self, notes: Iterable[Literal], base: Http) -> Witness | None:
        """Return a shortest request that answers tests as noted; None if none does.

        Raises OpenError where a bound is hit, or a test is no question of a regular language.
        """
        fields: dict[str, set[Literal]] = {}
        for note in notes:
            if note.test.kind != "other":
                fields.setdefault(note.field, set()).add(note)
        own = dict(base.headers)
        chosen: list[tuple[str, str | None]] = []
        path, method = "/", "GET"
        for field, asked in sorted(fields.items()):
            given = own.get(field.removeprefix("header ")) if field.startswith("header ") else None
            value = self._value(field, frozenset(asked), given)
            if value is _NONE:
                return None
            if field == "path":
                path = value or ""
            elif field == "method":
                method = value or ""
            elif value != given or given is not None:
                chosen.append((field, value))
        return Witness(path=path, method=method, fields=tuple(chosen))

    def _value(self, field: str, asked: frozenset[Literal], given: str | None) -> str | None:
        key = (f"{field}={given}", asked)
        if key not in self._values:
            self._values[key] = self._found(field, asked, given)
        return self._values[key]

    def _found(self, field: str, asked: frozenset[Literal], given: str | None) -> str | None:
        there = {note.answer for note in asked if note.test.kind == "present"}
        if len(there) == 2:
            return _NONE
        tests = [note for note in asked if note.test.kind != "present"]
        if field not in ("path", "method"):
            if there == {False} or (not there and not tests):
                return None
            if given is not None and not tests:
                return given
        language = self._language(field, tests)
        for likely in _METHODS if field == "method" else () if given is None else (given,):
            if self._made.holds(language, likely):
                return likely
        try:
            found = self._made.shortest(language)
        except TooLargeError as error:
            raise OpenError(f"{field}: {error}") from error
        return _NONE if found is None else found

    def _language(self, field: str, tests: Iterable[Literal]) -> Language:
        parts = [self._universes[field.partition(" ")[0]]]
        every = list(tests)
        begun = max(
            (n.test.value for n in every if n.answer and _literal(n.test)), key=len, default=""
        )
        for note in every:
            if not note.answer and _literal(note.test) and not _may_meet(note.test, begun):
                continue  # what begins otherwise fails it anyway
            language = self.of(note.test)
            parts.append(language if note.answer else self._made.complement(language))
        return self._made.both(*parts)

    def of(self, test: Test) -> Language:
        """Return the values that pass a test. Raises OpenError."""
        if test not in self._tests:
            self._tests[test] = self._read(test)
        return self._tests[test]

    def _read(self, test: Test) -> Language:
        made = self._made
        if test.kind not in _KINDS:
            raise OpenError(f"a test by {test.kind}: {test.value}")
        try:
            found = self._plain(test)
        except expressions.ExpressionError as error:
            raise OpenError(str(error)) from error
        if test.cut or test.put:
            found = made.word(test.cut, made.after(found, test.put))
        return found

    def _plain(self, test: Test) -> Language:
        made = self._made
        if test.kind == "regex":
            return expressions.language(made, test.value)
        text = made.word(test.value)
        if test.fold:
            quoted = "\\Q" + test.value.replace("\\E", "\\E\\\\E\\Q") + "\\E"
            text = expressions.language(made, quoted, fold=True)
        match test.kind:
            case "prefix":
                return made.then(text, made.all)
            case "suffix":
                return made.then(made.all, text)
            case "contains":
                return made.then(made.all, made.then(text, made.all))
            case "below":
                deeper = made.then(text, made.word("/", made.all))
                return made.either(text, deeper)
            case _:
                return text


_NONE = "\0"
"""In place of a value: there is none that passes and fails as asked. No field can hold it."""


def _literal(test: Test) -> bool:
    return test.kind in ("exact", "prefix", "below") and not (test.fold or test.cut or test.put)


def _may_meet(test: Test, begun: str) -> bool:
    return test.value.startswith(begun) or (test.kind != "exact" and begun.startswith(test.value))
