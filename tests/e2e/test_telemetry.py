"""Access logs follow Telemetry and the mesh configuration on a running lab, without a restart."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

SERVER, CLIENT = "deploy/httpbin", "deploy/client"
MESH_CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    accessLogFile: ""
    extensionProviders:
    - name: marked
      envoyFileAccessLog: {logFormat: {text: "marked %REQ(:PATH)% %RESPONSE_CODE%"}}
    - name: keyed
      envoyFileAccessLog:
        logFormat: {labels: {keyed: "%REQ(:PATH)%", code: "%RESPONSE_CODE%"}}
"""
TELEMETRY = """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs, namespace: default}
spec: {accessLogging: [%s]}
"""
COLLECTOR = """
apiVersion: v1
kind: Pod
metadata:
  name: collector
  namespace: default
  labels: {app: collector, sidecar.istio.io/inject: "false"}
spec:
  containers:
  - name: collector
    image: python
    command: [python3, -u, -c]
    args:
    - |
      import http.server
      class Spans(http.server.BaseHTTPRequestHandler):
          protocol_version = "HTTP/1.1"
          def chunk(self):
              body = self.rfile.read(int(self.rfile.readline(), 16))
              self.rfile.readline()
              return body
          def do_POST(self):
              body = b"".join(iter(self.chunk, b""))
              print(self.path, self.headers.get("x-key"), body, flush=True)
              self.send_response(200)
              self.send_header("content-length", "0")
              self.end_headers()
          def log_message(self, *_): pass
      http.server.ThreadingHTTPServer(("", 9411), Spans).serve_forever()
    readinessProbe: {tcpSocket: {port: 9411}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: collector, namespace: default}
spec: {selector: {app: collector}, ports: [{name: http, port: 9411}]}
"""
TRACED = """
    - name: spans
      zipkin:
        service: collector.default.svc.cluster.local
        port: 9411
        headers: [{name: x-key, value: k1}]
    - name: otlp
      opentelemetry:
        service: collector.default.svc.cluster.local
        port: 9411
        http: {path: v1/traces}
"""
TRACES = """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: traces, namespace: default}
spec:
  tracing:
  - providers: [{name: %s}]
    randomSamplingPercentage: 100
    customTags:
      own: {literal: {value: here}}
      agent: {header: {name: user-agent, defaultValue: none}}
"""
_numbers = itertools.count()


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("tel")
    up = made.lateen("up", str(Path(__file__).parent / "features"))
    assert up.returncode == 0, up.stderr + made.logs()
    return made


def logged(lab: Lab, workload: str) -> str:
    return lab.ok("logs", workload, "-c", "istio-proxy", "--tail", "200")


def ask(lab: Lab, status: int = 200) -> str:
    """Send one request and return the path by which its log lines are known."""
    path = f"/status/{status}?n={next(_numbers)}."
    lab.ok("exec", CLIENT, "-c", "curl", "--", "curl", "-s", "-m", "10", f"http://httpbin{path}")
    return path


def ask_until(lab: Lab, workload: str, line: str, status: int = 200) -> str:
    """Send requests until one is logged by a workload's proxy as `line` says of its path."""
    deadline = time.monotonic() + 20
    while True:
        path = ask(lab, status)
        for _ in range(10):
            if line.format(path) in (log := logged(lab, workload)):
                return path
            time.sleep(0.05)
        assert time.monotonic() < deadline, log


def test_a_lab_begins_with_istios_config_map(lab: Lab) -> None:
    found = json.loads(lab.ok("get", "cm", "istio", "-n", "istio-system", "-o", "json"))
    assert "trustDomain: cluster.local\n" in found["data"]["mesh"] + "\n"
    assert found["data"]["meshNetworks"] == "networks: {}"
    assert found["metadata"]["labels"]["istio.io/rev"] == "default"
    warned = json.loads(lab.ok("status", "-o", "json"))["diagnostics"]
    assert not [one for one in warned if "ConfigMap" in json.dumps(one)]


def test_telemetry_switches_logs_on_real_proxies(lab: Lab) -> None:
    default = '"GET {} HTTP/1.1" 200'
    first = ask_until(lab, SERVER, default)
    assert first in logged(lab, CLIENT)

    _apply_with_kubectl(lab, MESH_CONFIG)
    _apply_with_kubectl(
        lab,
        TELEMETRY % "{providers: [{name: marked}], match: {mode: SERVER}, "
        "filter: {expression: response.code >= 400}}",
    )
    ask_until(lab, SERVER, "marked {} 418", 418)
    good, bad = ask(lab), ask_until(lab, SERVER, "marked {} 500", 500)
    assert good not in logged(lab, SERVER)
    assert good not in logged(lab, CLIENT)
    assert bad not in logged(lab, CLIENT)

    lab.ok(
        "apply", "-f", "-", stdin=TELEMETRY % "{providers: [{name: keyed}], match: {mode: CLIENT}}"
    )
    path = ask_until(lab, CLIENT, '"keyed":"{}"')
    (line,) = [text for text in logged(lab, CLIENT).splitlines() if path in text]
    assert json.loads(line) == {"keyed": path, "code": 200}
    assert path not in logged(lab, SERVER)

    lab.ok("delete", "telemetry", "logs")
    lab.ok("delete", "configmap", "istio", "-n", "istio-system")
    ask_until(lab, SERVER, default)
    ask_until(lab, CLIENT, default)
    assert restarts(lab) == {0}


