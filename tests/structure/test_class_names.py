"""One meaning per noun: a name that many classes have says nothing of any of them."""

import ast
from collections import defaultdict

from tests.structure import syntax

LIMIT = 2
"""A name may have a second meaning, as Istio's `Subset` and the compiler's do."""


def test_no_public_class_name_has_more_than_two_meanings() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for file, node in syntax.nodes():
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            homes[node.name].append(file)
    assert {name: files for name, files in homes.items() if len(files) > LIMIT} == {}
