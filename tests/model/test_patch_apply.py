import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lateen.model.patch import apply, fieldset, last_applied
from lateen.model.patch.apply import Applied, server_side_apply, track_update
from lateen.model.patch.problem import PatchError
from lateen.model.schema import describe, kinds

DEPLOYMENT = describe.of_kind(kinds.find("apps/v1", "Deployment"))
SERVICE = describe.of_kind(kinds.find("v1", "Service"))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
HEAD = {"apiVersion": "apps/v1", "kind": "Deployment"}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    body: dict[str, Any] = {**HEAD, "metadata": {"name": "web"}, "spec": spec}
    if containers:
        body["spec"]["template"] = {"spec": {"containers": list(containers)}}
    return body


def applied(
    live: Any, config: Any, manager: str = "me", force: bool = False, now: datetime = NOW
) -> Applied:
    before = copy.deepcopy((live, config))
    result = server_side_apply(live, config, manager, force, DEPLOYMENT, now)
    assert (live, config) == before
    return result


def ok(*arguments: Any, **more: Any) -> Any:
    result = applied(*arguments, **more)
    assert result.conflicts == ()
    return result.object


def owners(obj: Any) -> dict[str, Any]:
    return {
        f"{entry['manager']}/{entry['operation']}": entry["fieldsV1"]
        for entry in obj["metadata"].get("managedFields", [])
    }


def bare(obj: Any) -> Any:
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    return {**obj, "metadata": metadata}


C = {"name": "c", "image": "x", "ports": [{"containerPort": 80}]}


def test_first_apply_creates_and_owns() -> None:
    config = deployment(C, replicas=1, selector={"matchLabels": {"a": "b"}})
    config["metadata"]["labels"] = {"app": "web"}
    made = ok(None, config)
    assert bare(made) == config
    assert made["metadata"]["managedFields"] == [
        {
            "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1",
            "manager": "me",
            "operation": "Apply",
            "time": "2026-03-01T12:00:00Z",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:replicas": {},
                    "f:selector": {},
                    "f:template": {
                        "f:spec": {
                            "f:containers": {
                                'k:{"name":"c"}': {
                                    ".": {},
                                    "f:image": {},
                                    "f:name": {},
                                    "f:ports": {
                                        'k:{"containerPort":80,"protocol":"TCP"}': {
                                            ".": {},
                                            "f:containerPort": {},
                                        }
                                    },
                                }
                            }
                        }
                    },
                },
            },
        }
    ]


def test_same_apply_changes_nothing_later() -> None:
    made = ok(None, deployment(C, replicas=1))
    assert ok(made, deployment(C, replicas=1), now=LATER) is made


def test_conflict_names_manager_and_field() -> None:
    made = ok(None, deployment(C, replicas=1))
    result = applied(made, deployment({**C, "image": "y"}, replicas=2), "you")
    assert result.object is made
    assert [(each.manager, each.operation, each.field) for each in result.conflicts] == [
        ("me", "Apply", ".spec.replicas"),
        ("me", "Apply", '.spec.template.spec.containers[name="c"].image'),
    ]
    assert apply.message(result.conflicts) == (
        'Apply failed with 2 conflicts: conflicts with "me":\n- .spec.replicas\n'
        '- .spec.template.spec.containers[name="c"].image'
    )


def test_single_conflict_with_an_updater_names_its_version() -> None:
    made = ok(None, deployment(C, replicas=1))
    scaled = track_update(made, {**made, "spec": {**made["spec"], "replicas": 5}},
                          "kubectl-scale", "Update", NOW, DEPLOYMENT)  # fmt: skip
    result = applied(scaled, deployment(C, replicas=1))
    assert apply.message(result.conflicts) == (
        'Apply failed with 1 conflict: conflict with "kubectl-scale" using apps/v1: .spec.replicas'
    )


def test_force_takes_ownership() -> None:
    made = ok(None, deployment(C, replicas=1))
    forced = ok(made, deployment(replicas=2), "you", True)
    assert forced["spec"]["replicas"] == 2
    assert "f:replicas" not in owners(forced)["me/Apply"]["f:spec"]
    assert owners(forced)["you/Apply"] == {"f:spec": {"f:replicas": {}}}


