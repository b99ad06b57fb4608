"""The rooms are as the contracts say: none is too large, each with inner rooms has an order, and
"Pure." stands where a contract holds it."""

import ast
import configparser
import re
from fnmatch import fnmatchcase
from pathlib import Path

from tests.structure import syntax

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "lateen"
FOLDER_LIMIT = 16


def contracts() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / ".importlinter")
    return found


def words(section: str, key: str) -> set[str]:
    return set(contracts()[f"importlinter:contract:{section}"][key].split())


def modules(folder: Path) -> list[Path]:
    return [file for file in folder.glob("*.py") if file.name != "__init__.py"]


def folders() -> list[Path]:
    return [file.parent for file in PACKAGE.rglob("__init__.py")]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


def test_no_folder_holds_too_much() -> None:
    large = {name_of(one): n for one in folders() if (n := len(modules(one))) > FOLDER_LIMIT}
    assert not large


def test_a_room_with_inner_rooms_has_an_exhaustive_order() -> None:
    ordered: set[str] = set()
    for name, section in contracts().items():
        if section.get("type") == "layers":
            assert section.get("exhaustive") == "true", name
            ordered |= set(section["containers"].split())
    nested = {
        name_of(one)
        for one in folders()
        if sum((inner / "__init__.py").exists() for inner in one.iterdir() if inner.is_dir()) > 1
    }
    assert nested - ordered == set()


def test_pure_is_said_where_the_contract_holds_it() -> None:
    held = words("pure", "source_modules")
    says: set[str] = set()
    guarded: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        if file.name == "__init__.py":
            continue
        name = name_of(file)
        if re.search(r"\bPure\b", ast.get_docstring(syntax.module(file).tree) or ""):
            says.add(name)
        if any(fnmatchcase(name, one) or fnmatchcase(name, f"{one}.*") for one in held):
            guarded.add(name)
    assert says - guarded == set(), "add these to the contract `pure`, or do not say it"
    assert guarded - says == set(), "the contract holds these: say `Pure.` in their docstrings"
