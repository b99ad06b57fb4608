"""How many of the requests the proxies report, where there are too many to report each. Pure.

A report costs a proxy about a tenth of what a request does. Nobody reads thousands of them a
second, so beyond a rate only one in 2, 4, 8 … is made, and every failure. The share is the same for
all proxies and they choose by the request's id: what one of them reports, the others report too.
"""

import re
from bisect import bisect_right
from datetime import datetime

import msgspec

TICK_SECONDS = 0.5
FULL_RATE = 400.0
"""Reports a second, over the whole lab, up to which every request is reported; one request by way
of a gateway and a sidecar makes two."""
_WINDOW = 4
"""How many ticks must agree before the share changes: 2 seconds. A burst is reported in full."""
_MOST = 4096
_REMEMBERED = 256


_CHOOSING = re.compile(r"[0-9a-fA-F]{8}")


def by_id(request_id: str) -> bool:
    """Say whether proxies choose by this x-request-id: Envoy reads its first eight digits, base
    16. By any other each chooses for itself."""
    return _CHOOSING.match(request_id) is not None


class Sampling(msgspec.Struct, frozen=True):
    """The share to report, and the rates of the last ticks that it follows from, newest last."""

    full_rate: float = FULL_RATE
    """Reports a second that are always made; 0 makes every one."""
    one_in: int = 1
    rates: tuple[float, ...] = (0.0,) * _WINDOW

    @property
    def idle(self) -> bool:
        """Whether nothing follows from another tick without requests."""
        return self.one_in == 1 and not any(self.rates)

    def after(self, requests: int, seconds: float) -> "Sampling":
        """Return what follows from so many requests in so many seconds, counted once for each proxy
        that reports, or would, and without those that failed.

        The share stays where it is while any of the last ticks would have it there: it neither
        follows a burst nor swings with the chance of what was chosen.
        """
        rates = (*self.rates[1:], requests / seconds)
        fewest, most = self._fitting(min(rates)), self._fitting(max(rates))
        one_in = min(max(self.one_in, fewest), most)
        return msgspec.structs.replace(self, one_in=one_in, rates=rates)

    def _fitting(self, rate: float) -> int:
        """Return the smallest power of two that brings a rate down to the one wanted."""
        one_in = 1
        while self.full_rate and rate / one_in > self.full_rate and one_in < _MOST:
            one_in *= 2
        return one_in


class Shares:
    """What was reported when: the last few hundred changes."""

    def __init__(self) -> None:
        self._since: list[datetime] = []
        self._one_in: list[int] = [1]

    @property
    def now(self) -> int:
        """The share since the last change."""
        return self._one_in[-1]

    def change(self, moment: datetime, one_in: int) -> None:
        """Note a share; moments must not go backwards, or the note counts from the last one."""
        self._since.append(max(moment, self._since[-1]) if self._since else moment)
        self._one_in.append(one_in)
        if len(self._since) > _REMEMBERED:
            del self._since[0], self._one_in[0]

    def at(self, moment: datetime) -> int:
        """Return the share at a moment, 1 in so many."""
        return self._one_in[bisect_right(self._since, moment)]
