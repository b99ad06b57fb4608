"""The streams of exec and attach, whatever carries them: WebSocket channels or SPDY streams."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from typing import Protocol

from lateen.apiserver.connecting import spdysession, websocket

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

WEBSOCKET_PROTOCOLS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
SPDY_PROTOCOLS = (
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
)


class Channels(Protocol):
    """Numbered byte channels to one client."""

    def received(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield what comes, as (channel, bytes); empty bytes say that the channel ended."""
        ...

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes; does nothing for a channel that the client did not open."""
        ...

    async def close(self) -> None:
        """End all channels and the connection."""
        ...


class WebSocketChannels:
    """Each message is a channel number and its bytes."""

    def __init__(self, socket: websocket.WebSocket, protocol: str) -> None:
        self._socket = socket
        self._base64 = "base64" in protocol
        self.structured = protocol.startswith(("v4", "v5"))
        self._half_close = protocol.startswith("v5")

    async def greet(self, channel: int) -> None:
        """Send an empty message: clients take it as the sign that all is open."""
        await self.send(channel, b"", empty=True)

    async def received(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield messages; a v5 client ends its standard input by a message of its own."""
        async for message in self._socket.messages():
            if not message:
                continue
            if self._base64:
                channel = message[0] - ord("0")
                try:
                    data = base64.b64decode(message[1:], validate=True)
                except binascii.Error:
                    return
            else:
                channel, data = message[0], message[1:]
            if channel == CLOSE and self._half_close:
                if data:
                    yield data[0], b""
            elif data:
                yield channel, data

    async def send(self, channel: int, data: bytes, *, empty: bool = False) -> None:
        """Send one message."""
        if not data and not empty:
            return
        if self._base64:
            await self._socket.send(bytes([ord("0") + channel]) + base64.b64encode(data))
        else:
            await self._socket.send(bytes([channel]) + data)

    async def close(self) -> None:
        """Close the WebSocket."""
        await self._socket.close()


_NAMES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}


class SpdyChannels:
    """Each channel is a SPDY stream, named by its `streamtype` header."""

    structured = True

    def __init__(self, streams: dict[int, spdysession.SpdyStream], protocol: str) -> None:
        self._streams = streams
        self.structured = protocol.startswith("v4")

    @classmethod
    async def gather(
        cls, session: spdysession.Session, wanted: frozenset[int], protocol: str
    ) -> "SpdyChannels":
        """Wait until the client has opened what it announced. Raises TimeoutError."""
        streams: dict[int, spdysession.SpdyStream] = {}
        async with asyncio.timeout(30):
            async for stream in session.opened():
                channel = _NAMES.get(stream.headers.get("streamtype", "").lower())
                if channel is not None:
                    streams[channel] = stream
                if wanted <= streams.keys():
                    break
        return cls(streams, protocol)

    async def received(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield from standard input and resize as they come; ends when both have."""
        queue: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(maxsize=16)

        async def forward(channel: int) -> None:
            stream = self._streams[channel]
            while data := await stream.read():
                await queue.put((channel, data))
            await queue.put(None if stream.reset else (channel, b""))

        inputs = [channel for channel in (STDIN, RESIZE, ERROR) if channel in self._streams]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(forward(channel)) for channel in inputs]
            try:
                while (item := await queue.get()) is not None:
                    yield item
            finally:
                for task in running:
                    task.cancel()

    async def send(self, channel: int, data: bytes) -> None:
        """Write to a stream."""
        if data and (stream := self._streams.get(channel)) is not None:
            await stream.write(data)

    async def close(self) -> None:
        """End our side of every stream."""
        for stream in self._streams.values():
            await stream.finish()
