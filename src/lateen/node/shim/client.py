"""The shim's asynchronous client: containers, commands, sockets and descriptors of a lab.

Used by the agent inside the lab and by the API server outside it. Descriptors that come back live
inside the pods' namespaces; whoever gets one closes it.
"""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lateen.node.shim import protocol as shimproto
from lateen.node.shim.protocol import ContainerSpec, Frame, Process

_CHUNK = 256 * 1024
_MAX_FDS = 16
_EXITS_KEPT = 4096
"""Ended processes whose end can still be waited for."""


class ShimError(OSError):
    """The shim refused or could not do something; `errno` and text are the kernel's.

    `step` names the part of a start that failed: `exec`, `mount /path`, `setns` …
    """

    def __init__(self, errno: int, message: str, step: str = "") -> None:
        super().__init__(errno, message)
        self.step = step


class ShimGoneError(ConnectionError):
    """The shim ended or closed the connection: its containers are gone with it."""


class Executed(msgspec.Struct, frozen=True):
    """A command started in a container. `terminal` is the master of its terminal, or -1."""

    handle: str
    pid: int
    terminal: int = -1


class Attached(msgspec.Struct, frozen=True):
    """A running container's own streams: `stdin` is a descriptor to write to (the terminal's
    master when `tty`), or -1 when the container takes no input."""

    stdin: int
    tty: bool


class ShimState(msgspec.Struct, frozen=True):
    """All that the shim holds: pods with a network namespace, processes running or ended."""

    pods: tuple[str, ...]
    processes: tuple[Process, ...]
    zygote: int = 0
    """Process id of the loaded program whose copies containers become; 0 for none."""


