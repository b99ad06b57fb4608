"""When the control plane looks for garbage."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lateen.app.mesh import gcpolicy
from lateen.base.clock import ManualClock
from lateen.base.tasks import TaskGroup


class Ring:
    """Refers to itself: only a collection ends it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def collector() -> Iterator[None]:
    """Put Python's own settings back afterwards."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


NOTHING, ASIDE, COLLECT, WHOLE = gcpolicy.Decision


@pytest.mark.parametrize(
    ("young", "fresh", "cycles", "since", "quiet", "expected"),
    [
        (0, 9_999, 0, 0.0, 60.0, NOTHING),
        (0, 10_000, 0, 0.0, 1.0, COLLECT),
        (0, 10_000, 0, 0.0, 0.9, NOTHING),
        (1, 0, 0, 0.0, 0.5, NOTHING),
        (1, 0, 0, 0.0, 1.0, ASIDE),
        (24, 20_000, 0, 0.0, 0.0, NOTHING),
        (25, 0, 0, 0.0, 0.0, ASIDE),
        (25, 0, 49_999, 0.0, 1.0, ASIDE),
        (25, 0, 50_000, 0.0, 1.0, WHOLE),
        (25, 0, 50_000, 0.0, 0.9, ASIDE),
        (0, 0, 500_000, 0.0, 0.0, WHOLE),
        (0, 0, 0, 3600.0, 29.0, NOTHING),
        (0, 0, 0, 3600.0, 30.0, WHOLE),
    ],
)
def test_it_waits_for_a_quiet_moment_but_not_for_ever(
    young: int,
    fresh: int,
    cycles: int,
    since: float,
    quiet: float,
    expected: gcpolicy.Decision,
) -> None:
    assert gcpolicy.decided(gcpolicy.Count(young, fresh, cycles, since, quiet)) is expected


def test_what_died_is_found_and_what_lives_is_not_looked_at_again(
    collector: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcpolicy, "WORTH", 1)

    async def scene() -> None:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        changed = 0.0
        async with TaskGroup("test") as tasks:
            tasks.start(gcpolicy.Collector(clock, lambda: changed).run(), "collector")
            await clock.advance(0)
            gc.collect()
            ring = Ring()
            died = weakref.ref(ring)
            del ring
            changed = 4.5
            await clock.advance(gcpolicy.EVERY_SECONDS)
            assert died() is not None, "half a second after a change"
            await clock.advance(gcpolicy.EVERY_SECONDS)
            assert died() is None
            assert gc.get_freeze_count() > 1000

    asyncio.run(scene())


@pytest.mark.parametrize("asked", ["cycles", "an hour"])
def test_what_was_put_aside_is_looked_through_when_that_is_worth_it(
    collector: None, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setattr(gcpolicy, "CYCLES", 100)
    monkeypatch.setattr(gcpolicy, "GIVING_BACK", 10_000)  # a thread, which no clock waits for

    async def scene() -> None:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        async with TaskGroup("test") as tasks:
            tasks.start(gcpolicy.Collector(clock, lambda: 0.0).run(), "collector")
            await clock.advance(0)
            gc.collect()
            ring = Ring()
            died = weakref.ref(ring)
            gc.collect(0)
            await clock.advance(gcpolicy.EVERY_SECONDS)
            del ring
            gc.collect()
            assert died() is not None, "it is out of sight"
            if asked == "cycles":
                for _ in range(200):
                    Ring()
                gc.collect(0)
            else:
                await clock.advance(gcpolicy.WHOLE_SECONDS)
            await clock.advance(gcpolicy.EVERY_SECONDS)
            assert died() is None

    asyncio.run(scene())
