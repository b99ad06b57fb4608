"""Endpoints as Envoy is given them."""

from lateen.compiler.backend.clusters import endpoints
from lateen.compiler.ir.proxy import ClusterEndpoints
from lateen.compiler.ir.workload import Endpoint


def test_an_endpoint_has_its_own_address_for_a_name_where_its_mode_says_plaintext() -> None:
    """Then Envoy takes it for another one when the mode changes, and no log shows a difference."""
    found = (
        Endpoint(address="10.244.0.2", port=80, sidecar=True),
        Endpoint(address="10.244.0.3", port=8080, sidecar=True),
        Endpoint(address="10.244.0.4", port=80),
    )
    given = ClusterEndpoints(cluster="c", endpoints=found, mtls=(True, False, False))
    made = endpoints.assignment(given, "Kubernetes")
    names = [each.endpoint.hostname for group in made.endpoints for each in group.lb_endpoints]
    assert names == ["", "10.244.0.3:8080", ""]


def test_an_endpoint_names_its_pod_where_it_is_one() -> None:
    """Evidence finds the pod that answered by it."""
    found = (
        Endpoint(address="10.244.0.2", port=80, namespace="default", pod="a"),
        Endpoint(address="10.0.0.9", port=80),
    )
    made = endpoints.assignment(
        ClusterEndpoints(cluster="c", endpoints=found, mtls=(True, False)), "Kubernetes"
    )
    told = [
        each.metadata.filter_metadata["lateen"].fields["pod"].string_value
        if "lateen" in each.metadata.filter_metadata
        else None
        for group in made.endpoints
        for each in group.lb_endpoints
    ]
    assert told == ["default/a", None]


def test_an_endpoint_names_its_workload_where_there_is_one() -> None:
    about = {"namespace": "ns", "canonical_name": "web", "canonical_revision": "v1"}
    found = (
        Endpoint(address="10.244.0.2", port=80, workload="web-d", **about),
        Endpoint(address="10.244.0.3", port=80, pod="p", namespace="ns"),
        Endpoint(address="10.0.0.9", port=80),
    )
    given = ClusterEndpoints(cluster="c", endpoints=found, mtls=(False, True, False))
    (group,) = endpoints.assignment(given, "Kubernetes").endpoints
    told = [dict(each.metadata.filter_metadata) for each in group.lb_endpoints]
    assert told[0]["istio"].fields["workload"].string_value == "web-d;ns;web;v1;Kubernetes"
    assert told[1]["envoy.transport_socket_match"].fields["tlsMode"].string_value == "istio"
    assert [set(each) for each in told] == [
        {"istio"},
        {"envoy.transport_socket_match", "lateen"},
        set(),
    ]
