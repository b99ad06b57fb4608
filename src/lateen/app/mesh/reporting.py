"""Proxies report fewer requests where there are very many (see `observe.requests.sampling`)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lateen.base.clock import Clock
from lateen.compiler.backend import reporting_runtime
from lateen.compiler.output import ResourceType
from lateen.observe.requests.sampling import TICK_SECONDS, Sampling, Shares
from lateen.xds.als import LogBatch
from lateen.xds.hub import Hub

_LAYER = "reporting"
_PATIENCE_SECONDS = 0.3
"""How long to wait for proxies to take in that everything is to be reported."""
_POLL_SECONDS = 0.002


class Reporting:
    """Counts what is reported, and tells all proxies the share.

    Until a lab is busy for the first time nothing is sent, and an idle lab is not looked at.
    """

    def __init__(self, hub: Hub, clock: Clock, full_rate: float) -> None:
        self._hub, self._clock = hub, clock
        self._sampling = Sampling(full_rate)
        self._shares = Shares()
        self.at = self._shares.at
        """The share at a moment, for the ledger."""
        self._requests = 0
        self._holders = 0
        self._news = asyncio.Event()

    @property
    def one_in(self) -> int:
        """One in so many requests that do not fail is reported, but while somebody holds the share
        up for a moment."""
        return self._sampling.one_in

    def count(self, batch: LogBatch) -> None:
        """Take note of reports that came in."""
        self._requests += batch.sampled() * self._shares.now
        self._news.set()

    async def run(self) -> None:
        """Follow the rate for ever."""
        while True:
            if self._sampling.idle:
                await self._news.wait()
            before = self._clock.monotonic()
            await self._clock.sleep(TICK_SECONDS)
            requests, self._requests = self._requests, 0
            self._news.clear()
            self._sampling = self._sampling.after(requests, self._clock.monotonic() - before)
            self._tell()

    @asynccontextmanager
    async def everything(self) -> AsyncIterator[None]:
        """Have every request reported within the block, once the proxies have taken that in."""
        self._holders += 1
        try:
            if self._tell():
                await self._taken_in()
            yield
        finally:
            self._holders -= 1
            self._tell()

    def _tell(self) -> bool:
        """Publish the share to all proxies, also those that came since; whether it changed.

        One that has no configuration yet must not get this as its first: it would take that for
        all there is.
        """
        one_in = 1 if self._holders else self._sampling.one_in
        changed = one_in != self._shares.now
        if changed:
            self._shares.change(self._clock.now(), one_in)
        if changed or one_in > 1:
            for proxy in self._hub.configured():
                self._hub.publish(proxy, _LAYER, reporting_runtime.reporting(one_in))
        return changed

    async def _taken_in(self) -> None:
        until = self._clock.monotonic() + _PATIENCE_SECONDS
        while self._hub.waiting(ResourceType.RUNTIME) and self._clock.monotonic() < until:
            await self._clock.sleep(_POLL_SECONDS)
