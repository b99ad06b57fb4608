"""A WebSocket on a raw connection: handshake, messages, pings, the end."""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol

from lateen.apiserver import errors
from lateen.apiserver.protocol import upgrade

MAX_MESSAGE = 4 * 1024 * 1024
PING_SECONDS = 30.0
GOODBYE_SECONDS = 1.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_headers(key: str, subprotocol: str) -> list[tuple[str, str]]:
    """Return the headers of a 101 answer (RFC 6455). Raises ApiError 400 for a bad key."""
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            raise ValueError
    except ValueError:
        raise errors.bad_request("Sec-WebSocket-Key must be 16 bytes in base64") from None
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", base64.b64encode(digest).decode()),
    ]
    if subprotocol:
        headers.append(("Sec-WebSocket-Protocol", subprotocol))
    return headers


def choose(offered: str, spoken: tuple[str, ...]) -> str:
    """Return the first spoken subprotocol that the client offers; empty if there is none."""
    wanted = {one.strip() for one in offered.split(",")}
    return next((one for one in spoken if one in wanted), "")


class WebSocket:
    """Messages over an upgraded connection."""

    def __init__(self, connection: upgrade.RawConnection, *, text: bool = False) -> None:
        self._reader = connection.reader
        self._writer = connection.writer
        self._protocol = Protocol(SERVER, state=OPEN, max_size=MAX_MESSAGE)
        self._text = text
        self._sending = asyncio.Lock()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield whole messages until the peer closes or breaks the protocol."""
        parts: list[bytes] = []
        while data := await self._receive():
            self._protocol.receive_data(data)
            for frame in self._protocol.events_received():
                if isinstance(frame, Frame) and frame.opcode in (
                    Opcode.TEXT,
                    Opcode.BINARY,
                    Opcode.CONT,
                ):
                    parts.append(bytes(frame.data))
                    if sum(map(len, parts)) > MAX_MESSAGE:
                        self._protocol.fail(1009, "message too big")
                        break
                    if frame.fin:
                        yield b"".join(parts)
                        parts.clear()
            await self._flush()
            if self._protocol.close_expected() and self._protocol.close_rcvd is not None:
                return
            if self._protocol.parser_exc is not None:
                return

    async def _receive(self) -> bytes:
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    return await self._reader.read(64 * 1024)
            except TimeoutError:
                await self.ping()
            except OSError:
                return b""

    async def ping(self) -> None:
        """Keep the connection from being taken for dead."""
        if self._protocol.state is OPEN:
            self._protocol.send_ping(b"")
            await self._flush()

    async def send(self, message: bytes) -> None:
        """Send one message; does nothing once the connection is closing."""
        if self._protocol.state is not OPEN:
            return
        if self._text:
            self._protocol.send_text(message)
        else:
            self._protocol.send_binary(message)
        await self._flush()

    async def close(self) -> None:
        """Say goodbye, wait a moment for the same from the peer, and drop the connection.

        Dropped at once, the peer's own goodbye meets a closed socket, and some clients then
        forget what they have received but not yet read.
        """
        if self._protocol.state is OPEN:
            self._protocol.send_close(1000)
        await self._flush()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                while self._protocol.close_rcvd is None and self._protocol.parser_exc is None:
                    data = await self._reader.read(64 * 1024)
                    if not data:
                        break
                    self._protocol.receive_data(data)
        self._writer.close()

    async def _flush(self) -> None:
        async with self._sending:
            try:
                for data in self._protocol.data_to_send():
                    if data:
                        self._writer.write(data)
                await self._writer.drain()
            except (OSError, ProtocolError):
                return
