"""From the API call of a changed route to the first answer that shows it, under steady requests."""

import http.client
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench import meshes, tables
from bench.labs import Lab
from bench.tables import Row

CHANGES = 200
STREAM_PAUSE = 0.004
APPLY = "application/apply-patch+yaml"
ROUTE = "/apis/networking.istio.io/v1/namespaces/default/virtualservices/edge"


class Stream(threading.Thread):
    """Requests at a steady rate; remembers every answer that is not 200 from a known version."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection(host, port, timeout=2)
        self._stopping = threading.Event()
        self.allowed: set[str] = {"0"}
        self.sent = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._stopping.is_set():
            try:
                self._connection.request("GET", "/")
                answer = self._connection.getresponse()
                answer.read()
                version = answer.getheader("x-version", "")
                if answer.status != 200 or version not in self.allowed:
                    self.wrong.append(f"{answer.status} {version}")
            except OSError as error:
                self.wrong.append(str(error))
                self._connection.close()
            self.sent += 1
            time.sleep(STREAM_PAUSE)

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self.join(5)


def one_change(
    api: Any, connection: http.client.HTTPConnection, version: str, stream: Stream
) -> float:
    """Change the route and return the seconds until an answer shows it."""
    stream.allowed.add(version)
    body = meshes.edge_route(version)
    began = time.perf_counter()
    query = {"fieldManager": "bench", "force": "true"}
    api.request("PATCH", ROUTE, query=query, body=body, content_type=APPLY)

    def shown() -> bool:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        return answer.getheader("x-version") == version

    while not shown():
        if time.perf_counter() - began > 10:
            raise TimeoutError(f"version {version} did not show within 10 s")
    return time.perf_counter() - began


def floor(connection: http.client.HTTPConnection) -> list[float]:
    """Return the durations of single requests: what looking at the answer costs by itself."""
    took = []
    for _ in range(CHANGES):
        began = time.perf_counter()
        connection.request("GET", "/")
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    return took


def run() -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as scratch, Lab(meshes.small(Path(scratch))) as lab:
        host, _, port = lab.gateway().partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        looks = floor(connection)
        stream, api = Stream(host, int(port)), lab.api
        stream.start()
        took = []
        for number in range(1, CHANGES + 1):
            took.append(one_change(api, connection, str(number), stream))
            time.sleep(0.03)
        stream.stop()
    middle, high = tables.median(took), tables.percentile(took, 0.99)
    note = f"{stream.sent} requests meanwhile, wrong or failed: {len(stream.wrong)}"
    look = tables.milliseconds(tables.median(looks))
    return [
        Row(
            f"changed route, API call to first answer that shows it, p50 of {CHANGES}",
            tables.milliseconds(middle),
            f"one request {look}",
            goal="10 ms",
            met=middle <= 0.010,
        ),
        Row("… p99", tables.milliseconds(high), goal="50 ms", met=high <= 0.050),
        Row(f"… {note}", str(len(stream.wrong)), goal="0", met=not stream.wrong),
    ]
