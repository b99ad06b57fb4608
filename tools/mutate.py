"""Change the source a little, many times, and see whether the tests notice.

Usage: python tools/mutate.py [--count 400] [--seed 1] [--minutes 60] [--jobs N] [PART]

A sample of mutants is drawn over the compiler, the causes of failures and the readers of what
travels; PART draws from files whose path has it. Each is tried with the tests that cover its
statement. What survives is printed with its place; `docs/mutants.md` says of those that no test
can kill why they are the same program. The status is 0 when nine of ten were killed.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import mutant_runs
import mutants
from mutant_runs import Cover, Trial
from mutants import ROOT, Mutant

EQUAL = ROOT / "docs" / "mutants.md"
GOAL = 0.9


def say(text: str) -> None:
    """Print a line now."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tried(drawn: list[Mutant], cover: Cover, jobs: int, until: float) -> dict[Mutant, bool]:
    """Try the mutants, `jobs` at a time; return which live. Ends at `until` (monotonic seconds),
    with what was tried by then."""
    found: dict[Mutant, bool] = {}
    waiting = list(reversed(drawn))
    running: list[Trial] = []
    while (waiting or running) and time.monotonic() < until:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            tests = cover.of(mutant)
            if tests:
                running.append(mutant_runs.begin(mutant, tests, cover))
            else:
                found[mutant] = True
                _survivor(mutant, "no test runs it")
        for trial, lives in mutant_runs.ended(running):
            running.remove(trial)
            found[trial.mutant] = lives
            if lives:
                _survivor(trial.mutant, f"{len(cover.of(trial.mutant))} tests pass")
            if len(found) % 50 == 0:
                say(f"... {sum(not one for one in found.values())} of {len(found)} killed")
        time.sleep(0.01)
    for trial in running:
        mutant_runs.stop(trial)
    return found


def _survivor(mutant: Mutant, why: str) -> None:
    old, new = mutant.change()
    place = mutant.path.relative_to(ROOT)
    listed = "equal, " if f"`{old}` | `{new}`" in EQUAL.read_text().replace(r"\|", "|") else ""
    say(f"{place}:{mutant.start[0]}: {listed}{why}\n  - {old}\n  + {new}")


def main() -> int:
    """Draw, measure, try, report."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--count", type=int, default=400)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--minutes", type=float, default=60)
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked.add_argument("part", nargs="?", default="")
    given = asked.parse_args()
    until = time.monotonic() + given.minutes * 60
    drawn = mutants.drawn(given.count, given.seed, given.part)
    mutant_runs.prepare()
    with tempfile.TemporaryDirectory() as scratch:
        cover = mutant_runs.measure(Path(scratch))
    say(f"{len(drawn)} mutants (seed {given.seed}), {len(cover.times)} tests")
    found = tried(drawn, cover, given.jobs, until)
    killed = sum(not lives for lives in found.values())
    say(f"{killed} of {len(found)} killed ({killed / max(1, len(found)):.1%})")
    if len(found) < len(drawn):
        say(f"{len(drawn) - len(found)} were not tried in {given.minutes:g} minutes")
    return 0 if found and killed >= GOAL * len(found) and len(found) == len(drawn) else 1


if __name__ == "__main__":
    sys.exit(main())
