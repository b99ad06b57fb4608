"""Netlink by hand: framing, attributes, batches, dumps, and sockets inside other namespaces.

Knows nothing of links or rules. Messages are packed with `struct`: attaching a pod this way costs
about 1 ms, where a general netlink library costs 15 ms and 110 ms of import
(docs/decisions/004-netlink.md). Standard library only.
"""

import ctypes
import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

import msgspec

ROUTE = 0
NETFILTER = 12

REQUEST = 0x1
ACK = 0x4
EXCLUSIVE = 0x200
REPLACE = 0x100
CREATE = 0x400
APPEND = 0x800
DUMP = 0x300

_ERROR = 2
_DONE = 3
_SOL_NETLINK = 270
_CAP_ACK = 10
_EXT_ACK = 11
_STRICT_CHECK = 12
_SO_SNDBUFFORCE = 32
_NESTED = 0x8000
_ACK_HAS_ATTRIBUTES = 0x200
_NEW_NET = 0x40000000

_T = TypeVar("_T")

_header = struct.Struct("=IHHII")
_attribute = struct.Struct("=HH")
_libc = ctypes.CDLL(None, use_errno=True)


class Message(msgspec.Struct, frozen=True):
    """One netlink request. `about` says what it was for, in the words of an error message."""

    type: int
    flags: int
    body: bytes
    about: str = ""


class NetlinkError(OSError):
    """The kernel refused a request; `errno` is its reason, the text says what was asked."""


def attribute(kind: int, payload: bytes) -> bytes:
    """Pack one attribute, padded to four bytes."""
    size = 4 + len(payload)
    return _attribute.pack(size, kind) + payload + b"\0" * (-size % 4)


def text(kind: int, value: str) -> bytes:
    """Pack a zero-terminated string attribute."""
    return attribute(kind, value.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    """Pack a host-order 32-bit attribute."""
    return struct.pack("=HHI", 8, kind, value)


def be32(kind: int, value: int) -> bytes:
    """Pack a network-order 32-bit attribute, as netfilter wants them."""
    return _attribute.pack(8, kind) + struct.pack(">I", value & 0xFFFFFFFF)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Pack attributes inside an attribute."""
    return attribute(kind | _NESTED, b"".join(attributes))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Unpack a run of attributes as (kind, payload); flags are taken off the kind."""
    offset = 0
    while offset + 4 <= len(data):
        size, kind = _attribute.unpack_from(data, offset)
        if size < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + size]
        offset += (size + 3) & ~3


class Netlink:
    """A netlink socket; it keeps talking to the namespace it was opened in."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sequence = 0
        for option in (_CAP_ACK, _EXT_ACK, _STRICT_CHECK):
            sock.setsockopt(_SOL_NETLINK, option, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages as one datagram and check every answer.

        The kernel carries them out in order, each on its own, before `sendto` returns; so all
        answers are there to be read. Raises NetlinkError for the first that was refused.
        """
        if failures := self.attempt(messages):
            raise next(iter(failures.values()))

    def attempt(self, messages: Sequence[Message]) -> dict[int, NetlinkError]:
        """Send messages as one datagram; return the refusals by position in `messages`."""
        first = self._sequence + 1
        self._post(messages)
        failures: dict[int, NetlinkError] = {}
        for kind, sequence, payload, flags in self._waiting():
            if kind != _ERROR:
                continue
            code = _code(payload)
            index = sequence - first
            if code and 0 <= index < len(messages):
                failures.setdefault(index, _refusal(code, messages[index].about, payload, flags))
        return failures

    def dump(self, message: Message) -> list[bytes]:
        """Send a dump request and return each answer's body (family header included)."""
        self._post([Message(message.type, message.flags | REQUEST | DUMP, message.body)])
        found: list[bytes] = []
        while True:
            for kind, _, payload, flags in _frames(self._socket.recv(1 << 20)):
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    code = _code(payload)
                    if not code:
                        return found
                    raise _refusal(code, message.about, payload, flags)
                found.append(payload)

    def get(self, message: Message) -> bytes | None:
        """Send a request for one object; return its body, or None when there is no such one."""
        self._post([Message(message.type, message.flags | REQUEST, message.body)])
        for kind, _, payload, flags in _frames(self._socket.recv(1 << 16)):
            if kind != _ERROR:
                return payload
            code = _code(payload)
            if code in (errno.ENODEV, errno.ENOENT, errno.ESRCH):
                return None
            if code:
                raise _refusal(code, message.about, payload, flags)
        return None

    def _post(self, messages: Sequence[Message]) -> None:
        parts: list[bytes] = []
        for message in messages:
            self._sequence += 1
            size = 16 + len(message.body)
            parts.append(
                _header.pack(size, message.type, message.flags, self._sequence, 0) + message.body
            )
            parts.append(b"\0" * (-size % 4))
        data = b"".join(parts)
        if len(data) > 150_000:
            self._widen(len(data) + 65536)
        self._socket.sendto(data, (0, 0))

    def _widen(self, size: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, size)
        except OSError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def _waiting(self) -> Iterator[tuple[int, int, bytes, int]]:
        while True:
            try:
                data = self._socket.recv(1 << 18, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            yield from _frames(data)


def _frames(data: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    offset = 0
    while offset + 16 <= len(data):
        size, kind, flags, sequence, _ = _header.unpack_from(data, offset)
        if size < 16:
            return
        yield kind, sequence, data[offset + 16 : offset + size], flags
        offset += (size + 3) & ~3


def _code(payload: bytes) -> int:
    """Return the errno of an error frame; 0 is an acknowledgement."""
    number: int = struct.unpack_from("=i", payload)[0]
    return -number


def _refusal(code: int, about: str, payload: bytes, flags: int) -> NetlinkError:
    """Build the error; the kernel's own sentence follows the echoed header when it sent one."""
    detail = ""
    if flags & _ACK_HAS_ATTRIBUTES:
        for kind, value in attributes(payload[20:]):
            if kind == 1:
                detail = value.rstrip(b"\0").decode(errors="replace")
    words = f"{about or 'netlink request'}: {os.strerror(code)}"
    return NetlinkError(code, f"{words} ({detail})" if detail else words)


def set_namespace(netns_fd: int) -> None:
    """Move the calling thread into a network namespace. Raises OSError."""
    if _libc.setns(netns_fd, _NEW_NET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot enter the network namespace: {os.strerror(code)}")


def inside(netns_fd: int, action: Callable[[], _T]) -> _T:
    """Call `action` in a network namespace and return what it returns.

    A namespace belongs to a thread, so a thread goes there, acts and ends; sockets that it opened
    stay in the namespace. Raises what the action raises.
    """
    outcome: list[_T] = []
    trouble: list[Exception] = []

    def visit() -> None:
        try:
            set_namespace(netns_fd)
            outcome.append(action())
        except Exception as error:  # handed to the caller's thread below
            trouble.append(error)

    thread = threading.Thread(target=visit, name="netns")
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return outcome[0]


def open_netlink(netns_fd: int | None = None, protocol: int = ROUTE) -> Netlink:
    """Open a netlink socket in a namespace (None: the caller's). Raises OSError."""

    def make() -> socket.socket:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)

    return Netlink(make() if netns_fd is None else inside(netns_fd, make))
