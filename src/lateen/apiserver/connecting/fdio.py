"""Reading and writing pipes, terminals and sockets by descriptor, without threads."""

import asyncio
import errno
import fcntl
import os
import struct
import termios

CHUNK = 64 * 1024


def prepare(fd: int) -> None:
    """Make a descriptor non-blocking."""
    os.set_blocking(fd, False)


async def read(fd: int, size: int = CHUNK) -> bytes:
    """Read what is there, waiting for the first byte; empty at the end.

    A terminal whose last user is gone answers EIO: that is its end.
    """
    while True:
        try:
            return os.read(fd, size)
        except BlockingIOError:
            await _ready(fd, write=False)
        except OSError as error:
            if error.errno in (errno.EIO, errno.ECONNRESET):
                return b""
            raise


async def write(fd: int, data: bytes) -> bool:
    """Write all of it, waiting for room; False when nobody reads any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await _ready(fd, write=True)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EIO, errno.ECONNRESET):
                return False
            raise
    return True


async def _ready(fd: int, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    add, remove = (
        (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    )
    add(fd, wake)
    try:
        await ready
    finally:
        remove(fd)


def resize(fd: int, columns: int, rows: int) -> None:
    """Tell a terminal its size; a descriptor that is no terminal is left alone."""
    size = struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0)
    try:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, size)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EIO, errno.EINVAL):
            raise


def close(*fds: int) -> None:
    """Close each descriptor once; -1 stands for none."""
    for fd in {fd for fd in fds if fd >= 0}:
        os.close(fd)
