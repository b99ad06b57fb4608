"""One home per fact: what the field calls by a name is written once, and named everywhere else."""

import ast
from collections.abc import Iterator

import pytest

from lateen.model import wellknown
from lateen.model.labapi import contract
from tests.structure import syntax

HOME = "model/wellknown.py"
WORDS = {
    name: getattr(wellknown, name) for name in ("PROXY", "CLUSTER_DOMAIN", "SERVICE_NAME", "READY")
}

OTHERS = {"PROXY": ("node/shim/walls/base.py",)}
"""Another fact by the same word: the user that Envoy runs as in a container is called so too."""


def places(wanted: object) -> Iterator[str]:
    """The files that write a value down; in a docstring it may stand."""
    for file, node in syntax.nodes():
        if isinstance(node, ast.Constant) and type(node.value) is str and node.value == wanted:
            yield file


@pytest.mark.parametrize("name", WORDS)
def test_a_word_of_the_field_is_written_once(name: str) -> None:
    assert list(places(WORDS[name])) == [HOME, *OTHERS.get(name, ())]


def test_the_phases_of_what_has_ended_are_written_once() -> None:
    found = [
        file
        for file, node in syntax.nodes()
        if isinstance(node, ast.Tuple | ast.List | ast.Set)
        and {getattr(one, "value", None) for one in node.elts} == set(wellknown.ENDED)
    ]
    assert found == [HOME]


@pytest.mark.parametrize(
    ("call", "homes"),
    [
        ("fromisoformat", {"base/clock.py", "node/pod/adopt.py", "apiserver/connecting/logs.py"}),
        ("prctl", {"base/parentdeath.py", "node/shim/syscalls.py"}),
        ("deepcopy", set()),
    ],
)
def test_a_thing_is_done_in_one_place(call: str, homes: set[str]) -> None:
    found = {
        file
        for file, node in syntax.nodes()
        if isinstance(node, ast.Attribute) and node.attr == call
    }
    assert found <= homes


@pytest.mark.parametrize("name", ["Json", "JsonView"])
def test_the_names_of_json_are_given_once(name: str) -> None:
    found = [
        file
        for file, node in syntax.nodes()
        if isinstance(node, ast.Assign)
        and [getattr(target, "id", "") for target in node.targets] == [name]
    ]
    assert found == ["base/jsonvalue.py"]


def test_the_paths_of_the_labs_own_api_are_in_its_contract_alone() -> None:
    home = "model/labapi/contract.py"
    word = contract.ROOT.removesuffix("/")
    found = {
        file
        for file, node in syntax.nodes()
        if isinstance(node, ast.Constant) and word in str(node.value)
    }
    assert found == {home, "model/labapi/__init__.py"}


def test_every_path_of_the_labs_own_api_is_named_once_and_below_its_root() -> None:
    paths = [endpoint.path for endpoint in contract.EVERY]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith(contract.ROOT) for path in paths)
    declared = [one for one in vars(contract).values() if isinstance(one, contract.LabPath)]
    assert set(declared) == set(contract.EVERY)