def test_evidence_needs_no_access_log(lab: Lab) -> None:
    """A request that no log of users' has is told as any other.

    An open connection keeps the logs it began with, so it is a new format that says when the
    change has arrived.
    """
    lab.ok("apply", "-f", "-", stdin=MESH_CONFIG)
    few = "{providers: [{name: marked}], filter: {expression: response.code == 418}}"
    for spec in (few, few + ", {disabled: true}"):
        lab.ok("apply", "-f", "-", stdin=TELEMETRY % spec)
        if spec == few:
            for workload in (CLIENT, SERVER):
                ask_until(lab, workload, "marked {} 418", 418)
        url = "http://httpbin/status/204?silent"
        told = json.loads(lab.ok("curl", url, "--from", CLIENT, "-o", "json"))
        assert told["response"]["status"] == 204
        assert [leg["tls"] for leg in told["legs"]].count("mtls") == 1, told
    lab.ok("delete", "telemetry", "logs")
    lab.ok("delete", "configmap", "istio", "-n", "istio-system")
    for workload in (CLIENT, SERVER):
        ask_until(lab, workload, '"GET {} HTTP/1.1" 200')
        assert "?silent" not in logged(lab, workload)


def test_the_mesh_configuration_closes_and_opens_the_way_out(lab: Lab) -> None:
    """An unknown host gets 502 from the proxy; open, it is the name that is not found."""
    closed = MESH_CONFIG + "    outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n"
    words = ("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}")
    target = ("--resolve", "nowhere.example:80:10.244.0.1", "http://nowhere.example/")
    asked = ("exec", CLIENT, "-c", "curl", "--", *words, *target)
    lab.ok("apply", "-f", "-", stdin=closed)
    assert lab.lateen(*asked).stdout == "502"
    lab.ok("delete", "configmap", "istio", "-n", "istio-system")
    deadline = time.monotonic() + 20
    while (answer := lab.lateen(*asked).stdout) == "502":
        assert time.monotonic() < deadline
    assert answer in ("000", "503")


def test_what_has_no_effect_is_said(lab: Lab) -> None:
    applied = lab.lateen(
        "apply", "-f", "-", stdin=TELEMETRY % "{providers: [{name: nowhere}]}, {disabled: true}"
    )
    status = lab.ok("status", "-o", "json")
    lab.ok("delete", "telemetry", "logs")
    assert applied.returncode == 0, applied.stderr
    assert "LTN0035" in status


def scraped(lab: Lab, workload: str, port: int = 15020) -> list[str]:
    """Return the lines of what Prometheus would fetch from a workload's pod."""
    (pod, *_) = [
        each
        for each in json.loads(lab.ok("get", "pods", "-o", "json"))["items"]
        if each["metadata"]["name"].startswith(workload.removeprefix("deploy/"))
    ]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == "15020"
    url = f"http://{pod['status']['podIP']}:{port}/stats/prometheus"
    return lab.ok("exec", CLIENT, "-c", "curl", "--", "curl", "-s", "-m", "10", url).splitlines()


def counted(lab: Lab, workload: str, *labels: str) -> float:
    """Return how many requests of these labels a workload's proxy has counted."""
    found = [line for line in scraped(lab, workload) if line.startswith("istio_requests_total{")]
    return sum(float(x.rpartition(" ")[2]) for x in found if all(one in x for one in labels))


