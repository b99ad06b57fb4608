"""The timeline that things are measured by."""

import asyncio
from datetime import UTC, datetime

from lateen.base.clock import ManualClock, Steady

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_steady_timeline_goes_on_when_the_wall_clock_is_set() -> None:
    async def measured() -> None:
        clock = ManualClock(START)
        steady = Steady(clock)
        assert steady.now() == START.timestamp()
        await clock.advance(10)
        clock.set_wall(-3600)
        await clock.advance(5)
        assert steady.now() == START.timestamp() + 15
        assert steady.skew() == -3600
        assert clock.now().timestamp() == steady.now() + steady.skew()
        assert Steady(clock).now() == clock.now().timestamp()

    asyncio.run(measured())
