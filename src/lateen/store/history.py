"""The watch log: a bounded run of events, oldest first. Pure.

It answers two questions about the past: what happened after a revision (a watch that resumes),
and what an object was at a revision (a list that goes on where it was cut). Both hold as far back
as `floor`; older revisions are compacted and get ExpiredError.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from lateen.store import api

EVERY = "*"
"""The resource name that stands for every resource."""


ROOM = 32 << 20
"""Bytes of JSON; in memory small objects take some five times as much."""


class History:
    """Events in revision order, one revision each, without gaps above `floor`.

    `floor` is the newest revision that is no longer in the log: watches may resume after it, lists
    may be continued at it, and at nothing older.
    """

    def __init__(self, capacity: int, floor: int = 0, room: int = ROOM) -> None:
        """`capacity` events are kept, of `room` bytes of JSON at most."""
        if capacity < 1:
            raise ValueError(f"a history needs room for one event, not {capacity}")
        self._capacity = capacity
        self._room = room
        self._slack = max(1, capacity // 4)
        self._events: list[api.Event] = []
        self._bytes = 0
        self._floor = floor

    @property
    def floor(self) -> int:
        """The newest compacted revision."""
        return self._floor

    @property
    def newest(self) -> int:
        """The revision of the newest event, or `floor` of an empty log."""
        return self._floor + len(self._events)

    def append(self, event: api.Event) -> None:
        """Add the next event. Raises ValueError if its revision is not the next one."""
        if event.revision != self.newest + 1:
            raise ValueError(f"revision {event.revision} does not follow {self.newest}")
        self._events.append(event)
        self._bytes += event.size

    @property
    def overdue(self) -> bool:
        """Whether so much is kept that a compaction pays (a quarter more than is to stay)."""
        many = len(self._events) >= self._capacity + self._slack
        return many or (self._bytes > self._room * 5 // 4 and len(self._events) > 1)

    def compact(self) -> tuple[api.Event, ...]:
        """Drop all but the newest `capacity` events, and more of them until the rest has room but
        for the newest; return those dropped, oldest first."""
        surplus = max(0, len(self._events) - self._capacity)
        self._bytes -= sum(event.size for event in self._events[:surplus])
        while self._bytes > self._room and surplus < len(self._events) - 1:
            self._bytes -= self._events[surplus].size
            surplus += 1
        dropped = tuple(self._events[:surplus])
        del self._events[:surplus]
        self._floor += surplus
        return dropped

    def check(self, revision: int) -> None:
        """Raise ExpiredError unless the log reaches back to `revision`."""
        if revision < self._floor:
            raise api.ExpiredError(
                f"revision {revision} is compacted (the oldest kept is {self._floor}): list again"
            )
        if revision > self.newest:
            raise api.ExpiredError(
                f"revision {revision} is not reached yet (the newest is {self.newest}): list again"
            )

    def since(self, revision: int, resource: str = EVERY) -> Iterator[api.Event]:
        """Yield the events of a resource after `revision`, oldest first. Raises ExpiredError."""
        self.check(revision)
        later = islice(self._events, revision - self._floor, None)
        return (event for event in later if matches(resource, event))

    def undo(self, revision: int, resource: str) -> dict[api.Key, api.Entry | None]:
        """Return what to change to get from now back to `revision`: each key of the resource that
        was written since, with its entry then (None: it did not exist). Raises ExpiredError."""
        changed: dict[api.Key, api.Entry | None] = {}
        for event in self.since(revision, resource):
            changed.setdefault(event.entry.key, event.previous)
        return changed


def matches(resource: str, event: api.Event) -> bool:
    """Tell whether a watcher of `resource` (`*`: of everything) is to see the event."""
    return resource in (EVERY, event.entry.key.resource)


def bookmark(resource: str, revision: int) -> api.Event:
    """Return the event that only says: nothing up to `revision` is left to see."""
    entry = api.Entry(api.Key(resource, "", ""), revision, {})
    return api.Event(api.EventType.BOOKMARK, entry)


def obsolete(dropped: Iterable[api.Event]) -> tuple[int, ...]:
    """Return the revisions that nothing needs any more once these events left the log.

    A state is needed while it is the newest of its object, or while a kept event names it as what
    was there before; a deletion is needed only by the log itself.
    """
    revisions = []
    for event in dropped:
        if event.previous is not None:
            revisions.append(event.previous.revision)
        if event.type is api.EventType.DELETED:
            revisions.append(event.revision)
    return tuple(revisions)
