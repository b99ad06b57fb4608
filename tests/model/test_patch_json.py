"""RFC 6902 (its appendix A, in our words) and RFC 7386 (its appendix A), and their laws."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.model.patch import jsonpatch, merge
from lateen.model.patch.problem import PatchError, PatchTooLargeError

apply = jsonpatch.apply_json_patch


@pytest.mark.parametrize(
    ("doc", "ops", "expected"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": None}], {"a": None}),
        ({"a": 1}, [{"op": "add", "path": "", "value": {"b": 1}}], {"b": 1}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
        ({"a": {"b": 1}}, [{"op": "replace", "path": "/a/b", "value": 9}], {"a": {"b": 9}}),
        (
            {"a": {"b": 1}, "c": {}},
            [{"op": "move", "from": "/a/b", "path": "/c/d"}],
            {"a": {}, "c": {"d": 1}},
        ),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}],
         {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": [1, {"b": 2}]}, [{"op": "test", "path": "/a/1/b", "value": 2.0}],
         {"a": [1, {"b": 2}]}),
        ({"/": 1, "~": 2}, [{"op": "remove", "path": "/~1"}, {"op": "remove", "path": "/~0"}], {}),
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 1, "more": 2}], {"a": 1, "b": 1}),
        ({"": {"": 1}}, [{"op": "replace", "path": "//", "value": 2}], {"": {"": 2}}),
    ],
)  # fmt: skip
def test_json_patch(doc: Any, ops: Any, expected: Any) -> None:
    before = copy.deepcopy(doc)
    assert apply(doc, ops) == expected
    assert doc == before


@pytest.mark.parametrize(
    ("ops", "malformed", "message"),
    [
        ({}, True, "a list of operations"),
        ("add", True, "a list of operations"),
        ([1], True, "operation 0 of the JSON patch is not an object"),
        ([{"op": "spam", "path": "/a"}], True, "has op 'spam'"),
        ([{"op": "add", "path": "/a"}], True, r"operation 0 \(add /a\): it has no value"),
        ([{"op": "add", "value": 1}], True, "it has no path"),
        ([{"op": "copy", "path": "/a"}], True, "it has no from"),
        ([{"op": "add", "path": "a", "value": 1}], True, "start with a slash"),
        ([{"op": "remove", "path": "/b"}], False, "/b does not exist"),
        ([{"op": "add", "path": "/b/c", "value": 1}], False, "/b does not exist"),
        ([{"op": "replace", "path": "/b", "value": 1}], False, "/b does not exist"),
        ([{"op": "add", "path": "/l/3", "value": 1}], False, "index 3 is out of bounds"),
        ([{"op": "remove", "path": "/l/" + "9" * 5000}], False, "index 9{19} is out of bounds"),
        ([{"op": "add", "path": "/l/01", "value": 1}], False, "not an array index"),
        ([{"op": "remove", "path": "/l/-"}], False, "not an array index"),
        ([{"op": "remove", "path": "/l/2"}], False, "out of bounds"),
        ([{"op": "test", "path": "/a", "value": True}], False, "testing value /a failed"),
        ([{"op": "test", "path": "/a", "value": "1"}], False, "testing value /a failed"),
        ([{"op": "move", "from": "/m", "path": "/m/x"}], False, "into itself"),
    ],
)
def test_json_patch_refusals(ops: Any, malformed: bool, message: str) -> None:
    with pytest.raises(PatchError, match=message) as caught:
        apply({"a": 1, "l": [1, 2], "m": {"x": {}}}, ops)
    assert caught.value.malformed is malformed


def test_no_operation_counts_when_one_fails() -> None:
    doc = {"a": 1}
    with pytest.raises(PatchError, match="operation 1"):
        apply(doc, [{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/a"}])
    assert doc == {"a": 1}


def test_copies_share_nothing_and_come_to_an_end() -> None:
    twice = [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/x", "value": 1}]
    assert apply({"a": {}}, twice) == {"a": {}, "b": {"x": 1}}
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{number}"} for number in range(60)]
    with pytest.raises(PatchTooLargeError, match="copies come to more than"):
        apply({"a": {"text": "x" * 100}}, doubling)


@pytest.mark.timeout(5)
def test_many_operations_on_a_large_object_take_no_time() -> None:
    large = {"data": {f"k{number}": "" for number in range(100_000)}}
    ops = [{"op": "add", "path": f"/data/n{number}", "value": ""} for number in range(10_000)]
    assert len(apply(large, ops)["data"]) == 110_000
    assert len(large["data"]) == 100_000


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy(target)
    assert merge.merge_value(target, patch) == expected
    assert target == before


@pytest.mark.parametrize("patch", [None, [], "x", 1])
def test_a_resource_is_not_replaced_by_something_else(patch: Any) -> None:
    with pytest.raises(PatchError, match="is an object"):
        merge.apply_merge_patch({"a": 1}, patch)


SCALARS = st.one_of(st.booleans(), st.integers(-2, 2), st.text("ab/~", max_size=2))
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.text("ab", max_size=2), below, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("ab/~", max_size=2), VALUES, max_size=3)


def difference(old: Any, new: Any) -> Any:
    """The merge patch that leads from one object without nulls to another."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif old[key] != value or type(old[key]) is not type(value):
            patch[key] = difference(old[key], value)
    return patch


@given(OBJECTS, OBJECTS)
def test_merge_patch_laws(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert merge.apply_merge_patch(one, {}) == one
    assert merge.apply_merge_patch(one, one) == one
    patch = difference(one, other)
    result = merge.apply_merge_patch(one, patch)
    assert result == other
    assert merge.apply_merge_patch(result, patch) == result


@given(OBJECTS, st.text("ab/~", max_size=2), VALUES)
def test_json_patch_laws(doc: dict[str, Any], name: str, value: Any) -> None:
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    added = apply(doc, [{"op": "add", "path": path, "value": value}])
    assert added[name] == value
    assert apply(added, [{"op": "test", "path": path, "value": value}]) is added
    removed = apply(added, [{"op": "remove", "path": path}])
    assert removed == {key: each for key, each in doc.items() if key != name}
    assert apply(doc, [{"op": "copy", "from": "", "path": path}])[name] == doc


@given(OBJECTS, st.lists(st.dictionaries(st.sampled_from(["op", "path", "from", "value"]), VALUES)))
def test_nonsense_raises_nothing_but_patch_errors(doc: dict[str, Any], ops: list[Any]) -> None:
    before = copy.deepcopy(doc)
    with contextlib.suppress(PatchError):
        apply(doc, ops)
    assert doc == before
