"""`./run` names what it cannot use."""

import os
import signal
import subprocess
import sys
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


def test_an_interrupt_from_before_the_command_was_loaded_ends_it_without_a_word() -> None:
    """`./run` holds Ctrl-C back until the command can answer it: the interpreter would do so with
    a traceback."""
    typed = 'kill -INT $$; exec "$0" -m lateen --version'
    held = ["env", "--block-signal=INT", "sh", "-c", typed, sys.executable]
    done = subprocess.run(held, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
