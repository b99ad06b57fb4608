"""Who follows the store: streams that are iterated, and callbacks that are called at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from lateen.store import api, history
from lateen.store.history import EVERY, bookmark, matches


class WatchQueue:
    """One watcher's unread events. Used from one event loop, the writers' own."""

    def __init__(
        self,
        resource: str,
        replay: Iterable[api.Event],
        capacity: int,
        ended: Callable[[], None],
        woken: Callable[[], None] | None = None,
    ) -> None:
        self.resource = resource
        self._woken = woken
        # The watchers of a resource leave the same events unread: what one may leave bounds what
        # all of them make the store keep.
        self._unread = deque(replay)
        self._bytes = sum(event.size for event in self._unread)
        self._capacity = capacity + len(self._unread)
        self._room = history.ROOM + self._bytes
        self._ended = ended
        self._wake = asyncio.Event()
        self._expired = False
        self._closed = False

    def push(self, event: api.Event) -> None:
        """Take one event; at more than there is room for give up on the reader instead."""
        if self._expired:
            return
        first = not self._unread
        full = len(self._unread) >= self._capacity or self._bytes + event.size > self._room
        if full and not first:
            self._expired = True
            self._unread.clear()
        else:
            self._unread.append(event)
            self._bytes += event.size
        if not first:
            return
        self._wake.set()
        if self._woken is not None:
            self._woken()

    def take(self, most: int = 0) -> Sequence[api.Event]:
        """Return the unread events; with `most` only so many that they reach that size in bytes.

        Raises ExpiredError, and StoreError once it is closed.
        """
        if self._closed:
            raise api.StoreError(f"the watch of {self.resource} is closed")
        if self._expired:
            raise self._too_far()
        if most and self._bytes > most:
            some: list[api.Event] = []
            while self._unread and most > 0:
                some.append(self._pop())
                most -= some[-1].size
            return some
        taken, self._unread, self._bytes = self._unread, deque(), 0
        return taken

    def _pop(self) -> api.Event:
        event = self._unread.popleft()
        self._bytes -= event.size
        return event

    def _too_far(self) -> api.ExpiredError:
        return api.ExpiredError(
            f"the watch of {self.resource} left more than {self._capacity} events or "
            f"{self._room >> 20} MiB unread: list again"
        )

    def mark(self, revision: int) -> None:
        """Say how far the watch has come, instead of an earlier saying that was not read yet."""
        if self._unread and self._unread[-1].type is api.EventType.BOOKMARK:
            self._unread.pop()
        self.push(bookmark("" if self.resource == EVERY else self.resource, revision))

    async def __aiter__(self) -> AsyncIterator[api.Event]:
        while not self._closed:
            if self._unread:
                yield self._pop()
            elif self._expired:
                raise self._too_far()
            else:
                self._wake.clear()
                await self._wake.wait()

    def close(self) -> None:
        """End the iterator; unread events are dropped."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self._ended()
            if (woken := self._woken) is not None:
                self._woken = None  # whoever is called holds this stream
                woken()


class Audience:
    """All watchers and subscribers of one store."""

    def __init__(self) -> None:
        self._streams: dict[int, WatchQueue] = {}
        self._callbacks: dict[int, tuple[str, Callable[[api.Event], None]]] = {}
        self._serial = 0

    def watch(
        self,
        resource: str,
        replay: Iterable[api.Event],
        capacity: int,
        woken: Callable[[], None] | None = None,
    ) -> WatchQueue:
        """Open a stream that starts with `replay`."""
        self._serial += 1
        serial = self._serial
        stream = WatchQueue(resource, replay, capacity, lambda: self._leave(serial), woken)
        self._streams[serial] = stream
        return stream

    def subscribe(self, resource: str, callback: Callable[[api.Event], None]) -> Callable[[], None]:
        """Register a callback; return the way to end it."""
        self._serial += 1
        serial = self._serial
        self._callbacks[serial] = (resource, callback)
        return lambda: self._leave(serial)

    def tell(self, event: api.Event) -> None:
        """Hand a write to everybody whom it concerns."""
        for resource, callback in tuple(self._callbacks.values()):
            if matches(resource, event):
                callback(event)
        for stream in tuple(self._streams.values()):
            if matches(stream.resource, event):
                stream.push(event)

    def mark(self, revision: int) -> None:
        """Send every stream a bookmark."""
        for stream in tuple(self._streams.values()):
            stream.mark(revision)

    def dismiss(self) -> None:
        """End every stream and forget every callback."""
        for stream in tuple(self._streams.values()):
            stream.close()
        self._callbacks.clear()

    def _leave(self, serial: int) -> None:
        self._streams.pop(serial, None)
        self._callbacks.pop(serial, None)
