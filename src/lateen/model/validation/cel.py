"""Whether a text is an expression of the Common Expression Language. Pure.

Only its form is judged, as Istio does: which names and functions there are is the proxy's to know.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>(?:[rR][bB]?|[bB][rR]?)?(?:
          \"\"\"(?:[^\\]|\\.)*?\"\"\" | '''(?:[^\\]|\\.)*?'''
        | \"(?:[^\"\\\n]|\\.)*\" | '(?:[^'\\\n]|\\.)*'))
    | (?P<number>0[xX][0-9a-fA-F]+[uU]? | (?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)? | \d+[eE][+-]?\d+
        | \d+[uU]?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>&&|\|\||==|!=|<=|>=|[<>!+\-*/%?:.,()\[\]{}])
    )""",
    re.VERBOSE | re.DOTALL,
)
_RESERVED_WORDS = (
    "as break const continue else for function if import in let loop package namespace return var "
    "void while"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())
_LEVELS = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"<", "<=", ">", ">=", "==", "!=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
"""Binary operators, the loosest first."""
_DEEPEST = 60
"""How deep an expression may be nested: far less than what the proxy takes."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Wrong(ValueError):
    pass


def problem(expression: str) -> str:
    """Return what is wrong with an expression, and where; empty if nothing is."""
    try:
        _Parser(_tokens(expression)).whole()
    except _Wrong as error:
        return str(error)
    return ""


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise _Wrong(f"unexpected {text[start : start + 1]!r} at character {start + 1}")
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    found.append(_Token("end", "", len(text)))
    return found


class _Parser:
    """Reads tokens from the left; each method reads one thing of the grammar or raises."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def whole(self) -> None:
        self._expression()
        if self._next.kind != "end":
            raise self._unexpected()

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _unexpected(self) -> _Wrong:
        token = self._next
        what = repr(token.text) if token.text else "end"
        return _Wrong(f"unexpected {what} at character {token.at + 1}")

    def _takes(self, *signs: str) -> bool:
        if self._next.kind in ("sign", "name") and self._next.text in signs:
            self._place += 1
            return True
        return False

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise self._unexpected()

    def _name(self) -> None:
        if self._next.kind != "name":
            raise self._unexpected()
        self._place += 1

    def _expression(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Wrong(f"nested deeper than {_DEEPEST} levels")
        self._binary(0)
        if self._takes("?"):
            self._binary(0)
            self._needs(":")
            self._expression()
        self._depth -= 1

    def _binary(self, level: int) -> None:
        if level == len(_LEVELS):
            self._unary()
            return
        self._binary(level + 1)
        while self._takes(*_LEVELS[level]):
            self._binary(level + 1)

    def _unary(self) -> None:
        for sign in ("!", "-"):
            if self._takes(sign):
                while self._takes(sign):
                    pass
                break
        self._primary()
        while True:
            if self._takes("."):
                self._name()
                if self._takes("("):
                    self._list(")", self._expression)
            elif self._takes("["):
                self._expression()
                self._needs("]")
            elif self._next.text == "{" and self._tokens[self._place - 1].kind == "name":
                self._place += 1
                self._list("}", self._field)
            else:
                return

    def _primary(self) -> None:
        token = self._next
        if token.kind in ("text", "number"):
            self._place += 1
        elif self._takes("("):
            self._expression()
            self._needs(")")
        elif self._takes("["):
            self._list("]", self._expression, trailing=True)
        elif self._takes("{"):
            self._list("}", self._entry, trailing=True)
        else:
            self._takes(".")
            if self._next.text in _RESERVED:
                raise self._unexpected()
            self._name()
            if self._takes("("):
                self._list(")", self._expression)

    def _entry(self) -> None:
        self._expression()
        self._needs(":")
        self._expression()

    def _field(self) -> None:
        self._name()
        self._needs(":")
        self._expression()

    def _list(self, end: str, item: Callable[[], None], *, trailing: bool = False) -> None:
        if self._takes(end):
            return
        item()
        while self._takes(","):
            if trailing and self._takes(end):
                return
            item()
        self._needs(end)
