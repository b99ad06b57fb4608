"""From the API call of a changed route or policy to the first answer that shows it, under steady
requests."""

import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import meshes, tables
from bench.labs import Lab
from bench.tables import Row

CHANGES = 200
STREAM_PAUSE = 0.008
"""Between two requests of a stream; there are two."""
APPLY = "application/apply-patch+yaml"
Answer = tuple[http.client.HTTPResponse, bytes]


@dataclass(frozen=True)
class Kind:
    """Changes of one kind; `number` counts them from 1."""

    name: str
    object: Callable[[int], meshes.Json]
    asks: Callable[[int], str]
    shows: Callable[[int, Answer], bool]
    pause: float = 0.03


def _mode(number: int) -> str:
    return ("PERMISSIVE", "DISABLE")[number % 2]


KINDS = (
    Kind(
        "route (VirtualService)",
        lambda number: meshes.edge_route(str(number)),
        lambda _: "/",
        lambda number, answer: answer[0].getheader("x-version") == str(number),
    ),
    Kind(
        "policy (AuthorizationPolicy)",
        lambda number: meshes.denial(f"/echo/{number}"),
        lambda number: f"/echo/{number}",
        lambda _, answer: answer[0].status == 403,
    ),
    Kind(
        "policy (PeerAuthentication, PERMISSIVE to DISABLE and back)",
        lambda number: meshes.peers(_mode(number)),
        lambda _: "/echo/",
        lambda number, answer: (
            answer[0].status == 200
            and (b"X-Forwarded-Client-Cert" in answer[1]) == (_mode(number) == "PERMISSIVE")
        ),
    ),
)


class Stream(threading.Thread):
    """Requests at a steady rate; remembers every answer that is not the right one."""

    def __init__(self, host: str, port: int, path: str) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection(host, port, timeout=2)
        self._path = path
        self._stopping = threading.Event()
        self.sent = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._stopping.is_set():
            try:
                self._connection.request("GET", self._path)
                answer = self._connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.wrong.append(f"{self._path} {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"{self._path} {error}")
                self._connection.close()
            self.sent += 1
            time.sleep(STREAM_PAUSE)

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self.join(5)


def one_change(
    api: Any, connection: http.client.HTTPConnection, kind: Kind, number: int
) -> tuple[float, float]:
    """Make a change and return the seconds that the API call took, and until an answer showed
    it."""
    body = kind.object(number)
    group, _, version = str(body["apiVersion"]).partition("/")
    name = body["metadata"]["name"]
    path = f"/apis/{group}/{version}/namespaces/default/{body['kind'].lower()}s/{name}"
    path = path.replace("policys/", "policies/")
    query = {"fieldManager": "bench", "force": "true"}
    began = time.perf_counter()
    api.request("PATCH", path, query=query, body=body, content_type=APPLY)
    called = time.perf_counter() - began
    while True:
        connection.request("GET", kind.asks(number))
        answer = connection.getresponse()
        if kind.shows(number, (answer, answer.read())):
            return called, time.perf_counter() - began
        if time.perf_counter() - began > 10:
            raise TimeoutError(f"{kind.name} {number} did not show within 10 s")


def floor(connection: http.client.HTTPConnection, path: str) -> float:
    """Return the median of single requests: what looking at the answer costs by itself."""
    took = []
    for _ in range(CHANGES):
        began = time.perf_counter()
        connection.request("GET", path)
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    return tables.median(took)


def measure(lab: Lab, kind: Kind) -> list[Row]:
    """Measure one kind of change."""
    host, _, port = lab.gateway().partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    look = floor(connection, kind.asks(0))
    streams = [Stream(host, int(port), path) for path in ("/", "/echo/")]
    for stream in streams:
        stream.start()
    calls, took = [], []
    for number in range(1, CHANGES + 1):
        called, shown = one_change(lab.api, connection, kind, number)
        calls.append(called)
        took.append(shown)
        time.sleep(kind.pause)
    for stream in streams:
        stream.stop()
    middle, high = tables.median(took), tables.percentile(took, 0.99)
    sent, wrong = sum(s.sent for s in streams), [w for s in streams for w in s.wrong]
    slowest = max(range(CHANGES), key=took.__getitem__)
    worst = f"{tables.milliseconds(took[slowest])}, the call {tables.milliseconds(calls[slowest])}"
    return [
        Row(
            f"changed {kind.name}, API call to first answer that shows it, p50 of {CHANGES}",
            tables.milliseconds(middle),
            f"one request {tables.milliseconds(look)}",
            goal="10 ms",
            met=middle <= 0.010,
        ),
        Row(
            f"… p99 (slowest: {worst})",
            tables.milliseconds(high),
            goal="50 ms",
            met=high <= 0.050,
        ),
        Row(
            f"… {sent} requests meanwhile, wrong or failed",
            str(len(wrong)),
            goal="0",
            met=not wrong,
        ),
    ]


def run() -> list[Row]:
    """Measure every kind of change in one lab: 20 Services, 10 proxies."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = meshes.small(Path(scratch), services=19, workloads=8)
        more = "\n---\n".join(map(json.dumps, meshes.echo()))
        (folder / "echo.yaml").write_text(more, encoding="utf-8")
        with Lab(folder) as lab:
            return [row for kind in KINDS for row in measure(lab, kind)]
