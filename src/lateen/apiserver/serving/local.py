"""The ApiClient of those who live in the plane's own process: no HTTP, no bytes in between."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from lateen.apiserver import errors
from lateen.apiserver.access.auth import SYSTEM, User
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.reading import listing, watch_events, watch_stream
from lateen.apiserver.serving import subresources
from lateen.apiserver.writing import objects, verbs
from lateen.base.jsonvalue import Json, clone
from lateen.model.client import WatchEvent
from lateen.store import api as store_api


class LocalClient:
    """An ApiClient over an Api. Objects are copied on the way in and out.

    `manager` is the field manager that its writes are booked under; empty books nothing.
    """

    def __init__(self, api: verbs.Api, *, manager: str = "", user: User = SYSTEM) -> None:
        self._api = api
        self._options = verbs.WriteOptions(user=user, manager=manager)

    async def get(self, resource: str, namespace: str, name: str) -> Json:
        """Return one object."""
        return _copy(self._api.get(self._api.target(resource, namespace, name)))

    async def list(
        self, resource: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[list[Json], str]:
        """Return the objects and the list's resourceVersion."""
        wanted = listing.ListOptions(labels=labels, fields=fields)
        listed = listing.list_objects(self._api, self._api.target(resource, namespace), wanted)
        return [_copy(entry.value) for entry in listed.entries], str(listed.revision)

    async def create(self, resource: str, namespace: str, body: Json) -> Json:
        """POST."""
        target = self._api.target(resource, namespace)
        return _copy(self._api.create(target, clone(body), self._options).object)

    async def update(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """PUT."""
        target = self._api.target(resource, namespace, name)
        return _copy(self._api.update(target, clone(body), self._options).object)

    async def update_status(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """PUT on /status."""
        target = self._api.target(resource, namespace, name, "status")
        return _copy(self._api.update(target, clone(body), self._options).object)

    async def patch(
        self,
        resource: str,
        namespace: str,
        name: str,
        patch: Any,
        *,
        content_type: str = "application/merge-patch+json",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Json:
        """PATCH."""
        target = self._api.target(resource, namespace, name, subresource)
        options = verbs.WriteOptions(
            user=self._options.user, manager=field_manager or self._options.manager, force=force
        )
        if subresource == "scale":
            return subresources.patch_scale(self._api, target, patch, content_type, options)
        return _copy(self._api.patch(target, clone(patch), content_type, options).object)

    async def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        propagation: str = "",
        uid: str = "",
    ) -> Json:
        """DELETE; return the object as it was left, or as it was last."""
        how = objects.DeleteOptions(grace=grace_seconds, propagation=propagation, uid=uid)
        target = self._api.target(resource, namespace, name)
        return _copy(self._api.delete(target, how, self._options).object)

    async def watch(
        self,
        resource: str,
        namespace: str = "",
        *,
        after: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Follow changes; without `after` existing objects come first."""
        target = self._api.target(resource, namespace)
        wanted = watch_stream.WatchOptions(labels=labels, fields=fields, resource_version=after)
        opening = watch_stream.open_watch(self._api, target, wanted)
        with contextlib.closing(opening.stream):
            for entry in opening.first:
                yield WatchEvent("ADDED", _copy(entry.value))
            try:
                async for event in opening.stream:
                    if (seen := _seen(event, target, namespace, opening)) is not None:
                        yield seen
            except store_api.ExpiredError:
                raise errors.watch_expired(opening.revision) from None


def _seen(
    event: store_api.Event, target: Target, namespace: str, opening: watch_stream.Opening
) -> WatchEvent | None:
    if event.type is store_api.EventType.BOOKMARK:
        made = watch_events.bookmark(target.api_version, target.info.kind, event.revision)
        return WatchEvent("BOOKMARK", made)
    found = watch_events.translate(event, namespace, opening.match)
    return None if found is None else WatchEvent(found[0], _copy(found[1].value))


def _copy(value: Any) -> Json:
    copied: Json = clone(value)
    return copied
