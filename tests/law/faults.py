"""`./run law --faults CORPUS`: errors planted in the interpreter, one at a time, to see whether
flows that were sent notice them.

A fault is a small change of the source of one module of `lateen.predict`. Each is planted in a
process of its own, as the module is loaded, and the flows of a corpus (`--corpus`) are foretold
again: at least one must come out otherwise than it did.
"""

import importlib.abc
import importlib.machinery
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import yaml

import lateen

Json = dict[str, Any]
_CHOSEN = "LATEEN_LAW_FAULT"
ROOT = Path(lateen.__file__).parent


class Fault(NamedTuple):
    """In a module's source `old` stands once, and is replaced by `new`."""

    module: str
    old: str
    new: str


FAULTS = tuple(
    Fault(**row) for row in yaml.safe_load((Path(__file__).parent / "faults.yaml").read_text())
)


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self._fault, self._name = fault, f"lateen.predict.{fault.module}"

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=str(source_of(self._fault)))

    def exec_module(self, module: ModuleType) -> None:
        text = source_of(self._fault).read_text(encoding="utf-8")
        assert text.count(self._fault.old) == 1, f"{self._name}: {self._fault.old}"
        code = compile(text.replace(self._fault.old, self._fault.new), self._name, "exec")
        exec(code, module.__dict__)


def source_of(fault: Fault) -> Path:
    """Return the file that a fault is planted in."""
    return ROOT / "predict" / f"{fault.module.replace('.', '/')}.py"


def found_by(corpus: Path) -> list[bool]:
    """Return for each fault whether a flow of a corpus noticed it."""
    known = _differing(corpus, "")
    print(f"without a fault {len(known)} flows differ: they count for none", flush=True)
    found = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        every = threads.map(lambda number: _first(corpus, str(number), known), range(len(FAULTS)))
        for number, (fault, first) in enumerate(zip(FAULTS, every, strict=True)):
            found.append(bool(first))
            noticed = f"noticed by {first}" if first else "NOT FOUND"
            print(f"{number:2} {fault.module}: {fault.new}: {noticed}", flush=True)
    return found


def _first(corpus: Path, fault: str, known: set[str]) -> str:
    """Return the first flow of a corpus that a fault changes, or how it ended; empty if none."""
    with _planted(corpus, fault) as process:
        assert process.stdout is not None
        for line in process.stdout:
            fresh = [seed for seed in line.split() if seed not in known]
            if fresh:
                process.terminate()
                return fresh[0]
        return "its end" if process.wait() else ""


def _differing(corpus: Path, fault: str) -> set[str]:
    with _planted(corpus, fault) as process:
        told, _ = process.communicate()
    assert process.returncode == 0
    return set(told.split())


def _planted(corpus: Path, fault: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tests.law.faults", str(corpus)]
    env = {**os.environ, _CHOSEN: fault}
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)


def main(corpus: str) -> int:
    """Foretell a corpus with the chosen fault, and print the flows that come out otherwise."""
    chosen = os.environ.get(_CHOSEN, "")
    if chosen:
        sys.meta_path.insert(0, _Planter(FAULTS[int(chosen)]))
    from tests.law import replay

    with Path(corpus).open(encoding="utf-8") as file:
        for line in file:
            mesh: Json = json.loads(line)
            print(*replay.different(mesh), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
