"""Watch events: what a watcher with selectors sees of the store's changes. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from lateen.apiserver import errors
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError
from lateen.store.api import Entry, Event, EventType

Match = Callable[[Mapping[str, Any]], bool]

INITIAL_END = "k8s.io/initial-events-end"
"""The annotation on the bookmark that ends the initial events."""


def translate(event: Event, namespace: str, match: Match | None) -> tuple[str, Entry] | None:
    """Return the type and object a watcher sees of a change, or None if it concerns him not.

    An object that enters a selector is ADDED, one that leaves it is DELETED, whatever happened
    to the object itself.
    """
    if namespace and event.entry.key.namespace != namespace:
        return None
    if match is None:
        return event.type.value, event.entry
    if event.type is EventType.DELETED:
        previous = event.previous or event.entry
        return ("DELETED", event.entry) if match(previous.value) else None
    before = event.previous is not None and match(event.previous.value)
    after = match(event.entry.value)
    if after:
        return ("MODIFIED" if before else "ADDED"), event.entry
    if before:
        assert event.previous is not None
        return "DELETED", Entry(event.entry.key, event.revision, _at(event))
    return None


def _at(event: Event) -> Json:
    """Return the state before a change, under the change's resourceVersion."""
    assert event.previous is not None
    value = dict(event.previous.value)
    value["metadata"] = {**value["metadata"], "resourceVersion": str(event.revision)}
    return value


def bookmark(api_version: str, kind: str, revision: int, *, initial_end: bool = False) -> Json:
    """Return the object of a BOOKMARK event."""
    metadata: Json = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {INITIAL_END: "true"}
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata}


def error_event(error: ApiError) -> Json:
    """Return the ERROR event that ends a watch."""
    return {"type": "ERROR", "object": errors.status(error)}
