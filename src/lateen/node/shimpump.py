"""Moves the output of containers to their logs and clients, as it comes and as it is taken."""

import os
import select
from collections.abc import Callable
from typing import Protocol

from lateen.node.shimlog import Output
from lateen.node.shimtable import Record


class Loop(Protocol):
    """What waits for descriptors."""

    def watch(
        self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN
    ) -> None: ...

    def unwatch(self, fd: int) -> None: ...

    def watches(self, fd: int) -> bool: ...


class Pumps:
    """Every container's output between its pipes and its end."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def start(self, record: Record, output: Output) -> None:
        """Read a container's output from now on."""
        record.output = output
        for fd in output.descriptors:
            self._loop.watch(fd, self._pump(record, output, fd))

    def stall(self, record: Record) -> None:
        """Leave output unread as long as a client has to read what it was given before."""
        output = record.output
        if output is None or (waiting := output.waits_for) < 0 or self._loop.watches(waiting):
            return
        for fd in output.descriptors:
            self._loop.unwatch(fd)

        def flush() -> None:
            output.flush()
            if output.waits_for == waiting:
                return
            self._loop.unwatch(waiting)
            for fd in output.descriptors if output.waits_for < 0 else ():
                self._loop.watch(fd, self._pump(record, output, fd))
            self.stall(record)

        self._loop.watch(waiting, flush, select.EPOLLOUT)

    def end(self, record: Record) -> None:
        """Move the last output of a process that ended, and close everything of it."""
        if record.output:
            left = record.output.descriptors
            record.output.drain()
            self.stall(record)
            for fd in left:
                self._end_of(record, fd)
        record.close()

    def _pump(self, record: Record, output: Output, fd: int) -> Callable[[], None]:
        def pump() -> None:
            if not output.readable(fd):
                self._end_of(record, fd)
            self.stall(record)

        return pump

    def _end_of(self, record: Record, fd: int) -> None:
        self._loop.unwatch(fd)
        if fd != record.terminal:
            os.close(fd)
