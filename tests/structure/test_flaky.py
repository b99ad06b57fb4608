"""The list of tests that were asked twice names tests that are there, and the gate reads it."""

from pathlib import Path

import pytest

from tools import flaky

ROOT = Path(__file__).parents[2]


def test_every_listed_test_is_there() -> None:
    for test in flaky.listed():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text()


def test_what_needed_a_second_asking_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "flaky.md"
    page.write_text("| test | cause |\n|---|---|\n| `tests/a.py::test_b` | slow |\n")
    monkeypatch.setattr(flaky, "LISTED", page)
    assert flaky.told(["tests/a.py::test_c", "tests/a.py::test_b[1]"]) == [
        "flaky: tests/a.py::test_b[1]: listed with its cause",
        "flaky: tests/a.py::test_c: NOT in docs/flaky.md",
    ]
