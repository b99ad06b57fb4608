"""HorizontalPodAutoscaler in its two versions: what one cannot say, its annotations keep."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.kinds import conversion
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.writing import verbs
from lateen.base.clock import ManualClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore
from tests import first_namespaces

RESOURCE = "horizontalpodautoscalers.autoscaling"
REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
NOTE = "autoscaling.alpha.kubernetes.io/"
OTHER = {
    "type": "Pods",
    "pods": {
        "metric": {"name": "hits", "selector": {"matchLabels": {"a": "b"}}},
        "target": {"type": "AverageValue", "averageValue": "10"},
    },
}


def made() -> tuple[verbs.Api, Target, Target]:
    api = verbs.Api(MemoryStore(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC)))
    first_namespaces.ensure(api)
    old, new = (
        api.resources.target("autoscaling", version, RESOURCE.partition(".")[0], "default")
        for version in ("v1", "v2")
    )
    return api, old, new


def named(target: Target) -> Target:
    return Target(target.kind, target.version, "default", "web")


def share(percent: int) -> Any:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def test_a_share_of_cpu_is_a_field_in_v1_and_a_metric_in_v2() -> None:
    api, old, new = made()
    spec = {"scaleTargetRef": REFERENCE, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70}
    api.create(old, {"metadata": {"name": "web"}, "spec": spec}, verbs.WriteOptions())
    newer = api.get(named(new))
    assert newer["apiVersion"] == "autoscaling/v2"
    assert newer["spec"] == {
        "scaleTargetRef": REFERENCE,
        "minReplicas": 1,
        "maxReplicas": 5,
        "metrics": [share(70)],
    }
    older = api.get(named(old))
    assert older["apiVersion"] == "autoscaling/v1"
    assert older["spec"] == {**spec, "minReplicas": 1}
    patch = {"spec": {"targetCPUUtilizationPercentage": 50}}
    media = "application/merge-patch+json"
    api.patch(named(old), patch, media, verbs.WriteOptions())
    assert api.get(named(new))["spec"]["metrics"] == [share(50)]


def test_what_v1_has_no_field_for_is_in_its_annotations() -> None:
    api, old, new = made()
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 10}}
    spec = {
        "scaleTargetRef": REFERENCE,
        "maxReplicas": 5,
        "metrics": [OTHER, share(60)],
        "behavior": behavior,
    }
    api.create(new, {"metadata": {"name": "web"}, "spec": spec}, verbs.WriteOptions())
    kept = api.get(named(new))["spec"]
    assert kept["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 10
    older = api.get(named(old))
    assert older["spec"]["targetCPUUtilizationPercentage"] == 60
    notes = older["metadata"]["annotations"]
    assert json.loads(notes[f"{NOTE}behavior"]) == kept["behavior"]
    assert json.loads(notes[f"{NOTE}metrics"]) == [
        {
            "type": "Pods",
            "pods": {
                "metricName": "hits",
                "selector": {"matchLabels": {"a": "b"}},
                "targetAverageValue": "10",
            },
        }
    ]
    body = {key: older[key] for key in ("apiVersion", "kind", "metadata", "spec")}
    api.update(named(old), body, verbs.WriteOptions())
    assert api.get(named(new))["spec"] == kept
    assert "annotations" not in api.get(named(new))["metadata"]


def test_limits_that_contradict_are_refused() -> None:
    api, old, _ = made()
    spec = {"scaleTargetRef": REFERENCE, "minReplicas": 3, "maxReplicas": 2}
    with pytest.raises(ApiError, match="must be greater than or equal to `minReplicas`"):
        api.create(old, {"metadata": {"name": "web"}, "spec": spec}, verbs.WriteOptions())


def in_order(metrics: list[Any]) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in metrics)


goals = st.sampled_from(
    [
        {"type": "Utilization", "averageUtilization": 7},
        {"type": "AverageValue", "averageValue": "2"},
        {"type": "Value", "value": "3"},
    ]
)
measured = st.fixed_dictionaries({"name": st.just("m")}, optional={"selector": st.just({})})
metrics = st.one_of(
    st.builds(
        lambda goal, name: {"type": "Resource", "resource": {"name": name, "target": goal}},
        goals.filter(lambda goal: goal["type"] != "Value"),
        st.sampled_from(["cpu", "memory"]),
    ),
    st.builds(
        lambda goal: {
            "type": "ContainerResource",
            "containerResource": {"name": "cpu", "container": "c", "target": goal},
        },
        goals.filter(lambda goal: goal["type"] != "Value"),
    ),
    st.builds(
        lambda metric, goal: {
            "type": "Object",
            "object": {"metric": metric, "describedObject": REFERENCE, "target": goal},
        },
        measured,
        goals.filter(lambda goal: goal["type"] != "Utilization"),
    ),
    st.builds(
        lambda metric, goal: {"type": "External", "external": {"metric": metric, "target": goal}},
        measured,
        goals.filter(lambda goal: goal["type"] != "Utilization"),
    ),
    st.just(OTHER),
)


@given(st.lists(metrics, max_size=4))
def test_there_and_back_loses_nothing_but_the_place_of_cpu(drawn: list[Any]) -> None:
    older, newer = conversion.to_served(RESOURCE, "v1"), conversion.to_stored(RESOURCE, "v1")
    assert older is not None
    assert newer is not None
    body = {"metadata": {"name": "x"}, "spec": {"maxReplicas": 2, "metrics": drawn}}
    back = newer(older(body))
    assert in_order(back["spec"].get("metrics", [])) == in_order(drawn)
    shares = older(back)["spec"], older(body)["spec"]
    assert shares[0] == shares[1]


anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "resource", "target", "current", "pods", "metric", "name", "cpu"]
            ),
            inner | st.sampled_from(["Resource", "Pods"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(anything, anything, st.dictionaries(st.sampled_from([f"{NOTE}metrics"]), st.text()))
def test_what_is_kept_as_it_was_sent_can_be_read(spec: Any, status: Any, notes: Any) -> None:
    """Nothing has checked the fields of a kind without a struct, and both versions are asked."""
    parts = {"metrics": spec, "behavior": spec}, {"currentMetrics": status, "conditions": status}
    body = {"metadata": {"annotations": notes}, "spec": parts[0], "status": parts[1]}
    for convert in (conversion.to_served, conversion.to_stored):
        found = convert(RESOURCE, "v1")
        assert found is not None
        assert set(found(body)) == {"metadata", "spec", "status"}
