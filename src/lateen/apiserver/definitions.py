"""Keeps what is served in step with the CustomResourceDefinitions in the store."""

from typing import Any

from lateen.apiserver import crds
from lateen.apiserver.resources import Resources
from lateen.base.clock import Clock
from lateen.model.client import Json
from lateen.store import api as store_api


def load(resources: Resources, store: store_api.Store) -> None:
    """Serve what the stored definitions say."""
    for entry in store.list(crds.RESOURCE).entries:
        if not crds.check(entry.value):
            resources.offer(crds.kind_of(entry.value))


def written(
    resources: Resources, store: store_api.Store, clock: Clock, entry: store_api.Entry
) -> store_api.Entry:
    """A definition was written: serve it, and say so in its status. Return the newest entry."""
    resources.offer(crds.kind_of(entry.value))
    status = crds.established(entry.value, clock.now())
    if entry.value.get("status") == status:
        return entry
    return store.update(entry.key, {**entry.value, "status": status}, expected=entry.revision)


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


def removed(resources: Resources, store: store_api.Store, key: store_api.Key) -> None:
    """An object is gone: the definition of its kind goes too if it only waited for that."""
    if key.resource == crds.RESOURCE:
        resources.withdraw(key.name)
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
        resources.withdraw(key.resource)
