"""How long others wait for the API server while one client asks much of it."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench import meshes, tables
from bench.labs import ROOT, Lab
from bench.tables import Row
from lateen.model.labapi import contract

NUMBERS = (1000, 5000)
AT_ONCE = 200
PATIENCE = 300.0
IDLE = 2.0
SERVICES = "/api/v1/namespaces/default/services"


class Prober:
    """Asks `/livez` all the time, in a process of its own."""

    def __init__(self, lab: Lab) -> None:
        words = [sys.executable, "-m", "bench.prober", str(lab.running.paths.api_socket)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)

    def slowest(self) -> float:
        """Return the slowest answer since the last question, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()


def _apply(lab: Lab, number: int) -> None:
    made = [meshes.service(f"svc-{n}", "none") for n in range(number)]
    api = lab.api
    for begin in range(0, number, AT_ONCE):
        items = [{"body": body} for body in made[begin : begin + AT_ONCE]]
        api.request("POST", contract.APPLY.path, body={"items": items})


def _route(lab: Lab) -> None:
    """Apply one VirtualService of a thousand routes."""
    rules: list[dict[str, Any]] = [
        {
            "match": [{"uri": {"prefix": f"/{n}"}}],
            "route": [{"destination": {"host": f"svc-{n}"}}],
        }
        for n in range(1000)
    ]
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "big", "namespace": "default"},
        "spec": {"hosts": ["svc-0"], "http": rules},
    }
    lab.api.request("POST", contract.APPLY.path, body={"items": [{"body": body}]})
    lab.settled(PATIENCE)


def _scenes(lab: Lab, number: int) -> Iterator[tuple[str, Callable[[], object]]]:
    yield f"{number} Services applied, {AT_ONCE} a request", lambda: _apply(lab, number)
    yield f"… until they are compiled, findings and all, at {number}", lambda: lab.settled(PATIENCE)
    yield f"the state asked for at {number}", lab.status
    yield f"a list of {number} Services", lambda: lab.api.request("GET", SERVICES)
    yield "one VirtualService of 1000 routes", lambda: _route(lab)
    yield f"all Services deleted at {number}", lambda: lab.api.request("DELETE", SERVICES)


def run() -> list[Row]:
    """Measure."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = meshes.small(Path(scratch), services=2, workloads=2)
        for number in NUMBERS:
            with Lab(folder, name="bench-holding") as lab, Prober(lab) as prober:
                lab.settled()
                prober.slowest()
                time.sleep(IDLE)
                idle = prober.slowest()
                for name, act in _scenes(lab, number):
                    prober.slowest()
                    act()
                    found.append((name, prober.slowest(), idle))
    return [
        Row(
            f"slowest `/livez`: {name}",
            tables.milliseconds(slowest),
            f"{tables.milliseconds(idle)} (idle)",
            goal="20 ms",
            met=slowest <= 0.020,
        )
        for name, slowest, idle in found
    ]
