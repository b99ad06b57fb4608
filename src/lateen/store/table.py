"""The objects themselves, and the rules of writing them. Pure.

A write goes in two steps so that a durable store can put its disk in between: `create`, `update`
and `delete` decide and return the event, changing nothing; `apply` makes it so.
"""

from bisect import bisect_left, insort

from lateen.store import api
from lateen.store.history import History


class ObjectTable:
    """Current objects by resource, in order of namespace and name, and their history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._entries: dict[str, dict[api.Key, api.Entry]] = {}
        self._order: dict[str, list[api.Key]] = {}

    @property
    def revision(self) -> int:
        """The revision of the newest write."""
        return self.history.newest

    def get(self, key: api.Key) -> api.Entry:
        """Return the object. Raises NotFoundError."""
        entry = self._entries.get(key.resource, {}).get(key)
        if entry is None:
            raise api.NotFoundError(f"{describe(key)} not found")
        return entry

    def create(self, key: api.Key, value: api.JsonObject) -> api.Event:
        """Decide a creation. Raises AlreadyExistsError."""
        if key in self._entries.get(key.resource, {}):
            raise api.AlreadyExistsError(f"{describe(key)} already exists")
        return api.Event(api.EventType.ADDED, self._next(key, value))

    def update(self, key: api.Key, value: api.JsonObject, expected: int) -> api.Event | None:
        """Decide a replacement; None if it would change nothing.

        Raises NotFoundError, ConflictError."""
        before = self._expect(key, expected)
        if _stamped(value, before.revision) == before.value:
            return None
        return api.Event(api.EventType.MODIFIED, self._next(key, value), before)

    def delete(self, key: api.Key, expected: int) -> api.Event:
        """Decide a removal. Raises NotFoundError, ConflictError."""
        before = self._expect(key, expected)
        return api.Event(api.EventType.DELETED, self._next(key, before.value), before)

    def apply(self, event: api.Event) -> None:
        """Carry out a decided write: objects and history move to its revision."""
        self.history.append(event)
        self._put(event)

    def restore(self, entry: api.Entry) -> None:
        """Put back an object written at or before the history's floor."""
        self._put(api.Event(api.EventType.ADDED, entry))

    def page(
        self, resource: str, namespace: str, limit: int, after: api.Key | None, revision: int
    ) -> api.Listing:
        """List as the Store says. Raises ExpiredError."""
        at = revision or self.revision
        entries, order = self._at(resource, at)
        first, last = 0, len(order)
        if namespace:
            first = bisect_left(order, api.Key(resource, namespace, ""))
            last = bisect_left(order, api.Key(resource, namespace + "\0", ""))
        if after is not None:
            first = max(first, bisect_left(order, api.Key(*after[:2], after.name + "\0")))
        stop = min(last, first + limit) if limit > 0 else last
        page = tuple(entries[key] for key in order[first:stop])
        remaining = max(0, last - stop)
        return api.Listing(page, at, page[-1].key if page and remaining else None, remaining)

    def _at(self, resource: str, revision: int) -> tuple[dict[api.Key, api.Entry], list[api.Key]]:
        entries = self._entries.get(resource, {})
        changed = self.history.undo(revision, resource)
        if not changed:
            return entries, self._order.get(resource, [])
        then = {key: entry for key, entry in entries.items() if key not in changed}
        then |= {key: entry for key, entry in changed.items() if entry is not None}
        return then, sorted(then)

    def _expect(self, key: api.Key, expected: int) -> api.Entry:
        entry = self.get(key)
        if expected and expected != entry.revision:
            raise api.ConflictError(
                f"{describe(key)} is at revision {entry.revision}, not {expected}: read it again"
            )
        return entry

    def _next(self, key: api.Key, value: api.JsonObject) -> api.Entry:
        revision = self.revision + 1
        return api.Entry(key, revision, _stamped(value, revision))

    def _put(self, event: api.Event) -> None:
        entry = event.entry
        entries = self._entries.setdefault(entry.key.resource, {})
        order = self._order.setdefault(entry.key.resource, [])
        if event.type is api.EventType.DELETED:
            del entries[entry.key]
            del order[bisect_left(order, entry.key)]
            return
        if entry.key not in entries:
            insort(order, entry.key)
        entries[entry.key] = entry


def describe(key: api.Key) -> str:
    """Name an object in a message: `pods "web" in namespace "default"`."""
    where = f' in namespace "{key.namespace}"' if key.namespace else ""
    return f'{key.resource} "{key.name}"{where}'


def _stamped(value: api.JsonObject, revision: int) -> api.JsonObject:
    metadata = value.get("metadata") or {}
    return {**value, "metadata": {**metadata, "resourceVersion": str(revision)}}
