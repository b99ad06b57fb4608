"""What a VirtualService can do to an HTTP request, each once on real proxies: through the gateway
from outside, and from a sidecar inside."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

HOST = "echo.default.svc.cluster.local"
FROM = ("gateway", "sidecar")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str
    seconds: float

    @property
    def seen(self) -> dict[str, str]:
        """The headers that the echo server saw."""
        return dict(json.loads(self.body)["headers"])

    @property
    def path(self) -> str:
        return str(json.loads(self.body)["path"])

    @property
    def version(self) -> str:
        """Which version answered: the echo server says its host's name, the pod's."""
        return re.sub(r"echo-(v\d)-.*", r"\1", str(json.loads(self.body)["os"]["hostname"]))


class Mesh:
    """The lab of this module, asked from outside and from inside."""

    def __init__(self, lab: Lab, url: str) -> None:
        self.lab, self.url = lab, url

    def curl(self, origin: str, *args: str) -> str:
        """Run curl with arguments in which `URL` stands for where the service answers."""
        host = ["-H", f"host: {HOST}"] if origin == "gateway" else []
        url = self.url if origin == "gateway" else f"http://{HOST}"
        words = [*host, *(a.replace("URL", url) for a in args)]
        if origin == "gateway":
            return self.lab.curl(*words)
        inside = ("exec", "deploy/client", "-c", "curl", "--", "curl", "-sS", "-m", "10")
        return self.lab.ok(*inside, *words)

    def ask(self, origin: str, path: str, *args: str) -> Answer:
        """Send one request and read the answer."""
        text = self.curl(origin, "-i", "-w", "\n%{time_total}", *args, f"URL{path}")
        head, _, rest = text.replace("\r\n", "\n").partition("\n\n")
        body, _, seconds = rest.rpartition("\n")
        first, *lines = head.split("\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        return Answer(int(first.split()[1]), headers, body, float(seconds))


@pytest.fixture(scope="module")
def mesh(make_lab: Callable[..., Lab]) -> Mesh:
    lab = make_lab("feat")
    up = lab.lateen("up", str(Path(__file__).parent / "features"))
    assert up.returncode == 0, up.stderr + lab.logs()
    gateways = json.loads(lab.ok("status", "-o", "json"))["gateways"]
    return Mesh(lab, next(u for g in gateways for u in g["urls"] if u.startswith("http:")))


@pytest.mark.parametrize("origin", FROM)
def test_weights_split_requests(mesh: Mesh, origin: str) -> None:
    text = mesh.curl(origin, "-w", "\n", "URL/weights?[1-200]")
    served = re.findall(r'"os": ?\{\s*"hostname": ?"echo-(v\d)', text)
    assert len(served) == 200, text[:500]
    assert 15 <= served.count("v2") <= 70, served.count("v2")


@pytest.mark.parametrize("origin", FROM)
def test_a_rewrite_changes_path_and_authority(mesh: Mesh, origin: str) -> None:
    answer = mesh.ask(origin, "/rewrite/x")
    assert (answer.status, answer.path) == (200, "/rewritten/x")
    assert answer.seen["host"] == "other.example"
    assert answer.seen["x-envoy-original-path"] == "/rewrite/x"


@pytest.mark.parametrize("origin", FROM)
def test_a_redirect_is_answered_by_the_proxy(mesh: Mesh, origin: str) -> None:
    answer = mesh.ask(origin, "/redirect")
    assert (answer.status, answer.headers["location"]) == (302, "http://there.example/elsewhere")


@pytest.mark.parametrize("origin", FROM)
def test_a_direct_response_is_answered_by_the_proxy(mesh: Mesh, origin: str) -> None:
    answer = mesh.ask(origin, "/direct")
    assert (answer.status, answer.body) == (418, "short and stout")


@pytest.mark.parametrize("origin", FROM)
def test_faults_abort_and_delay(mesh: Mesh, origin: str) -> None:
    assert mesh.ask(origin, "/abort").status == 555
    slow = mesh.ask(origin, "/slow")
    assert slow.status == 200
    assert 0.39 <= slow.seconds < 3


@pytest.mark.parametrize("origin", FROM)
def test_retries_are_sent_as_often_as_asked(mesh: Mesh, origin: str) -> None:
    mark = f"{origin}-{time.monotonic_ns()}"
    assert mesh.ask(origin, "/retried/", "-A", mark).status == 500
    await_log(mesh.lab, "deploy/httpbin", mark, 3)


@pytest.mark.parametrize("origin", FROM)
def test_a_timeout_ends_a_slow_answer(mesh: Mesh, origin: str) -> None:
    answer = mesh.ask(origin, "/late")
    assert (answer.status, answer.body) == (504, "upstream request timeout")
    assert 0.29 <= answer.seconds < 3


@pytest.mark.parametrize("origin", FROM)
def test_a_mirror_gets_a_copy(mesh: Mesh, origin: str) -> None:
    mark = f"{origin}-{time.monotonic_ns()}"
    answer = mesh.ask(origin, "/mirrored", "-A", mark)
    assert (answer.status, answer.version) == (200, "v1")
    await_log(mesh.lab, "deploy/echo-v2", mark, 1)


def await_log(lab: Lab, workload: str, mark: str, times: int) -> None:
    """Wait until the workload's proxy has logged a mark so often; then it is exactly so often."""
    deadline = time.monotonic() + 10
    while (log := lab.ok("logs", workload, "-c", "istio-proxy")).count(mark) < times:
        assert time.monotonic() < deadline, log[-2000:]
        time.sleep(0.1)
    assert log.count(mark) == times


