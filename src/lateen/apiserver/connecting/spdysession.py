"""SPDY streams over any pipe of bytes: a raw connection, or messages of a WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from lateen.apiserver.connecting import spdy

MAX_STREAMS = 1024
QUEUE_BYTES = 1 << 20

Write = Callable[[bytes], Awaitable[None]]


class SpdyStream:
    """One stream that the peer opened. Read it with `read`; it ends with an empty bytes."""

    def __init__(self, session: "Session", number: int, headers: Mapping[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._session = session
        self._chunks: list[bytes] = []
        self._size = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False
        self.reset = False

    async def read(self) -> bytes:
        """Return the next bytes; empty when the peer has ended or reset the stream."""
        while not self._chunks and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        joined = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._room.set()
        return joined

    async def write(self, data: bytes) -> None:
        """Send bytes, in frames that clients take."""
        for start in range(0, len(data), 32 * 1024):
            await self._session.send_data(self.number, data[start : start + 32 * 1024])

    async def finish(self) -> None:
        """End our side."""
        await self._session.send_data(self.number, b"", fin=True)

    async def cancel(self) -> None:
        """Give the stream up."""
        await self._session.send_reset(self.number)

    async def take(self, data: bytes) -> None:
        """Queue what came; waits while the reader is too far behind."""
        while self._size > QUEUE_BYTES and not self._ended:
            self._room.clear()
            await self._room.wait()
        if data:
            self._chunks.append(data)
            self._size += len(data)
            self._arrived.set()

    def end(self, *, reset: bool = False) -> None:
        """Note that no more will come."""
        self._ended = True
        self.reset = self.reset or reset
        self._arrived.set()
        self._room.set()


class Session:
    """The server's end. `incoming` yields streams as they are opened, already accepted."""

    def __init__(self, incoming: AsyncIterator[bytes], write: Write) -> None:
        self._incoming = incoming
        self._write = write
        self._decoder = spdy.Decoder()
        self._encoder = spdy.Encoder()
        self._streams: dict[int, SpdyStream] = {}
        self._opened: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Read until the peer is gone. Run it as a task beside the readers of streams."""
        try:
            async for data in self._incoming:
                for frame in self._decoder.feed(data):
                    await self._take(frame)
        except spdy.SpdyError:
            await self._send(self._encoder.go_away(max(self._streams, default=0)))
        finally:
            for stream in self._streams.values():
                stream.end(reset=True)
            self._opened.put_nowait(None)

    async def opened(self) -> AsyncIterator[SpdyStream]:
        """Yield streams as the peer opens them, until it is gone."""
        while (stream := await self._opened.get()) is not None:
            yield stream

    async def _take(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.SynStream(number, headers, fin):
                await self._open(number, headers, fin)
            case spdy.Data(number, data, fin):
                stream = self._streams.get(number)
                if stream is None:
                    return
                await stream.take(data)
                if fin:
                    stream.end()
            case spdy.Reset(number):
                if (stream := self._streams.pop(number, None)) is not None:
                    stream.end(reset=True)
            case spdy.Ping(number):
                if number % 2:
                    await self._send(self._encoder.ping(number))
            case spdy.GoAway() | spdy.Reply():
                pass

    async def _open(self, number: int, headers: Mapping[str, str], fin: bool) -> None:
        if number in self._streams or number % 2 == 0 or len(self._streams) >= MAX_STREAMS:
            await self.send_reset(number)
            return
        stream = SpdyStream(self, number, headers)
        self._streams[number] = stream
        async with self._sending:
            await self._write(self._encoder.reply(number, {}))
        if fin:
            stream.end()
        self._opened.put_nowait(stream)

    async def send_data(self, number: int, data: bytes, *, fin: bool = False) -> None:
        """Send on a stream."""
        await self._send(self._encoder.data(number, data, fin=fin))

    async def send_reset(self, number: int) -> None:
        """Cancel a stream and forget it."""
        if (stream := self._streams.pop(number, None)) is not None:
            stream.end(reset=True)
        await self._send(self._encoder.reset(number, 5))

    def forget(self, number: int) -> None:
        """Drop a stream that both sides have ended."""
        self._streams.pop(number, None)

    async def _send(self, data: bytes) -> None:
        async with self._sending:
            await self._write(data)
