"""The API server's reach into pods, on the shim: everything is a descriptor inside the pod."""

import asyncio
import contextlib
import errno
import itertools
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lateen.apiserver.connecting.streams import ContainerLog, Running
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError
from lateen.node.container import logs
from lateen.node.pod import status as podstatus
from lateen.node.shim import protocol
from lateen.node.shim.client import ShimClient, ShimError, ShimGoneError
from lateen.node.shim.protocol import ContainerSpec

_CONNECT_SECONDS = 5.0
_SHOWN_KEPT = 1024
"""Logs whose reading is remembered."""


class ShimLink:
    """One shared connection to the shim, made anew when the node was started again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client: ShimClient | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> ShimClient:
        """Return a live connection. Raises ApiError 503 while the node is not there."""
        async with self._lock:
            if self._client is not None and not self._client.gone:
                return self._client
            try:
                self._client = await ShimClient.connect(self._path, subscribe=True)
            except OSError as error:
                raise ApiError(
                    503, "ServiceUnavailable", "the node is being started: try again"
                ) from error
            return self._client


@dataclass
class ShimRunning:
    """A command run by the shim, or an attached container."""

    shim: ShimClient
    handle: str
    stdin: int
    stdout: int
    stderr: int
    tty: bool
    owned: bool
    """Whether it is ours to end and to forget: a command is, a container is not."""
    _ended: bool = field(default=False)

    async def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        try:
            process = await self.shim.wait(self.handle)
        except ShimGoneError:
            return 137
        self._ended = True
        if self.owned:
            with contextlib.suppress(ShimError, ShimGoneError):
                await self.shim.forget(self.handle)
        return process.code

    async def stop(self) -> None:
        """End a command whose client went away."""
        if not self.owned or self._ended:
            return
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ShimError, ShimGoneError):
                await self.shim.kill(self.handle, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), 0.5)
                return


class ShimStreams:
    """PodStreams on the shim."""

    def __init__(
        self,
        link: ShimLink,
        logs_directory: Path,
    ) -> None:
        self._link = link
        self._logs = logs_directory
        self._numbers = itertools.count(1)
        self._shown: dict[Path, int] = {}

    async def exec(
        self, pod: Json, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Running:
        """Run a command in a running container."""
        shim = await self._link.get()
        target = await self._running(shim, pod, container)
        spec = ContainerSpec(argv=tuple(command), tty=tty, stdin=stdin)
        handle = f"{target}#exec-{os.getpid()}-{next(self._numbers)}"
        with refused(container, command):
            if tty:
                done = await shim.exec(handle, target, spec)
                master = done.terminal
                return ShimRunning(shim, handle, master if stdin else -1, master, -1, True, True)
            return await self._piped(shim, handle, target, spec, stdin=stdin)

    async def _piped(
        self, shim: ShimClient, handle: str, target: str, spec: ContainerSpec, *, stdin: bool
    ) -> ShimRunning:
        in_read, in_write = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        try:
            await shim.exec(handle, target, spec, (in_read, out_write, err_write))
        except BaseException:
            for fd in (in_write, out_read, err_read):
                if fd >= 0:
                    os.close(fd)
            raise
        finally:
            for fd in (in_read, out_write, err_write):
                os.close(fd)
        return ShimRunning(shim, handle, in_write, out_read, err_read, False, True)

    async def attach(self, pod: Json, container: str, *, stdin: bool, tty: bool) -> Running:
        """Attach to a running container's output and, if it takes any, its input."""
        shim = await self._link.get()
        target = await self._running(shim, pod, container)
        _, _, attempt = protocol.parse_handle(target)
        log = logs.path(self._log_directory(pod), container, attempt)
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        try:
            shown = self._shown.pop(log, 0)
            got = await shim.attach(target, out_write, err_write, shown, stdin=stdin)
        except BaseException:
            os.close(out_read)
            os.close(err_read)
            raise
        finally:
            os.close(out_write)
            os.close(err_write)
        if got.tty:
            os.close(err_read)
            return ShimRunning(shim, target, got.stdin, out_read, -1, tty, False)
        return ShimRunning(shim, target, got.stdin, out_read, err_read, False, False)

    def log(self, pod: Json, container: str, *, previous: bool) -> ContainerLog | None:
        """Return the log file of the container's current or previous run."""
        directory = self._log_directory(pod)
        if previous:
            attempt = _last_run(pod, container)
        else:
            attempt = logs.newest_attempt(directory / container)
        if attempt is None:
            return None
        path = logs.path(directory, container, attempt)
        if not path.exists():
            return None
        return ContainerLog(path, running=not previous and _is_running(pod, container))

    def log_shown(self, log: Path, size: int) -> None:
        """Take note of what a client has read of a log, should it attach next."""
        self._shown.pop(log, None)
        self._shown[log] = size
        if len(self._shown) > _SHOWN_KEPT:
            del self._shown[next(iter(self._shown))]

    def _log_directory(self, pod: Json) -> Path:
        metadata = pod["metadata"]
        return logs.directory(self._logs, metadata["namespace"], metadata["name"], metadata["uid"])

    async def port_forward(self, pod: Json, port: int) -> socket.socket:
        """Return a socket connected to a port at the pod's loopback, past the capture rules."""
        shim = await self._link.get()
        made = await shim.open_socket(
            pod["metadata"]["uid"], socket.AF_INET, socket.SOCK_STREAM, mark=1337
        )
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.sock_connect(made, ("127.0.0.1", port))
        except BaseException:
            made.close()
            raise
        return made

    async def _running(self, shim: ShimClient, pod: Json, container: str) -> str:
        uid = pod["metadata"]["uid"]
        for process in (await shim.state()).processes:
            if process.state != "running" or "#" in process.handle:
                continue
            owner, name, _ = protocol.parse_handle(process.handle)
            if (owner, name) == (uid, container):
                return process.handle
        raise ApiError(500, "InternalError", f'container not found ("{container}")')


def _status_of(pod: Json, container: str) -> Json:
    statuses = pod.get("status") or {}
    every = [
        status
        for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        for status in statuses.get(field, [])
    ]
    return next((status for status in every if status["name"] == container), {})


def _is_running(pod: Json, container: str) -> bool:
    return "running" in _status_of(pod, container).get("state", {})


def _last_run(pod: Json, container: str) -> int | None:
    """Return the number of the run that ended last before the present state, by kubelet's rule:
    while the container waits for a restart, the one that everybody sees as its latest."""
    ended = _status_of(pod, container).get("lastState", {}).get("terminated", {})
    return podstatus.run_of(ended.get("containerID", ""))


@contextlib.contextmanager
def refused(container: str, command: Sequence[str]) -> Iterator[None]:
    """Put a command that cannot be started into the words of a container runtime."""
    try:
        yield
    except ShimError as error:
        why = str(error)
        if command:
            missing = error.errno == errno.ENOENT and "/" not in command[0]
            words = "executable file not found in $PATH" if missing else str(error.strerror).lower()
            why = f'exec: "{command[0]}": {words}'
        raise ApiError(
            500, "InternalError", f'container "{container}": unable to start: {why}'
        ) from error
