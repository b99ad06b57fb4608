"""Statements about all requests: posture of 100 and of 1,000 Services with as many workloads, and
what one changed VirtualService changes among 1,000."""

import resource
import time
from collections.abc import Callable
from functools import partial

from bench import meshes, tables
from bench.tables import Row
from lateen.app.foresight import offline
from lateen.app.foresight.classes import posture, posture_diff
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.app.foresight.rehearsal import Item, Rehearsal
from lateen.app.lab.settings import LabSettings

SMALL, LARGE = 100, 1000
_MOST_MIB = 1024


def standing(services: int, timeout: str = "5s") -> CompiledState:
    """Return a compiled mesh of Services with a workload and a VirtualService each; the first one's
    route has a timeout of its own."""
    items = []
    for number in range(services):
        name = f"svc-{number}"
        route = meshes.mesh_route(name, timeout if number == 0 else "5s")
        for body in (meshes.deployment(name), meshes.service(name, name), route):
            body["metadata"].setdefault("namespace", "default")
            items.append(Item(body))
    made = Rehearsal(items, LabSettings(lab="bench", istio="1.32", user=0))
    return CompiledState(offline.foresight(made, {}), made.locate)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run() -> list[Row]:
    """Measure, each with everything compiled before."""
    rows = []
    for services, goal in ((SMALL, 3.0), (LARGE, 30.0)):
        made = standing(services)
        took = timed(partial(posture.document, made, posture.PostureFilter()))
        what = f"posture of {services} workloads x {services} Services"
        rows.append(Row(what, tables.milliseconds(took), goal=f"{goal:g} s", met=took <= goal))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rows.append(Row("its memory", f"{used} MiB", goal="1 GB", met=used <= _MOST_MIB))
    pair = posture_diff.Pair(standing(LARGE), standing(LARGE, "6s"))
    took = timed(lambda: posture_diff.document(pair))
    what = f"diff of one VirtualService at {LARGE} Services"
    rows.append(Row(what, tables.milliseconds(took), goal="150 ms", met=took <= 0.15))
    return rows
