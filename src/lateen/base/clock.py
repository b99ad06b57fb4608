"""The only reader of the system clock. Everything that needs time is handed a Clock."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio


class Clock(Protocol):
    """A source of wall time, monotonic time and waiting."""

    def now(self) -> datetime:
        """Return the wall time, in UTC, with microseconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock's time."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the wall time, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the monotonic clock, in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for real."""
        import asyncio  # takes 14 ms, and most commands never wait

        await asyncio.sleep(seconds)


class Steady:
    """A timeline in seconds since the epoch that no setting of the wall clock bends: what is
    measured is measured by it. It is the wall clock's at the moment when it is made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.now().timestamp() - clock.monotonic()

    def now(self) -> float:
        """Return the moment by the steady timeline."""
        return self._start + self._clock.monotonic()

    def skew(self) -> float:
        """Return by how many seconds the wall clock is ahead of it now."""
        return self._clock.now().timestamp() - self.now()


class ManualClock:
    """A clock that moves only when told to: the second implementation, for tests."""

    def __init__(self, start: datetime) -> None:
        self._wall = start.timestamp()
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Return the start plus all that was advanced."""
        return datetime.fromtimestamp(self._wall + self._elapsed, UTC)

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved past the moment asked for."""
        if seconds <= 0:
            return
        import asyncio

        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, wake))
        await wake

    def set_wall(self, ahead: float) -> None:
        """Set the wall clock by so many seconds, as an administrator may; nothing wakes."""
        self._wall += ahead

    async def advance(self, seconds: float) -> None:
        """Move time, waking sleepers in the order they were due."""
        import asyncio

        target = self._elapsed + seconds
        while due := sorted((s for s in self._sleepers if s[0] <= target), key=lambda s: s[0]):
            moment, wake = due[0]
            self._sleepers.remove(due[0])
            self._elapsed = max(self._elapsed, moment)
            if not wake.done():
                wake.set_result(None)
            await asyncio.sleep(0)
        self._elapsed = target
        await asyncio.sleep(0)


def rfc3339(moment: datetime) -> str:
    """Format as Kubernetes writes timestamps: whole seconds, UTC, a trailing Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: object) -> datetime | None:
    """Read an RFC 3339 time, one without a zone as UTC; None when it is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
