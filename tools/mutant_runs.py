"""Runs tests in forks of one process: once to learn which test covers which line, then for each
mutant those that cover it."""

import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import hypothesis
import pytest
from mutants import ROOT, SOURCE, Mutant

ROOMS = (
    "compiler",
    "causes",
    "observe",
    "app",
    "xds",
    "predict",
    "analysis",
    "controllers",
    "users",
    "law",
)
TESTS = tuple(f"tests/{room}" for room in ROOMS)
"""Which tests are asked: those that compile, explain or read what travels."""
MARKS = "not e2e and not netns"
OPTIONS = (
    "-q",
    "-x",
    "-p",
    "no:cacheprovider",
    "-p",
    "pytest_timeout",
    "-p",
    "_hypothesis_pytestplugin",
    "-m",
    MARKS,
)


class Cover(NamedTuple):
    """What the tests run: `lines` by file and line, `files` by file, each with tests; `times` are
    their seconds."""

    lines: dict[str, dict[int, list[str]]]
    files: dict[str, list[str]]
    times: dict[str, float]

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that cover a mutant, the quickest first.

        What runs while a module of a test loads matters to tests that run something of the file.
        What runs while its own module loads may matter to any test: those come first.
        """
        path = str(mutant.path)
        by_line = self.lines.get(path, {})
        found = {test for line in mutant.lines for test in by_line.get(line, ())}
        if "" not in found:
            return sorted(found, key=self._cost)
        near = set(self.files.get(path, ())) | found - {""}
        chosen = self.times if mutant.loading else near
        return sorted(
            chosen, key=lambda test: (test not in found, test not in near, *self._cost(test))
        )

    def _cost(self, test: str) -> tuple[float, str]:
        return self.times.get(test, 9.0), test


class _Contexts:
    """A plugin of pytest: says to coverage which test runs, and notes how long it took."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self.times: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._measured.switch_context(item.nodeid)
        began = time.monotonic()
        result = yield
        self.times[item.nodeid] = time.monotonic() - began
        self._measured.switch_context("")
        return result


class _Chosen:
    """A plugin of pytest: runs the tests that are named, in the order of their names."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._rank = {test: rank for rank, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank),
            key=lambda item: self._rank[item.nodeid],
        )


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Loads one module from other source than its file has."""

    def __init__(self, mutant: Mutant) -> None:
        parts = mutant.path.relative_to(SOURCE.parent).with_suffix("").parts
        self._name = ".".join(part for part in parts if part != "__init__")
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        is_package = self._mutant.path.name == "__init__.py"
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)
        spec.origin = str(self._mutant.path)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [str(self._mutant.path.parent)]
        return spec

    def get_source(self, fullname: str) -> str:
        return self._mutant.code()


def prepare() -> None:
    """Load what every fork needs and no mutant changes; make hypothesis draw the same each time."""
    os.chdir(ROOT)
    # A plugin of ours would have been loaded before the mutant is, and pytest rewrites its package.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path[:0] = [str(ROOT), str(SOURCE.parent)]
    slow = list(hypothesis.HealthCheck)  # what is measured while two of these run says nothing
    hypothesis.settings.register_profile(
        "still", derandomize=True, database=None, suppress_health_check=slow
    )
    hypothesis.settings.load_profile("still")
    for name in ("grpc", "yaml", "msgspec", "cryptography.x509", "h2.connection"):
        __import__(name)


def measure(scratch: Path) -> Cover:
    """Run all tests once, in a fork, and return what they cover. Raises RuntimeError when one
    fails: then no mutant can be told from the source."""
    scratch.mkdir(parents=True, exist_ok=True)
    data, times = scratch / "coverage", scratch / "times.json"
    child = os.fork()
    if child == 0:
        measured = coverage.Coverage(data_file=str(data), source=[str(SOURCE)], branch=False)
        measured.start()
        contexts = _Contexts(measured)
        status = pytest.main([*OPTIONS, "-o", "timeout=0", *TESTS], plugins=[contexts])
        measured.stop()
        measured.save()
        times.write_text(json.dumps(contexts.times))
        os._exit(int(status))
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise RuntimeError("the tests fail without a mutant; mend them first")
    found = coverage.CoverageData(str(data))
    found.read()
    by_line = {path: found.contexts_by_lineno(path) for path in found.measured_files()}
    by_file = {
        path: sorted({test for tests in lines.values() for test in tests} - {""})
        for path, lines in by_line.items()
    }
    return Cover(by_line, by_file, json.loads(times.read_text()))


class Trial(NamedTuple):
    """A mutant that is being tried: the process, and the moment at which it has run for too long
    (which counts as killed: the change made a loop)."""

    mutant: Mutant
    process: int
    deadline: float


def begin(mutant: Mutant, tests: Sequence[str], cover: Cover) -> Trial:
    """Start the tests of a mutant in a fork of this process."""
    allowed = 30 + 5 * sum(cover.times.get(test, 1.0) for test in tests)
    child = os.fork()
    if child == 0:
        os.setsid()
        _silence()
        status = 1
        try:
            sys.meta_path.insert(0, _Changed(mutant))
            files = sorted({test.partition("::")[0] for test in tests})
            status = int(pytest.main([*OPTIONS, *files], plugins=[_Chosen(tests)]))
        finally:
            os._exit(status)
    return Trial(mutant, child, time.monotonic() + allowed)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def ended(trials: Iterable[Trial]) -> list[tuple[Trial, bool]]:
    """Return the trials that are over, each with whether its mutant lives."""
    over = []
    for trial in trials:
        process, status = os.waitpid(trial.process, os.WNOHANG)
        if process:
            over.append((trial, os.waitstatus_to_exitcode(status) == 0))
        elif time.monotonic() > trial.deadline:
            stop(trial)
            over.append((trial, False))
    return over


def stop(trial: Trial) -> None:
    """End a trial that is running, and what it started."""
    os.killpg(trial.process, signal.SIGKILL)
    os.waitpid(trial.process, 0)
