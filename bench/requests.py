"""Requests through gateway and sidecar, against static Envoys with the same filters."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import cold, memory, tables
from bench.labs import ROOT, WALKTHROUGH, Lab, cpu_seconds
from bench.tables import Row

ROUNDS = 5
WARMING_SECONDS = 2.5
"""A lab reports every request of a load for this long (see `observe.requests.sampling`)."""
SECONDS = 2.0
LOADS = {"one connection, as fast as it goes": (1, 0), "1000/s on 4 connections": (4, 1000)}
"""Connections, and requests a second over all of them (0: the next follows the answer)."""
GOAL = 1.15


def load(pid: int, plan: dict[str, Any], name: str, seconds: float) -> dict[str, Any]:
    """Run the generator in the network namespace of a process."""
    connections, rate = LOADS[name]
    shape = [str(connections), str(seconds), str(rate)]
    where = [plan["host"], str(plan["port"]), plan["path"], *shape]
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-m", "bench.load", *where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(
    pid: int, proxies: list[int], plan: dict[str, Any], name: str, seconds: float
) -> dict[str, float]:
    """Return CPU seconds of the proxies per request, p50 and p99 of one run."""
    before = sum(cpu_seconds(proxy) for proxy in proxies)
    found = load(pid, plan, name, seconds)
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} requests failed")
    used = sum(cpu_seconds(proxy) for proxy in proxies) - before
    return {"cpu": used / found["requests"], "p50": found["p50"], "p99": found["p99"]}


def sides(lab: Lab, scratch: Path) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield each load's figures, by turns of the floor and the lab: load, side, figures."""
    plan = cold.plan(lab, scratch)
    file = scratch / "plan.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    lines = memory.of_lab(lab)
    shim = max(p for p, line in lines.items() if "lateen.node.shim.init" in line)
    (plane,) = [p for p, line in lines.items() if "lateen.app.plane" in line]
    ours = [p for p, line in lines.items() if "/_bin/envoy" in line]
    with cold.floor(file) as standing:
        theirs = [
            p for p in standing.processes if "envoy" in Path(f"/proc/{p}/cmdline").read_text()
        ]
        home = memory.parents()[theirs[0]]
        for shape in LOADS:
            for side, pid, proxies in (("floor", home, theirs), ("lab", shim, ours)):
                first = measured(pid, proxies, plan, shape, WARMING_SECONDS)
                before = cpu_seconds(plane)
                found = measured(pid, proxies, plan, shape, SECONDS)
                found["plane"] = (cpu_seconds(plane) - before) / SECONDS
                yield shape, side, found | {f"first {n}": value for n, value in first.items()}


def rounds() -> dict[tuple[str, str], dict[str, float]]:
    """Return the median of each figure by load and side. Each round has a lab and a floor of its
    own: where their processes and memory come to lie makes a difference of a quarter."""
    every: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        with (
            tempfile.TemporaryDirectory() as scratch,
            Lab(WALKTHROUGH, "requests", cold.OPTIONS) as lab,
        ):
            for shape, side, found in sides(lab, Path(scratch)):
                every.setdefault((shape, side), []).append(found)
    return {
        key: {name: tables.median([one[name] for one in runs]) for name in runs[0]}
        for key, runs in every.items()
    }


def run() -> list[Row]:
    """Measure."""
    found = rounds()
    rows = []
    for shape in LOADS:
        ours, theirs = found[(shape, "lab")], found[(shape, "floor")]
        for name, words in (("cpu", "CPU per request"), ("p50", "p50"), ("p99", "p99")):
            ratio = ours[name] / theirs[name]
            rows.append(
                Row(
                    f"{words}, {shape}",
                    f"{ours[name] * 1e6:.0f} µs",
                    f"{theirs[name] * 1e6:.0f} µs",
                    f"{ratio:.2f}x",
                    f"{GOAL}x",
                    ratio <= GOAL,
                )
            )
        pairs = ((ours[f"first {name}"], theirs[f"first {name}"]) for name in ("cpu", "p50", "p99"))
        first = ", ".join(f"{one / other:.2f}x" for one, other in pairs)
        rows.append(Row("… the first 2.5 s: CPU, p50, p99", "", "", first))
        busy = f"{ours['plane']:.0%} of a core"
        rows.append(Row("… the control plane, which follows what is reported, meanwhile", busy))
    return rows
