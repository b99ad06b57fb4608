"""What the API server needs of the thing that runs pods: running commands, logs, connections.

Everything is handed over as a file descriptor that lives inside the pod; bytes never pass through
another process. The application implements this on the lab's shim.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from lateen.base.jsonvalue import Json


class Running(Protocol):
    """A command or a container's own process. Whoever gets one closes its descriptors.

    `stdin` and `stderr` are -1 where there is none. With `tty` all three are one: `stdout` is the
    terminal's master, and `stdin` is either -1 or the same number.
    """

    @property
    def stdin(self) -> int: ...

    @property
    def stdout(self) -> int: ...

    @property
    def stderr(self) -> int: ...

    @property
    def tty(self) -> bool: ...

    async def wait(self) -> int:
        """Wait for the end; return the exit code, 128 + the signal's number for a killed one."""
        ...

    async def stop(self) -> None:
        """The client went away: end a command; leave an attached container alone."""
        ...


class ContainerLog(msgspec.Struct, frozen=True):
    """A container's log in CRI lines (`TIME stdout F text`); `running` while it may grow."""

    path: Path
    running: bool


class PodStreams(Protocol):
    """Reaching into pods. `pod` is the Pod object; the container is one of its own.

    Every method raises ApiError when the pod or container is not there to be reached.
    """

    async def exec(
        self, pod: Json, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Running:
        """Run a command in a container."""
        ...

    async def attach(self, pod: Json, container: str, *, stdin: bool, tty: bool) -> Running:
        """Attach to a container's own process."""
        ...

    def log(self, pod: Json, container: str, *, previous: bool) -> ContainerLog | None:
        """Return where the container's log is; None when there is none (yet, or any more)."""
        ...

    def log_shown(self, log: Path, size: int) -> None:
        """Take note that a client has read a log's first so many bytes.

        Newer clients read the log before they attach: attaching goes on from there.
        """
        ...

    async def port_forward(self, pod: Json, port: int) -> socket.socket:
        """Return a non-blocking socket connected to a port at the pod's loopback.

        Raises OSError when nobody listens there.
        """
        ...
