"""The process that keeps a lab up."""

import os
import time
from pathlib import Path

import pytest

from lateen.app.supervisor import Child, Supervisor


def test_a_start_that_fails_is_tried_again_later(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A machine without a free process must not cost the lab all that runs."""
    missing = Child("plane", ["/no/such/program"], str(tmp_path / "plane.log"))
    supervisor = Supervisor([missing])
    supervisor._restart_due()
    assert not missing.pid
    assert missing.due > time.monotonic()
    assert 0 < supervisor._pause() <= 10
    assert "plane cannot be started: No such file" in capfd.readouterr().out


def test_a_full_disk_costs_the_lab_nothing(tmp_path: Path) -> None:
    """What the log cannot take is lost; the child is started again all the same."""
    ending = Child("plane", ["/bin/false"], str(tmp_path / "plane.log"))
    supervisor = Supervisor([ending])
    held = os.dup(1)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        os.dup2(full, 1)
        ending.start(0.0)
        deadline = time.monotonic() + 10
        while ending.pid and time.monotonic() < deadline:
            supervisor._reap()
    finally:
        os.dup2(held, 1)
        os.close(held)
        os.close(full)
    assert not ending.pid
    assert ending.restarts == 1
    assert not supervisor._stopping
