"""A packet socket read through a ring shared with the kernel (TPACKET_V3): for full captures.

The kernel fills blocks of many frames; reading one costs no system call. The ring bounds memory,
and what does not fit is counted.
"""

import mmap
import socket
import struct
from typing import NamedTuple

from lateen.observe.packets import bpf, capture

_SOL_PACKET = 263
_VERSION, _RX_RING = 10, 5
_TPACKET_V3 = 2
_BLOCK = 1 << 17
"""Bytes of a block. The kernel hands one over when it is full or `_RETIRE_MS` old, however little
is in it: of large ones there are so few that a reader who is busy for a second loses packets."""
_FRAME = 2048
_RETIRE_MS = 20
_USER, _KERNEL = 1, 0
_LOOPBACK = 772
_STATUS = struct.Struct("I")
_BLOCK_HEADER = struct.Struct("III")
"""At 8: status, packets, offset of the first."""
_HEADER = struct.Struct("IIIIIIHH")
"""Next offset, seconds, nanoseconds, kept, length, status, offset of the frame, of its payload."""
_LINK = struct.Struct("HHiHBB")
_LINK_OFFSET = 48


class Frame(NamedTuple):
    """A captured frame. `time` is in nanoseconds since the epoch, `length` what it had on the
    wire, `leg` is `eth0` or `lo`."""

    time: int
    leg: str
    data: bytes
    length: int


class Ring:
    """The ring of one socket. It owns the socket and sets its filter.

    `ring_bytes` is rounded up to whole blocks of 128 KiB. Frames come to be read 20 ms after the
    first of their block at the latest.
    """

    def __init__(
        self, sock: socket.socket, *, program: bpf.Program = bpf.ALL_TCP, ring_bytes: int = 1 << 25
    ) -> None:
        blocks = max(2, -(-ring_bytes // _BLOCK))
        self.blocks = blocks
        self._sock, self._at = sock, 0
        self.dropped = 0
        capture.attach(sock, program)
        sock.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
        frames = blocks * _BLOCK // _FRAME
        wanted = struct.pack("7I", _BLOCK, blocks, _FRAME, frames, _RETIRE_MS, 0, 0)
        sock.setsockopt(_SOL_PACKET, _RX_RING, wanted)
        self._memory = mmap.mmap(sock.fileno(), blocks * _BLOCK, mmap.MAP_SHARED)
        capture.statistics(sock)

    def fileno(self) -> int:
        """The descriptor that becomes readable when a block is full or old enough."""
        return self._sock.fileno()

    def read(self, limit: int = 32) -> list[Frame]:
        """Return the frames of the blocks that are ready, of `limit` blocks at most."""
        found: list[Frame] = []
        for _ in range(limit):
            start = self._at * _BLOCK
            status, packets, first = _BLOCK_HEADER.unpack_from(self._memory, start + 8)
            if not status & _USER:
                break
            self._read_block(found, start + first, packets)
            _STATUS.pack_into(self._memory, start + 8, _KERNEL)
            self._at = (self._at + 1) % self.blocks
        return found

    def _read_block(self, found: list[Frame], at: int, packets: int) -> None:
        memory = self._memory
        for _ in range(packets):
            following, seconds, nanos, kept, length, _, mac, _ = _HEADER.unpack_from(memory, at)
            hardware = _LINK.unpack_from(memory, at + _LINK_OFFSET)[3]
            leg = "lo" if hardware == _LOOPBACK else "eth0"
            data = memory[at + mac : at + mac + kept]
            found.append(Frame(seconds * 1_000_000_000 + nanos, leg, data, length))
            at += following

    def count_lost(self) -> int:
        """Ask the kernel, and return how many frames were lost so far."""
        self.dropped += capture.statistics(self._sock)[1]
        return self.dropped

    def close(self) -> None:
        """Count what was lost, and end."""
        if self._sock.fileno() >= 0:
            self.count_lost()
            self._memory.close()
            self._sock.close()
