"""A patch as it is tried on resources: its conditions read, its value a message. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from google.protobuf.message import Message

from lateen.base.jsonvalue import JsonView
from lateen.compiler.backend.patches import types
from lateen.compiler.ir.patches import ConfigPatch

ANY = "ANY"
ADDING = ("ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER")
MERGING = ("MERGE", "MERGE_AND_REPLACE_LIST")

_CLASSES: Mapping[str, type[Message]] = {
    "LISTENER": listener_pb2.Listener,
    "FILTER_CHAIN": listener_components_pb2.FilterChain,
    "LISTENER_FILTER": listener_components_pb2.ListenerFilter,
    "NETWORK_FILTER": listener_components_pb2.Filter,
    "HTTP_FILTER": http_connection_manager_pb2.HttpFilter,
    "ROUTE_CONFIGURATION": route_pb2.RouteConfiguration,
    "VIRTUAL_HOST": route_components_pb2.VirtualHost,
    "HTTP_ROUTE": route_components_pb2.Route,
    "CLUSTER": cluster_pb2.Cluster,
    "EXTENSION_CONFIG": extension_pb2.TypedExtensionConfig,
}
_OLD_NAMES = {
    "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
    "envoy.router": "envoy.filters.http.router",
    "envoy.cors": "envoy.filters.http.cors",
    "envoy.fault": "envoy.filters.http.fault",
    "envoy.lua": "envoy.filters.http.lua",
    "envoy.grpc_web": "envoy.filters.http.grpc_web",
    "envoy.ext_authz": "envoy.filters.http.ext_authz",
    "envoy.rate_limit": "envoy.filters.http.ratelimit",
}
"""Names of filters before Envoy's present ones."""


class Wanted:
    """A patch that can be tried. `applied` says whether it touched anything."""

    def __init__(self, patch: ConfigPatch) -> None:
        """Read a patch. Raises ValueError for a value that cannot be what it is to change."""
        self.patch = patch
        self.match: JsonView = camel(json.loads(patch.match))
        self.value: Any = None
        kind = _CLASSES.get(patch.apply_to)
        if patch.value and kind is not None:
            self.value = types.parsed(patch.value, kind)
        if self.value is None and patch.operation != "REMOVE":
            raise ValueError("it has no value")

    @property
    def operation(self) -> str:
        """Return what is to be done."""
        return self.patch.operation

    def within(self, context: str) -> bool:
        """Whether it is for a side of a proxy."""
        return self.patch.context in (ANY, context)

    def part(self, name: str) -> JsonView:
        """Return a part of its conditions; nothing where there is none."""
        return _object(self.match.get(name))


def _object(value: Any) -> JsonView:
    return value if isinstance(value, Mapping) else {}


def part(conditions: JsonView, name: str) -> JsonView:
    """Return a part of conditions; nothing where there is none."""
    return _object(conditions.get(name))


def camel(value: Any) -> Any:
    """Return conditions with their names as the API has them; protobuf's own are taken too."""
    if isinstance(value, list):
        return [camel(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    out = {}
    for name, each in value.items():
        first, *rest = str(name).split("_")
        out[first + "".join(word.capitalize() for word in rest)] = camel(each)
    return out


def named(wanted: str, name: str) -> bool:
    """Whether a filter has the name that is asked for. The filters of authorization here have
    their action behind Istio's name."""
    asked = _OLD_NAMES.get(wanted, wanted)
    return name in (asked, wanted) or name.startswith(f"{asked}.")


Test = Callable[[Any], bool]


def changed(
    items: Iterable[Any], wanted: Wanted, fits: Test, *, anchored: bool
) -> list[Any] | None:
    """Return a list after an operation that adds, takes away or replaces; None where it changed
    nothing. `anchored`: the conditions name an item, which `fits` tells; without, BEFORE and FIRST
    mean the front, AFTER and ADD the end, and nothing is replaced or taken away.
    """
    before, operation = list(items), wanted.operation
    if operation == "ADD" or (operation == "INSERT_AFTER" and not anchored):
        return [*before, wanted.value]
    if operation == "INSERT_FIRST" or (operation == "INSERT_BEFORE" and not anchored):
        return [wanted.value, *before]
    if not anchored:
        return None
    if operation == "REMOVE":
        left = [each for each in before if not fits(each)]
        return left if len(left) < len(before) else None
    place = next((index for index, each in enumerate(before) if fits(each)), None)
    if place is None:
        return None
    if operation == "INSERT_BEFORE":
        return [*before[:place], wanted.value, *before[place:]]
    if operation == "INSERT_AFTER":
        return [*before[: place + 1], wanted.value, *before[place + 1 :]]
    if operation == "REPLACE":
        return [*before[:place], wanted.value, *before[place + 1 :]]
    return None


def refill(field: Any, items: Iterable[Any]) -> None:
    """Put items in place of all of a repeated field."""
    kept = []
    for each in items:
        copy = type(each)()
        copy.CopyFrom(each)
        kept.append(copy)
    del field[:]
    field.extend(kept)


class Trial:
    """The patches of a proxy while they are tried, and those that touched something."""

    def __init__(self, every: Iterable[Wanted]) -> None:
        self._by_kind: dict[str, list[Wanted]] = {}
        for wanted in every:
            self._by_kind.setdefault(wanted.patch.apply_to, []).append(wanted)
        self.applied: dict[Wanted, None] = {}

    def of(self, kind: str, context: str) -> Iterator[Wanted]:
        """Return the patches of a kind of object for a side, in order."""
        return (each for each in self._by_kind.get(kind, ()) if each.within(context))

    def has(self, *kinds: str) -> bool:
        """Whether there is any patch of these kinds."""
        return any(kind in self._by_kind for kind in kinds)

    def did(self, wanted: Wanted) -> None:
        """Note that a patch touched something."""
        self.applied[wanted] = None
