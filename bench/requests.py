"""Requests through gateway and sidecar, against static Envoys with the same filters."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import cold, memory, tables
from bench.labs import ROOT, WALKTHROUGH, Lab, cpu_seconds
from bench.tables import Row

ROUNDS = 5
SECONDS = 2.0
LOADS = {"one connection, as fast as it goes": (1, 0), "1000/s on 4 connections": (4, 1000)}
"""Connections, and requests a second over all of them (0: the next follows the answer)."""
GOAL = 1.15


def load(pid: int, plan: dict[str, Any], name: str) -> dict[str, Any]:
    """Run the generator in the network namespace of a process."""
    connections, rate = LOADS[name]
    shape = [str(connections), str(SECONDS), str(rate)]
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


def measured(pid: int, proxies: list[int], plan: dict[str, Any], name: str) -> dict[str, float]:
    """Return CPU seconds of the proxies per request, p50 and p99 of one run."""
    before = sum(cpu_seconds(proxy) for proxy in proxies)
    found = load(pid, plan, name)
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} requests failed")
    used = sum(cpu_seconds(proxy) for proxy in proxies) - before
    return {"cpu": used / found["requests"], "p50": found["p50"], "p99": found["p99"]}


def rounds(lab: Lab, plan: dict[str, Any], file: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the median of each figure by connections and side, the sides by turns."""
    lines = memory.of_lab(lab)
    shim = max(p for p, line in lines.items() if "lateen.node.shim" in line)
    (plane,) = [p for p, line in lines.items() if "lateen.app.plane" in line]
    ours = [p for p, line in lines.items() if "/_bin/envoy" in line]
    every: dict[tuple[str, str], list[dict[str, float]]] = {}
    with cold.floor(file) as standing:
        theirs = [
            p for p in standing.processes if "envoy" in Path(f"/proc/{p}/cmdline").read_text()
        ]
        floor = next(iter(theirs))
        home = memory.parents()[floor]
        for _ in range(ROUNDS):
            for shape in LOADS:
                for side, pid, proxies in (("floor", home, theirs), ("lab", shim, ours)):
                    before = cpu_seconds(plane)
                    found = measured(pid, proxies, plan, shape)
                    found["plane"] = (cpu_seconds(plane) - before) / SECONDS
                    every.setdefault((shape, side), []).append(found)
    return {
        key: {name: tables.median([one[name] for one in runs]) for name in runs[0]}
        for key, runs in every.items()
    }


def run() -> list[Row]:
    """Measure."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        Lab(WALKTHROUGH, "requests", cold.OPTIONS) as lab,
    ):
        file = Path(scratch) / "plan.json"
        plan = cold.plan(lab, Path(scratch))
        file.write_text(json.dumps(plan), encoding="utf-8")
        found = rounds(lab, plan, file)
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
        busy = f"{ours['plane']:.0%} of a core"
        rows.append(Row("… the control plane, which follows every request, meanwhile", busy))
    return rows
