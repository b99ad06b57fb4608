"""The reach into pods, where one of them stands for the plane: what answers there is the plane."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lateen.apiserver.connecting.streams import ContainerLog, PodStreams, Running
from lateen.base.jsonvalue import Json
from lateen.model import wellknown
from lateen.model.client import ApiError


class Plane(Protocol):
    """What answers for the plane's pod."""

    async def connect(self, port: int) -> socket.socket:
        """Return a socket connected to a port. Raises OSError where nothing listens."""
        ...

    def run(self, command: Sequence[str]) -> "CommandResult | None":
        """Run a command of the container; None for a program that is not there."""
        ...


@dataclass(frozen=True)
class CommandResult:
    """What a command printed, and how it ended."""

    output: bytes
    errors: bytes = b""
    code: int = 0


class PlaneStreams:
    """PodStreams that leave every other pod to those of the node."""

    def __init__(self, pods: PodStreams, plane: Callable[[], Awaitable[Plane]], log: Path) -> None:
        self._pods, self._plane, self._log = pods, plane, log

    async def exec(
        self, pod: Json, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Running:
        """Run a command; of the plane's pod one of those that istiod's image has."""
        if not wellknown.stands_for_plane(pod):
            return await self._pods.exec(pod, container, command, stdin=stdin, tty=tty)
        said = (await self._plane()).run(command)
        if said is None:
            why = f'exec: "{command[0]}": executable file not found in $PATH'
            text = f'container "{container}": unable to start: {why}'
            raise ApiError(500, "InternalError", text)
        return _Ended.of(said, stdin=stdin, tty=tty)

    async def attach(self, pod: Json, container: str, *, stdin: bool, tty: bool) -> Running:
        """Attach to a container; the plane's has no process of its own."""
        if wellknown.stands_for_plane(pod):
            raise ApiError(400, "BadRequest", "the control plane is no container: see its logs")
        return await self._pods.attach(pod, container, stdin=stdin, tty=tty)

    def log(self, pod: Json, container: str, *, previous: bool) -> ContainerLog | None:
        """Return where a container's log is; of the plane's pod it is the plane's own."""
        if not wellknown.stands_for_plane(pod):
            return self._pods.log(pod, container, previous=previous)
        return None if previous or not self._log.exists() else ContainerLog(self._log, running=True)

    def log_shown(self, log: Path, size: int) -> None:
        """Take note of what was read of a log."""
        if log != self._log:
            self._pods.log_shown(log, size)

    async def port_forward(self, pod: Json, port: int) -> socket.socket:
        """Return a socket connected to a port of a pod. Raises OSError."""
        if not wellknown.stands_for_plane(pod):
            return await self._pods.port_forward(pod, port)
        return await (await self._plane()).connect(port)


@dataclass
class _Ended:
    """A command that was answered at once; its output is read from descriptors as any other's."""

    stdin: int
    stdout: int
    stderr: int
    tty: bool
    code: int

    @classmethod
    def of(cls, said: CommandResult, *, stdin: bool, tty: bool) -> "_Ended":
        """Put what was said where readers find it."""
        into = os.open(os.devnull, os.O_WRONLY) if stdin and not tty else -1
        out = _holding(said.output + said.errors if tty else said.output)
        err = -1 if tty else _holding(said.errors)
        return cls(into, out, err, tty, said.code)

    async def wait(self) -> int:
        """Return how it ended."""
        await asyncio.sleep(0)
        return self.code

    async def stop(self) -> None:
        """It has ended already."""


def _holding(content: bytes) -> int:
    """Return a descriptor from which the content can be read once."""
    held = os.memfd_create("said")
    view = memoryview(content)
    while view:
        view = view[os.write(held, view) :]
    os.lseek(held, 0, os.SEEK_SET)
    return held
