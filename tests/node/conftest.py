"""Real labs for the node's tests: a shim in namespaces of its own, as root and as a user."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lateen.node.shim import join
from lateen.node.shim.client import ShimClient

SOURCE = Path(__file__).parents[2] / "src"
NOBODY = 65534
DEADLINE = 10.0


def interpreter_for_others() -> str:
    """Return a Python that users other than root may run."""
    real = os.path.realpath(sys.executable)
    return "/usr/bin/python3" if real.startswith("/root/") else sys.executable


@dataclass
class ShimLab:
    """A shim in its own namespaces."""

    home: Path
    uid: int
    python: str
    agent: list[str] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None
    clients: list[ShimClient] = field(default_factory=list)

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def socket(self) -> Path:
        return self.run / "shim.sock"

    def start(self) -> None:
        """Start the lab's namespaces and the shim in them."""
        where = ["t", str(self.state), str(self.run)]
        shim = [self.python, "-m", "lateen.node.shim.init", *where, "--", *self.agent]
        self.process = subprocess.Popen(
            [self.python, "-m", "lateen.node.shim.enter", "--lab", "t", "--", *shim],
            cwd="/",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
            **(
                {"user": self.uid, "group": self.uid, "extra_groups": []}
                if os.getuid() != self.uid
                else {}
            ),
        )

    async def connect(self) -> ShimClient:
        """Connect as the lab's user, waiting for the shim to listen."""
        deadline = time.monotonic() + DEADLINE
        while True:
            assert time.monotonic() < deadline, "the shim did not start"
            with contextlib.suppress(OSError):
                return await self._connect_once()
            await asyncio.sleep(0.002)

    async def _connect_once(self) -> ShimClient:
        own = os.geteuid()
        os.seteuid(self.uid)
        try:
            client = await ShimClient.connect(self.socket, subscribe=True)
        finally:
            os.seteuid(own)
        self.clients.append(client)
        return client

    def shim_pid(self) -> int:
        """Return the shim's process id on the host."""
        return join.shim_pid(self.socket)

    def other_uid(self) -> int:
        """Return an unprivileged user that is not the lab's."""
        return NOBODY - 1 if self.uid == NOBODY else NOBODY

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, f"not in {DEADLINE} s: {what}"
            await asyncio.sleep(0.002)

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


@pytest.fixture(params=["root", "user"])
def shim_lab(request: pytest.FixtureRequest) -> Iterator[ShimLab]:
    """A directory for a lab of root's, or of an ordinary user's; `start` starts it."""
    if request.param == "root" and os.getuid() != 0:
        pytest.skip("needs root")
    as_root = os.getuid() == 0
    uid = NOBODY if as_root and request.param == "user" else os.getuid()
    home = Path(tempfile.mkdtemp(prefix="lateen-", dir="/var/tmp"))
    python = sys.executable if uid == os.getuid() else interpreter_for_others()
    lab = ShimLab(home, uid, python)
    for path in (lab.run, lab.state, lab.state / "logs"):
        path.mkdir(mode=0o700)
    for path in (home, lab.run, lab.state, lab.state / "logs"):
        os.chown(path, uid, uid if uid != os.getuid() else -1)
    yield lab
    if lab.process is not None:
        lab.process.terminate()
        try:
            lab.process.wait(10)
        except subprocess.TimeoutExpired:
            lab.process.kill()
            lab.process.wait()
    shutil.rmtree(home)
