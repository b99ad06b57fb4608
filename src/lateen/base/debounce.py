"""When to act on a burst of changes: at once for the first, together for those that follow.

`Debounce` decides and keeps no time of its own; `Coalescer` acts on its decisions.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from lateen.base.clock import Clock

QUIET_SECONDS = 0.006
"""How long followers of an action wait for each other."""
CAP_SECONDS = 0.1
"""The longest that a change may wait while others keep coming."""


class Debounce(msgspec.Struct, frozen=True):
    """Leading edge, then quiet time, capped. All times are monotonic seconds.

    A change that comes after `quiet` seconds of calm is acted on at once. One that comes sooner
    waits until `quiet` seconds pass without another, but never longer than `cap` since the first
    that waits.
    """

    quiet: float = QUIET_SECONDS
    cap: float = CAP_SECONDS
    calm_from: float = float("-inf")
    """When the last action's quiet time is over: from then on a change is a first one."""
    first: float | None = None
    """When the oldest waiting change came."""
    last: float = float("-inf")

    def changed(self, now: float) -> "Debounce":
        """Return the state after a change."""
        first = now if self.first is None else self.first
        return Debounce(self.quiet, self.cap, self.calm_from, first, now)

    def due(self) -> float | None:
        """Return the moment to act, possibly already past; None if nothing waits."""
        if self.first is None:
            return None
        if self.first >= self.calm_from:
            return self.first
        return min(max(self.last + self.quiet, self.calm_from), self.first + self.cap)

    def acted(self, now: float) -> "Debounce":
        """Return the state after acting on everything that waited."""
        return Debounce(self.quiet, self.cap, now + self.quiet)


class Coalescer:
    """Calls `action` for changes as a `Debounce` decides, never twice at the same time.

    Run `run` as a task; tell it of changes by `notify`, which is cheap and never blocks.
    """

    def __init__(
        self,
        clock: Clock,
        action: Callable[[], Awaitable[None]],
        debounce: Debounce | None = None,
    ) -> None:
        self._clock = clock
        self._action = action
        self._state = debounce or Debounce()
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Say that something changed."""
        self._state = self._state.changed(self._clock.monotonic())
        self._changed.set()

    async def run(self) -> None:
        """Act for ever. An error of the action ends it, and with it the task."""
        while True:
            due = self._state.due()
            if due is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            wait = due - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
                continue
            self._state = self._state.acted(self._clock.monotonic())
            await self._action()
