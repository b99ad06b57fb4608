"""One meaning per noun: a name that many classes have says nothing of any of them."""

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "lateen"
LIMIT = 2
"""A name may have a second meaning, as Istio's `Subset` and the compiler's do."""


def test_no_public_class_name_has_more_than_two_meanings() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(file.relative_to(SOURCE)))
    assert {name: files for name, files in homes.items() if len(files) > LIMIT} == {}
