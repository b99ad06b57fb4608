"""Whole labs, driven as a person drives them: the command line, kubectl, curl; as root and as an
ordinary user."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lateen.node.shim import protocol
from lateen.node.shim.client import ShimClient
from tests import programs
from tools.programs import PACKAGES

ROOT = Path(__file__).parents[2]
WALKTHROUGH = ROOT / "examples" / "walkthrough"
ORDINARY = 47110
"""A uid that no account has: an ordinary user needs none."""
KUBECTLS = ("kubectl-1.37", "kubectl-1.32")
"""The newest and the oldest that the tests ask."""


def readable_by_all(path: Path) -> list[Path]:
    """Return the ancestors of a path that an ordinary user could not pass."""
    return [p for p in reversed(path.parents) if p.exists() and not p.stat().st_mode & 0o001]


def as_ordinary_user(argv: list[str], uid: int = ORDINARY) -> list[str]:
    """Return the command line that runs `argv` without privilege.

    Where the interpreter or the checkout lies below a private directory (root's home), a private
    mount namespace puts an open directory in its place with only those trees in it.
    """
    hidden = {
        tree: closed[0]
        for tree in dict.fromkeys([Path(sys.base_prefix), Path(sys.prefix), ROOT])
        if (closed := readable_by_all(tree))
    }
    trees = list(enumerate(hidden, start=3))
    steps = [f'exec {fd}<"{tree}"' for fd, tree in trees]
    steps += [
        f'mount -t tmpfs -o mode=755 open "{place}"' for place in dict.fromkeys(hidden.values())
    ]
    for fd, tree in trees:
        bind = f'mount --no-canonicalize --bind /proc/self/fd/{fd} "{tree}"'
        steps += [f'mkdir -p "{tree}"', bind, f"exec {fd}<&-"]
    drop = f'exec setpriv --reuid={uid} --regid={uid} --clear-groups -- "$@"'
    script = " && ".join([*steps, drop])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *argv]


@dataclass
class Lab:
    """One lab's command line."""

    name: str
    home: Path
    ordinary: bool
    env: dict[str, str] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    """What enters the network namespace that is the host to this lab; empty for the real one."""
    uid: int = ORDINARY
    """Whose an ordinary user's lab is."""

    @property
    def version(self) -> str:
        """The kubectl of this lab: the newest as root, the oldest as an ordinary user. A kubectl
        knows nothing of who started the lab, so the other two pairs would find nothing else."""
        return KUBECTLS[self.ordinary]

    def processes(self) -> dict[int, list[str]]:
        """Return the command lines of the lab's processes, its pods' with them, by pid.

        Supervisor and first plane began before they knew their lab: they are known by its locks.
        """
        found = {}
        run = f"{self.home}/run/{self.name}/"
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if any(word.startswith(str(self.home)) for word in words) or (
                    "-m" in words
                    and any(os.readlink(f).startswith(run) for f in (entry / "fd").iterdir())
                ):
                    found[int(entry.name)] = words
        return found

    def command(self, *argv: str) -> list[str]:
        """Return the command line that runs a program as the lab's user, where the lab is. A test
        that asks for a program which the machine has not is skipped."""
        if argv[0] in PACKAGES:
            programs.require(argv[0])
        return [*self.inside, *(as_ordinary_user(list(argv), self.uid) if self.ordinary else argv)]

    def run(
        self, *argv: str, timeout: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run any program in the lab's environment."""
        return subprocess.run(
            self.command(*argv),
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            check=False,
        )

    def lateen(self, *args: str, timeout: float = 60, stdin: str | None = None):
        """Run `lateen ARGS`."""
        return self.run(
            sys.executable, "-m", "lateen.cli.entry", *args, timeout=timeout, stdin=stdin
        )

    def kubectl(self, *args: str, version: str = KUBECTLS[0], timeout: float = 60):
        """Run the real kubectl against the lab."""
        return self.run(kubectl_path(version), *args, timeout=timeout)

    def ok(self, *args: str, timeout: float = 60, stdin: str | None = None) -> str:
        """Run `lateen ARGS`, which must succeed, and return what it printed."""
        done = self.lateen(*args, timeout=timeout, stdin=stdin)
        assert done.returncode == 0, f"lateen {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return str(done.stdout)

    def curl(self, *words: str) -> str:
        """Run curl on the host, which must get an answer of whatever status, and return what it
        printed. A failure tells why there was none, and how the lab was then."""
        done = self.run("curl", "-sS", "-m", "10", *words)
        assert done.returncode == 0, (
            f"curl {words}: exit code {done.returncode}: {done.stderr}"
            f"{self.lateen('status').stdout}{self.logs()}"
        )
        return str(done.stdout)

    def fetch(self, *words: str) -> tuple[int, str]:
        """Run `curl WORDS` and return status and body: an empty body alone would not tell a lost
        route from a lost connection."""
        body, _, status = self.curl("-w", "\n%{http_code}", *words).rpartition("\n")
        return int(status), body

    def kill(self, uid: str, container: str) -> None:
        """Kill a container of a pod, as whoever runs out of memory is killed."""

        async def at_once() -> None:
            shim = await ShimClient.connect(self.home / "run" / self.name / "shim.sock")
            for process in (await shim.state()).processes:
                running = process.state == "running"
                if running and protocol.parse_handle(process.handle)[:2] == (uid, container):
                    await shim.kill(process.handle, signal.SIGKILL)
            await shim.close()

        asyncio.run(at_once())

    def connect(self, address: str, port: int) -> socket.socket:
        """Open a connection from the lab's own network, where no proxy is."""

        async def at_once() -> socket.socket:
            shim = await ShimClient.connect(self.home / "run" / self.name / "shim.sock")
            made = await shim.open_socket("", socket.AF_INET, socket.SOCK_STREAM)
            await shim.close()
            return made

        made = asyncio.run(at_once())
        made.settimeout(10)
        made.connect((address, port))
        return made

    def logs(self) -> str:
        """Return the logs of the lab's own processes, for a failing test's report."""
        files = sorted((self.home / "state").glob("*/logs/*.log"))
        return "\n".join(f"== {f.name}\n{f.read_text(errors='replace')[-3000:]}" for f in files)


def kubectl_path(version: str) -> str:
    """Return the path of a real kubectl."""
    for name in (version, "kubectl"):
        if found := shutil.which(name, path=f"{ROOT}/.venv/kubectl:{os.environ['PATH']}"):
            return found
    pytest.fail("no kubectl: run `python tools/kubectl.py .venv/kubectl`")


USERS = [
    pytest.param(False, id="root", marks=pytest.mark.skipif(os.getuid() != 0, reason="not root")),
    pytest.param(True, id="user"),
]
