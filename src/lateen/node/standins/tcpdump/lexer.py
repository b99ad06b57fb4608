"""The words of a filter expression. Pure."""

import re

_WORD = re.compile(
    r"\s*(?:(?P<op>&&|\|\||<<|>>|<=|>=|!=|==|[-()!<>=&|+*/%^\[\],])"
    r"|(?P<word>[0-9A-Za-z_.:\\][-0-9A-Za-z_.:/\\]*))"
)
_INDEX = re.compile(r"[0-9A-Za-z_.]+(?:-[a-z][0-9A-Za-z-]*)?|:")


class FilterError(Exception):
    """The expression is no filter."""


def split(text: str) -> list[str]:
    """Cut an expression into words and operators. Raises FilterError.

    Inside brackets and around numbers `-` and `:` are operators, elsewhere they belong to names.
    """
    tokens: list[str] = []
    at, depth = 0, 0
    text = text.rstrip()
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise FilterError("syntax error")
        token, at = match[match.lastgroup or 0], match.end()
        if match.lastgroup == "word" and depth and (part := _INDEX.match(token)) is not None:
            # In `tcp[12:1]` the colon separates two expressions.
            token, at = part[0], match.start("word") + part.end()
        depth += (token == "[") - (token == "]")
        tokens.append(token)
    return tokens