def test_prometheus_finds_istios_metrics(lab: Lab) -> None:
    both = (
        'source_workload="client"',
        'destination_workload="httpbin"',
        'destination_service="httpbin.default.svc.cluster.local"',
        'destination_service_namespace="default"',
        'response_code="418"',
        'source_principal="spiffe://cluster.local/ns/default/sa/',
        'source_app="client"',
        'request_protocol="http"',
    )
    client = ('reporter="source"', 'connection_security_policy="unknown"', *both)
    server = ('reporter="destination"', 'connection_security_policy="mutual_tls"', *both)
    metrics = "    defaultProviders: {metrics: [prometheus]}\n"
    lab.ok("apply", "-f", "-", stdin=MESH_CONFIG + metrics)
    deadline = time.monotonic() + 20
    while not (counted(lab, CLIENT, *client) and counted(lab, SERVER, *server)):
        ask(lab, 418)
        assert time.monotonic() < deadline, scraped(lab, CLIENT)
    before = counted(lab, CLIENT, *client), counted(lab, SERVER, *server)
    for _ in range(3):
        ask(lab, 418)
    assert counted(lab, CLIENT, *client) == before[0] + 3, scraped(lab, CLIENT)
    assert counted(lab, SERVER, *server) == before[1] + 3, scraped(lab, SERVER)
    lines = scraped(lab, SERVER, 15090)
    assert "# TYPE istio_request_duration_milliseconds histogram" in lines
    assert not [line for line in lines if line.startswith("envoy_istio_")]

    override = (
        "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\n"
        "metadata: {name: metrics, namespace: default}\n"
        "spec: {metrics: [{overrides: [{match: {metric: REQUEST_COUNT, mode: SERVER}, "
        "tagOverrides: {host: {value: request.host}, source_app: {operation: REMOVE}}}, "
        "{match: {metric: ALL_METRICS, mode: CLIENT}, disabled: true}]}]}\n"
    )
    lab.ok("apply", "-f", "-", stdin=override)
    deadline = time.monotonic() + 20
    while not counted(lab, SERVER, 'host="httpbin"'):
        ask(lab, 418)
        assert time.monotonic() < deadline, scraped(lab, SERVER)
    still = counted(lab, CLIENT)
    ask(lab, 418)
    assert counted(lab, CLIENT) == still
    lab.ok("delete", "telemetry", "metrics")
    lab.ok("delete", "configmap", "istio", "-n", "istio-system")


def spans_until(lab: Lab, *words: str) -> str:
    """Send requests until the collector has printed a report with all the words; return it."""
    deadline = time.monotonic() + 30
    while True:
        ask(lab)
        lines = lab.ok("logs", "collector", "--tail", "400").splitlines()
        if found := [line for line in lines if all(word in line for word in words)]:
            return found[-1]
        assert time.monotonic() < deadline, lines


def test_spans_reach_a_collector(lab: Lab) -> None:
    lab.ok("apply", "-f", "-", stdin=COLLECTOR)
    lab.ok("apply", "-f", "-", stdin=MESH_CONFIG + TRACED.removeprefix("\n"))
    lab.ok("apply", "-f", "-", stdin=TRACES % "spans")
    zipkin = spans_until(lab, "/api/v2/spans k1", '"kind":"CLIENT"', '"own":"here"')
    assert '"istio.canonical_service":"client"' in zipkin
    assert '"agent":"curl/' in zipkin
    assert '"name":"httpbin.default.svc.cluster.local:80/*"' in zipkin
    spans_until(lab, "/api/v2/spans", '"kind":"SERVER"', '"istio.canonical_service":"httpbin"')

    lab.ok("apply", "-f", "-", stdin=TRACES % "otlp")
    otlp = spans_until(lab, "/v1/traces", "httpbin.default", "here")
    assert "istio.mesh_id" in otlp
    lab.ok("delete", "telemetry", "traces")
    lab.ok("delete", "configmap", "istio", "-n", "istio-system")
    lab.ok("delete", "pod", "collector")
    lab.ok("delete", "service", "collector")


def restarts(lab: Lab) -> set[int]:
    listed = json.loads(lab.ok("get", "pods", "-o", "json"))["items"]
    return {c["restartCount"] for pod in listed for c in pod["status"]["containerStatuses"]}


def _apply_with_kubectl(lab: Lab, manifest: str) -> None:
    file = lab.home / "manifest.yaml"
    file.write_text(manifest)
    done = lab.kubectl("apply", "-f", str(file))
    assert done.returncode == 0, done.stderr


def test_a_trust_domain_holds_for_certificates_and_for_who_accepts_them(lab: Lab) -> None:
    manifest = MESH_CONFIG.replace('accessLogFile: ""', "trustDomain: here.example")
    lab.ok("apply", "-f", "-", stdin=manifest)
    for workload in (CLIENT, SERVER):
        agent = ("exec", workload, "-c", "istio-proxy", "--", "pilot-agent")
        shown = lab.ok(*agent, "request", "GET", "certs")
        assert "spiffe://here.example/ns/" in shown
        assert "spiffe://cluster.local/" not in shown
    told = json.loads(lab.ok("curl", "http://httpbin/get", "--from", CLIENT, "-o", "json"))
    assert told["response"]["status"] == 200
    assert "spiffe://here.example/ns/default" in told["response"]["body"]
