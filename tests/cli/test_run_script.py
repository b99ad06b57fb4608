"""`./run` names what it cannot use."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_python_that_was_named_and_does_not_run_is_named() -> None:
    done = subprocess.run(
        [str(ROOT / "run"), "help"],
        env={**os.environ, "PYTHON": "/no/such/python"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "PYTHON=/no/such/python does not run as Python 3.11 or newer" in done.stderr
