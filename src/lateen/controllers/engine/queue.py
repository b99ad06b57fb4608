"""A queue of keys: each waits at most once, and is never worked on twice at a time."""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_FIRST_DELAY = 0.005
_LONGEST_DELAY = 60.0


class KeyQueue(Generic[K]):
    """Level-triggered: a key added while it is worked on comes back once, right after."""

    def __init__(self) -> None:
        self._order: deque[K] = deque()
        self._waiting: set[K] = set()
        self._failures: dict[K, int] = {}
        self._arrived = asyncio.Event()

    def add(self, key: K) -> None:
        """Have the key looked at, at once."""
        if key not in self._waiting:
            self._waiting.add(key)
            self._order.append(key)
            self._arrived.set()

    async def take(self) -> K:
        """Wait for the next key."""
        while not self._order:
            self._arrived.clear()
            await self._arrived.wait()
        key = self._order.popleft()
        self._waiting.discard(key)
        return key

    def failed(self, key: K) -> float:
        """Count a failure; return how many seconds to wait before the next try, doubling from
        5 ms to a minute."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        return min(_FIRST_DELAY * 2.0 ** min(count, 20), _LONGEST_DELAY)

    def succeeded(self, key: K) -> None:
        """Forget earlier failures."""
        self._failures.pop(key, None)

    def __len__(self) -> int:
        return len(self._order)
