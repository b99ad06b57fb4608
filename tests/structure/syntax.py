"""The source as syntax trees: parsed and walked once for all tests of structure."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[2] / "src"
FILES = tuple(sorted(SOURCE.rglob("*.py")))


class Module(NamedTuple):
    """A source file's text, its tree, and all nodes of it."""

    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]


def parsed(text: str) -> Module:
    """Return the module that a text is."""
    tree = ast.parse(text)
    return Module(text, tree, tuple(ast.walk(tree)))


@functools.cache
def module(file: Path) -> Module:
    """Return the module that a file holds."""
    return parsed(file.read_text(encoding="utf-8"))


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of the package, with its file's place below the package."""
    for file in FILES:
        name = str(file.relative_to(SOURCE / "lateen"))
        for node in module(file).nodes:
            yield name, node
