"""Cluster IPs and node ports for Services, given what the store holds."""

from collections.abc import Mapping
from typing import Any

from lateen.apiserver import errors
from lateen.apiserver.kinds.strategy import addresses
from lateen.base.jsonvalue import Json
from lateen.model.schema.kindinfo import KindInfo
from lateen.store import api as store_api

_RESOURCE = "services"
_NOTHING = addresses.InUse()


class Allocator:
    """Gives a Service its addresses as it is written; leaves every other kind alone.

    What is in use is kept up to date by the store's own notifications, so that the thousandth
    Service costs what the first one did.
    """

    def __init__(self, store: store_api.Store, ranges: addresses.Ranges | None = None) -> None:
        self._ranges = ranges or addresses.Ranges()
        self._held: dict[store_api.Key, addresses.InUse] = {}
        self._addresses: set[str] = set()
        self._ports: set[tuple[str, int]] = set()
        for entry in store.list(_RESOURCE).entries:
            self._hold(entry.key, entry.value)
        store.subscribe(_RESOURCE, self._note)

    def __call__(self, info: KindInfo, obj: Json, old: Json | None) -> Json:
        """Return the object with its addresses. Raises ApiError 422 when there are none."""
        if info.resource != _RESOURCE:
            return obj
        metadata = obj["metadata"]
        key = store_api.Key(_RESOURCE, metadata["namespace"], metadata["name"])
        own = self._held.get(key, _NOTHING)
        used = addresses.InUse(
            frozenset(self._addresses - own.addresses), frozenset(self._ports - own.node_ports)
        )
        given = addresses.allocate(obj, used, self._ranges, old)
        if given.causes:
            raise errors.invalid(info, metadata["name"], given.causes)
        return given.service

    def _note(self, event: store_api.Event) -> None:
        self._free(event.entry.key)
        if event.type is not store_api.EventType.DELETED:
            self._hold(event.entry.key, event.entry.value)

    def _hold(self, key: store_api.Key, service: Mapping[str, Any]) -> None:
        held = addresses.in_use([service])
        self._held[key] = held
        self._addresses |= held.addresses
        self._ports |= held.node_ports

    def _free(self, key: store_api.Key) -> None:
        held = self._held.pop(key, _NOTHING)
        self._addresses -= held.addresses
        self._ports -= held.node_ports
