"""Debounce: at once for the first change, together for followers, never later than the cap."""

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from lateen.base.clock import ManualClock
from lateen.base.debounce import Coalescer, Debounce
from lateen.base.tasks import TaskGroup

QUIET, CAP = 0.01, 0.1


def run(moments):
    """Feed changes at given moments; return when action was taken, and how many it covered."""
    state, acted, waiting = Debounce(QUIET, CAP), [], 0
    for moment in [*moments, float("inf")]:
        while (due := state.due()) is not None and due <= moment:
            acted.append((due, waiting))
            state, waiting = state.acted(due), 0
        if moment != float("inf"):
            state, waiting = state.changed(moment), waiting + 1
    return acted


def test_the_first_is_acted_on_at_once_and_followers_together():
    assert run([1.0, 1.002, 1.004]) == [(1.0, 1), (pytest.approx(1.014), 2)]


def test_after_calm_the_next_is_a_first_again():
    assert run([1.0, 2.0]) == [(1.0, 1), (2.0, 1)]


def test_a_steady_stream_is_acted_on_at_the_cap():
    acted = run([i * 0.005 for i in range(100)])
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(acted)]
    assert max(gaps) <= CAP + 0.006


@given(st.lists(st.floats(0, 2, allow_nan=False), max_size=40))
def test_nothing_waits_longer_than_the_cap_and_nothing_is_lost(moments):
    moments = sorted(moments)
    acted = run(moments)
    assert sum(count for _, count in acted) == len(moments)
    done = iter(acted)
    when, left = next(done, (0.0, 0))
    for moment in moments:
        while left == 0:
            when, left = next(done)
        assert moment <= when <= moment + CAP + 1e-9
        left -= 1


def test_coalescer_acts_as_told():
    async def scenario():
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        acted = []

        async def action():
            acted.append(clock.monotonic())

        coalescer = Coalescer(clock, action, Debounce(QUIET, CAP, calm_from=0.0))
        async with TaskGroup("test") as tasks:
            tasks.start(coalescer.run(), "coalesce")
            await clock.advance(0)
            coalescer.notify()
            for _ in range(3):
                await clock.advance(0)
            assert acted == [0.0]
            coalescer.notify()
            coalescer.notify()
            await clock.advance(0.005)
            assert acted == [0.0]
            for _ in range(4):
                await clock.advance(0.01)
            assert len(acted) == 2

    asyncio.run(scenario())
