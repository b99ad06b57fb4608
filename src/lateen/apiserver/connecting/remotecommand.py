"""Exec and attach: bytes between a client's channels and a running command, then how it ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from lateen.apiserver.connecting import channels as channel_numbers, fdio
from lateen.apiserver.connecting.channels import Channels
from lateen.apiserver.connecting.streams import Running
from lateen.base.jsonvalue import Json
from lateen.base.tasks import TaskGroup

_SILENCE = 2.0
"""Seconds without output after which nothing more is expected of a command that ended."""


def outcome(code: int) -> Json:
    """Return the Status that the error channel carries at the end."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure(message: str) -> Json:
    """Return the Status of a command that could not run."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "code": 500,
    }


def ending(code: int, *, structured: bool) -> bytes:
    """Encode the end: a Status for v4 and later, words for older clients."""
    if structured:
        return msgspec.json.encode(outcome(code))
    return b"" if code == 0 else f"command terminated with exit code {code}".encode()


class _Size(msgspec.Struct):
    width: int = msgspec.field(default=0, name="Width")
    height: int = msgspec.field(default=0, name="Height")


class CommandHandle:
    """A running command and its descriptors, each of which is closed once."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self._open = {running.stdin, running.stdout, running.stderr} - {-1}

    @property
    def stdin(self) -> int:
        """Where input goes; -1 when it takes none, or no more."""
        return self.running.stdin if self.running.stdin in self._open else -1

    def end_input(self) -> None:
        """Close standard input; a terminal has its own end-of-file character."""
        if self.running.stdin != self.running.stdout:
            self._close(self.running.stdin)

    def close(self) -> None:
        """Close what is still open."""
        for fd in tuple(self._open):
            self._close(fd)

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.discard(fd)
            fdio.close(fd)


@contextlib.asynccontextmanager
async def holding(running: Running) -> AsyncIterator[CommandHandle]:
    """Hold a command for as long as its client is served, however that ends: afterwards none of
    its descriptors is open, and a command that has not ended is told to."""
    held = CommandHandle(running)
    try:
        yield held
    finally:
        held.close()
        await running.stop()


async def serve(
    channels: Channels, held: CommandHandle, *, structured: bool, attached: bool = False
) -> None:
    """Carry bytes until the command ends or the client is gone.

    The end of a container that one is `attached` to is no failure of the attachment: its exit code
    is told by the Pod's status, and clients take any other answer for a broken connection.
    """
    running = held.running
    for fd in {running.stdin, running.stdout, running.stderr} - {-1}:
        fdio.prepare(fd)
    async with TaskGroup("remotecommand") as tasks:
        feeding = tasks.start(_feed(channels.received(), held), "input")
        output = _Output(channels)
        carrying = tasks.start(output.carry(running), "output")
        ending_task = tasks.start(running.wait(), "wait")
        try:
            await asyncio.wait({feeding, ending_task}, return_when=asyncio.FIRST_COMPLETED)
            if ending_task.done():
                code = 0 if attached else ending_task.result()
                await output.rest(carrying, feeding)
                await channels.send(channel_numbers.ERROR, ending(code, structured=structured))
            else:  # the client is gone; what it was attached to may run for ever
                await running.stop()
        finally:
            await tasks.stop()
            held.close()
    await channels.close()


async def _feed(received: AsyncIterator[tuple[int, bytes]], held: CommandHandle) -> None:
    running, ended = held.running, False
    async for channel, data in received:
        if channel == channel_numbers.STDIN and held.stdin >= 0 and not ended:
            if not data or not await fdio.write(held.stdin, data):
                ended = True
                held.end_input()
        elif channel == channel_numbers.RESIZE and data and running.tty:
            # Of an attached container only the input is the terminal itself.
            for fd in {running.stdout, running.stdin} - {-1}:
                _resize(fd, data)


def _resize(fd: int, data: bytes) -> None:
    for line in data.splitlines():
        with contextlib.suppress(msgspec.MsgspecError):
            size = msgspec.json.decode(line, type=_Size)
            fdio.resize(fd, size.width, size.height)


class _Output:
    """Output on its way to the client."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._sent = 0
        self._sending = 0

    async def carry(self, running: Running) -> None:
        """Carry output until its end."""
        async with asyncio.TaskGroup() as tasks:
            if running.stdout >= 0:
                tasks.create_task(self._copy(running.stdout, channel_numbers.STDOUT))
            if running.stderr >= 0 and running.stderr != running.stdout:
                tasks.create_task(self._copy(running.stderr, channel_numbers.STDERR))

    async def _copy(self, fd: int, channel: int) -> None:
        while data := await fdio.read(fd):
            self._sending += 1
            await self._channels.send(channel, data)
            self._sending -= 1
            self._sent += 1

    async def rest(self, carrying: "asyncio.Task[None]", client: "asyncio.Task[None]") -> None:
        """Wait for what a command that ended left, however slowly its client takes it.

        Something that the command left behind may hold its output open for ever: silence ends it.
        """
        while not carrying.done() and not client.done():
            before = self._sent
            await asyncio.wait(
                {carrying, client}, timeout=_SILENCE, return_when=asyncio.FIRST_COMPLETED
            )
            if self._sent == before and not self._sending:
                return
