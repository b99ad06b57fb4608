"""Work that goes one by one: in slices that let the loop go on, or in a thread."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from lateen.base.clock import ManualClock
from lateen.base.exclusive import Exclusive
from lateen.base.tasks import TaskGroup

TASKS = TaskGroup("work")


class Ticking(ManualClock):
    """A clock that goes on by a millisecond each time it is read."""

    def __init__(self):
        super().__init__(datetime(2026, 1, 1, tzinfo=UTC))
        self.reads = 0

    def monotonic(self):
        self.reads += 1
        return self.reads / 1000


@pytest.fixture
def still():
    return Exclusive(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))


def counting(number, seen, name=""):
    for step in range(number):
        seen.append(f"{name}{step}")
        yield


def test_steps_for_which_there_is_time_are_taken_at_once(still):
    seen = []
    still.in_steps(counting(3, seen))
    assert seen == ["0", "1", "2"]
    assert not still.busy


def test_others_have_their_turn_between_two_slices():
    """However long the work, the loop goes round after as many steps as a slice has time for."""

    async def scene():
        seen = []
        work = Exclusive(Ticking(), seconds=0.004)
        work.in_steps(counting(20, seen))
        rounds = []
        while work.busy:
            rounds.append(len(seen))
            await asyncio.sleep(0)
        return rounds, len(seen)

    rounds, taken = asyncio.run(scene())
    assert taken == 20
    assert max(b - a for a, b in zip([0, *rounds], rounds, strict=False)) <= 4
    assert len(rounds) >= 5


def test_work_never_overlaps():
    async def scene():
        seen = []
        work = Exclusive(Ticking(), seconds=0.002)
        work.in_steps(counting(9, seen, "a"))
        called = TASKS.start(work.beside(lambda: seen.append("called")), "call")
        await asyncio.sleep(0)
        work.in_steps(counting(2, seen, "b"))
        await called
        await work.beside(list)
        return seen

    assert asyncio.run(scene()) == [*(f"a{n}" for n in range(9)), "called", "b0", "b1"]


def test_a_call_does_not_hold_the_loop(still):
    """The call waits for what only the loop can do."""

    async def scene():
        opened = threading.Event()
        asyncio.get_running_loop().call_later(0, opened.set)
        return await still.beside(lambda: opened.wait(30))

    assert asyncio.run(scene())


def test_what_follows_a_call_comes_before_other_work(still):
    async def scene():
        seen = []
        made = still.beside(lambda: "made", lambda result: counting(2, seen, result))
        first = TASKS.start(made, "first")
        await asyncio.sleep(0)
        still.in_steps(counting(1, seen, "other"))
        assert await first == "made"
        await still.beside(list)
        return seen

    assert asyncio.run(scene()) == ["made0", "made1", "other0"]


def fails(*_):
    raise ValueError("no")


def test_a_failure_is_the_callers_and_nobody_elses(still):
    async def scene():
        seen = []
        for failing in (still.beside(fails), still.beside(list, fails)):
            with pytest.raises(ValueError, match="no"):
                await failing
        still.in_steps(map(fails, [1]))
        still.in_steps(counting(1, seen))
        assert not still.busy
        return seen

    assert asyncio.run(scene()) == ["0"]


def test_who_is_cancelled_does_not_let_others_in_early(still):
    async def scene():
        seen, opened = [], threading.Event()

        def slow():
            opened.wait(30)
            seen.append("slow")

        task = TASKS.start(still.beside(slow), "slow")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        still.in_steps(counting(1, seen, "after"))
        assert seen == []
        opened.set()
        async with asyncio.timeout(30):
            await still.beside(list)
        return seen

    assert asyncio.run(scene()) == ["slow", "after0"]
