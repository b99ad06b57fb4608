"""Say which tests failed and passed when they were asked again: they are to be mended or listed.

Usage: python tools/flaky.py note | tell

`note` keeps what has just failed, before it is asked again. `tell` is for when all of it passed
then: it names each test, and whether `docs/flaky.md` has it with its cause.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
NOTED = ROOT / ".pytest_cache" / "asked-again"
LISTED = ROOT / "docs" / "flaky.md"


def listed() -> set[str]:
    """Return the tests of `docs/flaky.md`: file and function, without parameters."""
    rows = (line.split("|") for line in LISTED.read_text().splitlines() if "::" in line)
    return {row[1].strip().strip("`") for row in rows if len(row) > 2}


def told(failed: list[str]) -> list[str]:
    """Return a line for each test."""
    known = listed()
    return [
        f"flaky: {test}: "
        + ("listed with its cause" if test.partition("[")[0] in known else "NOT in docs/flaky.md")
        for test in sorted(failed)
    ]


def main() -> int:
    """Note or tell."""
    if sys.argv[1:] == ["note"]:
        failed = list(json.loads(FAILED.read_text())) if FAILED.exists() else []
        NOTED.parent.mkdir(exist_ok=True)
        NOTED.write_text(json.dumps(failed))
    else:
        noted = json.loads(NOTED.read_text()) if NOTED.exists() else []
        sys.stdout.write("".join(f"{line}\n" for line in told(noted)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