@pytest.mark.parametrize("origin", FROM)
def test_headers_are_set_added_and_removed(mesh: Mesh, origin: str) -> None:
    answer = mesh.ask(
        origin, "/headers", "-H", "x-set: mine", "-H", "x-added: mine", "-H", "x-gone: mine"
    )
    assert answer.status == 200
    assert answer.seen["x-set"] == "mesh"
    assert answer.seen["x-added"].replace(", ", ",") == "mine,mesh"
    assert "x-gone" not in answer.seen
    assert answer.headers["x-answer"] == "mesh"
    assert "x-powered-by" not in answer.headers


@pytest.mark.parametrize("origin", FROM)
def test_cors_answers_the_preflight(mesh: Mesh, origin: str) -> None:
    asking = ("-H", "access-control-request-method: PUT")
    allowed = mesh.ask(
        origin, "/cors", "-X", "OPTIONS", "-H", "origin: https://page.example", *asking
    )
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "https://page.example"
    assert allowed.headers["access-control-allow-methods"] == "GET,PUT"
    assert allowed.headers["access-control-allow-headers"] == "x-own"
    assert allowed.headers["access-control-max-age"] == "86400"
    got = mesh.ask(origin, "/cors", "-H", "origin: https://page.example")
    assert got.headers["access-control-allow-origin"] == "https://page.example"
    other = mesh.ask(origin, "/cors", "-H", "origin: https://other.example")
    assert "access-control-allow-origin" not in other.headers


MATCHES = {
    "header": ("/match", ("-H", "end-user: jason"), "v2"),
    "other-header": ("/match", ("-H", "end-user: jim"), "v1"),
    "query": ("/match?to=v2", (), "v2"),
    "method": ("/match", ("-X", "PUT"), "v2"),
    "regex": ("/match/42", (), "v2"),
    "regex-is-whole": ("/match/42x", (), "v1"),
    "any-case": ("/mAtChEd", (), "v2"),
    "without": ("/match", (), "v1"),
    "nothing": ("/match", ("-H", "x-not: there"), ""),
}


@pytest.mark.parametrize("origin", FROM)
def test_matches_choose_the_route(mesh: Mesh, origin: str) -> None:
    for name, (path, args, version) in MATCHES.items():
        answer = mesh.ask(origin, path, *args)
        if version:
            assert (answer.status, answer.version) == (200, version), name
        else:
            assert answer.status == 404, name
