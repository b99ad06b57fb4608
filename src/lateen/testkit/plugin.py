"""The plugin that pytest loads where Lateen is installed.

Files named `*.cases.yaml` (or by the ini option `lateen_files`) are collected, a test for each
case. The fixture `mesh` gives a lab that a session starts once, with clean objects for each test.
"""

import fnmatch
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.analysis.expectations.values import CaseResult
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
        from lateen.cli.analysis import assertions, test as command
        from lateen.cli.manifests.named import Named

        try:
            found = command.read(str(self.path))
            names = [str(self.path.parent / each) for each in found.mesh]
            if not names:
                raise CaseError(f"{self.path}: `mesh` names no manifests")
            explain = command.of_manifests(Named(names), found.istio, assumed=found.assumed)
            asked = bool(found.assertions)
            standing = assertions.of_manifests(Named(names), found.istio) if asked else None
        except CaseError as error:
            raise self.CollectError(str(error)) from error
        for case in found.cases:
            judge = functools.partial(command.judged, case, explain)
            yield CaseItem.from_parent(self, name=case.name, judge=judge)
        for each in found.assertions:
            assert standing is not None, "it was made where there are assertions"
            holds = functools.partial(assertions.held, each, standing)
            yield CaseItem.from_parent(self, name=each.name, judge=holds)


class CaseItem(pytest.Item):
    """One case, or one statement about all requests, as a test."""

    def __init__(self, *, judge: Callable[[], CaseResult], **given: Any) -> None:
        super().__init__(**given)
        self._judge = judge

    def runtest(self) -> None:
        """Predict, and compare."""
        result = self._judge()
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
        return self.path, None, self.name


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
