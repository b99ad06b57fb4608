"""The Store interface: versioned JSON objects with optimistic concurrency and a watch log.

Objects go in and come out as plain JSON mappings. What comes out is shared and must not be
changed. The store owns exactly one field: `metadata.resourceVersion`, which it sets to the
revision of the write. Revisions are one sequence for all resources, as in etcd.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

import msgspec

JsonObject = Mapping[str, Any]


class Key(NamedTuple):
    """`resource` is plural.group (`deployments.apps`; the core group is just `pods`)."""

    resource: str
    namespace: str
    name: str


class EventType(Enum):
    """What a watch reports."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class Entry(msgspec.Struct, frozen=True):
    """An object and the revision of its last write."""

    key: Key
    revision: int
    value: JsonObject


class Event(msgspec.Struct, frozen=True):
    """One change. For DELETED, `entry` is the last state at the revision of the deletion;
    `previous` is the state before the change (None for ADDED), so that a selector watch can tell
    entering and leaving."""

    type: EventType
    entry: Entry
    previous: Entry | None = None
    size: int = 0
    """Bytes that the object takes as JSON."""

    @property
    def revision(self) -> int:
        """The revision of the change."""
        return self.entry.revision


class Listing(msgspec.Struct, frozen=True):
    """A consistent list at one revision, ordered by namespace and name."""

    entries: Sequence[Entry]
    revision: int
    continue_after: Key | None = None
    """Set when `limit` cut the list: pass it back to go on, at the same revision."""
    remaining: int = 0


class StoreError(Exception):
    """A store's refusal."""


class NotFoundError(StoreError):
    """No such object."""


class AlreadyExistsError(StoreError):
    """An object of that key is there already."""


class ConflictError(StoreError):
    """The object changed since the revision the caller expected."""


class ExpiredError(StoreError):
    """The revision asked for was compacted, or the watcher fell too far behind: list again."""


class StorageFullError(StoreError):
    """The disk is full or not writable; nothing was changed."""


class Watch(Protocol):
    """A stream of events in revision order. Iterate it, then close it."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    def take(self, most: int = 0) -> Sequence[Event]:
        """Return the events unread so far without waiting; for who was given `woken`. With `most`
        only so many that they reach that size in bytes: take again until there are none.
        Raises ExpiredError, and StoreError once the watch is closed."""
        ...

    def close(self) -> None:
        """Stop; the iterator ends. May be called twice."""
        ...


class Store(Protocol):
    """Versioned objects. All methods are synchronous and short; only watching waits.

    A write is durable when it returns (for a durable store: a killed process loses nothing).
    """

    @property
    def revision(self) -> int:
        """The revision of the newest write."""
        ...

    def get(self, key: Key) -> Entry:
        """Return the object. Raises NotFoundError."""
        ...

    def list(
        self,
        resource: str,
        namespace: str = "",
        *,
        limit: int = 0,
        after: Key | None = None,
        revision: int = 0,
    ) -> Listing:
        """List a resource, in one namespace or (empty) in all.

        `after` and `revision` continue a cut list at its revision, whatever was written since.
        Raises ExpiredError if that revision is compacted.
        """
        ...

    def create(self, key: Key, value: JsonObject) -> Entry:
        """Write a new object. Raises AlreadyExistsError, StorageFullError."""
        ...

    def update(self, key: Key, value: JsonObject, *, expected: int = 0) -> Entry:
        """Replace an object. `expected` 0 is unconditional; a write equal to what is stored
        changes nothing and returns the stored entry. Raises NotFoundError, ConflictError,
        StorageFullError."""
        ...

    def delete(self, key: Key, *, expected: int = 0) -> Entry:
        """Remove an object; the entry returned carries the revision of the deletion.
        Raises NotFoundError, ConflictError, StorageFullError."""
        ...

    def watch(
        self,
        resource: str,
        *,
        after: int = 0,
        capacity: int = 10_000,
        woken: Callable[[], None] | None = None,
    ) -> Watch:
        """Follow a resource (`*` for every resource) from the revision after `after`.

        `after` 0 starts at now. `woken` is called when there is something to take again after
        everything was taken; it must not raise or write. A watcher that leaves more than `capacity`
        events or 32 MiB unread gets ExpiredError from its iterator; it never holds up writers or
        other watchers.
        Raises ExpiredError if `after` was compacted.
        """
        ...

    def subscribe(self, resource: str, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back synchronously after each write; returns the way to end it. For in-process
        readers that only note what changed; the callback must not raise or write."""
        ...

    def close(self) -> None:
        """Release files; the store is unusable afterwards."""
        ...
