"""When watchers send: at once after a quiet time, together while much is written."""

import asyncio
from collections.abc import Callable

REST = 5.0
"""How long sending rests after a round, as a multiple of what the round took: five sixths of the
time are left to those who write, however many watch."""


class Pulse:
    """Wakes those who have something to send, in rounds.

    The first event after a quiet time goes out at once. With few watchers a round takes
    microseconds, and so does the rest after it; with many, what is written meanwhile is sent in
    one piece.
    """

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._due = False
        self._ready_at = 0.0

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
        loop = asyncio.get_running_loop()
        began = loop.time()
        waiting, self._waiting = self._waiting, []
        for resume in waiting:
            resume()
        # Whoever was resumed runs before this does, since it was queued before.
        loop.call_soon(self._rest, began)

    def _rest(self, began: float) -> None:
        now = asyncio.get_running_loop().time()
        self._ready_at = now + REST * (now - began)
        self._due = False
        if self._waiting:
            self._schedule()
