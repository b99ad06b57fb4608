"""`lateen run`: a process of the host's in the mesh, and out of it again."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.labs import USERS, Lab

pytestmark = pytest.mark.e2e

FAR = 30
SERVER = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['WORD']} 1 from {os.getcwd()}".encode()
        self.send_response(500 if os.path.exists("ill") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
print("listening", flush=True)
http.server.HTTPServer(("", 8080), Answer).serve_forever()
"""
PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: app, image: curlimages/curl, command: [sleep, "3600"]}]
---
apiVersion: v1
kind: Service
metadata: {name: site}
spec: {selector: {app: site}, ports: [{name: http, port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: site-v1}
spec:
  replicas: 1
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      containers: [{name: app, image: mendhak/http-https-echo}]
"""


@pytest.fixture(scope="module", params=USERS)
def lab(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("run", ordinary=request.param)
    folder = made.home / "own" / "app"
    folder.mkdir(parents=True)
    (folder / "server.py").write_text(SERVER)
    for path in (folder.parent, folder):
        path.chmod(0o755)
    made.ok("up", "-", stdin=PODS)
    return made


@contextlib.contextmanager
def running(lab: Lab, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `lateen run WORDS -- server.py` in the process's folder, and end it by Ctrl-C."""
    own = [sys.executable, "-m", "lateen.cli.entry", "run", *words, "-e", "WORD=version"]
    command = lab.command(*own, "--", sys.executable, "server.py")
    process = subprocess.Popen(
        command,
        env=lab.env,
        cwd=lab.home / "own" / "app",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(FAR)


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + FAR
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def asked(lab: Lab, url: str) -> str:
    return str(lab.lateen("curl", "--from", "pod/client", url).stdout)


def test_a_process_is_in_the_mesh_while_it_runs(lab: Lab) -> None:
    with running(lab, "api", "--port", "8080", "--watch") as process:
        told = until(
            lambda: (
                (text := asked(lab, "http://api:8080/"))
                and "-> 200" in text.replace("  ", " ")
                and text
            )
        )
        folder = lab.home / "own" / "app"
        assert f"version 1 from {folder}" in told
        assert "mutual TLS" in told
        server = folder / "server.py"
        server.write_text(SERVER.replace(" 1 from", " 2 from"))
        until(lambda: "version 2 from" in asked(lab, "http://api:8080/"))
        server.write_text(SERVER)
    assert process.returncode == 0
    output = process.stdout.read() if process.stdout else ""
    assert "api is in the mesh: http://api.default:8080" in output
    assert "files changed: starting it again" in output
    assert "listening" in output
    assert "NotFound" in lab.lateen("get", "deploy", "api").stderr
    assert "NotFound" in lab.lateen("get", "svc", "api").stderr


def test_a_process_takes_a_deployments_place(lab: Lab) -> None:
    wanted = ("mine", "--instead-of", "deploy/site-v1", "--port", "8080", "--forward", "0:8080")
    with running(lab, *wanted, "--forward", "0:9") as process:
        until(lambda: "version 1 from" in asked(lab, "http://site:8080/"))
        assert process.stdout is not None
        told: list[str] = []
        while len(told) < 2:
            told += [line for line in [process.stdout.readline()] if " leads to its port " in line]
        here, closed = (line.split()[0] for line in told)
        with urllib.request.urlopen(f"http://{here}/", timeout=FAR) as answer:
            assert answer.read().startswith(b"version 1 from")
        with pytest.raises(OSError, match=r"reset|closed|Remote"):
            urllib.request.urlopen(f"http://{closed}/", timeout=FAR)
        assert lab.ok("get", "deploy", "site-v1", "-o", "jsonpath={.spec.replicas}") == "0"
    assert lab.ok("get", "deploy", "site-v1", "-o", "jsonpath={.spec.replicas}") == "1"
    until(lambda: '"path": "/"' in asked(lab, "http://site:8080/"))


def test_what_cannot_run_is_told(lab: Lab, tmp_path: Path) -> None:
    done = lab.lateen("run", "api", "--", "no-such-program")
    assert done.returncode == 64
    assert "no-such-program: no such program" in done.stderr
    done = lab.lateen("run", "api", "--forward", "70000", "--", "sleep", "9")
    assert "--forward 70000: use PORT or HERE:PORT" in done.stderr
    done = lab.lateen("run", "api", "--instead-of", "deploy/nobody", "--", "sleep", "9")
    assert done.returncode != 0
    assert 'deployments.apps "nobody" not found' in done.stderr


def test_a_process_belongs_to_a_workload_group(lab: Lab) -> None:
    objects = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: machines}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: legacy}
spec:
  metadata: {labels: {app: legacy}}
  template: {serviceAccount: machines}
  probe: {httpGet: {path: /healthz, port: 8080, host: 127.0.0.1}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: legacy}
spec: {selector: {app: legacy}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
    lab.ok("apply", "-f", "-", stdin=objects)
    with running(lab, "machine", "--workload-group", "legacy", "--port", "8080"):
        url = "http://legacy/"
        until(lambda: "version 1 from" in asked(lab, url))
        assert "mutual TLS" in asked(lab, url)
        account = "jsonpath={.items[0].spec.serviceAccountName}"
        chosen = ("-l", "lateen.dev/run=machine")
        assert lab.ok("get", "pods", *chosen, "-o", account) == "machines"
        assert "NotFound" in lab.lateen("get", "svc", "machine").stderr
        ill = lab.home / "own" / "app" / "ill"
        ill.touch()
        until(lambda: "-> 503" in " ".join(asked(lab, url).split()))
        ill.unlink()
        until(lambda: "version 1 from" in asked(lab, url))
