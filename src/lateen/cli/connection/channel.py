"""A WebSocket to an API server, a lab's over its Unix socket, for a command that runs in a pod.

Built on the protocol part of `websockets` alone. Its threaded client forgets messages that came in
one piece with the server's goodbye when the answer to that can no longer be sent; here what was
received is handed on before anything is answered.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from lateen.app.lab.lab import LabError
from lateen.model.client import ApiError

_CHUNK = 64 * 1024
_MESSAGES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Channel:
    """An open connection; iterate over its messages, send from any thread."""

    def __init__(self, opened: socket.socket, url: str, token: str) -> None:
        """Speak to a server on a connection that is open to it, and closed with this. Raises
        ApiError with the server's words when it refuses, LabError when it speaks otherwise, and
        OSError."""
        self._protocol = ClientProtocol(
            parse_uri(url),
            subprotocols=[Subprotocol(f"v{number}.channel.k8s.io") for number in (5, 4)],
            max_size=None,
        )
        self._lock = threading.Lock()
        self._early: list[Any] = []
        self._socket = opened
        try:
            self._shake_hands(token)
        except BaseException:
            self._socket.close()
            raise

    @classmethod
    def of_lab(cls, path: Path, target: str, token: str) -> Self:
        """Connect to a lab's server. Raises as above, LabError where it does not answer."""
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.connect(str(path))
            return cls(opened, f"ws://localhost{target}", token)
        except OSError as error:
            opened.close()
            raise LabError("the API server of the lab does not answer: try again") from error

    def _shake_hands(self, token: str) -> None:
        request = self._protocol.connect()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        self._protocol.send_request(request)
        self._flush()
        while self._protocol.handshake_exc is None and not self._early:
            self._protocol.receive_data(self._socket.recv(_CHUNK))
            self._early = self._protocol.events_received()
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            raise _refused(error.response.status_code, bytes(error.response.body or b"")) from error
        if isinstance(error, InvalidHandshake):
            raise LabError(f"the API server gave no WebSocket: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)

    def send(self, message: bytes) -> None:
        """Send one message. Raises OSError when the server is gone."""
        with self._lock:
            self._protocol.send_binary(message)
            self._flush()

    def end(self) -> None:
        """End the connection, from whatever thread: who iterates over it stops."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __iter__(self) -> Iterator[bytes]:
        """Yield messages until the server says goodbye or is gone."""
        parts: list[bytes] = []
        events = self._early
        while True:
            for event in events:
                if isinstance(event, Frame) and event.opcode in _MESSAGES:
                    parts.append(bytes(event.data))
                    if event.fin:
                        yield b"".join(parts)
                        parts.clear()
            with self._lock, contextlib.suppress(OSError):
                self._flush()
            if self._protocol.close_rcvd is not None or self._protocol.parser_exc is not None:
                return
            try:
                data = self._socket.recv(_CHUNK)
            except ConnectionError:
                return
            if not data:
                return
            with self._lock:
                self._protocol.receive_data(data)
                events = self._protocol.events_received()


def _refused(code: int, body: bytes) -> Exception:
    with contextlib.suppress(ValueError, AttributeError):
        status = json.loads(body)
        return ApiError(code, status.get("reason", ""), status.get("message", ""))
    return LabError(f"the server answered {code}")
