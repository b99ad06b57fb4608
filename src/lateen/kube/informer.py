"""A local copy of one resource, kept by list and watch."""

import asyncio
from collections.abc import Callable, Sequence

from lateen.base.clock import Clock
from lateen.base.jsonvalue import Json
from lateen.kube import listwatch
from lateen.model.client import ApiClient, WatchEvent

Key = tuple[str, str]


def key_of(body: Json) -> Key:
    """Return namespace and name of an object."""
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Informer:
    """Calls `changed(old, new)` for every difference: new is None when the object is gone.

    What happened while the server was away is found by listing again, so a deletion is never
    missed; an object that was replaced by one of the same name is told as two changes.
    """

    def __init__(
        self,
        client: ApiClient,
        clock: Clock,
        resource: str,
        changed: Callable[[Json | None, Json | None], None],
        followed: Callable[[], None] = lambda: None,
    ) -> None:
        """`followed` is called after each list and each change: `version` may have risen."""
        self._client = client
        self._clock = clock
        self._resource = resource
        self._changed = changed
        self._followed = followed
        self.version = 0
        """The revision of the server up to which this copy has come."""
        self._objects: dict[Key, Json] = {}
        self.synced = asyncio.Event()
        """Set after the first list."""

    def get(self, namespace: str, name: str) -> Json | None:
        """Return an object, or None."""
        return self._objects.get((namespace, name))

    def values(self) -> tuple[Json, ...]:
        """Return all objects."""
        return tuple(self._objects.values())

    async def run(self) -> None:
        """Keep the copy until cancelled."""
        await listwatch.follow(self._client, self._clock, self._resource, self)

    def listed(self, objects: Sequence[Json], version: str) -> None:
        """Take a list: what is not in it is gone."""
        present = {key_of(body): body for body in objects}
        for key in [key for key in self._objects if key not in present]:
            self._remove(key)
        for body in present.values():
            self._take(body)
        self.synced.set()
        self._come_to(version)

    def heard(self, event: WatchEvent) -> None:
        """Take a change."""
        if event.type in ("ADDED", "MODIFIED"):
            self._take(event.object)
        elif event.type == "DELETED":
            self._remove(key_of(event.object))
        if event.type != "BOOKMARK":
            self._come_to(event.object["metadata"]["resourceVersion"])

    def unserved(self) -> None:
        """Keep what there is: the server may be starting."""

    def _come_to(self, version: str) -> None:
        self.version = int(version)
        self._followed()

    def _take(self, body: Json) -> None:
        key = key_of(body)
        old = self._objects.get(key)
        if old is not None and old["metadata"].get("uid") != body["metadata"].get("uid"):
            self._remove(key)
            old = None
        if old == body:
            return
        self._objects[key] = body
        self._changed(old, body)

    def _remove(self, key: Key) -> None:
        if (old := self._objects.pop(key, None)) is not None:
            self._changed(old, None)
