"""Labs for benchmarks: started by the command itself, each in a directory of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lateen.app.lab import lab as labs
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import waiting
from lateen.model.labapi import contract

ROOT = Path(__file__).resolve().parent.parent
WALKTHROUGH = ROOT / "examples" / "walkthrough"
LATEEN = str(Path(sys.executable).with_name("lateen"))


def environment(home: str) -> dict[str, str]:
    """Return the environment of a user: byte code is cached, the lab's files are under `home`."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "LATEEN_HOME": home}


class Lab:
    """A lab that is up inside the `with` block."""

    def __init__(self, folder: Path, name: str = "bench", options: Sequence[str] = ()) -> None:
        self.name = name
        self.home = tempfile.mkdtemp(prefix="ltb")
        self.env = environment(self.home)
        self.argv = [LATEEN, "up", str(folder), "--lab", name, *options]

    def __enter__(self) -> Self:
        done = subprocess.run(self.argv, env=self.env, capture_output=True, text=True)
        if done.returncode:
            self.close()
            raise RuntimeError(f"the lab did not come up:\n{done.stdout}{done.stderr}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the lab down and remove its directory."""
        subprocess.run(
            [LATEEN, "down", "--lab", self.name], env=self.env, capture_output=True, check=False
        )
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def running(self) -> labs.Running:
        """The lab as the command line sees it."""
        os.environ["LATEEN_HOME"] = self.home
        return labs.require(self.name)

    @property
    def api(self) -> lab_api.Api:
        """A new connection to its API server."""
        return lab_api.Api.of(self.running)

    def status(self) -> dict[str, Any]:
        """Return its status document."""
        found: dict[str, Any] = self.api.ask(contract.STATUS)
        return found

    def settled(self, seconds: float = 60.0) -> None:
        """Wait until every pod is ready and every proxy in step. Raises TimeoutError."""
        until(lambda: waiting.settled(self.status(), 0), seconds, 0.05)

    def gateway(self) -> str:
        """Return host:port at which its gateway answers on this machine."""
        url: str = self.status()["gateways"][0]["urls"][0]
        rest = url.partition("://")[2].rstrip("/")
        return rest if ":" in rest else f"{rest}:80"


def until(true: Callable[[], bool], seconds: float = 60.0, pause: float = 0.005) -> float:
    """Wait until something is true; returns the moment. Raises TimeoutError."""
    deadline = time.perf_counter() + seconds
    while not true():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)
    return time.perf_counter()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has taken, its threads included."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")


def processes(match: Callable[[str], bool]) -> Mapping[int, str]:
    """Return pid and command line of every process that matches."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if match(line):
            found[int(entry.name)] = line
    return found
