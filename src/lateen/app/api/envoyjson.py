"""Serialized Envoy resources as Envoy's own JSON."""

import json
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from lateen.base.jsonvalue import Json
from lateen.compiler.backend.patches import types
from lateen.compiler.output import ResourceType

_TYPED_STRUCT = "type.googleapis.com/xds.type.v3.TypedStruct"

_MESSAGES: dict[ResourceType, type[Message]] = {
    ResourceType.CLUSTER: cluster_pb2.Cluster,
    ResourceType.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    ResourceType.LISTENER: listener_pb2.Listener,
    ResourceType.ROUTE: route_pb2.RouteConfiguration,
    ResourceType.EXTENSION: extension_pb2.TypedExtensionConfig,
    ResourceType.RUNTIME: rtds_pb2.Runtime,
}


def as_json(kind: ResourceType, body: bytes) -> dict[str, Any]:
    """Return a resource as JSON with Envoy's field names. Raises KeyError for secrets, which are
    not shown."""
    found: dict[str, Any] = json_format.MessageToDict(
        _MESSAGES[kind].FromString(body), preserving_proto_field_name=True
    )
    return found


def as_bytes(kind: ResourceType, content: Json) -> bytes:
    """Return a resource that is written as Envoy's JSON, serialized. What is inside of a type that
    no published API defines is kept as its fields, under that type's name. Raises ValueError."""
    return types.parsed(json.dumps(_defined(content)), _MESSAGES[kind]).SerializeToString()


def _defined(value: Any) -> Any:
    if isinstance(value, list):
        return [_defined(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = value.get("@type")
    if not isinstance(named, str) or _is_defined(named.rpartition("/")[2]):
        return {key: _defined(each) for key, each in value.items()}
    rest = {key: each for key, each in value.items() if key != "@type"}
    return {"@type": _TYPED_STRUCT, "type_url": named, "value": rest}


def _is_defined(name: str) -> bool:
    try:
        types.message_class(name)
    except types.UnknownTypeError:
        return False
    return True
