"""Istio's names and labels are made of what Envoy counts by."""

import pytest

from lateen.node.metrics import pods, text
from lateen.node.metrics.text import Workload

OWN = Workload("web-v1", "shop", "web", "v1", "web", "v1", "Kubernetes")
SERVICE = r"[{\"host\":\"db.shop.svc\",\"name\":\"db\",\"namespace\":\"shop\"}]"


def pod(name: str, ip: str, app: str, proxy: bool = True) -> dict[str, object]:
    env = [{"name": "ISTIO_META_WORKLOAD_NAME", "value": app}]
    containers = [{"name": "istio-proxy", "env": env}] if proxy else [{"name": "app"}]
    meta = {"name": name, "namespace": "shop", "labels": {"app": app, "version": "v2"}}
    return {"metadata": meta, "spec": {"containers": containers}, "status": {"podIP": ip}}


KNOWN = pods.Pods("Kubernetes")
for each in (pod("caller-1", "10.0.0.1", "caller"), pod("bare", "10.0.0.2", "bare", proxy=False)):
    KNOWN.learn(each)


def entry(**labels: str) -> dict[str, str]:
    """Return the labels of one entry of Envoy's, as they are served."""
    raw = {"reporter": "source", "response_flags": "-", "service": SERVICE, **labels}
    joined = ",".join(f'{name}="{value}"' for name, value in raw.items())
    name = "envoy_istio_requests_total"
    told = text.labelled(f"# TYPE {name} counter\n{name}{{{joined}}} 3\n", OWN, KNOWN.peer)
    kind, line = told.splitlines()
    assert kind == "# TYPE istio_requests_total counter"
    assert line.endswith("} 3")
    return text.read_labels(line)


def test_a_client_is_told_by_the_endpoint_whom_it_asked() -> None:
    found = entry(peer="db;shop;db;v9;east", response_code="200", source_principal="spiffe://a")
    assert found["source_workload"] == "web-v1"
    assert found["destination_canonical_revision"] == "v9"
    assert found["destination_service"] == "db.shop.svc"
    assert found["destination_service_namespace"] == "shop"
    assert (found["destination_cluster"], found["connection_security_policy"]) == (
        "east",
        "unknown",
    )
    assert (found["response_code"], found["request_protocol"]) == ("200", "http")


@pytest.mark.parametrize(
    ("peer", "workload", "version"),
    [
        ("10.0.0.1", "caller", "v2"),
        ("10.0.0.2", "unknown", "unknown"),
        ("10.9.9.9", "unknown", "unknown"),
    ],
)
def test_a_server_knows_callers_by_their_address(peer: str, workload: str, version: str) -> None:
    """One without a proxy tells nobody who it is."""
    found = entry(reporter="destination", peer=peer, source_principal="", grpc_response_status="0")
    assert (found["source_workload"], found["source_version"]) == (workload, version)
    assert found["destination_workload"] == "web-v1"
    assert (found["connection_security_policy"], found["request_protocol"]) == ("none", "grpc")


def test_labels_of_overrides_come_and_go() -> None:
    found = entry(removed="source_app,source_version", host="a.example", destination_app="own")
    assert not {"source_app", "source_version", "removed"} & set(found)
    assert (found["host"], found["destination_app"]) == ("a.example", "own")


def test_what_becomes_the_same_is_added_up_and_the_rest_stays() -> None:
    line = 'envoy_istio_request_bytes_bucket{{reporter="source",cluster="C",peer="{}",le="{}"}} 2'
    lines = [line.format(peer, le) for peer in ("a", "b") for le in ("5", "+Inf")]
    head = "# TYPE envoy_istio_request_bytes histogram"
    told = text.labelled("\n".join([head, *lines, "envoy_x{} 1"]), OWN, KNOWN.peer).splitlines()
    assert [one.rpartition("} ")[2] for one in told[1:3]] == ["4", "4"]
    assert told[0] == "# TYPE istio_request_bytes histogram"
    assert told[3] == "envoy_x{} 1"
    assert all('destination_service_name="C"' in one for one in told[1:3])


def test_a_family_is_told_once() -> None:
    merged = text.merged(["# TYPE a counter\na 1\n", "# TYPE a counter\na 2\n# EOF\n"])
    assert merged == "# TYPE a counter\na 1\na 2\n"
