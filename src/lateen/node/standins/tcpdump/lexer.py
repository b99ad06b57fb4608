"""The words of a filter expression. Pure."""

import re

_WORD = re.compile(r"\s*(?:(?P<op>&&|\|\||[!()])|(?P<word>[0-9A-Za-z_.:\\][-0-9A-Za-z_.:/\\]*))")


class FilterError(Exception):
    """The expression is no filter."""


def split(text: str) -> list[str]:
    """Cut an expression into words and operators. Raises FilterError."""
    tokens: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise FilterError("syntax error")
        tokens.append(match[match.lastgroup or 0])
        at = match.end()
    return tokens
