"""Lines and tables no wider than a terminal. Columns are counted without colours. Pure."""

import re
import textwrap
from collections.abc import Sequence

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HANG = 4
"""Columns by which the rest of a wrapped line stands further in than its beginning."""
LEAST = 20
"""Columns of the narrowest terminal that is written for."""
_BREAKS = re.compile(r"(?<=[/.,:_-])(?=[^/.,:_\s-])")
"""Where a name in a narrow column may be cut."""


def columns(text: str) -> int:
    """Return how many columns a line takes."""
    return len(_COLOUR.sub("", text))


def fitted(text: str, width: int) -> str:
    """Return a text whose lines take at most `width` columns, wrapped at words; the rest of a line
    is indented. A word that is longer (a path, a URL) is left whole: it is to be copied."""
    return "\n".join(part for line in text.split("\n") for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> list[str]:
    if columns(line) <= width or width < LEAST:
        return [line]
    begin = line[: len(line) - len(line.lstrip())]
    further = begin + " " * _HANG
    made, current = [], begin
    for word in line.split():
        joined = current + word if not current.strip() else f"{current} {word}"
        if columns(joined) > width and current.strip():
            made.append(current)
            joined = further + word
        current = joined
    return [*made, current]


def narrowed(widths: Sequence[int], least: Sequence[int], limit: int, gap: int) -> list[int]:
    """Return the widths of columns with `gap` between them that fit into `limit` columns: the
    widest gives first, none more than down to its `least`. What cannot fit keeps its least."""
    found = list(widths)
    while sum(found) + gap * (len(found) - 1) > limit:
        able = [i for i in range(len(found)) if found[i] > least[i]]
        if not able:
            break
        found[max(able, key=lambda i: found[i])] -= 1
    return found


def cell(text: str, width: int) -> list[str]:
    """Return the lines of a cell in a column of a width: cut at words, else after the signs in
    names, else anywhere."""
    if columns(text) <= width:
        return [text]
    lines: list[str] = []
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        lines += _cut(line, width)
    return lines


def _cut(word: str, width: int) -> list[str]:
    made, current = [], ""
    for part in _BREAKS.split(word):
        if current and len(current) + len(part) > width:
            made.append(current)
            current = ""
        while len(part) > width:
            made.append(part[:width])
            part = part[width:]
        current += part
    return [*made, current] if current else made
