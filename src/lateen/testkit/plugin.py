"""The plugin that pytest loads where Lateen is installed.

Files named `*.cases.yaml` (or by the ini option `lateen_files`) are collected, a test for each
case. The fixture `mesh` gives a lab that a session starts once, with clean objects for each test.
"""

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.analysis.expectations.values import Case, CaseResult
from lateen.testkit.mesh import LabFixture


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what says which files hold cases."""
    parser.addini("lateen_files", "patterns of files with cases", "args", ["*.cases.yaml"])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "CaseFile | None":
    """Collect a file of cases."""
    patterns = parent.config.getini("lateen_files")
    if any(fnmatch.fnmatch(file_path.name, pattern) for pattern in patterns):
        return CaseFile.from_parent(parent, path=file_path)
    return None


class CaseFile(pytest.File):
    """A file of cases; its mesh is compiled once for all of them."""

    def collect(self) -> "Iterator[CaseItem]":
        """Yield a test for each case."""
        from lateen.analysis.expectations.file import CaseError
        from lateen.cli.analysis import test as command
        from lateen.cli.manifests.named import Named

        try:
            found = command.read(str(self.path))
            names = [str(self.path.parent / each) for each in found.mesh]
            if not names:
                raise CaseError(f"{self.path}: `mesh` names no manifests")
            explain = command.of_manifests(Named(names), found.istio, assumed=found.assumed)
        except CaseError as error:
            raise self.CollectError(str(error)) from error
        for case in found.cases:
            yield CaseItem.from_parent(self, name=case.name, case=case, explain=explain)


class CaseItem(pytest.Item):
    """One case as a test."""

    def __init__(self, *, case: Case, explain: Any, **given: Any) -> None:
        super().__init__(**given)
        self._case, self._explain = case, explain

    def runtest(self) -> None:
        """Predict, and compare."""
        from lateen.cli.analysis import test as command

        result = command.judged(self._case, self._explain)
        if result.problems:
            raise NotAsExpected(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """Return the explanation of a case that failed."""
        from lateen.analysis.expectations import results

        if isinstance(excinfo.value, NotAsExpected):
            return "\n".join(results.lines(excinfo.value.result))
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where it stands."""
        return self.path, None, self._case.name


class NotAsExpected(Exception):
    """A case that failed."""

    def __init__(self, result: CaseResult) -> None:
        super().__init__("; ".join(result.problems))
        self.result = result


@pytest.fixture(scope="session")
def mesh_lab() -> Iterator[LabFixture]:
    """A lab for the session; `mesh` is what tests want."""
    lab = LabFixture(f"pytest-{os.getpid()}")
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def mesh(mesh_lab: LabFixture) -> Iterator[LabFixture]:
    """A lab with nothing in it but what the test applies."""
    yield mesh_lab
    mesh_lab.clean()
