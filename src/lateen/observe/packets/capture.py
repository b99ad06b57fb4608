"""Reading packet sockets: frames off a pod's interfaces, with counted loss.

The sockets come from the shim (`ShimClient.open_socket` with AF_PACKET): they live in the pod's
network and see `eth0` and `lo` at once.
"""

import asyncio
import contextlib
import ctypes
import socket
import struct
from collections.abc import Callable

from lateen.observe.packets import bpf
from lateen.observe.wire import frames
from lateen.observe.wire.frames import Segment

ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_STATISTICS = 6
_SO_ATTACH_FILTER = 26
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_OUTGOING = 4
_FRAME = 65536 + 64
_BURST = 256
"""Frames read before other work of the event loop gets its turn."""

OnSegment = Callable[[Segment, str], None]
"""Takes a segment and the leg it was seen on: `eth0` (the wire) or `lo` (inside the pod)."""


def attach(sock: socket.socket, program: bpf.Program) -> None:
    """Set the filter of a packet socket and drop what it had queued unfiltered before.

    Raises OSError when the kernel refuses the program.
    """
    _set_filter(sock, bpf.NOTHING)
    with contextlib.suppress(BlockingIOError):
        while sock.recv(1):
            pass
    _set_filter(sock, program)


def _set_filter(sock: socket.socket, program: bpf.Program) -> None:
    code = ctypes.create_string_buffer(bpf.packed(program), len(program) * 8)
    fprog = struct.pack("HL", len(program), ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)


def statistics(sock: socket.socket) -> tuple[int, int]:
    """Return (packets kept, packets dropped for want of room) since the last call."""
    kept, dropped = struct.unpack_from("II", sock.getsockopt(_SOL_PACKET, _STATISTICS, 12))
    return kept, dropped


class Tap:
    """Hands every TCP segment that a packet socket sees to `on_segment`, from the event loop.

    `ring_bytes` bounds what the kernel holds while the loop is busy; what does not fit is counted
    in `dropped`. The tap owns the socket, which is non-blocking, and sets its filter.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_segment: OnSegment,
        *,
        program: bpf.Program = bpf.ALL_TCP,
        ring_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        self._sock = sock
        self._on_segment = on_segment
        self._dropped = 0
        _room(sock, ring_bytes)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        attach(sock, program)
        statistics(sock)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self.read)

    @property
    def dropped(self) -> int:
        """Packets that passed the filter and were lost, so far."""
        if self._sock.fileno() >= 0:
            self._dropped += statistics(self._sock)[1]
        return self._dropped

    def read(self) -> None:
        """Read what is there now; called by the event loop, and by who will not wait for it."""
        for _ in range(_BURST):
            try:
                frame, extra, _, address = self._sock.recvmsg(_FRAME, 64)
            except OSError:
                return
            leg, kind = address[0], address[2]
            if leg == "lo" and kind == _OUTGOING:
                continue
            segment = frames.segment(frame, _time(extra))
            if segment is not None:
                self._on_segment(segment, "lo" if leg == "lo" else "eth0")

    def close(self) -> None:
        """Read what is left and end."""
        if self._sock.fileno() < 0:
            return
        self.read()
        self._dropped = self.dropped
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()


def _room(sock: socket.socket, size: int) -> None:
    """Ask for the buffer; without the privilege for it the kernel's own limit holds."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _time(extra: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = (int(part) for part in struct.unpack_from("qq", data))
            return seconds + nanoseconds / 1e9
    return 0.0
