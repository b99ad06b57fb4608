"""Container output into log files in CRI's format, and to whoever is attached.

A line of the file: `2026-11-24T08:00:00.123456789Z stdout F text`, `P` instead of `F` when the
text goes on in the next line. A container is never held up: when the disk is full its lines are
counted and dropped, and a line says so once there is room again.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable

from lateen.node.shim.listeners import Listener

ROTATE_AT = 10 * 1024 * 1024
KEEP = 3
"""Files per container, the current one included."""
PARTIAL_AT = 16 * 1024
_READ = 64 * 1024
_READS_PER_TURN = 8
"""So that one chatty container does not starve the others."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Stamp:
    """RFC 3339 with nanoseconds; formats the whole second once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, nanoseconds: int) -> str:
        """Return the time as text."""
        second, rest = divmod(nanoseconds, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{rest:09d}Z"


class LineCutter:
    """Cuts one stream into CRI lines. Pure."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.rest = b""
        """What has no newline yet."""

    def feed(self, data: bytes, stamp: str) -> list[bytes]:
        """Take output, return the lines it completed; long ones in parts."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        lines = [line for text in whole for line in self._parts(text, stamp)]
        while len(self.rest) >= PARTIAL_AT:
            lines.append(self._line(self.rest[:PARTIAL_AT], stamp, b"P"))
            self.rest = self.rest[PARTIAL_AT:]
        return lines

    def end(self, stamp: str) -> list[bytes]:
        """Return what was left without a newline."""
        rest, self.rest = self.rest, b""
        return self._parts(rest, stamp) if rest else []

    def _parts(self, text: bytes, stamp: str) -> list[bytes]:
        cuts = range(0, max(len(text), 1), PARTIAL_AT)
        return [
            self._line(
                text[at : at + PARTIAL_AT], stamp, b"P" if at + PARTIAL_AT < len(text) else b"F"
            )
            for at in cuts
        ]

    def _line(self, text: bytes, stamp: str, tag: bytes) -> bytes:
        return b"%s %s %s %s\n" % (stamp.encode(), self.stream.encode(), tag, text)


class OutputFile:
    """An append-only file that is rotated by size and survives a full disk."""

    def __init__(self, path: str, rotate_at: int = ROTATE_AT) -> None:
        self._path = path
        self._rotate_at = rotate_at
        self._fd = -1
        self._size = 0
        self._missing = 0
        self.dropped = 0
        """Lines lost so far."""

    def create(self) -> None:
        """Make the file, so that a container without output has an empty log."""
        with contextlib.suppress(OSError):
            self._open()

    def append(self, lines: list[bytes], stamp: str) -> None:
        """Write lines, or count them as dropped."""
        if self._missing:
            words = f"lateen: {self._missing} log lines were dropped: no space for {self._path}"
            lines = [f"{stamp} stderr F {words}\n".encode(), *lines]
        try:
            self._write(b"".join(lines))
        except OSError as error:
            if error.errno not in _NO_ROOM:
                self._close()
            lost = len(lines) - (1 if self._missing else 0)
            self._missing += lost
            self.dropped += lost
            return
        self._missing = 0

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            self._open()
        elif self._size + len(data) > self._rotate_at and self._size:
            self._rotate()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size += written

    def _open(self) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        for number in range(KEEP - 1, 0, -1):
            older = self._path if number == 1 else f"{self._path}.{number - 1}"
            with contextlib.suppress(OSError):
                os.replace(older, f"{self._path}.{number}")
        self._close()
        self._open()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, since: int) -> list[tuple[str, bytes]]:
        """Return stream and bytes of what was written after so many bytes of the file, or of all
        that was written and is still there."""
        older = [f"{self._path}.{number}" for number in range(KEEP - 1, 0, -1)]
        found = []
        for path in (self._path,) if since else (*older, self._path):
            found += self._read(path, since)
        return found

    def _read(self, path: str, since: int) -> list[tuple[str, bytes]]:
        found = []
        with contextlib.suppress(OSError), open(path, "rb") as file:
            file.seek(since)
            for line in file:
                _, stream, tag, text = line.rstrip(b"\n").split(b" ", 3)
                found.append((stream.decode(), text + (b"\n" if tag == b"F" else b"")))
        return found

    def close(self) -> None:
        """Close the file."""
        self._close()


class Output:
    """The output of one container: its pipes (or terminal), its log, its listeners."""

    def __init__(self, log: str, streams: dict[int, str], now: Callable[[], int]) -> None:
        """`streams` maps a descriptor to `stdout` or `stderr`."""
        self._log = OutputFile(log) if log else None
        if self._log:
            self._log.create()
        self._cutters = {fd: LineCutter(stream) for fd, stream in streams.items()}
        self._listeners: list[Listener] = []
        self._closed = False
        self._now = now
        self._stamp = Stamp()
        for fd in streams:
            os.set_blocking(fd, False)

    @property
    def dropped(self) -> int:
        """Log lines lost to a full disk."""
        return self._log.dropped if self._log else 0

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those still open."""
        return tuple(self._cutters)

    def listen(self, listener: Listener, since: int | None = None) -> None:
        """Copy output to a listener, which becomes this object's; with `since`, what the log
        has after so many bytes and the line that has no end yet as well."""
        self._listeners.append(listener)
        if since is None:
            return
        for stream, data in self._log.read(since) if self._log else ():
            self._tell(stream, data)
        for cutter in self._cutters.values():
            self._tell(cutter.stream, cutter.rest)

    @property
    def followed(self) -> bool:
        """Whether somebody is attached."""
        return bool(self._listeners)

    def read(self, fd: int) -> int | None:
        """Move what is there to the log; returns how many bytes, None when the stream has ended."""
        moved = 0
        for _ in range(_READS_PER_TURN):
            try:
                data = os.read(fd, _READ)
            except BlockingIOError:
                break
            except OSError:
                data = b""  # a terminal whose other side is closed says EIO
            self._take(fd, data)
            if not data:
                return None
            moved += len(data)
        return moved

    def drain(self) -> None:
        """Read all that is left after the process ended."""
        for fd in tuple(self._cutters):
            data = b"."
            while data:
                try:
                    data = os.read(fd, _READ)
                except OSError:
                    data = b""
                self._take(fd, data)

    def _take(self, fd: int, data: bytes) -> None:
        """Write output to the log and the listeners; no data is the end of the stream."""
        stamp = self._stamp(self._now())
        cutter = self._cutters[fd]
        lines = cutter.feed(data, stamp) if data else cutter.end(stamp)
        if lines and self._log:
            self._log.append(lines, stamp)
        if data:
            self._tell(cutter.stream, data)
        else:
            del self._cutters[fd]

    def _tell(self, stream: str, data: bytes) -> None:
        for listener in tuple(self._listeners):
            try:
                listener.tell(stream, data)
            except OSError:
                self._drop(listener)

    @property
    def waits_for(self) -> int:
        """The descriptor that has to take something before more is read; -1 for none."""
        return next((x.waits_for for x in self._listeners if x.waits_for >= 0), -1)

    def flush(self) -> None:
        """Hand on what was kept for patient listeners."""
        for listener in tuple(self._listeners):
            try:
                listener.flush()
            except OSError:
                self._drop(listener)
        if self._closed:
            self.close()

    def leave(self, listener: Listener) -> None:
        """Copy to a listener no more."""
        if listener in self._listeners:
            self._drop(listener)

    def _drop(self, listener: Listener) -> None:
        self._listeners.remove(listener)
        listener.close()

    def close(self) -> None:
        """Close log and listeners: their readers see the end, patient ones when they have read
        everything."""
        self._closed = True
        if self._log:
            self._log.close()
        for listener in tuple(self._listeners):
            if listener.waits_for < 0:
                self._drop(listener)
