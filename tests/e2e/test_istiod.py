"""istiod's pod through the API server: logs, commands, ports, discovery for tools."""

import json
import re
import subprocess
from collections.abc import Callable

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.status.v3 import csds_pb2

from tests.e2e.labs import WALKTHROUGH, Lab, kubectl_path

pytestmark = pytest.mark.e2e

NAMESPACE = ("-n", "istio-system")
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    lab = make_lab("istiod")
    lab.ok("up", str(WALKTHROUGH))
    lab.kubectl("wait", *NAMESPACE, "--for=condition=Available", "deploy/istiod")
    return lab


def test_the_plane_answers_as_istiods_pod(lab: Lab) -> None:
    """What it says of the proxies is what the lab says."""
    asks = ("exec", *NAMESPACE, "deploy/istiod", "--", "pilot-discovery", "request", "GET")
    rows = json.loads(lab.kubectl(*asks, "/debug/syncz").stdout)
    assert len(rows) == 3
    assert all(row["cluster_acked"] for row in rows)
    assert "uvicorn" in lab.kubectl("logs", *NAMESPACE, "deploy/istiod").stdout


def test_a_tool_with_a_token_is_told_who_is_in_step(lab: Lab) -> None:
    with subprocess.Popen(
        [kubectl_path("kubectl"), "port-forward", *NAMESPACE, "deploy/istiod", ":15010"],
        env=lab.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as forwarding:
        assert forwarding.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", forwarding.stdout.readline())
        assert found is not None
        try:
            names = synced(f"127.0.0.1:{found[1]}")
        finally:
            forwarding.terminate()
    assert len(names) == 3


def synced(address: str) -> list[str]:
    with grpc.insecure_channel(address) as channel:
        method = channel.stream_stream(
            METHOD,
            request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
            response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
        )
        request = discovery_pb2.DiscoveryRequest(type_url="istio.io/debug/syncz")
        answer = next(method(iter([request]), timeout=20))
    found = [csds_pb2.ClientConfig.FromString(each.value) for each in answer.resources]
    return [
        each.node.id
        for each in found
        if all(one.config_status == csds_pb2.SYNCED for one in each.generic_xds_configs)
    ]
