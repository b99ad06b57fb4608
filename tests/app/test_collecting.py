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


NOTHING, ASIDE, COLLECT = gcpolicy.Decision


@pytest.mark.parametrize(
    ("young", "fresh", "quiet", "aside", "expected"),
    [
        (0, 19_999, 60.0, 0, NOTHING),
        (0, 20_000, 1.0, 0, COLLECT),
        (0, 20_000, 0.9, 0, NOTHING),
        (1, 0, 0.5, 0, NOTHING),
        (1, 0, 1.0, 0, COLLECT),
        (0, 0, 1.0, 1, COLLECT),
        (24, 40_000, 0.0, 0, NOTHING),
        (25, 0, 0.0, 0, ASIDE),
        (25, 0, 0.0, 4, ASIDE),
        (25, 0, 0.0, 5, COLLECT),
        (25, 0, 1.0, 0, COLLECT),
    ],
)
def test_it_waits_for_a_quiet_moment_but_not_for_ever(
    young: int, fresh: int, quiet: float, aside: int, expected: gcpolicy.Decision
) -> None:
    assert gcpolicy.decided(young, fresh, quiet, aside) is expected


def test_what_died_is_found_and_what_lives_is_not_looked_at_again(collector: None) -> None:
    async def scene() -> None:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        changed = 0.0
        async with TaskGroup("test") as tasks:
            tasks.start(gcpolicy.Collector(clock, lambda: changed).run(), "collector")
            await clock.advance(0)
            gc.collect()
            ring = Ring()
            died = weakref.ref(ring)
            gc.collect(0)
            del ring
            gc.collect(0)
            assert died() is not None, "Python looked through more than the youngest"
            changed = 4.5
            await clock.advance(gcpolicy.EVERY_SECONDS)
            assert died() is not None, "half a second after a change"
            await clock.advance(gcpolicy.EVERY_SECONDS)
            assert died() is None
            assert gc.get_freeze_count() > 1000

    asyncio.run(scene())


def test_what_was_put_aside_under_load_is_looked_through_in_a_quiet_moment(
    collector: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcpolicy, "MOST", 1)

    async def scene() -> None:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        changed = 4.5
        async with TaskGroup("test") as tasks:
            tasks.start(gcpolicy.Collector(clock, lambda: changed).run(), "collector")
            await clock.advance(0)
            gc.collect()
            ring = Ring()
            died = weakref.ref(ring)
            gc.collect(0)
            await clock.advance(gcpolicy.EVERY_SECONDS)
            del ring
            gc.collect()
            assert died() is not None, "it is still in sight"
            await clock.advance(gcpolicy.EVERY_SECONDS)
            assert died() is None

    asyncio.run(scene())
