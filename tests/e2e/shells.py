"""Lines of shell in which `kubectl` is a real one of a chosen version, and what they show."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.labs import Lab, kubectl_path


@dataclass(frozen=True)
class Case:
    """A command line, and what it prints: patterns that its output has, in their order."""

    line: str
    shows: tuple[str, ...] = ()
    code: int = 0
    hides: tuple[str, ...] = ()

    def check(self, code: int, printed: str) -> None:
        """Compare what a command printed, standard output and error in one."""
        assert code == self.code, f"{self.line}: {code}\n{printed}"
        place = 0
        for pattern in self.shows:
            found = re.compile(pattern, re.MULTILINE).search(printed, place)
            assert found, f"{self.line}: no {pattern!r} after {place} in\n{printed}"
            place = found.end()
        for pattern in self.hides:
            assert not re.search(pattern, printed, re.MULTILINE), f"{pattern!r} in\n{printed}"


@dataclass
class Shell:
    """A shell whose `kubectl` is the real one of a version."""

    lab: Lab
    version: str
    env: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Where lines are run; the lab's own directory when None."""

    def __post_init__(self) -> None:
        programs = self.lab.home / self.version
        programs.mkdir(mode=0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (programs / "kubectl").symlink_to(kubectl_path(self.version))
        self.env = {**self.lab.env, "PATH": f"{programs}:{self.lab.env['PATH']}", **self.env}

    def start(self, line: str, **options: object) -> subprocess.Popen[str]:
        """Start a line; both outputs go to one place."""
        return subprocess.Popen(
            self.lab.command("bash", "-c", line),
            env=self.env,
            text=True,
            start_new_session=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.STDOUT,
                "cwd": self.folder or self.lab.home,
                **options,
            },
        )

    def run(self, case: Case) -> str:
        """Run a case and compare."""
        process = self.start(case.line)
        try:
            printed, _ = process.communicate(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        case.check(process.returncode, printed)
        return str(printed)

    def __call__(self, line: str) -> str:
        """Run a line, which must succeed, and return what it printed."""
        return self.run(Case(line))
