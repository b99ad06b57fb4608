"""Envoy's messages by their names: a type's package is the directory that defines it. Pure.

So no list of extensions is kept: whatever this Envoy's published API defines can be patched in.
"""

import importlib.util
import json
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf import any_pb2, json_format, message, message_factory
from google.protobuf.descriptor_pool import Default as default_pool

from lateen.base import byname

_ROOTS = ("envoy", "google", "udpa", "xds", "opencensus", "opentelemetry", "io")


class UnknownTypeError(ValueError):
    """A type that this Envoy's API does not define."""


@cache
def message_class(name: str) -> type[message.Message]:
    """Return the class of a message by its full name. Raises UnknownTypeError."""
    package = name.rpartition(".")[0]
    while package and not _load(package):
        package = package.rpartition(".")[0]
    try:
        found = default_pool().FindMessageTypeByName(name)
    except KeyError as error:
        raise UnknownTypeError(f"type {name} is not known to Envoy's API") from error
    made: type[message.Message] = message_factory.GetMessageClass(found)
    return made


@cache
def _load(package: str) -> bool:
    """Import what defines a package's types; tell whether there is any such directory."""
    if package.partition(".")[0] not in _ROOTS:
        return False
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return False
    if found is None or found.submodule_search_locations is None:
        return False
    for module in pkgutil.iter_modules(found.submodule_search_locations):
        if module.name.endswith("_pb2"):
            byname.module(f"{package}.{module.name}")
    return True


def parsed(text: str, wanted: type[message.Message]) -> message.Message:
    """Return a JSON object as a message; unknown fields are left out, as Istio does. Raises
    ValueError for what cannot be one, UnknownTypeError for a type inside it."""
    value = json.loads(text)
    for name in _types(value):
        message_class(name)
    out = wanted()
    try:
        json_format.ParseDict(value, out, ignore_unknown_fields=True)
    except (json_format.ParseError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return out


def unpacked(packed: any_pb2.Any) -> message.Message:
    """Return what an Any holds. Raises UnknownTypeError, and ValueError for other bytes."""
    name = packed.type_url.rpartition("/")[2]
    out = message_class(name)()
    try:
        out.ParseFromString(packed.value)
    except message.DecodeError as error:
        raise ValueError(f"{name}: {error}") from error
    return out


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        named = value.get("@type")
        if isinstance(named, str):
            yield named.rpartition("/")[2]
        for each in value.values():
            yield from _types(each)
    elif isinstance(value, list):
        for each in value:
            yield from _types(each)
