"""Who starts before whom and ends after whom in a pod of the mesh, by Istio's version.

The server accepts mutual TLS only, so a container that is answered had its proxy.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.labs import Lab, kubectl_path

pytestmark = pytest.mark.e2e

KUBECTLS = ("kubectl-1.37", "kubectl-1.32")
SERVER = """\
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""
ASK = "curl -s -o /dev/null -w %{http_code} http://web && echo"
"""Prints 200, or 000 where no proxy took the connection."""
HELD = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: held}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: held}}}}
  template:
    metadata:
      labels: {{app: held}}
      annotations: {{proxy.istio.io/config: "holdApplicationUntilProxyStarts: true"}}
    spec:
      containers:
      - name: app
        image: curlimages/curl
        command: [sh, -c, "{ASK}; exec sleep 3600"]
"""
JOB = f"""\
apiVersion: batch/v1
kind: Job
metadata: {{name: ask}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {{name: app, image: curlimages/curl, command: [sh, -c, "until {ASK}; do sleep 0.1; done"]}}
"""
INIT = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: early}}
spec:
  initContainers:
  - {{name: first, image: curlimages/curl, command: [sh, -c, "{ASK}"]}}
  containers:
  - {{name: app, image: nginx}}
"""


@pytest.fixture(scope="module", params=["1.17", "1.32"])
def lab(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Iterator[Lab]:
    """A lab of a version, with a server that takes mutual TLS only."""
    made = make_lab(f"order{request.param.replace('.', '')}")
    made.ok("up", "--istio", request.param)
    made.ok("apply", "-f", "-", stdin=SERVER)
    made.env["ISTIO"] = request.param
    yield made
    made.ok("down")


def apply(lab: Lab, text: str) -> None:
    done = lab.run(kubectl_path(KUBECTLS[0]), "apply", "-f", "-", stdin=text)
    assert done.returncode == 0, done.stderr


def kubectl(lab: Lab, *args: str) -> str:
    done = lab.kubectl(*args)
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return str(done.stdout)


def until(seen: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def test_a_held_application_is_answered_from_its_first_moment(lab: Lab) -> None:
    apply(lab, HELD)
    kubectl(lab, "rollout", "status", "deployment/held", "--timeout=30s")
    logs = ("logs", "-l", "app=held", "-c", "app")
    until(lambda: len(kubectl(lab, *logs).split()) == 3, "three answers")
    assert kubectl(lab, *logs).split() == ["200"] * 3
    names = kubectl(lab, "get", "deploy,pod", "-l", "app=held", "-o", "json")
    for pod in json.loads(names)["items"]:
        proxy, app = pod["spec"]["containers"]
        assert (proxy["name"], app["name"]) == ("istio-proxy", "app")
        assert proxy["lifecycle"]["postStart"]["exec"]["command"] == ["pilot-agent", "wait"]
    kubectl(lab, "delete", "deployment", "held")


def test_a_job_ends_with_its_proxy_since_sidecars_are_native(lab: Lab) -> None:
    apply(lab, JOB)
    if lab.env["ISTIO"] == "1.32":
        kubectl(lab, "wait", "--for=condition=Complete", "job/ask", "--timeout=20s")
        assert kubectl(lab, "logs", "job/ask", "-c", "app") == "200\n"
        row = kubectl(lab, "get", "pod", "-l", "job-name=ask", "--no-headers").split()
        assert row[1:4] == ["0/2", "Completed", "0"]
    else:
        # Before, the proxy went on without the application, and the Job never ended.
        path = "jsonpath={.items[0].status.containerStatuses[?(@.name=='app')].state}"
        read = ("get", "pod", "-l", "job-name=ask", "-o", path)
        until(lambda: "terminated" in lab.kubectl(*read).stdout, "the application has ended")
        row = kubectl(lab, "get", "pod", "-l", "job-name=ask", "--no-headers").split()
        assert row[1:3] == ["1/2", "NotReady"]
        assert kubectl(lab, "get", "job", "ask", "-o", "jsonpath={.status.succeeded}") in ("", "0")
    kubectl(lab, "delete", "job", "ask")


@pytest.mark.parametrize("version", KUBECTLS)
def test_run_shows_a_command_that_ends_at_once(lab: Lab, version: str) -> None:
    """By default kubectl's pod restarts, so the proxy goes on in every version: what the first
    run printed is shown all the same, once, and the pod goes."""
    name = f"brief-{version[-2:]}"
    argv = (kubectl_path(version), "run", name, "--rm", "-i", "--image=curlimages/curl", "--")
    script = "echo first; until curl -sf -o /dev/null http://web; do sleep 0.1; done; echo answered"
    done = lab.run(*argv, "sh", "-c", script, timeout=30)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["first", "answered"]
    assert lines[2].startswith(f'pod "{name}" deleted')
    kubectl(lab, "wait", "--for=delete", f"pod/{name}", "--timeout=20s")


@pytest.mark.parametrize("version", KUBECTLS)
def test_run_with_removal_returns(lab: Lab, version: str) -> None:
    if lab.env["ISTIO"] != "1.32":
        pytest.skip("kubectl waits for the proxy's end, which does not come")
    argv = ("run", "once", "--rm", "-i", "--image=busybox", "--restart=Never", "--")
    done = subprocess.run(
        lab.command(kubectl_path(version), *argv, "sh", "-c", "read word; echo got $word; exit 5"),
        env=lab.env,
        input="seven\n",
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 5, done.stderr
    assert "got seven\n" in done.stdout
    assert 'pod "once" deleted' in done.stdout
    assert kubectl(lab, "get", "pod", "once", "--ignore-not-found") == ""


def test_an_init_container_speaks_through_a_native_sidecar(lab: Lab) -> None:
    if lab.env["ISTIO"] != "1.32":
        pytest.skip("before native sidecars an init container had no proxy")
    apply(lab, INIT)
    kubectl(lab, "wait", "--for=condition=Ready", "pod/early", "--timeout=20s")
    assert kubectl(lab, "logs", "early", "-c", "first") == "200\n"
    assert kubectl(lab, "exec", "early", "-c", "istio-proxy", "--", "echo", "in") == "in\n"
    row = kubectl(lab, "get", "pod", "early", "--no-headers").split()
    assert row[1:3] == ["2/2", "Running"]
