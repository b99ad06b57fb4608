"""Field selectors: the fields of a cluster, no others."""

from typing import Any

import pytest

from lateen.apiserver.kinds.resources import Resources
from lateen.apiserver.reading import matching
from lateen.model.client import ApiError

RESOURCES = Resources()


def chosen(plural: str, selector: str, value: dict[str, Any], group: str = "") -> bool:
    version = "v1"
    target = RESOURCES.target(group, version, plural, "")
    match = matching.matcher(target, "", selector)
    assert match is not None
    return match({"metadata": {"name": "x", "namespace": "n"}, **value})


@pytest.mark.parametrize(
    ("plural", "selector", "value", "group", "wanted"),
    [
        ("pods", "status.phase=Running", {"status": {"phase": "Running"}}, "", True),
        ("pods", "spec.nodeName!=a", {"spec": {"nodeName": "a"}}, "", False),
        ("pods", "spec.hostNetwork=false", {"spec": {}}, "", True),
        ("pods", "spec.hostNetwork=false", {"spec": {"hostNetwork": True}}, "", False),
        ("nodes", "spec.unschedulable=false", {"spec": {}}, "", True),
        ("nodes", "spec.unschedulable!=false", {"spec": {}}, "", False),
        ("nodes", "spec.unschedulable!=false", {"spec": {"unschedulable": True}}, "", True),
        ("events", "involvedObject.kind=Pod", {"involvedObject": {"kind": "Pod"}}, "", True),
        ("events", "source=kubelet", {"source": {"component": "kubelet"}}, "", True),
        ("secrets", "type=Opaque", {"type": "Opaque"}, "", True),
        ("jobs", "status.successful=1", {"status": {"succeeded": 1}}, "batch", True),
        ("replicasets", "status.replicas=0", {"status": {}}, "apps", True),
        ("deployments", "metadata.namespace=n", {}, "apps", True),
    ],
)
def test_fields_of_a_kind(
    plural: str, selector: str, value: dict[str, Any], group: str, wanted: bool
) -> None:
    assert chosen(plural, selector, value, group) is wanted


@pytest.mark.parametrize(
    ("plural", "group", "says"),
    [
        (
            "deployments",
            "apps",
            'Unable to find "apps/v1, Resource=deployments" that match label selector "", field '
            'selector "spec.replicas=1": "spec.replicas" is not a known field selector: only '
            '"metadata.name", "metadata.namespace"',
        ),
        (
            "pods",
            "",
            'Unable to find "/v1, Resource=pods" that match label selector "", field selector '
            '"spec.replicas=1": field label not supported: spec.replicas',
        ),
    ],
)
def test_what_a_cluster_refuses_is_refused(plural: str, group: str, says: str) -> None:
    with pytest.raises(ApiError) as caught:
        chosen(plural, "spec.replicas=1", {}, group)
    assert (caught.value.code, caught.value.message) == (400, says)


def test_a_cluster_wide_kind_has_no_namespace_to_select_by() -> None:
    with pytest.raises(ApiError, match="not supported"):
        chosen("nodes", "metadata.namespace=n", {})
