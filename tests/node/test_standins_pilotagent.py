"""The stand-in for the agent beside a proxy: requests to Envoy's admin port."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

COMMAND = [sys.executable, "-m", "lateen.node.standins.pilotagent"]


class Admin(http.server.BaseHTTPRequestHandler):
    """Tells what was asked."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/none" else 200)
        self.end_headers()
        self.wfile.write(f"{self.command} {self.path}\n".encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.command} {self.path} {body.decode()}\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Admin) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (("GET", "stats?filter=x"), 0, "GET /stats?filter=x\n", ""),
        (("get", "/stats"), 0, "GET /stats\n", ""),
        (("POST", "logging", "a=b"), 0, "POST /logging a=b\n", ""),
        (("GET", "none"), 1, "GET /none\n", "Error: received non-success status code 404\n"),
    ],
)
def test_requests(port: str, words: tuple[str, ...], code: int, out: str, err: str) -> None:
    done = run("request", *words, "--debug-port", port)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "a command is missing"),
        (("proxy", "sidecar"), "'proxy sidecar' is not understood"),
        (("request", "GET"), "'request GET' is not understood"),
        (("request", "GET", "x", "--nope", "1"), "unknown flag: --nope"),
        (("request", "GET", "x", "--debug-port"), "flag needs an argument: --debug-port"),
        (("request", "GET", "x", "--debug-port", "y"), "'y' is not a number"),
        (("request", "GET", "x", "--debug-port=1"), "Connection refused"),
        (("wait", "--timeoutSeconds=0"), "timeout waiting for Envoy proxy to become ready 0s"),
    ],
)
def test_refusals(words: tuple[str, ...], says: str) -> None:
    done = run(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr
