"""Labs that log keys, commands that run while requests are sent, and tshark."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs
from tests.e2e.labs import WALKTHROUGH, Lab

ON_ANY_PORT = ("-o", "tcp.try_heuristic_first:TRUE")
"""TLS on port 80 is TLS: tshark else takes the port's word for it."""


def logging_keys(make_lab: Callable[..., Lab], folder: Path, version: str) -> Lab:
    shutil.copytree(WALKTHROUGH, folder)
    (folder / "lateen.yaml").write_text("keyLog: true\ntraceSampling: 100\naccessLog: JSON\n")
    made = make_lab(f"capture{version.replace('.', '')}")
    made.ok("up", str(folder), "--istio", version, timeout=120)
    return made


class Command:
    """A `lateen` command that runs while requests are sent."""

    said = ""
    """What it wrote to standard error at the end."""

    def __init__(self, lab: Lab, *args: str) -> None:
        self._process = subprocess.Popen(
            lab.command(sys.executable, "-m", "lateen.cli.entry", *args),
            env=lab.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, text: str) -> None:
        """Read what it says of itself until that."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if text in line:
                return
        pytest.fail(f"it ended without {text!r}")

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let it do nothing meanwhile."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stopped(self) -> str:
        """End it as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        return self.ended()

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def ended(self) -> str:
        """Wait for its end, and return what it printed."""
        out, self.said = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, (self._process.returncode, out, self.said)
        return out


def ask(lab: Lab, *paths: str, header: str = "x-test: 1") -> None:
    for path in paths:
        lab.ok("curl", "-H", header, f"http://istio-ingressgateway/{path}")


def tshark(file: Path, chosen: str, *fields: str) -> list[list[str]]:
    program = programs.require("tshark")
    argv = [program, *ON_ANY_PORT, "-r", str(file), "-Y", chosen, "-T", "fields"]
    argv += ["-E", "separator=\t", "-E", "aggregator=|"]
    for name in fields:
        argv += ["-e", name]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]
