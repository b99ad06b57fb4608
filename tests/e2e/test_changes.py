"""Changes while it runs: the mesh follows, and no request fails that Istio would not fail."""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.labs import WALKTHROUGH, Lab
from tests.e2e.streams import Stream, steady
from tests.e2e.wires import Wire

pytestmark = pytest.mark.e2e

MTLS, PLAIN = "/http-mTLS", "/http-no-mTLS"
POLICY = """
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {{name: force-mtls, namespace: default}}
spec:
  selector: {{matchLabels: {{app: helloworld, mtls: "true"}}}}
  mtls: {{mode: {mode}}}
"""
ROUTE = """
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {{name: moving}}
spec:
  hosts: [moving.example]
  gateways: [helloworld-gateway]
  http:
  - route:
    - destination:
        host: helloworld.default.svc.cluster.local
        port: {{number: 8080}}
        subset: {subset}
"""


DENIAL = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: closed, namespace: default}}
spec:
  selector: {{matchLabels: {{app: helloworld, mtls: "true"}}}}
  action: DENY
  rules: [{{when: [{{key: "request.headers[x-word]", values: ["{word}"]}}]}}]
"""


DIRECT = """
apiVersion: v1
kind: Service
metadata: {name: direct}
spec:
  type: LoadBalancer
  selector: {app: helloworld, mtls: "false"}
  ports: [{name: http, port: 8088, targetPort: 80}]
"""


IDLE = """
apiVersion: v1
kind: Pod
metadata:
  name: idle
  labels: {app: helloworld, mtls: "false", idle: "yes"}
  annotations: {proxy.istio.io/config: "terminationDrainDuration: 1s"}
spec:
  containers: [{name: helloworld, image: oriolfilter/https-nginx-demo}]
"""


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("chg")
    up = made.lateen("up", str(WALKTHROUGH), "--istio", "1.17")
    assert up.returncode == 0, up.stderr + made.logs()
    return made


@pytest.fixture(scope="module")
def url(lab: Lab) -> str:
    gateways = json.loads(lab.ok("status", "-o", "json"))["gateways"]
    return str(next(u for g in gateways for u in g["urls"] if u.startswith("http://")))


def pods(lab: Lab, selector: str) -> dict[str, tuple[str, str]]:
    """Return (uid, address) of each pod with the labels, by name."""
    listed = json.loads(lab.ok("get", "pods", "-A", "-l", selector, "-o", "json"))["items"]
    return {p["metadata"]["name"]: (p["metadata"]["uid"], p["status"]["podIP"]) for p in listed}


@pytest.fixture
def wire(lab: Lab) -> Iterator[Callable[[float], str]]:
    """Tell what travelled last from the gateway to the workload since a moment."""
    workload = next(iter(pods(lab, "app=helloworld,mtls=true").items()))
    _, gateway = next(iter(pods(lab, "istio=ingressgateway").values()))
    opened = Wire(lab, {workload[0]: workload[1]})

    def travelled(since: float) -> str:
        reading = opened.reading(workload[0], gateway, 80, since)
        if reading is None:
            return "nothing"
        return "mtls" if reading.istio_mtls else reading.kind.value

    yield travelled
    opened.close()


def unbroken(streams: list[Stream], least: int = 30) -> None:
    """Every answer is the right one, and there were enough to tell."""
    for stream in streams:
        wrong = [a for a in stream.answers if a.status != 200 or "Howdy" not in a.text]
        assert not wrong, f"{len(wrong)} of {len(stream.answers)} on {stream.path}: {wrong[:3]}"
        assert len(stream.answers) >= least, f"only {len(stream.answers)} on {stream.path}"


def await_that(what: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_a_policy_turns_mutual_tls_off_and_on_under_load(
    lab: Lab, url: str, wire: Callable[[float], str]
) -> None:
    with steady(url, MTLS, PLAIN) as streams:
        for mode, expected in (
            ("DISABLE", "HTTP/1"),
            ("STRICT", "mtls"),
            ("PERMISSIVE", "mtls"),
            ("DISABLE", "HTTP/1"),
            ("STRICT", "mtls"),
        ):
            lab.ok("apply", "-f", "-", stdin=POLICY.format(mode=mode))
            await_that(lambda wanted=expected: wire(time.monotonic() - 0.05) == wanted)
    unbroken(streams)


def test_changed_rules_count_for_the_next_request_on_open_connections(lab: Lab, url: str) -> None:
    """When `apply` has returned, and without closing anything: nobody else's request fails."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)

    def status(word: str) -> int:
        connection.request("GET", MTLS, headers={"x-word": word})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    lab.ok("apply", "-f", "-", stdin=DENIAL.format(word="w0"))
    await_that(lambda: status("w0") == 403)
    try:
        with steady(url, MTLS) as streams:
            for number in range(1, 6):
                lab.ok("apply", "-f", "-", stdin=DENIAL.format(word=f"w{number}"))
                assert (status(f"w{number}"), status(f"w{number - 1}")) == (403, 200)
        unbroken(streams)
    finally:
        lab.ok("delete", "authorizationpolicy", "closed")
        connection.close()


