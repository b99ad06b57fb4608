"""One client of the shim: frames in and out of a Unix socket, with their descriptors."""

import contextlib
import os
import socket
import struct
from collections import deque

from lateen.node.shim import protocol
from lateen.node.shim.protocol import Frame

_CHUNK = 256 * 1024
_MAX_FDS = 16
_BACKLOG = 64 * 1024 * 1024
"""A client that lets this much pile up is cut off."""


def peer_uid(sock: socket.socket) -> int:
    """Return the user id at the other end, as this user namespace sees it."""
    size = struct.calcsize("3i")
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    uid: int = struct.unpack("3i", raw)[1]
    return uid


def listen(path: str) -> socket.socket:
    """Listen on a Unix socket that only this user may open."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(128)
    listener.setblocking(False)
    return listener


class Connection:
    """A connected client; `subscribed` ones hear of every process that ends."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.subscribed = False
        self.closed = False
        self._decoder = protocol.Decoder()
        self._fds: list[int] = []
        self._pending: deque[tuple[bytes, list[int]]] = deque()
        self._backlog = 0

    def subscribe(self) -> None:
        """Tell it of every process's end from now on."""
        self.subscribed = True

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits for the client to read."""
        return bool(self._pending)

    def receive(self) -> list[tuple[Frame, list[int]]]:
        """Return the frames that have arrived with their descriptors, which become the caller's.

        Closes itself when the client is gone. Raises shimproto.BadFrame.
        """
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, _CHUNK, _MAX_FDS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return []
        except OSError:
            data, fds = b"", []
        self._fds += fds
        if not data:
            self.close()
            return []
        frames = []
        for frame in self._decoder.feed(data):
            count = int(frame.get("fds", 0))
            frames.append((frame, self._fds[:count]))
            del self._fds[:count]
        return frames

    def send(self, frame: Frame, fds: list[int] | None = None) -> None:
        """Send a frame with copies of descriptors, now or when the client reads again."""
        if self.closed:
            return
        copies = [os.dup(fd) for fd in fds or []]
        data = protocol.encode({**frame, "fds": len(copies)})
        self._pending.append((data, copies))
        self._backlog += len(data)
        self.flush()
        if self._backlog > _BACKLOG:
            self.close()

    def flush(self) -> None:
        """Send what the client takes. Closes itself when the client is gone."""
        while self._pending:
            data, fds = self._pending[0]
            try:
                sent = socket.send_fds(self.sock, [data], fds) if fds else self.sock.send(data)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            _close(fds)
            self._backlog -= sent
            if sent < len(data):
                self._pending[0] = (data[sent:], [])
            else:
                self._pending.popleft()

    def close(self) -> None:
        """Close the socket and all descriptors that were on their way."""
        if self.closed:
            return
        self.closed = True
        _close(self._fds)
        for _, fds in self._pending:
            _close(fds)
        self._pending.clear()
        self.sock.close()


def _close(fds: list[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
