"""`./run law`: random meshes and requests, foretold and then sent.

    ./run law [--meshes 20] [--flows 25] [--seed 1] [--istio 1.32] [--keep FILE]
    ./run law --replay            the recorded flows, sent again
    ./run law --diff              random edits: requests before and after, against the foretold diff
    ./run law --record FILE       the same, with those that a run has kept; what they do is written
                                  down (recorded.json) for the tests, which need no lab

One lab holds the workloads; each mesh is applied, its requests are explained and sent, and what
differs is printed and, with --keep, written down.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from lateen.base.clock import SystemClock
from tests.law import change, court, faults, replay


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run law", description=__doc__)
    parser.add_argument("--meshes", type=int, default=20)
    parser.add_argument("--flows", type=int, default=25)
    parser.add_argument("--seed", type=int, default=SystemClock().now().microsecond)
    parser.add_argument("--istio", default="1.32")
    parser.add_argument("--keep", default="", help="write what differs to a file, as it comes")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no mesh after so long")
    parser.add_argument("--only", type=int, default=-1, help="one mesh, by its number")
    parser.add_argument("--corpus", default="", help="add all flows to a file, a line a mesh")
    parser.add_argument("--faults", default="", help="a corpus; says which planted faults it finds")
    parser.add_argument("--replay", action="store_true")
    parser.add_argument("--record", default="")
    parser.add_argument("--diff", action="store_true")
    given = parser.parse_args(argv)
    home = tempfile.mkdtemp(prefix="law-")
    os.environ["LATEEN_HOME"] = home
    if given.faults:
        found = faults.found_by(Path(given.faults))
        print(f"{sum(found)} of {len(found)} planted faults are found")
        return 0 if sum(found) >= len(found) - 2 else 1
    if given.replay or given.record:
        return again(given.record)
    if given.diff:
        return compared(given.seed, given.meshes, given.flows, given.istio)
    total = court.Tally()
    clock = SystemClock()
    begun = clock.monotonic()
    with court.Court(f"law{given.seed % 1000}", given.istio) as lab:
        for number in range(given.meshes):
            if given.only not in (-1, number):
                continue
            if given.seconds and clock.monotonic() - begun > given.seconds:
                break
            seed = f"{given.seed}/{number}"
            made = lab.try_mesh(seed, given.flows)
            total.add(made)
            if given.corpus:
                append(given.corpus, seed, given.istio, made)
            print(f"mesh {seed}: {total.line()}", flush=True)
            if given.keep:
                kept = [each.whole() for each in total.differing]
                Path(given.keep).write_text(json.dumps(kept, indent=1))
    for each in total.differing:
        print(json.dumps(each.short(), indent=1))
    print(total.line())
    return 1 if total.differing else 0


def compared(seed: int, edits: int, flows: int, istio: str) -> int:
    """Edit meshes, send requests before and after, and hold them against the foretold diff."""
    total = change.Compared()
    with (
        court.Court(f"lawa{seed % 1000}", istio) as old,
        court.Court(f"lawb{seed % 1000}", istio) as new,
    ):
        for number in range(edits):
            found = change.tried(old, new, f"{seed}/{number}", flows)
            for each in (*found.missed, *found.idle):
                print(json.dumps(each, indent=1), flush=True)
            total.add(found)
            print(f"edit {seed}/{number}: {total.line()}", flush=True)
    return 1 if total.missed or total.idle else 0


def append(corpus: str, seed: str, istio: str, made: court.Tally) -> None:
    """Add a mesh with its flows to a corpus."""
    objects = made.every[0]["objects"] if made.every else []
    short = [{k: each[k] for k in ("seed", "request", "answer")} for each in made.every]
    line = {"seed": seed, "istio": istio, "objects": objects, "flows": short}
    with Path(corpus).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def again(kept: str) -> int:
    """Send the recorded flows again, and those of a file; with a file, write down what they do."""
    known = replay.recorded()
    known += json.loads(Path(kept).read_text()) if kept else []
    total, written = court.Tally(), []
    for version in sorted({flow["istio"] for flow in known}):
        mine = [flow for flow in known if flow["istio"] == version]
        with court.Court(f"law-again-{version.replace('.', '-')}", version) as lab:
            for flow in mine:
                tally, answer = lab.try_again(flow)
                total.add(tally)
                written.append(replay.reduced({**flow, "answer": answer or flow["answer"]}))
    for each in total.differing:
        print(json.dumps(each.short(), indent=1))
    print(total.line())
    if kept:
        text = json.dumps(written, separators=(",", ":"), sort_keys=True)
        replay.RECORDED.write_text(text + "\n")
    return 1 if total.differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
