"""Programs of the machine that a test compares with, where they are installed."""

import pytest

from tools import programs


def require(name: str) -> str:
    """Return the program's path; skip the test with the command that installs it if it is not
    there."""
    found = programs.find(name)
    if found is None:
        pytest.skip(f"{name} is not installed: {programs.command([name])}")
    return found


def installed(*names: str) -> dict[str, str]:
    """Return those of the programs that are there, with their paths."""
    return {name: found for name in names if (found := programs.find(name))}