def test_equal_values_are_shared_then_given_up_one_by_one() -> None:
    both = ok(ok(None, deployment(C, replicas=1)), deployment(replicas=1), "you")
    one = ok(both, deployment(C))
    assert one["spec"]["replicas"] == 1
    none = ok(one, {**HEAD, "metadata": {"name": "web"}}, "you")
    assert "replicas" not in none["spec"]
    assert "you/Apply" not in owners(none)


def test_fields_no_longer_applied_are_removed() -> None:
    made = ok(None, deployment(C, {"name": "d", "image": "y"}, replicas=1, paused=True))
    made["spec"]["revisionHistoryLimit"] = 10  # a default: nobody's
    left = ok(made, deployment({"name": "c", "image": "x"}))
    assert left["spec"] == {
        "revisionHistoryLimit": 10,
        "template": {"spec": {"containers": [{"name": "c", "image": "x"}]}},
    }


def test_removed_item_keeps_what_another_owns() -> None:
    made = ok(None, deployment(C))
    limited = copy.deepcopy(made)
    container = limited["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"cpu": "1"}}
    limited = track_update(made, limited, "you", "Update", NOW, DEPLOYMENT)
    container["imagePullPolicy"] = "Always"  # a default: nobody's
    left = ok(limited, {**HEAD, "metadata": {"name": "web"}})
    assert left["spec"]["template"]["spec"]["containers"] == [
        {"name": "c", "resources": {"limits": {"cpu": "1"}}}
    ]


def test_shared_item_stays_with_its_defaults() -> None:
    both = ok(ok(None, deployment(C)), deployment({"name": "c", "command": ["x"]}), "you")
    both["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    left = ok(both, {**HEAD, "metadata": {"name": "web"}})
    assert left["spec"]["template"]["spec"]["containers"] == [
        {"name": "c", "command": ["x"], "imagePullPolicy": "Always"}
    ]


def test_defaults_of_a_removed_item_go_with_it() -> None:
    made = ok(None, deployment(C, {"name": "d", "image": "y"}))
    made["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always"
    left = ok(made, deployment(C))
    assert [each["name"] for each in left["spec"]["template"]["spec"]["containers"]] == ["c"]


def test_order_of_items_is_the_appliers() -> None:
    d, e = {"name": "d", "image": "y"}, {"name": "e", "image": "y"}
    both = ok(ok(None, deployment(C, d)), deployment(e), "you")
    names = [x["name"] for x in both["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["c", "d", "e"]
    swapped = ok(both, deployment(d, C))
    names = [x["name"] for x in swapped["spec"]["template"]["spec"]["containers"]]
    assert [name for name in names if name in "cd"] == ["d", "c"]


def test_update_owns_what_it_changes_and_takes_it_from_others() -> None:
    made = ok(None, deployment(C, replicas=1))
    scaled = track_update(made, {**made, "spec": {**made["spec"], "replicas": 3, "paused": True}},
                          "editor", "Update", LATER, DEPLOYMENT)  # fmt: skip
    assert owners(scaled)["editor/Update"] == {"f:spec": {"f:paused": {}, "f:replicas": {}}}
    assert "f:replicas" not in owners(scaled)["me/Apply"]["f:spec"]
    again = track_update(scaled, scaled, "editor", "Update", LATER, DEPLOYMENT)
    assert again == scaled
    gone = {**scaled, "spec": {k: v for k, v in scaled["spec"].items() if k != "paused"}}
    assert owners(track_update(scaled, gone, "third", "Update", LATER, DEPLOYMENT))[
        "editor/Update"
    ] == {"f:spec": {"f:replicas": {}}}


def test_create_is_tracked_and_status_apart() -> None:
    made = track_update(
        None, deployment(C, replicas=1), "kubectl-create", "Update", NOW, DEPLOYMENT
    )
    assert "f:replicas" in owners(made)["kubectl-create/Update"]["f:spec"]
    status = {**made, "status": {"replicas": 1}}
    seen = track_update(made, status, "kubectl-create", "Update", LATER, DEPLOYMENT,
                        subresource="status")  # fmt: skip
    entries = seen["metadata"]["managedFields"]
    assert [(each["manager"], each.get("subresource"), each["time"]) for each in entries] == [
        ("kubectl-create", None, "2026-03-01T12:00:00Z"),
        ("kubectl-create", "status", "2026-03-01T12:05:00Z"),
    ]
    assert entries[1]["fieldsV1"] == {"f:status": {"f:replicas": {}}}


def test_managed_fields_can_be_sent_and_reset() -> None:
    made = ok(None, deployment(C, replicas=1))
    renamed = copy.deepcopy(made)
    renamed["metadata"]["managedFields"][0]["manager"] = "other"
    assert list(owners(track_update(made, renamed, "x", "Update", NOW, DEPLOYMENT))) == [
        "other/Apply"
    ]
    reset = copy.deepcopy(made)
    reset["metadata"]["managedFields"] = [{}]
    assert owners(track_update(made, reset, "x", "Update", NOW, DEPLOYMENT)) == {}
    kept = bare(made)
    assert owners(track_update(made, kept, "x", "Update", NOW, DEPLOYMENT)) == owners(made)


def test_object_without_books_belongs_to_before_first_apply() -> None:
    live = deployment(C, replicas=1)
    result = applied(live, deployment(replicas=2), "me")
    assert [each.manager for each in result.conflicts] == ["before-first-apply"]
    shared = ok(live, deployment(replicas=1), "me")
    assert sorted(owners(shared)) == ["before-first-apply/Update", "me/Apply"]


def test_kubectl_takes_over_from_its_own_client_side_apply() -> None:
    config = deployment(C, replicas=1)
    live = copy.deepcopy(config)
    live["metadata"]["annotations"] = {last_applied.ANNOTATION: json.dumps(config)}
    live = track_update(None, live, "kubectl-client-side-apply", "Update", NOW, DEPLOYMENT)
    changed = deployment({**C, "image": "y"}, replicas=1)
    assert len(applied(live, changed, "other").conflicts) == 1
    taken = ok(live, changed, "kubectl")
    assert taken["spec"]["template"]["spec"]["containers"][0]["image"] == "y"
    assert json.loads(taken["metadata"]["annotations"][last_applied.ANNOTATION]) == changed
    scaled = track_update(live, {**live, "spec": {**live["spec"], "paused": True}},
                          "editor", "Update", NOW, DEPLOYMENT)  # fmt: skip
    against = applied(scaled, deployment(C, replicas=1, paused=False), "kubectl").conflicts
    assert [each.manager for each in against] == ["editor"]


def test_sets_and_atomic_values() -> None:
    def service(**more: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", **more}}

    one = server_side_apply(None, service(finalizers=["a", "b"]), "me", False, SERVICE, NOW).object
    assert owners(one)["me/Apply"] == {"f:metadata": {"f:finalizers": {'v:"a"': {}, 'v:"b"': {}}}}
    both = server_side_apply(one, service(finalizers=["c"]), "you", False, SERVICE, NOW).object
    assert sorted(both["metadata"]["finalizers"]) == ["a", "b", "c"]
    left = server_side_apply(both, service(finalizers=["b"]), "me", False, SERVICE, NOW).object
    assert sorted(left["metadata"]["finalizers"]) == ["b", "c"]
    selecting = {**service(), "spec": {"selector": {"a": "1"}}}
    live = server_side_apply(None, selecting, "me", False, SERVICE, NOW).object
    other = {**service(), "spec": {"selector": {"b": "1"}}}
    result = server_side_apply(live, other, "you", False, SERVICE, NOW)
    assert [each.field for each in result.conflicts] == [".spec.selector"]


@pytest.mark.parametrize(
    ("config", "manager", "message"),
    [
        (deployment(C), "", "fieldManager is required"),
        ({**HEAD, "metadata": {"managedFields": [{}]}}, "me", "managedFields must be nil"),
        (deployment(C, C), "me", r'duplicate entries for key .*containers\[name="c"\]'),
        (deployment({"image": "x"}), "me", "lacks its key name"),
    ],
)
def test_refusals(config: Any, manager: str, message: str) -> None:
    with pytest.raises(PatchError, match=message):
        server_side_apply(None, config, manager, False, DEPLOYMENT, NOW)


@pytest.mark.parametrize("item", [["a"], {"a": 1}])
def test_an_item_of_a_set_that_is_no_scalar_is_left_to_the_schema(item: Any) -> None:
    config = {**HEAD, "metadata": {"name": "x", "finalizers": ["a"]}}
    live = server_side_apply(None, config, "me", False, SERVICE, NOW).object
    wrong = {**HEAD, "metadata": {"name": "x", "finalizers": [item]}}
    result = server_side_apply(live, wrong, "me", False, SERVICE, NOW).object
    assert result["metadata"]["finalizers"] == [item]


@pytest.mark.parametrize(
    "entry",
    [
        {"operation": "Spam"},
        {"operation": "Apply", "fieldsType": "V2"},
        {"operation": "Apply", "fieldsV1": {"x": {}}},
        {"operation": "Apply", "fieldsV1": {"f:a": 1}},
        {"operation": "Apply", "fieldsV1": {"k:{": {}}},
    ],
)
def test_broken_managed_fields_are_refused(entry: dict[str, Any]) -> None:
    live = deployment(C)
    live["metadata"]["managedFields"] = [entry]
    with pytest.raises(PatchError, match=r"managedFields|fieldsV1"):
        track_update(live, live, "x", "Update", NOW, DEPLOYMENT)


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abc")},
        optional={
            "image": st.sampled_from("xyz"),
            "command": st.lists(st.sampled_from("pq"), max_size=2),
            "env": st.lists(
                st.fixed_dictionaries({"name": st.sampled_from("EF")}),
                max_size=2,
                unique_by=lambda item: item["name"],
            ),
        },
    ),
    max_size=3,
    unique_by=lambda item: item["name"],
)
LABELS = st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"), max_size=2)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    body = deployment(*draw(ITEMS), **draw(st.fixed_dictionaries({}, optional={
        "replicas": st.integers(0, 2), "paused": st.booleans()})))  # fmt: skip
    if labels := draw(LABELS):
        body["metadata"]["labels"] = labels
    return body


