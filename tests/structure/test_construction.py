"""What an object is made of is given when it is made, and never assigned from another module.

Records, whose fields their class declares, may be filled in by who keeps them.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import lateen

SOURCE = Path(lateen.__file__).parent


def own(tree: ast.Module) -> Iterator[str]:
    """Yield the attributes that this module's classes make of themselves as they are made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield from (part.attr for part in stores(node) if of_itself(part))


def assigned(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the attributes that are assigned or deleted on anything but the object itself."""
    yield from ((part.attr, part.lineno) for part in stores(tree) if not of_itself(part))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr"):
            yield ast.unparse(node.args[1]).strip("'\""), node.lineno


def declared(tree: ast.Module) -> Iterator[str]:
    """Yield the fields that this module's classes declare."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (
                part.target.id
                for part in node.body
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
            )


def stores(tree: ast.AST) -> Iterator[ast.Attribute]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node


def of_itself(part: ast.Attribute) -> bool:
    return isinstance(part.value, ast.Name) and part.value.id in ("self", "cls")


def late(sources: dict[str, str]) -> list[str]:
    """Return the places where one module assigns what another module's class has made."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    homes = defaultdict(set)
    for name, tree in trees.items():
        for attribute in own(tree):
            homes[attribute].add(name)
    fields = {field for tree in trees.values() for field in declared(tree)}
    return [
        f"{name}:{line} {attribute}"
        for name, tree in trees.items()
        # Envoy's messages are filled field by field, and have fields of any name.
        if "_pb2" not in sources[name]
        for attribute, line in assigned(tree)
        if homes[attribute] - {name} and name not in homes[attribute] and attribute not in fields
    ]


def test_nothing_is_assigned_to_another_modules_object() -> None:
    files = {str(f.relative_to(SOURCE)): f.read_text() for f in sorted(SOURCE.rglob("*.py"))}
    assert late(files) == []


def test_what_is_assigned_late_is_found() -> None:
    made = "class Hub:\n    def __init__(self):\n        self.on_answer = None\n"
    wired = "def wire(hub):\n    hub.on_answer = print\n"
    hidden = "def wire(hub):\n    setattr(hub, 'on_answer', print)\n"
    assert late({"hub": made, "wiring": wired}) == ["wiring:2 on_answer"]
    assert late({"hub": made, "wiring": hidden}) == ["wiring:2 on_answer"]
    assert late({"hub": made + wired}) == []