class ShimClient:
    """One connection to the shim. Open it with `await ShimClient.connect(path)`.

    Every method raises ShimError when the shim says no and ShimGoneError when it is gone.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._decoder = shimproto.Decoder()
        self._fds: list[int] = []
        self._next = 0
        self._waiting: dict[int, asyncio.Future[tuple[Frame, list[int]]]] = {}
        self._exits: dict[str, Process] = {}
        self._exit_waiters: dict[str, list[asyncio.Future[Process]]] = {}
        self._ended: deque[Process] = deque(maxlen=_EXITS_KEPT)
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()
        self._gone = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    @classmethod
    async def connect(cls, path: Path | str, *, subscribe: bool = False) -> "ShimClient":
        """Connect to the shim's socket; `subscribe` asks for the end of every process.

        Raises OSError when nobody listens there.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, str(path))
        except BaseException:
            sock.close()
            raise
        client = cls(sock)
        if subscribe:
            await client._call({"op": "subscribe"})
        return client

    @property
    def gone(self) -> bool:
        """Whether the shim has ended or the connection was closed."""
        return self._gone

    async def close(self) -> None:
        """Close the connection; containers stay."""
        self._lost()

    async def prepare(self, argv: Sequence[str], rehearsal: Sequence[str] = ()) -> None:
        """Have a program loaded once, and run once as `rehearsal` says: containers that run it are
        then copies of that process, where its kind of machine is known. Returns at once."""
        frame = {"op": "prepare", "argv": tuple(argv), "rehearsal": tuple(rehearsal)}
        await self._call(frame)

    async def make_pod(self, pod: str) -> int:
        """Make the pod's network namespace, or find it, and return a descriptor of it."""
        return (await self._call({"op": "make_pod", "pod": pod}))[1][0]

    async def netns(self, pod: str) -> int:
        """Return a descriptor of the pod's network namespace; of the lab's own for ""."""
        return (await self._call({"op": "netns", "pod": pod}))[1][0]

    async def remove_pod(self, pod: str) -> None:
        """Kill what runs in the pod, and drop its namespace and records."""
        await self._call({"op": "remove_pod", "pod": pod})

    async def run(self, handle: str, spec: ContainerSpec) -> Process:
        """Start a container. EEXIST when this handle was started before."""
        frame = {"op": "run", "handle": handle, "spec": spec._asdict()}
        return shimproto.process_from((await self._call(frame))[0])

    async def exec(
        self, handle: str, target: str, spec: ContainerSpec, fds: Sequence[int] = ()
    ) -> Executed:
        """Run a command in the running container `target`, under a new `handle`.

        Of the spec only the command, variables, directory, user and `tty` matter; what is left
        out is the container's own.
        Without `spec.tty`, `fds` are its standard input, output and error; the caller keeps and
        closes its own copies. With it, the answer carries the master of a new terminal.
        """
        frame = {"op": "exec", "handle": handle, "target": target, "spec": spec._asdict()}
        answer, got = await self._call(frame, fds)
        return Executed(handle, answer["pid"], got[0] if got else -1)

    async def attach(
        self, handle: str, out: int, err: int, since: int = 0, *, stdin: bool = True
    ) -> Attached:
        """Copy a container's output to two descriptors from now on (one for a terminal), until
        nobody reads `out` any more.

        The first client of a container with `stdin_once` gets its log from the byte `since` too.
        Without `stdin` its input is left to others.
        """
        frame = {"op": "attach", "handle": handle, "since": since, "stdin": stdin}
        answer, got = await self._call(frame, (out, err))
        return Attached(got[0] if got else -1, bool(answer["tty"]))

    async def kill(self, handle: str, signal: int) -> None:
        """Send a signal to the process. ESRCH when it has ended.

        The first process of a container does not die of a signal that it does not handle; for
        SIGTERM and SIGINT, where waiting would be pointless, the shim then sends SIGKILL.
        """
        await self._call({"op": "kill", "handle": handle, "signal": signal})

    async def forget(self, handle: str) -> None:
        """Drop the record of an ended process."""
        self._exits.pop(handle, None)
        await self._call({"op": "forget", "handle": handle})

    async def state(self) -> ShimState:
        """Return all pods and processes: what a restarted agent adopts."""
        answer, _ = await self._call({"op": "list"})
        processes = tuple(shimproto.process_from(p) for p in answer["processes"])
        return ShimState(tuple(answer["pods"]), processes, answer["zygote"])

    async def open_socket(
        self, pod: str, family: int, kind: int, protocol: int = 0, mark: int = 0
    ) -> socket.socket:
        """Open a non-blocking socket inside the pod's network (the lab's for "").

        `mark` is set as SO_MARK: 1337 passes by the capture rules.
        """
        frame = {
            "op": "open_socket",
            "pod": pod,
            "family": int(family),
            "type": int(kind),
            "protocol": protocol,
            "mark": mark,
        }
        made = socket.socket(fileno=(await self._call(frame))[1][0])
        made.setblocking(False)
        return made

    async def wait(self, handle: str) -> Process:
        """Wait for the end of a process: of one's own `exec`, or of any when subscribed."""
        if handle in self._exits:
            return self._exits[handle]
        if self._gone:
            raise ShimGoneError("the shim is gone")
        waiter: asyncio.Future[Process] = self._loop.create_future()
        waiting = self._exit_waiters.setdefault(handle, [])
        waiting.append(waiter)
        try:
            return await waiter
        finally:
            if waiter in waiting:
                waiting.remove(waiter)

    async def exits(self) -> AsyncIterator[Process]:
        """Yield processes as they end, from the moment of connecting; for one reader, who
        subscribed. Raises ShimGoneError at the end."""
        while not self._gone:
            while self._ended:
                yield self._ended.popleft()
            self._news.clear()
            if not self._gone:
                await self._news.wait()
        raise ShimGoneError("the shim is gone")

    async def _call(self, frame: Frame, fds: Sequence[int] = ()) -> tuple[Frame, list[int]]:
        if self._gone:
            raise ShimGoneError("the shim is gone")
        self._next += 1
        number = self._next
        answer: asyncio.Future[tuple[Frame, list[int]]] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            await self._send(shimproto.encode({**frame, "id": number, "fds": len(fds)}), fds)
            reply, got = await answer
        finally:
            self._waiting.pop(number, None)
        if "error" in reply:
            for fd in got:
                os.close(fd)
            raise ShimError(reply.get("errno", 0), reply["error"], reply.get("step", ""))
        return reply["ok"], got

    async def _send(self, data: bytes, fds: Sequence[int]) -> None:
        async with self._sending:
            sent = 0
            while sent < len(data):
                try:
                    if fds and not sent:
                        sent += socket.send_fds(self._sock, [data], list(fds))
                    else:
                        sent += self._sock.send(data[sent:])
                except BlockingIOError:
                    await _writable(self._loop, self._sock)
                except OSError as error:
                    self._lost()
                    raise ShimGoneError("the shim is gone") from error

    def _readable(self) -> None:
        try:
            data, got, _, _ = socket.recv_fds(self._sock, _CHUNK, _MAX_FDS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, got = b"", []
        self._fds += got
        if not data:
            self._lost()
            return
        for frame in self._decoder.feed(data):
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        count = frame.get("fds", 0)
        fds, self._fds = self._fds[:count], self._fds[count:]
        if "event" in frame:
            self._note_end(shimproto.process_from(frame["process"]))
            return
        answer = self._waiting.get(frame["id"])
        if answer is not None and not answer.done():
            answer.set_result((frame, fds))
            return
        for fd in fds:
            os.close(fd)

    def _note_end(self, process: Process) -> None:
        self._exits[process.handle] = process
        for waiter in self._exit_waiters.pop(process.handle, []):
            if not waiter.done():
                waiter.set_result(process)
        if len(self._exits) > _EXITS_KEPT:
            self._exits.pop(next(iter(self._exits)))
        self._ended.append(process)
        self._news.set()

    def _lost(self) -> None:
        if self._gone:
            return
        self._gone = True
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        error = ShimGoneError("the shim is gone")
        waiting: list[asyncio.Future[Any]] = list(self._waiting.values())
        for group in self._exit_waiters.values():
            waiting += group
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        self._exit_waiters.clear()
        self._news.set()
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.close(fd)


async def _writable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    callback: Callable[[], None] = wake
    loop.add_writer(sock.fileno(), callback)
    try:
        await ready
    finally:
        loop.remove_writer(sock.fileno())
