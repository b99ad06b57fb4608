"""What stands for the control plane among the objects of istio-system."""

from datetime import UTC, datetime
from typing import Any

from lateen.controllers.cluster import istiod
from lateen.controllers.engine import actions, cache
from lateen.controllers.injection import injector
from lateen.model import wellknown

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(space: str = wellknown.ISTIO_SYSTEM, **meta: Any) -> dict[str, Any]:
    deployment = dict(istiod.objects(injector.InjectionSettings()))["deployments.apps"]
    template = deployment["spec"]["template"]
    named = {"name": "istiod-x", "namespace": space, "uid": "u", **template["metadata"], **meta}
    spec = {**template["spec"], "nodeName": "lateen"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec, "status": {}}


def reconciled(body: dict[str, Any]) -> actions.Reconciled:
    known = cache.Cache()
    known.put("pods", body)
    key = (body["metadata"]["namespace"], body["metadata"]["name"])
    return istiod.reconcile(key, known, NOW)


def test_the_pod_is_reported_ready_without_an_address() -> None:
    (done,) = reconciled(pod()).actions
    assert isinstance(done, actions.SetStatus)
    status = done.body["status"]
    assert status["phase"] == "Running"
    assert "podIP" not in status
    assert wellknown.is_ready(status["conditions"])
    assert [one["name"] for one in status["containerStatuses"]] == [istiod.CONTAINER]


def test_a_pod_that_is_reported_is_left_alone() -> None:
    assert not reconciled({**pod(), "status": {"phase": "Running"}}).actions


def test_a_pod_that_is_deleted_is_let_go() -> None:
    (done,) = reconciled(pod(deletionTimestamp="2026-01-01T00:00:00Z")).actions
    assert isinstance(done, actions.Delete)
    assert done.grace_seconds == 0


def test_a_pod_of_another_namespace_stands_for_nothing() -> None:
    assert not wellknown.stands_for_plane(pod("default"))
    assert not reconciled(pod("default")).actions


def test_no_sidecar_knows_the_service() -> None:
    service = dict(istiod.objects(injector.InjectionSettings()))["services"]
    assert service["metadata"]["annotations"]["networking.istio.io/exportTo"] == "~"


def test_a_pod_of_the_chart_is_recognized_in_istios_namespace_alone() -> None:
    chart = {"metadata": {"labels": {"app": "istiod", "istio": "pilot"}}}
    found = istiod.recognized(chart, wellknown.ISTIO_SYSTEM)
    assert found is not None
    found["metadata"]["namespace"] = wellknown.ISTIO_SYSTEM
    assert wellknown.stands_for_plane(found)
    assert istiod.recognized(chart, "default") is None
    assert istiod.recognized({"metadata": {}}, wellknown.ISTIO_SYSTEM) is None
