"""Who is attached to a container: copies of its output as fast as they are read."""

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Callable

ROOM = 1024 * 1024
"""Bytes a patient client's pipe is made to hold."""


class Listener:
    """One client: a descriptor for output and one for errors.

    A patient one misses nothing: what it has no room for is kept, and as long as there is such,
    its container's output is to be left unread. Another loses what it does not read in time.
    """

    def __init__(
        self, out: int, err: int, *, patient: bool, closing: Callable[[], None] = lambda: None
    ) -> None:
        """Both descriptors become this object's; `closing` is called before they are closed."""
        self._out, self._err = out, err
        self._closing = closing
        self._patient = patient
        self._pending: deque[tuple[int, bytes]] = deque()
        for fd in (out, err):
            os.set_blocking(fd, False)
            if patient:
                with contextlib.suppress(OSError):
                    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, ROOM)

    @property
    def waits_for(self) -> int:
        """The descriptor that has to take something first; -1 for none."""
        return self._pending[0][0] if self._pending else -1

    def tell(self, stream: str, data: bytes) -> None:
        """Hand on output. Raises OSError when the client is gone."""
        if not data:
            return
        self._pending.append((self._err if stream == "stderr" else self._out, data))
        self.flush()
        if not self._patient:
            self._pending.clear()

    def flush(self) -> None:
        """Write what is kept as far as there is room. Raises OSError when the client is gone."""
        while self._pending:
            fd, data = self._pending[0]
            try:
                rest = data[os.write(fd, data) :]
            except BlockingIOError:
                return
            if rest:
                self._pending[0] = (fd, rest)
            else:
                self._pending.popleft()

    def close(self) -> None:
        """Close both: the client sees the end."""
        self._closing()
        for fd in (self._out, self._err):
            with contextlib.suppress(OSError):
                os.close(fd)
