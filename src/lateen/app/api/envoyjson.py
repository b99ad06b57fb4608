"""Serialized Envoy resources as Envoy's own JSON."""

from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from lateen.compiler.output import ResourceType

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
