"""A lab in the hands of a test: everything goes by the command line, as a person would do it."""

import json
import subprocess
from pathlib import Path

from lateen.base import interpreter
from lateen.base.jsonvalue import Json


class MeshError(AssertionError):
    """A command that failed, with what it said."""


class LabFixture:
    """A running lab. What a test applies is deleted after it."""

    def __init__(self, lab: str) -> None:
        self.lab = lab
        self._applied: list[str] = []

    def start(self) -> None:
        """Start it without objects. Raises MeshError."""
        self.run("up")

    def stop(self) -> None:
        """End it. Raises MeshError."""
        self.run("down")

    def apply(self, *names: str | Path) -> None:
        """Apply files or folders, and wait until every proxy has taken them. Raises MeshError."""
        listed = [str(name) for name in names]
        self._applied += listed
        self.run("apply", *(word for name in listed for word in ("-f", name)))

    def curl(self, url: str, *options: str, start: str = "") -> Json:
        """Send a request and return its journey, as `lateen curl -o json` tells it.

        `start` is `deploy/NAME` or a pod, else the host. That no answer came is no error here.
        """
        begin = ("--from", start) if start else ()
        done = self._ran("curl", url, *begin, *options, "-o", "json")
        if not done.stdout:
            raise MeshError(done.stderr)
        found: Json = json.loads(done.stdout)
        return found

    def explain(self, url: str, *options: str, start: str = "outside") -> Json:
        """Return what a request would do, as `lateen explain -o json` has it. Raises MeshError."""
        done = self._ran("explain", start, url, *options, "-o", "json")
        if not done.stdout:
            raise MeshError(done.stderr)
        found: Json = json.loads(done.stdout)
        return found

    def clean(self) -> None:
        """Delete what was applied. Raises MeshError."""
        names, self._applied = list(reversed(self._applied)), []
        if names:
            flags = [word for name in names for word in ("-f", name)]
            self.run("delete", "--ignore-not-found", *flags)

    def run(self, *words: str) -> str:
        """Run a command of the lab and return what it printed. Raises MeshError."""
        done = self._ran(*words)
        if done.returncode:
            raise MeshError(f"lateen {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def _ran(self, *words: str) -> subprocess.CompletedProcess[str]:
        name, *rest = words
        command = [*interpreter.module("lateen.cli.entry"), name, "--lab", self.lab, *rest]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
