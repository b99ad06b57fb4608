"""Port-forward: connections of a client to ports of a pod, over SPDY streams or channels."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence

from lateen.apiserver import errors
from lateen.apiserver.connecting import fdio, spdysession, websocket
from lateen.base.tasks import TaskGroup
from lateen.model.client import ApiError

Connect = Callable[[int], Awaitable[socket.socket]]
"""Connects to a port of the pod; raises OSError."""

MAX_CONNECTIONS = 256
CONNECT_SECONDS = 10.0


def ports(texts: Sequence[str]) -> tuple[int, ...]:
    """Read the `ports` parameters of a channel client. Raises ApiError 400."""
    found = []
    for text in texts:
        for part in text.split(","):
            number = int(part) if part.isascii() and part.isdigit() and len(part) < 6 else 0
            if not 0 < number < 65536:
                raise errors.bad_request(f"invalid port {part[:20]!r}")
            found.append(number)
    return tuple(found)


async def serve(session: spdysession.Session, connect: Connect) -> None:
    """Pair error and data streams by request, and connect each pair, until the client leaves."""
    async with TaskGroup("portforward") as tasks:
        reading = tasks.start(session.run(), "session")
        waiting: dict[str, spdysession.SpdyStream] = {}
        live = 0

        def ended(_: "asyncio.Task[None]") -> None:
            nonlocal live
            live -= 1

        async for stream in session.opened():
            kind = stream.headers.get("streamtype", "").lower()
            request = stream.headers.get("requestid", "") or str(stream.number - stream.number % 4)
            if kind == "error":
                waiting[request] = stream
            elif kind == "data" and request in waiting and live < MAX_CONNECTIONS:
                live += 1
                task = tasks.start(
                    _carry(session, stream, waiting.pop(request), connect), f"stream{stream.number}"
                )
                task.add_done_callback(ended)
            else:
                await stream.cancel()
        await asyncio.wait({reading})


async def _carry(
    session: spdysession.Session,
    data: spdysession.SpdyStream,
    error: spdysession.SpdyStream,
    connect: Connect,
) -> None:
    port = data.headers.get("port", "")
    try:
        wanted = ports([port])[0]
        async with asyncio.timeout(CONNECT_SECONDS):
            made = await connect(wanted)
    except (OSError, ApiError) as problem:
        await error.write(_words(port, problem).encode())
        await error.finish()
        await data.cancel()
        return
    with made:
        await _splice(data, made)
    await error.finish()
    for stream in (data, error):
        session.forget(stream.number)


def _words(port: str, problem: Exception) -> str:
    number = getattr(problem, "errno", None)
    reason = os.strerror(number) if number else str(problem) or "timed out"
    return (
        f"error forwarding port {port[:20]} to pod: failed to connect to localhost:{port[:20]} "
        f"inside the pod: {reason.lower()}"
    )


async def _splice(data: spdysession.SpdyStream, made: socket.socket) -> None:
    made.setblocking(False)
    fd = made.fileno()

    async def upstream() -> None:
        while chunk := await data.read():
            if not await fdio.write(fd, chunk):
                return
        if data.reset:
            raise ConnectionResetError
        made.shutdown(socket.SHUT_WR)

    async def downstream() -> None:
        while chunk := await fdio.read(fd):
            await data.write(chunk)
        await data.finish()

    async with TaskGroup("splice") as tasks:
        up = tasks.start(_quiet(upstream()), "up")
        down = tasks.start(_quiet(downstream()), "down")
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        if not down.done() and not data.reset:
            await asyncio.wait({down})


async def _quiet(copying: Awaitable[None]) -> None:
    try:
        await copying
    except OSError:
        return


async def serve_channels(
    client: websocket.WebSocket, wanted: Sequence[int], connect: Connect
) -> None:
    """Serve a client of channel pairs: 2i carries the data of the i-th port, 2i+1 its errors.

    Each channel begins with the port's number, two bytes little-endian.
    """
    if not wanted:
        raise errors.bad_request('query parameter "ports" is required')
    async with TaskGroup("portforward") as tasks:
        sockets: dict[int, socket.socket] = {}
        for index, port in enumerate(wanted[:100]):
            for channel in (2 * index, 2 * index + 1):
                await client.send(bytes([channel]) + struct.pack("<H", port))
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    made = await connect(port)
            except (OSError, ApiError) as problem:
                await client.send(bytes([2 * index + 1]) + _words(str(port), problem).encode())
                continue
            made.setblocking(False)
            sockets[2 * index] = made
            tasks.start(_down(client, 2 * index, made), f"down{index}")
        try:
            async for message in client.messages():
                target = sockets.get(message[0]) if message else None
                if target is not None:
                    await fdio.write(target.fileno(), message[1:])
        finally:
            await tasks.stop()
            for made in sockets.values():
                made.close()


async def _down(client: websocket.WebSocket, channel: int, made: socket.socket) -> None:
    while chunk := await fdio.read(made.fileno()):
        await client.send(bytes([channel]) + chunk)
    await client.close()
