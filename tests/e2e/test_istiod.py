"""istiod's pod through the API server: logs, commands, ports, discovery for tools."""

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def forwarded(lab: Lab, port: int) -> Iterator[int]:
    """A port of istiod's pod on 127.0.0.1, by kubectl."""
    with subprocess.Popen(
        [kubectl_path("kubectl"), "port-forward", *NAMESPACE, "deploy/istiod", f":{port}"],
        env=lab.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as forwarding:
        assert forwarding.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", forwarding.stdout.readline())
        assert found is not None
        try:
            yield int(found[1])
        finally:
            forwarding.terminate()


def test_a_tool_with_a_token_is_told_who_is_in_step(lab: Lab) -> None:
    with forwarded(lab, 15010) as port:
        assert len(synced(f"127.0.0.1:{port}")) == 3


def test_the_webhook_injects_for_whoever_trusts_the_registered_ca(lab: Lab) -> None:
    """As `istioctl kube-inject` asks it: by the name of the Service, with the bundle's CA."""
    kind = "mutatingwebhookconfiguration/istio-sidecar-injector"
    (hook, *_) = json.loads(lab.kubectl("get", kind, "-o", "json").stdout)["webhooks"]
    bundle = base64.b64decode(hook["clientConfig"]["caBundle"]).decode()
    pod = {"metadata": {}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    review = {"request": {"uid": "u", "namespace": "default", "object": pod}}
    trust = ssl.create_default_context(cadata=bundle)
    with forwarded(lab, 15017) as port, socket.create_connection(("127.0.0.1", port)) as plain:
        client = http.client.HTTPConnection("istiod.istio-system.svc")
        client.sock = trust.wrap_socket(plain, server_hostname="istiod.istio-system.svc")
        client.request("POST", "/inject", json.dumps(review))
        said = json.loads(client.getresponse().read())["response"]
    assert b"istio-proxy" in base64.b64decode(said["patch"])


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
