"""Long work in the event loop lets others have their turn every few milliseconds."""

import asyncio

from lateen.base.clock import Clock

SLICE_SECONDS = 0.004
"""How long work may hold the loop at a time. A single step may take longer: it should not."""


class Pace:
    """Asked after each step of some work; gives the loop away when a slice of time is over."""

    def __init__(self, clock: Clock, seconds: float = SLICE_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until = clock.monotonic() + seconds

    async def step(self) -> None:
        """Let others have their turn if it is time to."""
        if self._clock.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = self._clock.monotonic() + self._seconds
