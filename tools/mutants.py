"""Draws mutants: places in the source where one small change makes another program."""

import ast
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "lateen"
PATTERNS = ("compiler/**/*.py", "causes/*.py", "**/failures.py", "observe/**/wire/*.py")
"""What is mutated: the compiler, the causes of failures, the readers of what travels."""

SAME = ("Eq_Is", "NotEq_IsNot", "Is_Eq", "IsNot_NotEq", "NoOp")
"""Operators left out: their mutants do the same on small values."""

Position = tuple[int, int]


class Mutant(NamedTuple):
    """One change: in which file, at which place (line and column), and by which operator. `lines`
    are those of the statement around it: a test that runs one of them covers the mutant. `loading`
    says that the statement runs while its module loads."""

    path: Path
    start: Position
    operator: str
    occurrence: int
    lines: range
    loading: bool

    def code(self) -> str:
        """Return the source of the changed file."""
        made = mutate_code(self.path.read_text(), get_operator(self.operator)(), self.occurrence)
        assert made is not None
        return str(made)

    def change(self) -> tuple[str, str]:
        """Return the lines that differ, before and after, without what is around them."""
        before, after = self.path.read_text().splitlines(), self.code().splitlines()
        head = 0
        while head < min(len(before), len(after)) and before[head] == after[head]:
            head += 1
        tail = 0
        room = min(len(before), len(after)) - head
        while tail < room and before[-1 - tail] == after[-1 - tail]:
            tail += 1
        sides = (before[head : len(before) - tail], after[head : len(after) - tail])
        old, new = (" ".join(" ".join(side).split()) for side in sides)
        return old, new


def drawn(count: int, seed: int, part: str = "") -> list[Mutant]:
    """Return `count` mutants, each at another place of a file whose path has `part`; the same ones
    for the same seed and source.

    Every place is as likely as another, however many operators fit it.
    """
    places: dict[tuple[Path, Position], list[Mutant]] = {}
    for path in sorted({one for pattern in PATTERNS for one in SOURCE.glob(pattern)}):
        if part not in str(path):
            continue
        for mutant in _mutants(path):
            places.setdefault((path, mutant.start), []).append(mutant)
    chance = random.Random(seed)
    order = sorted(places)
    chance.shuffle(order)
    chosen: list[Mutant] = []
    for place in order:
        mutant = chance.choice(places[place])
        if len(chosen) < count and _differs(mutant):
            chosen.append(mutant)
    return chosen


def _mutants(path: Path) -> Iterator[Mutant]:
    source = path.read_text()
    tree = ast.parse(source)
    passed = list(_declared(tree))
    inside = _inside(tree)
    statements = _statements(tree)
    operators = {
        name: get_operator(name)()
        for name in sorted(operator_names())
        if not name.endswith(SAME) and not get_operator(name).arguments()
    }
    counts = dict.fromkeys(operators, 0)
    for node in ast_nodes(get_ast(source)):
        for name, operator in operators.items():
            for start, _ in operator.mutation_positions(node):
                occurrence = counts[name]
                counts[name] += 1
                if not any(first <= start < last for first, last in passed):
                    lines = statements.get(start[0], range(start[0], start[0] + 1))
                    yield Mutant(path, start, name, occurrence, lines, start[0] not in inside)


def _differs(mutant: Mutant) -> bool:
    """Whether the change makes another program: not other spaces, and not what no longer parses."""
    try:
        was, made = (ast.dump(ast.parse(text)) for text in (mutant.path.read_text(), mutant.code()))
    except SyntaxError:
        return False
    return was != made


def _declared(tree: ast.AST) -> Iterator[tuple[Position, Position]]:
    """Where types stand, what a class tells the library of structs (`frozen=True`), which the type
    checker looks after, and decorators that keep results: without one the program is slower."""
    for node in ast.walk(tree):
        parts = [getattr(node, name, None) for name in ("annotation", "returns")]
        if isinstance(node, ast.ClassDef):
            parts += [keyword.value for keyword in node.keywords]
        if isinstance(node, ast.FunctionDef):
            parts += [one for one in node.decorator_list if "cache" in ast.unparse(one)]
        for part in parts:
            if isinstance(part, ast.expr):
                last = (part.end_lineno or part.lineno, part.end_col_offset or 0)
                yield (part.lineno, max(0, part.col_offset - 1)), last


def _inside(tree: ast.AST) -> frozenset[int]:
    """The lines of the bodies of functions."""
    return frozenset(
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for line in range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
    )


def _statements(tree: ast.AST) -> dict[int, range]:
    """The lines of the innermost statement that each line is in; of one with a body, its head."""
    found: dict[int, range] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        last = node.end_lineno or node.lineno
        if body:
            last = max(node.lineno, body[0].lineno - 1)
        lines = range(node.lineno, last + 1)
        for line in lines:
            if line not in found or len(lines) < len(found[line]):
                found[line] = lines
    return found
