"""Edits of manifests: what they say and what they do."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.causes import change
from lateen.causes.change import APPEND, Edit
from lateen.model.meta import ObjectRef, Source

REF = ObjectRef("DestinationRule", "default", "web")
BODY: dict[str, Any] = {"spec": {"host": "web", "subsets": [{"name": "a"}, {"name": "b"}]}}


def edit(*path: change.Step, **more: Any) -> Edit:
    return Edit(REF, path, **more)


@pytest.mark.parametrize(
    ("made", "spec", "words"),
    [
        (
            edit("spec", "trafficPolicy", "tls", value={"mode": "DISABLE"}),
            {**BODY["spec"], "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
            'set spec.trafficPolicy.tls of DestinationRule/default/web to {"mode": "DISABLE"}',
        ),
        (
            edit("spec", "subsets", 1, "name", value="c"),
            {"host": "web", "subsets": [{"name": "a"}, {"name": "c"}]},
            "set spec.subsets[1].name of DestinationRule/default/web to c",
        ),
        (
            edit("spec", "subsets", 0, remove=True),
            {"host": "web", "subsets": [{"name": "b"}]},
            "remove spec.subsets[0] from DestinationRule/default/web",
        ),
        (
            edit("spec", "host", remove=True),
            {"subsets": BODY["spec"]["subsets"]},
            "remove spec.host from DestinationRule/default/web",
        ),
        (
            edit("spec", "exportTo", APPEND, value="."),
            {**BODY["spec"], "exportTo": ["."]},
            "add . to spec.exportTo of DestinationRule/default/web",
        ),
    ],
)
def test_an_edit_does_what_it_says(made: Edit, spec: Any, words: str) -> None:
    assert change.applied(made, BODY) == {"spec": spec}
    assert made.words == words
    assert BODY["spec"]["subsets"] == [{"name": "a"}, {"name": "b"}], "what was given is as it was"


def test_an_object_that_is_not_there_is_added() -> None:
    made = edit(value={"kind": "DestinationRule"})
    assert change.applied(made, None) == {"kind": "DestinationRule"}
    assert made.words == "add DestinationRule/default/web"
    gone = edit(remove=True)
    assert (change.applied(gone, BODY), gone.words) == (None, "remove DestinationRule/default/web")
    with pytest.raises(KeyError):
        change.applied(edit("spec", value=1), None)


def test_a_list_without_that_entry_is_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        change.applied(edit("spec", "subsets", 2, "name", value="c"), BODY)


NAMES = st.text("abcXYZ", min_size=1, max_size=5)


@given(st.lists(st.one_of(NAMES, st.integers(0, 30)), max_size=6))
def test_a_path_is_read_as_it_is_shown(path: list[change.Step]) -> None:
    whole = ("spec", *path)
    source = Source(REF, change.shown(whole))
    assert change.steps(source.path) == whole
    assert edit(*whole).source == source


@given(st.lists(NAMES, min_size=1, max_size=4), st.integers())
def test_a_field_that_was_set_can_be_taken_away(path: list[str], value: int) -> None:
    """With the blocks that are then empty: those say something else, or are refused."""
    made = change.applied(edit(*path, value=value), {})
    node: Any = made
    for step in path:
        node = node[step]
    assert node == value
    assert change.applied(edit(*path, remove=True), made) == {}
    kept = change.applied(edit(*path, remove=True), {**made, "kept": 1})
    assert kept == {"kept": 1} or path[0] == "kept"
