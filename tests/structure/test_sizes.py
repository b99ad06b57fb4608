"""Files stay under 500 lines and functions under 60; everything public says what it is."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.structure import syntax

ROOT = Path(__file__).parents[2]
SOURCES = syntax.FILES
FILE_LIMIT, FUNCTION_LIMIT = 500, 60
BANNED_NAMES = {"utils", "util", "common", "helpers", "misc"}


def functions(nodes: Iterable[ast.AST]) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("limit", [FILE_LIMIT])
def test_no_file_is_too_long(limit: int) -> None:
    everything = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    long = {
        str(p.relative_to(ROOT)): n
        for p in everything
        if (n := len(p.read_text().splitlines())) > limit
    }
    assert not long


def test_no_function_is_too_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{f.lineno} {f.name}"
        for path in SOURCES
        for f in functions(syntax.module(path).nodes)
        if (f.end_lineno or 0) - f.lineno + 1 > FUNCTION_LIMIT
    ]
    assert not long


def test_modules_are_named_after_their_job() -> None:
    assert not [p for p in SOURCES if p.stem in BANNED_NAMES or p.parent.name in BANNED_NAMES]


def test_every_module_and_public_function_has_a_docstring() -> None:
    bare = []
    for path in SOURCES:
        tree = syntax.module(path).tree
        if not ast.get_docstring(tree):
            bare.append(str(path.relative_to(ROOT)))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        for node in (n for n in tree.body if isinstance(n, kinds)):
            if not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not bare
