"""`lateen images`: what stands in for which image, what it speaks, and what it does otherwise."""

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence

import msgspec

from lateen.cli.screen import tables
from lateen.node.images import catalogue
from lateen.node.images.catalogue import CatalogueRow

_NARROWEST = 24
"""Columns that the last one has at least: below that a long line reads better than many."""


def images(words: Sequence[str], output: str) -> int:
    """Print the images whose names have all the words in them. Returns 1 if there is none."""
    found = [row for row in catalogue.rows() if all(word in row.image for word in words)]
    if output == "json":
        rows = [{**msgspec.to_builtins(row), "speaks": _spoken(row)} for row in found]
        print(json.dumps({"images": rows}, indent=2))
        return 0 if found else 1
    if not found:
        print(
            f"no image of the catalogue has {' and '.join(words)} in its name; yours go under"
            " `images` in lateen.yaml",
            file=sys.stderr,
        )
        return 1
    print(_table(found, shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0))
    return 0


def _spoken(row: CatalogueRow) -> str:
    if row.ports is None:
        return "as its command does"
    return ", ".join(f"{port.port} {port.words}" for port in row.ports) or "-"


def _table(rows: Sequence[CatalogueRow], width: int) -> str:
    """Lay the rows out; with a width, the last column goes on in lines of its own."""
    head = ("image", "stand-in", "ports", "differs")
    cells = [(row.image, row.kind, _spoken(row), row.differs or "-") for row in rows]
    room = width - sum(3 + max(len(each[i]) for each in cells) for i in range(3))
    if width <= 0 or room < _NARROWEST:
        return tables.layout(head, cells)
    lines: list[tuple[str, ...]] = []
    for *first, last in cells:
        parts = textwrap.wrap(last, room)
        lines.append((*first, parts[0]))
        lines += [("", "", "", part) for part in parts[1:]]
    return tables.layout(head, lines)