@given(configs(), configs())
@settings(max_examples=150)
def test_laws(one: dict[str, Any], other: dict[str, Any]) -> None:
    made = ok(None, one)
    assert ok(made, one, now=LATER) is made
    moved = ok(made, other)
    assert fieldset.of(bare(moved), DEPLOYMENT) == fieldset.of(bare(other), DEPLOYMENT)
    both = bare(ok(made, other, "you", True))
    there = fieldset.of(both, DEPLOYMENT)
    for path in fieldset.of(bare(one), DEPLOYMENT) | fieldset.of(bare(other), DEPLOYMENT):
        assert any(each[: len(path)] == path or path[: len(each)] == each for each in there)
    for path in ("replicas", "paused"):
        wanted = other["spec"].get(path, one["spec"].get(path))
        assert both["spec"].get(path) == wanted
    taken = ok(both, other, "you", True)
    assert bare(taken)["spec"] == both["spec"]


@given(configs())
def test_field_sets_are_written_and_read(config: dict[str, Any]) -> None:
    fields = fieldset.of(config, DEPLOYMENT)
    assert fieldset.decode(json.loads(json.dumps(fieldset.encode(fields)))) == fields
    assert fieldset.compare(config, config, DEPLOYMENT) == (frozenset(), frozenset())
    changed, gone = fieldset.compare({}, config, DEPLOYMENT)
    assert changed == fields
    assert gone == frozenset()


@given(LABELS, LABELS)
def test_two_managers_keep_their_own_labels(one: dict[str, str], other: dict[str, str]) -> None:
    mine = {f"m{name}": value for name, value in one.items()}
    yours = {f"y{name}": value for name, value in other.items()}
    config, second = deployment(replicas=1), deployment(paused=True)
    config["metadata"]["labels"], second["metadata"]["labels"] = mine, yours
    both = ok(ok(None, config), second, "you")
    assert both["metadata"]["labels"] == {**mine, **yours}
    assert both["spec"] == {"replicas": 1, "paused": True}
