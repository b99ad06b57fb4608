"""The way down a kind's schema, for patches. Pure.

A strategic merge patch joins a list when its strategy is `merge`: by `merge_key`, or as a set of
scalars when there is none. Server-side apply joins lists of type `map` (by `list_keys`) and `set`;
any other list has one owner.
"""

from collections.abc import Mapping
from typing import Any

from lateen.model.schema.describe import Schema

UNKNOWN = Schema(type="any")
"""Says nothing: maps are merged by key, lists are replaced."""


def field(schema: Schema, name: str) -> Schema:
    """Return the schema of a map's value or an object's field; of a field not known, UNKNOWN."""
    return schema.fields.get(name) or (schema.type == "map" and schema.items) or UNKNOWN


def item(schema: Schema) -> Schema:
    """Return the schema of a list's items."""
    return schema.items or UNKNOWN


def joins(schema: Schema) -> bool:
    """Tell whether a strategic merge patch joins this list with what is there."""
    return "merge" in schema.strategies


def replaces(schema: Schema) -> bool:
    """Tell whether a strategic merge patch puts this object in the place of what is there."""
    return "replace" in schema.strategies


_KEY_DEFAULTS = {"protocol": "TCP"}


def key_value(item: Mapping[str, Any], key: str) -> Any:
    """Return an item's value of a list key, or the default that the API gives that key.

    The protocol of a port is the only key of a built-in list that has one."""
    return item.get(key, _KEY_DEFAULTS.get(key))
