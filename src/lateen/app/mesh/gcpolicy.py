"""Full garbage collections of the control plane, while nobody waits for it.

A full collection walks every object there is: tens of milliseconds, or hundreds in a large mesh,
that a change or a request would have to wait for. It finds next to nothing: a compiled mesh of
5,000 Services leaves some dozens of objects in cycles. What is left to Python is the youngest
generation, in small portions. What those leave is taken out of the collector's sight, without a
look where it is much. All of it is looked through when the portions say that cycles pile up, or
once in an hour that has a quiet half minute. What is free is given back to the system.
"""

import asyncio
import enum
import gc
from collections.abc import Callable
from typing import NamedTuple

from lateen.base import heap
from lateen.base.clock import Clock

EVERY_SECONDS = 5.0
QUIET_SECONDS = 1.0
"""How long nothing must have changed."""
YOUNG = 20_000
"""New objects between two collections of the youngest generation: five milliseconds for each."""
MOST = 25
"""Collections of the youngest generation after which even under load what they left is taken out
of sight."""
WORTH = 10_000
"""New objects that are worth a look in a quiet moment. It takes as long as one of the youngest
generation does."""
CYCLES = 50_000
"""Objects in cycles that the youngest generation was rid of since everything was looked through:
about as many may have become too old for it."""
UNDER_LOAD = 10 * CYCLES
"""The same where no moment is quiet."""
WHOLE_SECONDS = 3600.0
REST_SECONDS = 30.0
"""How long nothing must have changed for a look at everything that no cycles ask for."""
GIVING_BACK = 3
"""Every how many looks free memory is given back to the system."""
_NEVER = 1_000_000


class Decision(enum.Enum):
    """What to do with the objects in sight."""

    NOTHING = "nothing"
    ASIDE = "aside"
    COLLECT = "collect"
    WHOLE = "whole"


class Count(NamedTuple):
    """What is known at a moment: collections of the youngest generation alone, new objects since
    the last of them, objects that those collections were rid of since everything was looked
    through, seconds since then, and seconds without a change."""

    young: int
    fresh: int
    cycles: int
    since: float
    quiet: float


def decided(count: Count) -> Decision:
    """Return what to do."""
    if count.cycles >= (CYCLES if count.quiet >= QUIET_SECONDS else UNDER_LOAD):
        return Decision.WHOLE
    if count.since >= WHOLE_SECONDS and count.quiet >= REST_SECONDS:
        return Decision.WHOLE
    if count.young >= MOST:
        return Decision.ASIDE
    if count.quiet < QUIET_SECONDS:
        return Decision.NOTHING
    if count.young:
        return Decision.ASIDE
    return Decision.COLLECT if count.fresh >= WORTH else Decision.NOTHING


class Collector:
    """Collects when it is due; `changed_at` tells the clock's moment of the last change."""

    def __init__(self, clock: Clock, changed_at: Callable[[], float]) -> None:
        self._clock = clock
        self._changed_at = changed_at
        self._whole_at = clock.monotonic()
        self._rid_of = _rid_of()

    async def run(self) -> None:
        """Take over from Python all but the youngest generation, for ever."""
        gc.set_threshold(YOUNG, _NEVER, _NEVER)
        looks = 0
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            match decided(self._count()):
                case Decision.WHOLE:
                    gc.unfreeze()
                    self._whole_at = self._clock.monotonic()
                    self._rid_of = _rid_of()
                    self.collect()
                case Decision.COLLECT:
                    self.collect()
                case Decision.ASIDE:
                    gc.freeze()
                case Decision.NOTHING:
                    pass
            looks += 1
            if looks % GIVING_BACK == 0:
                # What was freed may be bytes alone, which no collection has to do with. It may take
                # a while, and needs no hold of the interpreter.
                await asyncio.to_thread(heap.give_back)

    def _count(self) -> Count:
        fresh, young, _ = gc.get_count()
        now = self._clock.monotonic()
        since, quiet = now - self._whole_at, now - self._changed_at()
        return Count(young, fresh, _rid_of() - self._rid_of, since, quiet)

    def collect(self) -> None:
        """Collect everything in sight, and leave what lives out of sight."""
        gc.collect()
        gc.freeze()


def _rid_of() -> int:
    """Return how many objects the youngest generation was rid of since the process began."""
    return int(gc.get_stats()[0]["collected"])
