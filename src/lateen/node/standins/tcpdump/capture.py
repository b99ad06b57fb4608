"""Packets from a network interface, over AF_PACKET."""

import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Iterator

from lateen.node.standins.tcpdump.packet import ETHERNET, LINUX_SLL2

_ETH_P_ALL = 3
_OUTGOING = 4
_SO_TIMESTAMPNS = 35
_SOL_PACKET, _STATISTICS, _ADD_MEMBERSHIP, _PROMISC = 263, 6, 1, 1
_SIOCGIFFLAGS = 0x8913
_DIRECTIONS = {0: "In", 1: "B", 2: "M", 3: "P", 4: "Out"}
_BUFFER = 8 * 1024 * 1024


class CaptureError(Exception):
    """The interface cannot be listened on."""


def interfaces() -> list[tuple[int, str, int]]:
    """Return number, name and flags of each interface."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for index, name in socket.if_nameindex():
            answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("40s", name.encode()))
            found.append((index, name, struct.unpack_from("H", answer, 16)[0]))
    return found


class LiveCapture:
    """An open capture. `link` is the link type of its frames."""

    def __init__(self, interface: str, snapshot: int, *, promiscuous: bool = True) -> None:
        self._any = interface == "any"
        self.link = LINUX_SLL2 if self._any else ETHERNET
        self._snapshot = snapshot
        self._received = self._dropped = 0
        kind = socket.SOCK_DGRAM if self._any else socket.SOCK_RAW
        try:
            protocol = socket.htons(_ETH_P_ALL) if self._any else 0
            self._socket = socket.socket(socket.AF_PACKET, kind, protocol)
        except PermissionError as error:
            raise CaptureError(
                f"{interface}: You don't have permission to capture on that device\n"
                "(socket: Operation not permitted)"
            ) from error
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if not self._any:
            self._bind(interface, promiscuous=promiscuous)

    def _bind(self, interface: str, *, promiscuous: bool) -> None:
        try:
            self._socket.bind((interface, _ETH_P_ALL))
            if promiscuous:
                index = socket.if_nametoindex(interface)
                wish = struct.pack("iHH8s", index, _PROMISC, 0, b"")
                self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, wish)
        except OSError as error:
            self._socket.close()
            raise CaptureError(
                f"{interface}: No such device exists\n(No such device exists)"
            ) from error

    def packets(self, stop: int) -> Iterator[tuple[int, bytes, int, str, str]]:
        """Yield time (nanoseconds), frame, length on the wire, interface and direction, until
        the descriptor `stop` becomes readable."""
        poll = select.poll()
        poll.register(stop, select.POLLIN)
        poll.register(self._socket, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._socket.fileno() in ready:
                yield from self._drain()
            if stop in ready:
                return

    def waiting(self) -> bool:
        """Tell whether another packet is there already."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def statistics(self) -> tuple[int, int]:
        """Return packets received and dropped by the kernel."""
        raw = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        received, dropped = struct.unpack("II", raw)
        self._received += received
        self._dropped += dropped
        return self._received, self._dropped

    def _drain(self) -> Iterator[tuple[int, bytes, int, str, str]]:
        while True:
            try:
                data, control, _, source = self._socket.recvmsg(
                    262144 + 64, 128, socket.MSG_DONTWAIT | socket.MSG_TRUNC
                )
            except BlockingIOError:
                return
            name, protocol, kind, hardware, address = source
            # The loopback interface shows each packet going out and coming in: one is enough.
            if kind == _OUTGOING and hardware == 772:
                self._received -= 1
                continue
            at = _stamp(control)
            if self._any:
                index = socket.if_nametoindex(name) if name else 0
                head = struct.pack(
                    ">HHIHBB8s", protocol, 0, index, hardware, kind, len(address), address
                )
                data = head + data
            wire = len(data)
            yield at, data[: self._snapshot], wire, name, direction(kind)


def _stamp(control: list[tuple[int, int, bytes]]) -> int:
    for level, kind, value in control:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("ll", value[:16])
            return int(seconds * 1_000_000_000 + nanoseconds)
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def direction(code: int) -> str:
    """Write a packet type as `-i any` does: `In`, `Out`, `B`, `M` or `P`."""
    return _DIRECTIONS.get(code, "?")


def stop_pipe() -> tuple[int, int]:
    """Return the two ends of a pipe that does not block."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    return reader, writer
