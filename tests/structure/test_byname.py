"""What is loaded by name is there: no import statement says so, and no type checker looks."""

import ast
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lateen.model.kube import published
from lateen.model.schema import describe, kinds
from lateen.model.schema.describe import Schema
from lateen.model.validation import dispatch
from lateen.node.shim.copies import Copies, NoCopies, copies
from tests.structure import syntax

SOURCE = Path(__file__).parents[2] / "src"
ROOMS = "|".join(room.parent.name for room in (SOURCE / "lateen").glob("*/__init__.py"))
PLACE = re.compile(rf"lateen\.({ROOMS})(\.\w+)*")
LINE = '    "lateen.node.shim.zygote.zygote.Zygote",\n'


def test_only_one_module_imports_by_name() -> None:
    calls = {
        file
        for file, node in syntax.nodes()
        if isinstance(node, ast.Attribute) and node.attr in ("import_module", "__import__")
    }
    assert calls == {"base/byname.py"}


def named() -> Iterator[tuple[str, str]]:
    """Every text in the source that is a full name of ours, with its file."""
    for file, node in syntax.nodes():
        if isinstance(node, ast.Constant) and PLACE.fullmatch(str(node.value)):
            yield file, str(node.value)


def there(place: str) -> bool:
    """Whether a name is that of a module, of something in one, or of a file of a package."""
    outer, _, inner = place.rpartition(".")
    try:
        return importlib.util.find_spec(place) is not None
    except ModuleNotFoundError:  # the outer one is no package
        return hasattr(importlib.import_module(outer), inner)


def test_every_full_name_leads_somewhere() -> None:
    found = sorted(set(named()))
    assert len(found) > 30
    assert [(file, place) for file, place in found if not there(place)] == []


def loaded(function: ast.AST) -> Iterator[tuple[str, str]]:
    """The names of a function that hold a module of ours which the plane loads late, each with the
    module. `_MESH` and its like are lists of names, the module itself last."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Await):
            continue
        call, (target, *_) = node.value.value, node.targets
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "_loaded":
            last = call.args[-1]
            if isinstance(last, ast.Starred) and isinstance(last.value, ast.Name):
                place = getattr(importlib.import_module("lateen.app.plane"), last.value.id)[-1]
            else:
                place = ast.literal_eval(last)
            if isinstance(target, ast.Name) and place.startswith("lateen."):
                yield target.id, place


def test_what_the_plane_takes_of_modules_that_it_loads_late_is_in_them() -> None:
    """Such a module is `Any` to the type checker: a name that was changed would be found missing
    when a lab starts."""
    tree = syntax.module(SOURCE / "lateen" / "app" / "plane.py").tree
    asked = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            modules = dict(loaded(function))
            asked |= {
                (modules[node.value.id], node.attr)
                for node in ast.walk(function)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in modules
            }
    assert len({place for place, _ in asked}) >= 4
    missing = [one for one in asked if not hasattr(importlib.import_module(one[0]), one[1])]
    assert missing == []


def test_the_structs_of_all_kinds_and_fields_are_where_they_are_said_to_be() -> None:
    waiting: list[Schema] = []
    for info in kinds.KINDS.values():
        assert info.struct is not None
        assert issubclass(info.struct, msgspec.Struct)
        waiting.append(describe.of_kind(info))
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        while node.items is not None:
            node = node.items
        definition = node.definition
        if definition is None or (name := f"{definition.__module__}.{node.name}") in seen:
            continue
        seen.add(name)
        assert issubclass(definition, msgspec.Struct)
        waiting.extend(node.fields.values())
    assert f"{published.__name__}.Affinity" in seen


def test_every_rule_is_a_function_for_a_kind_that_is_served() -> None:
    for resource in dispatch._RULES:
        assert resource in kinds.KINDS
        assert callable(dispatch._rules(resource))


def test_what_makes_copies_does_what_the_shim_asks_for() -> None:
    assert isinstance(NoCopies(), Copies)
    assert isinstance(copies(), Copies)


@pytest.mark.skipif(
    not (SOURCE / "lateen/node/shim/zygote").is_dir(), reason="the zygote is gone already"
)
def test_without_the_zygote_the_shim_starts_everything_the_long_way(tmp_path: Path) -> None:
    """The folder and the line that names it are all there is of it."""
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    room = tmp_path / "src" / "lateen" / "node" / "shim"
    shutil.rmtree(room / "zygote")
    seam = room / "copies.py"
    text = seam.read_text()
    assert text.count(LINE) == 1
    seam.write_text(text.replace(LINE, ""))
    left = [file for file in room.parents[1].rglob("*.py") if "shim.zygote" in file.read_text()]
    assert left == []
    program = "import lateen.node.shim.init, lateen.node.shim.copies as c; print(c.copies())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "NoCopies" in done.stdout, done.stderr
