"""What is said beforehand: `explain`, `analyze` and `test`, as whole commands, and the interpreter
alone. The walkthrough's manifests, and a mesh of 1,000 Services with their rules."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import meshes, tables
from bench.tables import Row
from lateen.app.foresight import offline, remedies
from lateen.app.foresight.rehearsal import Item, Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.manifests import reader

WALKTHROUGH = Path(__file__).parents[1] / "examples" / "walkthrough"
URL = "http://istio-ingressgateway"
_SERVICES, _CASES, _RUNS = 1000, 1000, 5


def run() -> list[Row]:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        return [*_explain(), *_analyze(Path(home)), *_test(Path(home))]


def _row(what: str, seconds: list[float], goal: float) -> Row:
    took = tables.median(seconds)
    return Row(what, tables.spread(seconds), goal=tables.milliseconds(goal), met=took <= goal)


def _whole(*words: str, runs: int = _RUNS) -> list[float]:
    """Return how long a command takes from its start to its end."""
    argv = [sys.executable, "-m", "lateen.cli.entry", *words]
    return [
        _timed(lambda: subprocess.run(argv, capture_output=True, check=False)) for _ in range(runs)
    ]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _explain() -> list[Row]:
    whole = _whole("explain", "-f", str(WALKTHROUGH), "outside", f"{URL}/http-mTLS")
    items = [
        Item({**each.body, "metadata": {"namespace": "default", **each.body["metadata"]}})
        for file in sorted(WALKTHROUGH.glob("*.yaml"))
        for each in reader.parse(file.read_text(encoding="utf-8"), file.name).manifests
    ]
    settings = LabSettings(lab="bench", istio="1.32", user=0)
    first, further = [], []
    for _ in range(_RUNS):
        made = Rehearsal(items, settings)
        known = offline.foresight(made, {})
        asked = ExplainRequest(url=f"{URL}/http-mTLS")
        first.append(_timed(partial(known.predict, asked)))
        others = [ExplainRequest(url=f"{URL}/http-no-mTLS?n={n}") for n in range(200)]
        began = time.perf_counter()
        for each in others:
            remedies.explained(known, each, None, made.locate)
        further.append((time.perf_counter() - began) / len(others))
    return [
        _row("explain, the walkthrough from files, whole process", whole, 0.35),
        _row("… the first request, proxies' configuration made and read for it", first, 0.002),
        _row("… each further one, with its document", further, 0.001),
    ]


def _analyze(home: Path) -> list[Row]:
    bodies = []
    for number in range(_SERVICES):
        name = f"svc-{number}"
        bodies += [meshes.deployment(name), meshes.service(name, name), meshes.mesh_route(name)]
    text = "\n---\n".join(json.dumps(each) for each in bodies)
    (home / "mesh.yaml").write_text(text, encoding="utf-8")
    return [
        _row("analyze, the walkthrough, whole process", _whole("analyze", str(WALKTHROUGH)), 0.35),
        _row(
            f"analyze, {_SERVICES} Services with a Deployment and a VirtualService each",
            _whole("analyze", str(home / "mesh.yaml"), runs=3),
            1.5,
        ),
    ]


def _test(home: Path) -> list[Row]:
    cases = [
        {
            "name": f"case {number}",
            "request": {"url": f"{URL}/http-mTLS?n={number}"},
            "expect": {"status": 200, "tls": "mtls"},
        }
        for number in range(_CASES)
    ]
    file = home / "bench.cases.yaml"
    written = {"mesh": str(WALKTHROUGH), "cases": cases}
    file.write_text(json.dumps(written), encoding="utf-8")
    return [_row(f"test, {_CASES} cases, whole process", _whole("test", str(file), runs=3), 1.0)]
