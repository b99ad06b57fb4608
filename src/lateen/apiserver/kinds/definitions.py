"""Keeps what is served in step with the CustomResourceDefinitions in the store."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from importlib import resources as files
from typing import Any

import msgspec

from lateen.apiserver.kinds import crds
from lateen.apiserver.kinds.resources import Resources
from lateen.base import clock as clocks
from lateen.base.clock import Clock
from lateen.base.jsonvalue import Json
from lateen.store import api as store_api

_BUNDLED = "lateen.dev/bundled"
"""The release that a definition came with."""


def load(resources: Resources, store: store_api.Store) -> None:
    """Serve what the stored definitions say."""
    for entry in store.list(crds.RESOURCE).entries:
        if crds.is_established(entry.value) and not crds.check(entry.value):
            resources.offer(crds.kind_of(entry.value))


def bundled() -> Iterator[Json]:
    """Yield the definitions that a lab has from the start: the Gateway API's, of its standard
    channel, as published but for the words about fields (`tools/gatewayapi_definitions.py`)."""
    text = files.files(__package__).joinpath("gatewayapi.json").read_bytes()
    yield from msgspec.json.decode(text, type=list[Json])


def furnish(resources: Resources, store: store_api.Store, clock: Clock) -> None:
    """Store each bundled definition that is not there, and serve it. One that somebody wrote, or
    that another release of Lateen brought, stays."""
    there = {entry.key.name for entry in store.list(crds.RESOURCE).entries}
    now = clock.now()
    for body in bundled():
        name = body["metadata"]["name"]
        if name in there:
            continue
        made = {**body, "metadata": _born(body["metadata"], now)}
        made["status"] = crds.settled(made, (), now)
        store.create(store_api.Key(crds.RESOURCE, "", name), made)
        resources.offer(crds.kind_of(made))


def _born(metadata: Json, now: datetime) -> Json:
    """Return a bundled definition's metadata. Its maker owns a mark alone: who applies a published
    file over it, server-side, takes every field without a conflict."""
    release = metadata["annotations"]["gateway.networking.k8s.io/bundle-version"]
    owned: Json = {"f:metadata": {"f:annotations": {f"f:{_BUNDLED}": {}}}}
    return {
        **metadata,
        "annotations": {**metadata["annotations"], _BUNDLED: release},
        "uid": str(uuid.uuid4()),
        "creationTimestamp": clocks.rfc3339(now),
        "generation": 1,
        "managedFields": [
            {
                "manager": "lateen",
                "operation": "Update",
                "apiVersion": "apiextensions.k8s.io/v1",
                "time": clocks.rfc3339(now),
                "fieldsType": "FieldsV1",
                "fieldsV1": owned,
            }
        ],
    }


def written(
    resources: Resources, store: store_api.Store, clock: Clock, entry: store_api.Entry
) -> store_api.Entry:
    """A definition was written: serve it, unless another one of its group has one of its names,
    and say so in its status. Return the newest entry."""
    others = (one.value for one in store.list(crds.RESOURCE).entries)
    taken = crds.clashes(entry.value, others)
    if not taken or crds.is_established(entry.value):
        resources.offer(crds.kind_of(entry.value))
    status = crds.settled(entry.value, taken, clock.now())
    if entry.value.get("status") == status:
        return entry
    return store.update(entry.key, {**entry.value, "status": status}, expected=entry.revision)


def _withdraw(resources: Resources, store: store_api.Store, clock: Clock, name: str) -> None:
    """A definition is gone; its names are free for others."""
    resources.withdraw(name)
    for entry in store.list(crds.RESOURCE).entries:
        if not crds.is_established(entry.value):
            written(resources, store, clock, entry)


def deleting(store: store_api.Store, definition: Json) -> Json:
    """A definition is to be deleted: hold it while objects of it are left."""
    resource = crds.resource_of(definition)
    if not store.list(resource, limit=1).entries:
        return definition
    metadata = definition["metadata"]
    held = list(metadata.get("finalizers") or ())
    if crds.CLEANUP not in held:
        held.append(crds.CLEANUP)
    return {**definition, "metadata": {**metadata, "finalizers": held}}


def removed(resources: Resources, store: store_api.Store, clock: Clock, key: store_api.Key) -> None:
    """An object is gone: the definition of its kind goes too if it only waited for that."""
    if key.resource == crds.RESOURCE:
        _withdraw(resources, store, clock, key.name)
        return
    if store.list(key.resource, limit=1).entries:
        return
    try:
        entry = store.get(store_api.Key(crds.RESOURCE, "", key.resource))
    except store_api.NotFoundError:
        return
    metadata: dict[str, Any] = dict(entry.value["metadata"])
    if not metadata.get("deletionTimestamp") or crds.CLEANUP not in metadata.get("finalizers", ()):
        return
    left = [one for one in metadata["finalizers"] if one != crds.CLEANUP]
    if left:
        store.update(entry.key, {**entry.value, "metadata": {**metadata, "finalizers": left}})
    else:
        store.delete(entry.key)
        _withdraw(resources, store, clock, key.resource)
