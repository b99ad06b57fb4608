import copy
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.model.patch.problem import PatchError
from lateen.model.patch.strategic import apply_strategic
from lateen.model.schema import describe, kinds

DEPLOYMENT = describe.of_kind(kinds.find("apps/v1", "Deployment"))
SERVICE = describe.of_kind(kinds.find("v1", "Service"))


def pod(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), **more}}}}


def patched(obj: dict[str, Any], patch: dict[str, Any]) -> Any:
    before = copy.deepcopy(obj)
    result = apply_strategic(obj, patch, DEPLOYMENT)
    assert obj == before
    return result["spec"]["template"]["spec"]


A = {"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}]}
B = {"name": "b", "image": "y"}
C = {"name": "c", "image": "z"}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        pytest.param([{"name": "a", "image": "n"}], [{**A, "image": "n"}, B], id="merged by name"),
        pytest.param([C], [C, A, B], id="a new one goes first"),
        pytest.param([{"name": "a", "$patch": "delete"}], [B], id="deleted"),
        pytest.param([{"$patch": "replace"}, C], [C], id="list replaced"),
        pytest.param(
            [{"name": "a", "env": [{"name": "F", "value": "9"}, {"name": "G", "value": "3"}]}],
            [
                {
                    **A,
                    "env": [
                        {"name": "E", "value": "1"},
                        {"name": "F", "value": "9"},
                        {"name": "G", "value": "3"},
                    ],
                },
                B,
            ],
            id="lists in lists",
        ),
        pytest.param([{"name": "a", "image": None}], [{k: A[k] for k in ("name", "env")}, B],
                     id="null removes"),
        pytest.param([{"name": "b", "command": ["sh"]}], [A, {**B, "command": ["sh"]}],
                     id="what was not there is taken"),
    ],
)  # fmt: skip
def test_lists_of_containers(patch: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert patched(pod(A, B), pod(*patch))["containers"] == expected


def test_order_is_set() -> None:
    order = {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]}
    assert patched(pod(A, B), pod(C, **order))["containers"] == [C, B, A]
    swapped = {"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}}}  # fmt: skip
    assert patched(pod(A, B), swapped)["containers"] == [B, A]
    assert patched(pod(A, C, B), swapped)["containers"] == [C, B, A]


def test_what_client_side_apply_sends_for_a_removed_container() -> None:
    patch = pod(
        {"name": "b", "$patch": "delete"}, **{"$setElementOrder/containers": [{"name": "a"}]}
    )
    assert patched(pod(A, B), patch)["containers"] == [A]


def test_scalars_join_and_leave() -> None:
    obj = {"metadata": {"finalizers": ["a", "b"]}}
    joined = apply_strategic(obj, {"metadata": {"finalizers": ["c", "a"]}}, SERVICE)
    assert sorted(joined["metadata"]["finalizers"]) == ["a", "b", "c"]
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert apply_strategic(obj, gone, SERVICE)["metadata"]["finalizers"] == ["b"]
    order = {"metadata": {"$setElementOrder/finalizers": ["b", "a"]}}
    assert apply_strategic(obj, order, SERVICE)["metadata"]["finalizers"] == ["b", "a"]


def test_atomic_lists_are_replaced() -> None:
    result = patched(pod({**B, "command": ["a", "b"]}), pod({"name": "b", "command": ["c"]}))
    assert result["containers"][0]["command"] == ["c"]


def test_ports_of_a_service_join_by_port() -> None:
    obj = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 90}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    assert apply_strategic(obj, patch, SERVICE)["spec"]["ports"] == [
        {"port": 80, "name": "http", "targetPort": 8080},
        {"port": 90},
    ]


def test_maps() -> None:
    obj = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"selector": {"app": "x"}}}
    patch = {
        "metadata": {"labels": {"a": None, "c": "3"}},
        "spec": {"selector": {"$patch": "replace", "v": "1"}},
    }
    assert apply_strategic(obj, patch, SERVICE) == {
        "metadata": {"labels": {"b": "2", "c": "3"}},
        "spec": {"selector": {"v": "1"}},
    }
    emptied = apply_strategic(obj, {"spec": {"selector": {"$patch": "delete"}}}, SERVICE)
    assert emptied["spec"]["selector"] == {}


def test_retain_keys_clears_the_rest_of_a_union() -> None:
    obj = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert apply_strategic(obj, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], "is an object"),
        ({"$patch": "spam"}, "'spam' is none of replace, delete, merge"),
        ({"$spam": 1}, "not a directive"),
        ({"spec": {"strategy": {"$retainKeys": ["a"], "type": "x"}}}, "does not name type"),
        ({"spec": {"strategy": {"$retainKeys": "a"}}}, "must be a list"),
        (pod({"image": "x"}), "lacks its merge key name"),
        ({"metadata": {"$setElementOrder/finalizers": 1}}, "must be a list"),
        ({"metadata": {"finalizers": [["a"]]}}, "a list of scalars has an item that is none"),
        ({"metadata": {"$setElementOrder/finalizers": [["a"]]}}, "an item that is none"),
        ({"metadata": {"$setElementOrder/finalizers": [{"a": 1}]}}, "an item that is none"),
    ],
)
def test_refusals(patch: Any, message: str) -> None:
    live = {**pod(A), "metadata": {"finalizers": ["a"]}}
    live["spec"]["strategy"] = {"type": "Recreate"}
    with pytest.raises(PatchError, match=message):
        apply_strategic(live, patch, DEPLOYMENT)


NAMES = st.sampled_from("abcd")
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES, "image": st.sampled_from("xyz")}),
    max_size=4,
    unique_by=lambda item: item["name"],
)


@given(CONTAINERS, CONTAINERS)
def test_laws(live: list[dict[str, Any]], patch: list[dict[str, Any]]) -> None:
    obj = pod(*live)
    assert apply_strategic(obj, {}, DEPLOYMENT) == obj
    once = apply_strategic(obj, pod(*patch), DEPLOYMENT)
    assert apply_strategic(once, pod(*patch), DEPLOYMENT) == once
    found = {each["name"]: each for each in once["spec"]["template"]["spec"]["containers"]}
    wanted = {each["name"]: each for each in live} | {each["name"]: each for each in patch}
    assert found == wanted
    order = {"$setElementOrder/containers": [{"name": each["name"]} for each in patch]}
    names = [c["name"] for c in patched(obj, pod(*patch, **order))["containers"]]
    assert [name for name in names if name in {c["name"] for c in patch}] == [
        each["name"] for each in patch
    ]
