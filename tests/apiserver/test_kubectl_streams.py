"""exec, attach, cp, logs, port-forward and proxy by two kubectls, over WebSocket and over SPDY."""

import contextlib
import fcntl
import hashlib
import http.server
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lateen.apiserver.writing import verbs

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: here
  automountServiceAccountToken: false
  containers: [{name: main, image: nginx, ports: [{containerPort: 80}]}, {name: side, image: x}]
"""
MERGE_PATCH = "application/merge-patch+json"
RUNNING = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
TRANSPORTS = {
    "websocket": {},
    "spdy": {
        "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false",
        "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false",
    },
}


@pytest.fixture(params=list(TRANSPORTS))
def transport(request: pytest.FixtureRequest) -> dict[str, str]:
    return TRANSPORTS[request.param]


@pytest.fixture
def pod(kubectl: Any, server: Any) -> Any:
    server.create("pods", yaml.safe_load(POD), kubectl.namespace)
    status = server.api.target("pods", kubectl.namespace, "web", "status")
    server.call(lambda: server.api.patch(status, RUNNING, MERGE_PATCH, verbs.WriteOptions()))
    return kubectl


@pytest.mark.parametrize("code", [0, 1, 3, 127])
def test_exec_gives_output_and_exit_code(pod: Any, transport: dict[str, str], code: int) -> None:
    script = f"echo out; echo err >&2; exit {code}"
    done = pod("exec", "web", "-c", "main", "--", "sh", "-c", script, code=code, **transport)
    assert done.out == "out\n"
    # kubectl 1.32 complains of the first, empty message when it comes before its streams are made.
    said = [line for line in done.err.splitlines() if "Unknown stream id" not in line]
    assert said[0] == "err"


def test_exec_hands_standard_input_through_to_its_end(pod: Any, transport: dict[str, str]) -> None:
    text = "".join(random.Random(7).choices("abc\n", k=700_000))
    done = pod("exec", "-i", "web", "-c", "main", "--", "cat", stdin=text, **transport)
    assert hashlib.sha256(done.out.encode()).digest() == hashlib.sha256(text.encode()).digest()


def test_exec_of_a_missing_program(pod: Any, transport: dict[str, str]) -> None:
    done = pod("exec", "web", "-c", "main", "--", "no-such-program", code=1, **transport)
    assert "executable file not found in $PATH" in done.err


def test_exec_where_nothing_is(pod: Any, transport: dict[str, str]) -> None:
    assert 'pods "none" not found' in pod("exec", "none", "--", "id", code=1, **transport).err
    refused = pod("exec", "web", "-c", "other", "--", "id", code=1, **transport)
    assert "container other is not valid for pod web" in refused.err


def test_exec_with_a_terminal_follows_its_size(pod: Any, transport: dict[str, str]) -> None:
    script = "tty >/dev/null && echo is-tty; for i in $(seq 200); do stty size; sleep 0.02; done"
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    process = subprocess.Popen(
        [pod.path, "exec", "-it", "web", "-c", "main", "--", "sh", "-c", script],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=pod.environment | transport,
        start_new_session=True,
    )
    os.close(slave)
    seen = _read_until(master, b"33 99")
    assert b"is-tty" in seen
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process.send_signal(signal.SIGWINCH)
    _read_until(master, b"40 120")
    process.kill()
    process.wait(10)
    os.close(master)


def _read_until(fd: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        ready, _, _ = select.select([fd], [], [], 10)
        assert ready, f"{wanted!r} did not come: {seen!r}"
        seen += os.read(fd, 4096)
    return seen


def test_a_client_that_goes_takes_its_command_along(
    pod: Any, transport: dict[str, str], tmp_path: Path
) -> None:
    script = f"echo $$ > {tmp_path}/pid; exec sleep 60"
    process = subprocess.Popen(
        [pod.path, "exec", "web", "-c", "main", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        env=pod.environment | transport,
    )
    _wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    number = int((tmp_path / "pid").read_text())
    process.kill()
    process.wait(10)
    _wait_for(lambda: not Path(f"/proc/{number}").exists())


def _wait_for(condition: Any, seconds: float = 10) -> None:
    deadline = threading.Event()
    timer = threading.Timer(seconds, deadline.set)
    timer.start()
    try:
        while not condition():
            assert not deadline.wait(0.02), "the condition did not come true in time"
    finally:
        timer.cancel()


def test_attach(pod: Any, transport: dict[str, str]) -> None:
    """A container's own exit code is its status' to tell: attaching did not fail."""
    done = pod("attach", "-i", "web", "-c", "main", stdin="hello\nexit 3\n", **transport)
    assert done.out == "attached\nhello\n"


def test_cp_both_ways(pod: Any, transport: dict[str, str], tmp_path: Path) -> None:
    data = random.Random(3).randbytes(2_000_000)
    (tmp_path / "here").write_bytes(data)
    pod("cp", "-c", "main", f"{tmp_path}/here", f"web:{tmp_path}/there", **transport)
    assert (tmp_path / "there").read_bytes() == data
    pod("cp", "-c", "main", f"web:{tmp_path}/there", f"{tmp_path}/back", **transport)
    assert (tmp_path / "back").read_bytes() == data


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers with the length asked for, and with what was posted."""

    def do_GET(self) -> None:
        body = b"x" * int(self.path.strip("/") or 0)
        self._send(body)

    def do_POST(self) -> None:
        self._send(self.rfile.read(int(self.headers["Content-Length"])))

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A web server that stands for what listens in the pod."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made.server_port
    made.shutdown()
    made.server_close()