def test_a_route_moves_under_load(lab: Lab, url: str) -> None:
    """After `apply` returns, every answer comes from where the route leads now."""
    lab.ok("apply", "-f", "-", stdin=ROUTE.format(subset="mtls"))
    try:
        with steady(url, MTLS) as streams:
            for number, subset in enumerate(("nomtls", "mtls", "nomtls")):
                lab.ok("apply", "-f", "-", stdin=ROUTE.format(subset=subset))
                mark = f"/mark-{number}-to-{subset}"
                for _ in range(3):
                    lab.curl("-H", "host: moving.example", url + mark)
                logs = ("logs", f"deploy/helloworld-{subset}", "-c", "istio-proxy")
                await_that(lambda a=logs, m=mark: lab.ok(*a).count(f"{m} ") == 3)
        unbroken(streams)
    finally:
        lab.ok("delete", "virtualservice", "moving")


def test_who_waits_for_a_service_waits_for_the_rules_that_lead_to_it(lab: Lab) -> None:
    """The agent that makes them is stopped, as a busy machine may stop it for a moment."""
    (agent,) = (pid for pid, words in lab.processes().items() if "lateen.app.agent" in words)
    try:
        os.kill(agent, signal.SIGSTOP)
        early = lab.lateen("apply", "-f", "-", "--timeout", "1s", stdin=DIRECT)
        os.kill(agent, signal.SIGCONT)
        assert early.returncode == 1, early.stderr
        assert "Services not yet in the node's rules" in early.stderr
        lab.ok("apply", "-f", "-", stdin=DIRECT)
        found = json.loads(lab.ok("get", "service", "direct", "-o", "json"))
        address = found["status"]["loadBalancer"]["ingress"][0]["ip"]
        with lab.connect(address, 8088):
            pass
    finally:
        os.kill(agent, signal.SIGCONT)
        lab.ok("delete", "service", "direct")


def test_scaling_and_restarting_fail_no_request(lab: Lab, url: str) -> None:
    deployment = "deploy/helloworld-mtls"
    with steady(url, MTLS) as streams:
        before = set(pods(lab, "app=helloworld,mtls=true"))
        for command in (
            ("scale", deployment, "--replicas=3"),
            ("rollout", "status", deployment),
            ("scale", deployment, "--replicas=1"),
            ("rollout", "restart", deployment),
            ("rollout", "status", deployment),
        ):
            done = lab.kubectl(*command)
            assert done.returncode == 0, done.stderr
        await_that(lambda: len(pods(lab, "app=helloworld,mtls=true")) == 1)
    assert not before & set(pods(lab, "app=helloworld,mtls=true")), "no pod was replaced"
    unbroken(streams)


def test_a_connection_without_a_request_holds_no_pod_longer_than_its_proxy_drains(lab: Lab) -> None:
    """nginx that quits gracefully waits for it a minute; Istio's agent ends its Envoy."""
    lab.ok("apply", "-f", "-", stdin=IDLE)
    await_that(lambda: "2/2" in lab.ok("get", "pod", "idle"))
    ((_, address),) = pods(lab, "idle=yes").values()
    with lab.connect(address, 443):
        time.sleep(0.2)
        began = time.monotonic()
        lab.ok("delete", "pod", "idle")
        took = time.monotonic() - began
    assert 1 <= took < 10, f"{took:.1f} s of a grace period of 30"


@pytest.mark.parametrize("container", ["istio-proxy", "helloworld"])
def test_of_several_pods_one_may_die(lab: Lab, url: str, container: str) -> None:
    """Only what was under way on it can fail: one request of each of the two connections."""
    deployment = "deploy/helloworld-mtls"
    for command in (("scale", deployment, "--replicas=3"), ("rollout", "status", deployment)):
        done = lab.kubectl(*command)
        assert done.returncode == 0, done.stderr
    name, (uid, _) = next(iter(pods(lab, "app=helloworld,mtls=true").items()))

    def restarted() -> bool:
        found = json.loads(lab.ok("get", "pod", name, "-o", "json"))["status"]
        return any(
            s["name"] == container and s["restartCount"] and s["ready"]
            for s in found["containerStatuses"]
        )

    try:
        with steady(url, MTLS) as streams:
            lab.kill(uid, container)
            await_that(restarted)
        assert len(streams[0].failures()) <= 2, streams[0].failures()
        assert len(streams[0].answers) >= 10, "too few to say so"
    finally:
        lab.kubectl("scale", deployment, "--replicas=1")
        await_that(lambda: len(pods(lab, "app=helloworld,mtls=true")) == 1)


def test_a_replaced_gateway_fails_no_new_request(lab: Lab, url: str) -> None:
    deployment = "deploy/istio-ingressgateway"
    with steady(url, MTLS) as streams:
        for command in (("rollout", "restart"), ("rollout", "status")):
            done = lab.kubectl(*command, deployment, "-n", "istio-system")
            assert done.returncode == 0, done.stderr
        await_that(lambda: len(pods(lab, "istio=ingressgateway")) == 1)
    unbroken(streams)


def test_from_strict_to_disable_and_back_fails_no_request(lab: Lab, url: str) -> None:
    """Neither accepts what the other does: the server accepts both while its clients change."""
    with steady(url, MTLS) as streams:
        for mode in ("STRICT", "DISABLE") * 8:
            lab.ok("apply", "-f", "-", stdin=POLICY.format(mode=mode))
    unbroken(streams)
