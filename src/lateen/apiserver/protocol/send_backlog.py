"""What the server keeps for clients that do not read: bounded for each, and for all together."""

import asyncio
from collections.abc import Awaitable

MOST_BYTES = 64 << 20
"""What all waiting clients together may hold."""
PIECE_BYTES = 64 * 1024
"""What is handed to a connection at once; as much again may wait in it."""


class NotReadError(Exception):
    """A client has left unread what it was sent."""


class Unread:
    """Clients that have to read before more is sent to them, the longest waiting first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held: dict[asyncio.Timeout, int] = {}
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What is held for those who wait now."""
        return self._bytes

    async def wait(self, room: Awaitable[None], size: int, seconds: float | None) -> None:
        """Wait until a client has read; `size` bytes are held for it meanwhile.

        Raises NotReadError after so many seconds (None: it may take its time), and earlier when
        all who wait hold too much and nobody has waited longer.
        """
        try:
            async with asyncio.timeout(seconds) as limit:
                self._held[limit] = size
                self._bytes += size
                try:
                    self._let_go()
                    await room
                finally:
                    self._drop(limit)
        except TimeoutError as error:
            raise NotReadError(f"{size} bytes") from error

    def _let_go(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._bytes > self._most:
            longest = next(iter(self._held))
            self._drop(longest)
            longest.reschedule(now)

    def _drop(self, limit: asyncio.Timeout) -> None:
        self._bytes -= self._held.pop(limit, 0)