@contextlib.contextmanager
def forwarded(pod: Any, port: int, transport: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(
        [pod.path, "port-forward", "pod/web", f":{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=pod.environment | transport,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> ", line)
    assert match, line
    try:
        yield int(match[1])
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def ask(port: int, path: str, data: bytes | None = None) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
        body: bytes = answer.read()
        return body


def test_port_forward_carries_many_connections(
    pod: Any, transport: dict[str, str], port: int
) -> None:
    with forwarded(pod, port, transport) as local:
        assert ask(local, "/5") == b"xxxxx"
        assert len(ask(local, "/3000000")) == 3_000_000
        posted = random.Random(1).randbytes(1_000_000)
        assert ask(local, "/", posted) == posted
        sizes: list[int] = []
        threads = [
            threading.Thread(target=lambda: sizes.append(len(ask(local, "/200000"))))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sizes == [200_000] * 12


def test_port_forward_to_a_closed_port_says_why(pod: Any, transport: dict[str, str]) -> None:
    with forwarded(pod, 1, transport) as local, pytest.raises(OSError, match=r"."):
        ask(local, "/")


def test_proxy_subresource(pod: Any, port: int) -> None:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/web:{port}/proxy/4"
    assert pod("get", "--raw", path).out == "xxxx"


def test_logs(pod: Any, server: Any) -> None:
    with (server.pods.logs / "web_main").open("w") as file:
        file.writelines(f"2026-11-24T08:00:0{n}.000000000Z stdout F line {n}\n" for n in range(5))
        file.write("2026-11-24T08:00:06.000000000Z stdout P half, \n")
        file.write("2026-11-24T08:00:07.000000000Z stdout F whole\n")
    every = [*(f"line {n}" for n in range(5)), "half, whole"]
    assert pod("logs", "web", "-c", "main").lines == every
    assert pod("logs", "web").lines == every
    assert pod("logs", "web", "--tail=1", "-c", "main").lines == ["whole"]
    assert pod("logs", "web", "--tail=0", "-c", "main").out == ""
    assert pod("logs", "-l", "app=web", "-c", "main", "--tail=-1").lines == every
    assert pod("logs", "web", "--limit-bytes=9", "-c", "main").out == "line 0\nli"
    since = pod("logs", "web", "-c", "main", "--since-time=2026-11-24T08:00:04Z", "--timestamps")
    assert since.lines[0] == "2026-11-24T08:00:04.000000000Z line 4"
    refused = pod("logs", "web", "-c", "main", "-p", code=1).err
    assert 'previous terminated container "main" in pod "web" not found' in refused
    refused = pod("logs", "web", "-c", "side", code=1).err
    assert 'container "side" in pod "web" is waiting to start: ContainerCreating' in refused


def test_logs_follow_until_the_container_ends(pod: Any, server: Any) -> None:
    name = "web_side"
    server.pods.running.add(name)
    server.pods.say(name, "first")
    process = pod.start("logs", "-f", "web", "-c", "side")
    assert process.stdout.readline() == "first\n"
    server.pods.say(name, "second")
    assert process.stdout.readline() == "second\n"
    server.pods.say(name, "last")
    server.pods.running.discard(name)
    assert process.communicate(timeout=10)[0] == "last\n"
    assert process.returncode == 0
    (server.pods.logs / name).unlink()
