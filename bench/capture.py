"""What capturing costs, and whether packets are lost: off, as lines, to a file.

Through a lab's gateway and sidecar, and at 5,000 small requests a second over one loopback, which
one proxy on this machine may not reach.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import cold, memory, tables
from bench.labs import LATEEN, ROOT, WALKTHROUGH, Lab, cpu_seconds
from bench.tables import Row

ROUNDS = 3
SECONDS = 3.0
CONNECTIONS = 8
RATE = 5000
MODES = ("off", "lines", "file")


@contextmanager
def capturing(lab: Lab, mode: str, scratch: Path) -> Iterator[dict[str, Any]]:
    """Capture all pods meanwhile; the dict gets its CPU seconds and its last words."""
    told: dict[str, Any] = {"cpu": 0.0, "said": "0 lost"}
    if mode == "off":
        yield told
        return
    argv = [LATEEN, "capture", "--lab", lab.name]
    argv += ["-w", str(scratch / "made.pcapng")] if mode == "file" else []
    with subprocess.Popen(
        argv, env=lab.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        before = cpu_seconds(process.pid)
        yield told
        told["cpu"] = cpu_seconds(process.pid) - before
        process.send_signal(signal.SIGINT)
        told["said"] = process.communicate()[1].strip().splitlines()[-1]


def load(pid: int, plan: dict[str, Any]) -> dict[str, Any]:
    """Run the generator in the network of a process, each request after the last one's answer."""
    where = [plan["host"], str(plan["port"]), plan["path"]]
    shape = [str(CONNECTIONS), str(SECONDS), "0"]
    done = subprocess.run(
        [
            "nsenter",
            f"--net=/proc/{pid}/ns/net",
            sys.executable,
            "-m",
            "bench.load",
            *where,
            *shape,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def through_the_mesh(scratch: Path) -> list[Row]:
    """Return throughput with each mode, the modes by turns."""
    rates: dict[str, list[float]] = {mode: [] for mode in MODES}
    words: dict[str, list[str]] = {mode: [] for mode in MODES}
    with Lab(WALKTHROUGH, "capturing", cold.OPTIONS) as lab:
        plan = cold.plan(lab, scratch)
        shim = max(p for p, line in memory.of_lab(lab).items() if "lateen.node.shim.init" in line)
        load(shim, plan)
        for _ in range(ROUNDS):
            for mode in MODES:
                with capturing(lab, mode, scratch) as told:
                    found = load(shim, plan)
                rates[mode].append(found["requests"] / SECONDS)
                words[mode].append(told["said"])
    floor = tables.median(rates["off"])
    return [
        Row(
            f"requests/s through gateway and sidecar, capture {mode}",
            f"{tables.median(rates[mode]):.0f} ({words[mode][-1]})",
            f"{floor:.0f}",
            f"{tables.median(rates[mode]) / floor:.2f}",
        )
        for mode in MODES
    ]


def at_a_rate(scratch: Path) -> list[Row]:
    """Return what is lost at RATE exchanges a second on a loopback, written to a file."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "bench.captureloop", str(RATE), str(SECONDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "BENCH_SCRATCH": str(scratch)},
    )
    found: Sequence[dict[str, Any]] = json.loads(done.stdout)
    return [
        Row(
            f"{RATE} requests/s on one loopback, capture {each['mode']}",
            f"{each['rate']:.0f}/s, {each['packets']} packets, {each['lost']} lost, "
            f"{each['cpu']:.2f} s CPU of {SECONDS:.0f} s",
            goal="none lost",
            met=_whole(each),
        )
        for each in found
    ]


def _whole(each: dict[str, Any]) -> bool | None:
    """Whether nothing was lost: what was not sent, or not seen at all, is not lost either."""
    if each["mode"] == "off":
        return None
    seen = each["packets"] >= 2 * each["rate"] * SECONDS or each["mode"] == "opening"
    return bool(each["lost"] == 0 and seen and each["rate"] >= RATE * 0.98)


def run() -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as scratch:
        return [*at_a_rate(Path(scratch)), *through_the_mesh(Path(scratch))]
