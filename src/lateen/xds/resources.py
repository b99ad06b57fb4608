"""The order resources travel in, and what stands for one that does not exist. Pure."""

from collections.abc import Mapping
from typing import Final

from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf.message import Message

from lateen.compiler.output import Resource, ResourceType

Config = Mapping[ResourceType, Mapping[str, Resource]]
"""All resources of one proxy, by type and name."""

BY_URL: Final[Mapping[str, ResourceType]] = {kind.value: kind for kind in ResourceType}

WILDCARD_TYPES: Final = frozenset({ResourceType.CLUSTER, ResourceType.LISTENER})
"""Types that a client asks for whole: an empty list of names means all of them."""

ANSWERED_TYPES: Final = frozenset({ResourceType.ENDPOINT, ResourceType.ROUTE, ResourceType.RUNTIME})
"""Types of which every name must be answered, or what waits for it warms for ever."""


def placeholder(kind: ResourceType, name: str) -> Resource:
    """Return an empty resource of a type in `ANSWERED_TYPES`, for a name nobody published."""
    made: Message
    if kind is ResourceType.ENDPOINT:
        made = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    elif kind is ResourceType.ROUTE:
        made = route_pb2.RouteConfiguration(name=name)
    else:
        made = rtds_pb2.Runtime(name=name)
    return Resource(kind, name, made.SerializeToString())


def changed(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> frozenset[str]:
    """Return the names that were added, removed or changed.

    Unchanged resources are the same object as a rule; equal bytes are not a change either.
    """
    if old is new:
        return frozenset()
    touched = []
    for name, resource in new.items():
        before = old.get(name)
        if before is not resource and (before is None or before.version != resource.version):
            touched.append(name)
    if touched or len(old) != len(new):
        touched.extend(name for name in old if name not in new)
    return frozenset(touched)
