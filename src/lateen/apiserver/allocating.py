"""Cluster IPs and node ports for Services, given what the store holds."""

from typing import Any

from lateen.apiserver import errors
from lateen.apiserver.strategy import addresses
from lateen.model import kinds
from lateen.model.client import Json
from lateen.store import api as store_api


class Allocator:
    """Gives a Service its addresses as it is written; leaves every other kind alone."""

    def __init__(self, store: store_api.Store, ranges: addresses.Ranges | None = None) -> None:
        self._store = store
        self._ranges = ranges or addresses.Ranges()

    def __call__(self, info: kinds.KindInfo, obj: Json, old: Json | None) -> Json:
        """Return the object with its addresses. Raises ApiError 422 when there are none."""
        if info.resource != "services":
            return obj
        own = _identity(obj)
        others = (
            entry.value
            for entry in self._store.list("services").entries
            if _identity(entry.value) != own
        )
        given = addresses.allocate(obj, addresses.in_use(others), self._ranges, old)
        if given.causes:
            raise errors.invalid(info, obj["metadata"]["name"], given.causes)
        return given.service


def _identity(obj: Any) -> tuple[Any, Any]:
    return obj["metadata"].get("namespace"), obj["metadata"].get("name")
