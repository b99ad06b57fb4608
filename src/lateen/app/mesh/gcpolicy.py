"""Full garbage collections of the control plane, while nobody waits for it.

A full collection walks every object there is: tens of milliseconds that a change or a request
would have to wait for. What is left to Python is the youngest generation. The rest is looked
through here, when no change has come for a moment, and then taken out of the collector's sight.
"""

import gc
from collections.abc import Callable

from lateen.base.clock import Clock

EVERY_SECONDS = 5.0
QUIET_SECONDS = 1.0
"""How long nothing must have changed."""
MOST = 5
"""Collections of the youngest generation after which it is done even under load: what died since in
cycles would take too much memory."""
WORTH = 20_000
"""New objects that are worth a look in a quiet moment."""
WHOLE = 20
"""Every how many times what was taken out of sight is looked through too."""
_NEVER = 1_000_000


def due(young: int, fresh: int, quiet: float) -> bool:
    """Return whether to collect, after so many collections of the youngest generation alone, so
    many new objects since the last of them, and so many seconds without a change."""
    if quiet >= QUIET_SECONDS and (young > 0 or fresh >= WORTH):
        return True
    return young >= MOST


class Collector:
    """Collects when it is due; `changed_at` tells the clock's moment of the last change."""

    def __init__(self, clock: Clock, changed_at: Callable[[], float]) -> None:
        self._clock = clock
        self._changed_at = changed_at
        self._times = 0

    async def run(self) -> None:
        """Take over from Python all but the youngest generation, for ever."""
        gc.set_threshold(gc.get_threshold()[0], _NEVER, _NEVER)
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            fresh, young, _ = gc.get_count()
            if due(young, fresh, self._clock.monotonic() - self._changed_at()):
                self.collect()

    def collect(self) -> None:
        """Collect everything in sight, and leave what lives out of sight."""
        self._times += 1
        if self._times % WHOLE == 0:
            gc.unfreeze()
        gc.collect()
        gc.freeze()
