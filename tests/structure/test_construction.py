"""What an object is made of is given when it is made, and never assigned from another module.

Records, whose fields their class declares, may be filled in by who keeps them.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tests.structure import syntax


def own(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the attributes that this module's classes make of themselves as they are made."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield from (part.attr for part in stores(ast.walk(node)) if of_itself(part))


def assigned(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yield the attributes that are assigned or deleted on anything but the object itself."""
    yield from ((part.attr, part.lineno) for part in stores(nodes) if not of_itself(part))
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ("setattr", "delattr"):
            yield ast.unparse(node.args[1]).strip("'\""), node.lineno


def declared(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the fields that this module's classes declare."""
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield from (
                part.target.id
                for part in node.body
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
            )


def stores(nodes: Iterable[ast.AST]) -> Iterator[ast.Attribute]:
    for node in nodes:
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node


def of_itself(part: ast.Attribute) -> bool:
    return isinstance(part.value, ast.Name) and part.value.id in ("self", "cls")


def late(modules: dict[str, syntax.Module]) -> list[str]:
    """Return the places where one module assigns what another module's class has made."""
    homes = defaultdict(set)
    for name, module in modules.items():
        for attribute in own(module.nodes):
            homes[attribute].add(name)
    fields = {field for module in modules.values() for field in declared(module.nodes)}
    return [
        f"{name}:{line} {attribute}"
        for name, module in modules.items()
        # Envoy's messages are filled field by field, and have fields of any name.
        if "_pb2" not in module.text
        for attribute, line in assigned(module.nodes)
        if homes[attribute] - {name} and name not in homes[attribute] and attribute not in fields
    ]


def test_nothing_is_assigned_to_another_modules_object() -> None:
    files = {str(f.relative_to(syntax.SOURCE)): syntax.module(f) for f in syntax.FILES}
    assert late(files) == []


def test_what_is_assigned_late_is_found() -> None:
    made = "class Hub:\n    def __init__(self):\n        self.on_answer = None\n"
    wired = "def wire(hub):\n    hub.on_answer = print\n"
    hidden = "def wire(hub):\n    setattr(hub, 'on_answer', print)\n"
    for other in (wired, hidden):
        found = late({"hub": syntax.parsed(made), "wiring": syntax.parsed(other)})
        assert found == ["wiring:2 on_answer"]
    assert late({"hub": syntax.parsed(made + wired)}) == []
