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
CONNECTIONS = (1, 8)
GOAL = 1.15


def load(pid: int, plan: dict[str, Any], connections: int) -> dict[str, Any]:
    """Run the generator in the network namespace of a process."""
    where = [plan["host"], str(plan["port"]), plan["path"], str(connections), str(SECONDS)]
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
    pid: int, proxies: list[int], plan: dict[str, Any], connections: int
) -> dict[str, float]:
    """Return CPU seconds of the proxies per request, p50 and p99 of one run."""
    before = sum(cpu_seconds(proxy) for proxy in proxies)
    found = load(pid, plan, connections)
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} requests failed")
    used = sum(cpu_seconds(proxy) for proxy in proxies) - before
    return {"cpu": used / found["requests"], "p50": found["p50"], "p99": found["p99"]}


def rounds(lab: Lab, plan: dict[str, Any], file: Path) -> dict[tuple[int, str], dict[str, Any]]:
    """Return the median of each figure by connections and side, the sides by turns."""
    lines = memory.of_lab(lab)
    (shim,) = [
        p for p, line in lines.items() if "lateen.node.shim" in line and "enter" not in line
    ][-1:]
    ours = [p for p, line in lines.items() if "/_bin/envoy" in line]
    every: dict[tuple[int, str], list[dict[str, float]]] = {}
    with cold.floor(file) as (_, started):
        theirs = [p for p in started if "envoy" in Path(f"/proc/{p}/cmdline").read_text()]
        floor = next(iter(theirs))
        home = memory.parents()[floor]
        for _ in range(ROUNDS):
            for connections in CONNECTIONS:
                for side, pid, proxies in (("floor", home, theirs), ("lab", shim, ours)):
                    before = cpu_seconds(plane)
                    found = measured(pid, proxies, plan, connections)
                    found["plane"] = (cpu_seconds(plane) - before) / SECONDS
                    every.setdefault((connections, side), []).append(found)
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
    for connections in CONNECTIONS:
        ours, theirs = found[(connections, "lab")], found[(connections, "floor")]
        for name, words in (("cpu", "CPU per request"), ("p50", "p50"), ("p99", "p99")):
            ratio = ours[name] / theirs[name]
            rows.append(
                Row(
                    f"{words}, {connections} connection{'s' * (connections > 1)}",
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
