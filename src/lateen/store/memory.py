"""The store in memory: all of it for `MemoryStore`, the reading half of the durable one."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from lateen.store import api
from lateen.store.history import History
from lateen.store.table import ObjectTable
from lateen.store.watching import Audience

HISTORY_CAPACITY = 2_000
"""Events kept for watches that resume and for lists that go on where they were cut. One of a Pod
holds some 14 KB: at 10,000 a lab that was used for an hour had a plane of 250 MB. A watch that is
open has its own queue and needs none of them."""


class Journal(Protocol):
    """Where writes are made durable before they count."""

    def write(self, event: api.Event) -> int:
        """Record a write; return the bytes that its object takes as JSON.

        Raises StorageFullError; then nothing was recorded.
        """
        ...

    def forget(self, dropped: tuple[api.Event, ...], floor: int) -> None:
        """Drop what only the compacted events needed. Never raises: it may be done later."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class JournaledStore:
    """A Store that reads from memory and writes through a journal first."""

    def __init__(self, table: ObjectTable, journal: Journal) -> None:
        self._table = table
        self._journal = journal
        self._audience = Audience()
        self._closed = False

    @property
    def revision(self) -> int:
        """The revision of the newest write."""
        return self._table.revision

    def get(self, key: api.Key) -> api.Entry:
        """Return the object. Raises NotFoundError."""
        return self._table.get(key)

    def list(
        self,
        resource: str,
        namespace: str = "",
        *,
        limit: int = 0,
        after: api.Key | None = None,
        revision: int = 0,
    ) -> api.Listing:
        """List a resource, or go on with a cut list. Raises ExpiredError."""
        return self._table.page(resource, namespace, limit, after, revision)

    def create(self, key: api.Key, value: api.JsonObject) -> api.Entry:
        """Write a new object. Raises AlreadyExistsError, StorageFullError."""
        return self._commit(self._table.create(key, value))

    def update(self, key: api.Key, value: api.JsonObject, *, expected: int = 0) -> api.Entry:
        """Replace an object. Raises NotFoundError, ConflictError, StorageFullError."""
        event = self._table.update(key, value, expected)
        return self._table.get(key) if event is None else self._commit(event)

    def delete(self, key: api.Key, *, expected: int = 0) -> api.Entry:
        """Remove an object. Raises NotFoundError, ConflictError, StorageFullError."""
        return self._commit(self._table.delete(key, expected))

    def watch(
        self,
        resource: str,
        *,
        after: int = 0,
        capacity: int = 10_000,
        woken: Callable[[], None] | None = None,
    ) -> api.Watch:
        """Follow a resource. Raises ExpiredError if `after` was compacted.

        Besides changes the stream carries a BOOKMARK at each compaction, so that a watcher of a
        quiet resource always knows a revision from which it can resume.
        """
        replay = self._table.history.since(after or self.revision, resource)
        return self._audience.watch(resource, replay, capacity, woken)

    def subscribe(self, resource: str, callback: Callable[[api.Event], None]) -> Callable[[], None]:
        """Call back after each write of a resource (`*`: any); return the way to end it."""
        return self._audience.subscribe(resource, callback)

    def close(self) -> None:
        """End all watches and release files. May be called twice."""
        if not self._closed:
            self._closed = True
            self._audience.dismiss()
            self._journal.close()

    def _commit(self, event: api.Event) -> api.Entry:
        if self._closed:
            raise api.StoreError("the store is closed")
        event = msgspec.structs.replace(event, size=self._journal.write(event))
        self._table.apply(event)
        self._audience.tell(event)
        if self._table.history.overdue:
            dropped = self._table.history.compact()
            self._journal.forget(dropped, self._table.history.floor)
            self._audience.mark(self.revision)
        return event.entry


class _NoJournal:
    def write(self, event: api.Event) -> int:
        """Memory is all there is."""
        return len(msgspec.json.encode(event.entry.value))

    def forget(self, dropped: tuple[api.Event, ...], floor: int) -> None:
        """Nothing was kept."""

    def close(self) -> None:
        """Nothing is open."""


class MemoryStore(JournaledStore):
    """A Store that is gone when its process is."""

    def __init__(self, history: int = HISTORY_CAPACITY) -> None:
        super().__init__(ObjectTable(History(history)), _NoJournal())
