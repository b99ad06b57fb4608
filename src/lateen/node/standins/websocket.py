"""WebSocket's handshake and frames (RFC 6455), the server's half: enough to send messages back."""

import base64
import hashlib
from collections.abc import Callable

from lateen.node.standins.http1 import ByteStream, SiteRequest, SiteResponse

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
"""Opcodes of frames."""
_FINAL, _MASKED = 0x80, 0x80


def upgrade(request: SiteRequest, serve: Callable[["FrameStream"], None]) -> SiteResponse:
    """Return the answer that makes the connection a WebSocket, or 400 for what asks for none."""
    key = request.header("sec-websocket-key")
    if request.header("upgrade").lower() != "websocket" or not key:
        return SiteResponse(400)
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    accept = base64.b64encode(digest).decode()
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept),
    ]

    def go_on(stream: ByteStream, early: bytes) -> None:
        serve(FrameStream(stream, early))

    return SiteResponse(101, headers, takes_over=go_on)


class FrameStream:
    """Reads a client's frames and writes a server's."""

    def __init__(self, stream: ByteStream, early: bytes = b"") -> None:
        self._stream = stream
        self._buffer = bytearray(early)

    def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload. Raises EOFError at the end of the stream."""
        first, second = self._take(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        mask = self._take(4) if second & _MASKED else b""
        payload = self._take(size)
        if mask:
            repeated = (mask * (size // 4 + 1))[:size]
            number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
            payload = number.to_bytes(size, "big")
        return first & 0x0F, payload

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one whole message, or a control frame."""
        size = len(payload)
        if size < 126:
            length = bytes([size])
        elif size < 65536:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
        self._stream.sendall(bytes([_FINAL | opcode]) + length + payload)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self._stream.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def echo(frames: FrameStream) -> None:
    """Send every message back as text, as a copy from a connection of Go's to itself does."""
    try:
        while True:
            opcode, payload = frames.receive()
            if opcode == CLOSE:
                frames.send(CLOSE, payload)
                return
            if opcode == PING:
                frames.send(PONG, payload)
            elif opcode != PONG:
                frames.send(TEXT, payload)
    except EOFError:
        return
