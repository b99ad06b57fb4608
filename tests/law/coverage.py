"""Which fields and failure classes the flows of a run, or of a corpus, have met, and how often.

.venv/bin/python -m tests.law.coverage CORPUS
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lateen.causes import catalogue

ENOUGH = 20
_OPEN = ("matchLabels", "labels", "portLevelMtls", "headers", "withoutHeaders", "queryParams")
"""Fields whose keys are anybody's words."""


def fields(objects: list[dict[str, Any]]) -> set[str]:
    """Return the fields that objects set: `Kind.spec.http.route`, without the numbers of lists."""
    return {path for each in objects for path in _within(each["kind"], each["spec"])}


def _within(path: str, node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _within(path, each)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield f"{path}.{key}"
            if key not in _OPEN:
                yield from _within(f"{path}.{key}", value)


def lines(corpus: Path) -> Iterator[str]:
    """Yield what was met less often than enough."""
    met, codes, flows = Counter[str](), Counter[str](), 0
    versions: Counter[str] = Counter()
    with corpus.open(encoding="utf-8") as file:
        for line in file:
            mesh = json.loads(line)
            count = len(mesh["flows"])
            flows += count
            versions[mesh["istio"]] += count
            met.update(dict.fromkeys(fields(mesh["objects"]), count))
            codes.update(flow["answer"]["verdict"]["code"] for flow in mesh["flows"])
    yield f"{flows} flows ({', '.join(f'{v}: {n}' for v, n in sorted(versions.items()))})"
    yield f"{len(met)} fields, {sum(n >= ENOUGH for n in met.values())} of them in {ENOUGH} or more"
    yield from (f"  {field}: {n}" for field, n in sorted(met.items()) if n < ENOUGH)
    every = [cause.code for cause in catalogue.EVERY]
    enough = [code for code in every if codes[code] >= ENOUGH]
    yield f"{len(enough)} of {len(every)} failure classes in {ENOUGH} or more; the others:"
    yield from (f"  {code}: {codes[code]}" for code in every if codes[code] < ENOUGH)


if __name__ == "__main__":
    for told in lines(Path(sys.argv[1])):
        print(told)
