"""One place knows how a Python program of Lateen's is started: `base.interpreter`."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src/lateen"
KNOWS = {"base/interpreter.py"}
LOOKS = {"node/shim/walls/base.py"}
"""What asks for the interpreter's path without running it."""


def names_the_interpreter(path: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "executable"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def test_nobody_else_starts_an_interpreter() -> None:
    found = {str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*.py") if names_the_interpreter(p)}
    assert found == KNOWS | LOOKS
