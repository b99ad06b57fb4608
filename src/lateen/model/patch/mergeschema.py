"""What a patch has to know about an object's fields. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol


class MergeSchema(Protocol):
    """How one value is merged, and the way down to the values in it.

    Kubernetes says these things in OpenAPI: `merge_key` is x-kubernetes-patch-merge-key,
    `list_keys` x-kubernetes-list-map-keys, `unique` x-kubernetes-list-type: set (and the patch
    strategy merge of a list of scalars), `atomic` the list or map type of that name,
    `retain_keys` the patch strategy of that name.
    """

    @property
    def merge_key(self) -> str:
        """The key by which a strategic merge patch joins a list's items; empty: it replaces."""
        ...

    @property
    def list_keys(self) -> tuple[str, ...]:
        """The keys by which server-side apply tells a list's items apart; empty: it is atomic."""
        ...

    @property
    def unique(self) -> bool:
        """Whether a list of scalars is a set."""
        ...

    @property
    def atomic(self) -> bool:
        """Whether the whole value has one owner."""
        ...

    @property
    def retain_keys(self) -> bool:
        """Whether a strategic merge patch clears the keys it does not name (a union)."""
        ...

    def field(self, name: str) -> "MergeSchema":
        """Return the schema of a map's value; of a field not known, `UNKNOWN`."""
        ...

    def item(self) -> "MergeSchema":
        """Return the schema of a list's items."""
        ...


@dataclass(frozen=True)
class Schema:
    """A MergeSchema written out."""

    fields: Mapping[str, "Schema"] = field(default_factory=lambda: MappingProxyType({}))
    items: "Schema | None" = None
    merge_key: str = ""
    list_keys: tuple[str, ...] = ()
    unique: bool = False
    atomic: bool = False
    retain_keys: bool = False

    def field(self, name: str) -> "Schema":
        """Return the schema of a field."""
        return self.fields.get(name, UNKNOWN)

    def item(self) -> "Schema":
        """Return the schema of a list's items."""
        return self.items or UNKNOWN


UNKNOWN = Schema()
"""Says nothing: maps are merged by key, lists are replaced."""

_KEY_DEFAULTS = {"protocol": "TCP"}


def key_value(item: Mapping[str, Any], key: str) -> Any:
    """Return an item's value of a list key, or the default that the API gives that key.

    The protocol of a port is the only key of a built-in list that has one."""
    return item.get(key, _KEY_DEFAULTS.get(key))
