"""Where a request to a Service through the API server goes."""

from typing import Any

import pytest

from lateen.apiserver.connecting import proxying
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore

SERVICE = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]},
}


def written(api: verbs.Api, resource: str, body: dict[str, Any]) -> None:
    target = api.target(resource, "default")
    api.create(target, body, verbs.WriteOptions())


@pytest.fixture
def api() -> verbs.Api:
    """A Service of which one pod is not ready yet, and one is."""
    made = verbs.Api(MemoryStore(), SystemClock())
    home = {"metadata": {"name": "default"}}
    made.create(made.target("namespaces"), home, verbs.WriteOptions())
    endpoints = []
    for name, ready in (("starting", False), ("serving", True)):
        spec = {"containers": [{"name": "main", "image": "nginx"}]}
        written(made, "pods", {"metadata": {"name": name}, "spec": spec})
        reference = {"kind": "Pod", "name": name, "namespace": "default"}
        endpoints.append(
            {
                "addresses": ["10.244.0.9"],
                "conditions": {"ready": ready},
                "targetRef": reference,
            }
        )
    slice_of = {"kubernetes.io/service-name": "web"}
    body = {
        "metadata": {"name": "web-1", "labels": slice_of},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    written(made, "endpointslices.discovery.k8s.io", body)
    return made


@pytest.mark.parametrize("name", ["web", "web:80", "web:http"])
def test_a_ready_pod_is_asked(api: verbs.Api, name: str) -> None:
    pod, port = proxying.service_endpoint(api, SERVICE, name)
    assert (pod["metadata"]["name"], port) == ("serving", 8080)


def test_a_port_that_the_service_has_not_is_refused(api: verbs.Api) -> None:
    with pytest.raises(ApiError, match="no endpoints available"):
        proxying.service_endpoint(api, SERVICE, "web:81")
