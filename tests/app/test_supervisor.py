"""The process that keeps a lab up."""

import time
from pathlib import Path

import pytest

from lateen.app.supervisor import Child, Supervisor


def test_a_start_that_fails_is_tried_again_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine without a free process must not cost the lab all that runs."""
    missing = Child("plane", ["/no/such/program"], str(tmp_path / "plane.log"))
    supervisor = Supervisor([missing])
    supervisor._restart_due()
    assert not missing.pid
    assert missing.due > time.monotonic()
    assert 0 < supervisor._pause() <= 10
    assert "plane cannot be started: No such file" in capsys.readouterr().out
