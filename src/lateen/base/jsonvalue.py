"""JSON as Python has it: the types' names, and a copy."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
"""An object that its holder may change."""
JsonView = Mapping[str, Any]
"""An object that is only read."""

_NESTED = (dict, list)


def clone(value: Any) -> Any:
    """Copy JSON deeply; several times as fast as copy.deepcopy, which must expect anything."""
    kind = type(value)
    if kind is dict:
        return {k: clone(one) if type(one) in _NESTED else one for k, one in value.items()}
    if kind is list:
        return [clone(one) if type(one) in _NESTED else one for one in value]
    return value
