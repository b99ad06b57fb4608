"""One place knows how a Python program of Lateen's is started: `base.interpreter`."""

import ast

from tests.structure import syntax

KNOWS = {"base/interpreter.py"}
LOOKS = {"node/shim/walls/base.py"}
"""What asks for the interpreter's path without running it."""


def is_the_interpreter(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "executable"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    )


def test_nobody_else_starts_an_interpreter() -> None:
    found = {file for file, node in syntax.nodes() if is_the_interpreter(node)}
    assert found == KNOWS | LOOKS
