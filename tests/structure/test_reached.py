"""Nothing stands here that nobody asks for: every module is imported by another, every message of
the catalogue is made somewhere."""

import ast
from collections.abc import Iterable

from lateen.model.messages import diagnostics
from tests.structure import syntax

MODULES = {
    ".".join(file.relative_to(syntax.SOURCE).with_suffix("").parts): file
    for file in syntax.FILES
    if file.name != "__init__.py"
}
CATALOGUE = {"lateen.model.messages.lateen", "lateen.model.messages.istio"}

BY_ITSELF = {
    "lateen.__main__",  # what `python -m lateen` runs
    "lateen.testkit.plugin",  # what pytest loads
    "lateen.compiler.frontend.offline",  # what tests and benchmarks make a mesh of
}


def named(nodes: Iterable[ast.AST]) -> set[str]:
    """Return what a module imports: by statements, by full name in a string, or, where an f-string
    begins with a package, all of that package (ends with a dot)."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Constant) and str(node.value).startswith("lateen."):
            found |= {str(node.value), str(node.value).rpartition(".")[0]}
    return found


def test_every_module_is_imported_by_another() -> None:
    reached: set[str] = set()
    for module, file in MODULES.items():
        reached |= named(syntax.module(file).nodes) - {module}
    packages = tuple(each for each in reached if each.endswith("."))
    alone = {m for m in MODULES if m not in reached and not m.startswith(packages)}
    assert alone == BY_ITSELF


def test_every_message_is_made_somewhere() -> None:
    """A row that nothing makes would promise on the page what nobody ever reads."""
    text = "".join(syntax.module(f).text for m, f in MODULES.items() if m not in CATALOGUE)
    assert [code for code in diagnostics.CATALOGUE if f'"{code}"' not in text] == []
