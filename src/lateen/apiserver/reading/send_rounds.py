"""When watchers send: at once after a quiet time, together while much is written."""

import asyncio
import time
from collections.abc import Callable

REST = 5.0
"""How long sending rests after a round, as a multiple of what the round took: five sixths of the
time are left to those who write, however many watch."""
LONGEST_REST = 0.1
"""Seconds. Some thousand watchers take more than a sixth of the time rather than hear later."""


class Pulse:
    """Wakes those who have something to send, in rounds.

    The first event after a quiet time goes out at once. With few watchers a round takes
    microseconds, and so does the rest after it; with many, what is written meanwhile is sent in
    one piece.

    A round takes what its own senders compute. What others do in the same turn of the event loop,
    and what the kernel gives to other processes meanwhile, is not theirs: counted fivefold it
    would silence every watch for seconds on a busy machine.
    """

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._due = False
        self._ready_at = 0.0
        self._took = 0.0
        """Seconds that the waking of this round took, of this thread's own time."""
        self._began = 0.0
        """When its sending began, by the same clock."""

    def join(self, resume: Callable[[], None]) -> None:
        """Call back in the next round; the callback must not raise."""
        self._waiting.append(resume)
        if not self._due:
            self._schedule()

    def _schedule(self) -> None:
        self._due = True
        loop = asyncio.get_running_loop()
        if loop.time() >= self._ready_at:
            loop.call_soon(self._beat)
        else:
            loop.call_at(self._ready_at, self._beat)

    def _beat(self) -> None:
        loop, began = asyncio.get_running_loop(), time.thread_time()
        waiting, self._waiting = self._waiting, []
        # Those who are resumed run between these two, in one row: others were queued before.
        loop.call_soon(self._send)
        for resume in waiting:
            resume()
        loop.call_soon(self._rest)
        self._took = time.thread_time() - began

    def _send(self) -> None:
        self._began = time.thread_time()

    def _rest(self) -> None:
        took = self._took + time.thread_time() - self._began
        self._ready_at = asyncio.get_running_loop().time() + min(REST * took, LONGEST_REST)
        self._due = False
        if self._waiting:
            self._schedule()
