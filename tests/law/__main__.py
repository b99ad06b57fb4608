"""`./run law`: random meshes and requests, foretold and then sent.

    ./run law [--meshes 20] [--flows 25] [--seed 1] [--istio 1.32] [--keep FILE]

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
from tests.law import court


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run law", description=__doc__)
    parser.add_argument("--meshes", type=int, default=20)
    parser.add_argument("--flows", type=int, default=25)
    parser.add_argument("--seed", type=int, default=SystemClock().now().microsecond)
    parser.add_argument("--istio", default="1.32")
    parser.add_argument("--keep", default="", help="write what differs to a file, as it comes")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no mesh after so long")
    parser.add_argument("--only", type=int, default=-1, help="one mesh, by its number")
    given = parser.parse_args(argv)
    home = tempfile.mkdtemp(prefix="law-")
    os.environ["LATEEN_HOME"] = home
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
            total.add(lab.try_mesh(seed, given.flows))
            print(f"mesh {seed}: {total.line()}", flush=True)
            if given.keep:
                kept = [each.whole() for each in total.differing]
                Path(given.keep).write_text(json.dumps(kept, indent=1))
    for each in total.differing:
        print(json.dumps(each.short(), indent=1))
    print(total.line())
    return 1 if total.differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
