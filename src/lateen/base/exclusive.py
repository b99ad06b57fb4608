"""One piece of work at a time: in steps on the event loop, or whole in a thread beside it.

Work that shares what it keeps, such as a compiler, must not overlap. Nor may it hold the loop:
steps stop when their time is spent and go on once the loop has served who waits. What cannot be cut
into steps is done in a thread.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from lateen.base.clock import Clock
from lateen.base.pace import SLICE_SECONDS

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Steps = Iterator[None]


class _Call(msgspec.Struct, eq=False):
    """Something to be done in a thread, and the steps that follow before anything else."""

    call: Callable[[], Any]
    then: Callable[[Any], Steps] | None
    done: asyncio.Future[Any]


def _no_steps(_result: object) -> Steps:
    return iter(())


class Exclusive:
    """Does work in the order it came in, each piece alone."""

    def __init__(self, clock: Clock, seconds: float = SLICE_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._queue: deque[Steps | _Call] = deque()
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether something is under way or waits."""
        return self._busy

    def in_steps(self, steps: Steps) -> None:
        """Take steps: at once if nothing else is under way, and as far as a slice of time goes.
        The rest follows in the loop. An error ends the steps and is logged."""
        self._queue.append(steps)
        if not self._busy:
            self._busy = True
            self._go_on()

    async def beside(
        self, call: Callable[[], Result], then: Callable[[Result], Steps] | None = None
    ) -> Result:
        """Return what a call returns that is made in a thread, once its turn has come.

        `then` makes steps of the result; they are taken before any other work, and are over when
        this returns. Raises what the call raises. It is not interrupted when the caller is.
        """
        work = _Call(call, then, asyncio.get_running_loop().create_future())
        self._queue.append(work)
        if not self._busy:
            self._busy = True
            self._go_on()
        result: Result = await asyncio.shield(work.done)
        return result

    def _go_on(self) -> None:
        until = self._clock.monotonic() + self._seconds
        while self._queue:
            work = self._queue.popleft()
            if isinstance(work, _Call):
                self._hand_over(work)
                return
            if not self._taken(work, until):
                self._queue.appendleft(work)
                asyncio.get_running_loop().call_soon(self._go_on)
                return
        self._busy = False

    def _taken(self, steps: Steps, until: float) -> bool:
        """Take steps until a moment; whether they are over."""
        try:
            for _ in steps:
                if self._clock.monotonic() >= until:
                    return False
        except Exception:
            log.exception("work in steps ended early")
        return True

    def _hand_over(self, work: _Call) -> None:
        handed = asyncio.get_running_loop().run_in_executor(None, work.call)
        handed.add_done_callback(lambda made: self._returned(work, made))

    def _returned(self, work: _Call, made: asyncio.Future[Any]) -> None:
        if made.cancelled():
            work.done.cancel()
        elif (error := made.exception()) is not None:
            work.done.set_exception(error)
        else:
            self._queue.appendleft(self._finish(work, made.result()))
        self._go_on()

    def _finish(self, work: _Call, result: Any) -> Steps:
        try:
            yield from (work.then or _no_steps)(result)
        except Exception as error:
            work.done.set_exception(error)
        else:
            work.done.set_result(result)
