"""Moves the output of containers to their logs and clients, as it comes and as it is taken."""

import os
import select
from collections.abc import Callable
from typing import Protocol

from lateen.node.shim.listeners import Listener
from lateen.node.shim.output import Output
from lateen.node.shim.table import Record

REST_SECONDS = 0.01
"""How long output is left in its pipe after little of it was read. An application that logs each
request would otherwise wake this process for each, which takes more time than a proxy does and its
caches away from whoever answers. A pipe holds what comes meanwhile."""
_LITTLE = 16 * 1024


class Loop(Protocol):
    """What waits for descriptors."""

    def watch(
        self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN
    ) -> None: ...

    def unwatch(self, fd: int) -> None: ...

    def watches(self, fd: int) -> bool: ...


class Pumps:
    """Every container's output between its pipes and its end."""

    def __init__(self, loop: Loop, now: Callable[[], float]) -> None:
        """`now` tells seconds, as those that `pause` and `resume` are given."""
        self._loop = loop
        self._now = now
        self._resting: dict[int, tuple[float, Callable[[], None]]] = {}

    def start(self, record: Record, output: Output) -> None:
        """Read a container's output from now on."""
        record.output = output
        for fd in output.descriptors:
            self._loop.watch(fd, self._pump(record, output, fd))

    def pause(self, now: float) -> float | None:
        """Return the seconds until `resume` has something to do; None if it has not."""
        if not self._resting:
            return None
        return max(0.0, next(iter(self._resting.values()))[0] - now)

    def resume(self, now: float) -> None:
        """Wait again for output that has rested."""
        for fd, (due, pump) in tuple(self._resting.items()):
            if due > now:
                return
            del self._resting[fd]
            self._loop.watch(fd, pump)

    def stall(self, record: Record) -> None:
        """Leave output unread as long as a client has to read what it was given before."""
        output = record.output
        if output is None or (waiting := output.waits_for) < 0 or self._loop.watches(waiting):
            return
        for fd in output.descriptors:
            self._unwatch(fd)

        def flush() -> None:
            output.flush()
            self._go_on(record, output, waiting)

        self._loop.watch(waiting, flush, select.EPOLLOUT)

    def _go_on(self, record: Record, output: Output, waited: int) -> None:
        """Read output again if it was left unread for a descriptor that it no longer waits for."""
        if waited < 0 or output.waits_for == waited:
            return
        self._loop.unwatch(waited)
        for fd in output.descriptors if output.waits_for < 0 else ():
            self._loop.watch(fd, self._pump(record, output, fd))
        self.stall(record)

    def attach(
        self, record: Record, output: Output, to: tuple[int, int], since: int | None
    ) -> None:
        """Copy a container's output to copies of two descriptors, until their reader is gone.

        Nothing may ever be written to them again, so a third copy is watched for the reader's end.
        With `since`, nothing is lost of what the log has after so many bytes.
        """
        witness, out, err = os.dup(to[0]), os.dup(to[0]), os.dup(to[1])

        def part() -> None:
            for fd in (witness, out, err):
                self._loop.unwatch(fd)
            os.close(witness)

        listener = Listener(out, err, patient=since is not None, closing=part)
        self._loop.watch(witness, lambda: self._left(record, output, listener), 0)
        output.listen(listener, since)
        self.stall(record)

    def _left(self, record: Record, output: Output, listener: Listener) -> None:
        waiting = output.waits_for
        output.leave(listener)
        self._go_on(record, output, waiting)

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
            moved = output.read(fd)
            if moved is None:
                self._end_of(record, fd)
            elif moved < _LITTLE and not output.followed:
                self._loop.unwatch(fd)
                self._resting[fd] = (self._now() + REST_SECONDS, pump)
            self.stall(record)

        return pump

    def _unwatch(self, fd: int) -> None:
        self._loop.unwatch(fd)
        self._resting.pop(fd, None)

    def _end_of(self, record: Record, fd: int) -> None:
        self._unwatch(fd)
        if fd != record.terminal:
            os.close(fd)
