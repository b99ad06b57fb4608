"""Full garbage collections of the control plane, while nobody waits for it.

A full collection walks every object there is: tens of milliseconds, or hundreds in a large mesh,
that a change or a request would have to wait for. What is left to Python is the youngest
generation, in small portions. The rest is looked through here, when no change has come for a
moment, and then taken out of the collector's sight. What is free is given back to the system.
"""

import asyncio
import enum
import gc
from collections.abc import Callable

from lateen.base import heap
from lateen.base.clock import Clock

EVERY_SECONDS = 5.0
QUIET_SECONDS = 1.0
"""How long nothing must have changed."""
YOUNG = 40_000
"""New objects between two collections of the youngest generation: ten milliseconds for each."""
MOST = 25
"""Collections of the youngest generation after which even under load what they left is taken out
of sight, without a look, until a quiet moment."""
MOST_ASIDE = 5
"""How often that is done before it is looked through under load after all: what died since in
cycles would take too much memory."""
WORTH = 20_000
"""New objects that are worth a look in a quiet moment."""
WHOLE = 20
"""Every how many times what was taken out of sight is looked through too."""
GIVING_BACK = 3
"""Every how many looks free memory is given back to the system."""
_NEVER = 1_000_000


class Decision(enum.Enum):
    """What to do with the objects in sight."""

    NOTHING = "nothing"
    ASIDE = "aside"
    COLLECT = "collect"


def decided(young: int, fresh: int, quiet: float, aside: int) -> Decision:
    """Return what to do after so many collections of the youngest generation alone, so many new
    objects since the last of them, and so many seconds without a change, when objects were put
    aside so often since the last look."""
    if quiet >= QUIET_SECONDS and (young > 0 or fresh >= WORTH or aside):
        return Decision.COLLECT
    if young < MOST:
        return Decision.NOTHING
    return Decision.COLLECT if aside >= MOST_ASIDE else Decision.ASIDE


class Collector:
    """Collects when it is due; `changed_at` tells the clock's moment of the last change."""

    def __init__(self, clock: Clock, changed_at: Callable[[], float]) -> None:
        self._clock = clock
        self._changed_at = changed_at
        self._times = 0
        self._aside = 0

    async def run(self) -> None:
        """Take over from Python all but the youngest generation, for ever."""
        gc.set_threshold(YOUNG, _NEVER, _NEVER)
        looks = 0
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            fresh, young, _ = gc.get_count()
            quiet = self._clock.monotonic() - self._changed_at()
            match decided(young, fresh, quiet, self._aside):
                case Decision.COLLECT:
                    self.collect()
                case Decision.ASIDE:
                    self._aside += 1
                    gc.freeze()
                case Decision.NOTHING:
                    pass
            looks += 1
            if looks % GIVING_BACK == 0:
                # What was freed may be bytes alone, which no collection has to do with. It may take
                # a while, and needs no hold of the interpreter.
                await asyncio.to_thread(heap.give_back)

    def collect(self) -> None:
        """Collect everything in sight, and leave what lives out of sight."""
        self._times += 1
        if self._aside or self._times % WHOLE == 0:
            gc.unfreeze()
        self._aside = 0
        gc.collect()
        gc.freeze()
