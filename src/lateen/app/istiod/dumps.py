"""A proxy's configuration as istiod would have it: a config dump to compare with Envoy's. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from envoy.admin.v3 import config_dump_shared_pb2 as shared
from google.protobuf import any_pb2
from google.protobuf.message import Message

from lateen.app.api import envoyjson
from lateen.base.jsonvalue import Json
from lateen.compiler.output import Resource, ResourceType
from lateen.xds.resources import Config

_UNKNOWN = "Proxy not connected to this Pilot instance. It may be connected to another instance."


def packed(config: Config | None) -> list[any_pb2.Any]:
    """Return the parts of a config dump, as Envoy's admin has them in `configs`; of a proxy that is
    not known the one resource by which tools tell."""
    if config is None:
        return [any_pb2.Any(value=_UNKNOWN.encode())]
    found = []
    for part in _parts(config):
        one = any_pb2.Any()
        one.Pack(part)
        found.append(one)
    return found


def _parts(config: Config) -> Iterator[Message]:
    yield shared.ClustersConfigDump(
        dynamic_active_clusters=[
            shared.ClustersConfigDump.DynamicCluster(cluster=each)
            for each in _anys(config, ResourceType.CLUSTER)
        ]
    )
    yield shared.ListenersConfigDump(
        dynamic_listeners=[
            shared.ListenersConfigDump.DynamicListener(
                name=name,
                active_state=shared.ListenersConfigDump.DynamicListenerState(listener=each),
            )
            for name, each in zip(
                config.get(ResourceType.LISTENER, {}),
                _anys(config, ResourceType.LISTENER),
                strict=True,
            )
        ]
    )
    yield shared.RoutesConfigDump(
        dynamic_route_configs=[
            shared.RoutesConfigDump.DynamicRouteConfig(route_config=each)
            for each in _anys(config, ResourceType.ROUTE)
        ]
    )


def _anys(config: Config, kind: ResourceType) -> list[any_pb2.Any]:
    return [_any(each) for each in config.get(kind, {}).values()]


def _any(resource: Resource) -> any_pb2.Any:
    return any_pb2.Any(type_url=resource.type.value, value=resource.body)


def as_json(config: Config) -> Json:
    """Return the dump as `/debug/config_dump` answers it. Secrets are left out."""
    rows = {
        "ClustersConfigDump": ("dynamic_active_clusters", "cluster", ResourceType.CLUSTER),
        "ListenersConfigDump": ("dynamic_listeners", "listener", ResourceType.LISTENER),
        "RoutesConfigDump": ("dynamic_route_configs", "route_config", ResourceType.ROUTE),
    }
    configs = []
    for name, (list_name, field, kind) in rows.items():
        shown = [_shown(each, field) for each in config.get(kind, {}).values()]
        configs.append({"@type": f"type.googleapis.com/envoy.admin.v3.{name}", list_name: shown})
    return {"configs": configs}


def _shown(resource: Resource, field: str) -> dict[str, Any]:
    content = {"@type": resource.type.value, **envoyjson.as_json(resource.type, resource.body)}
    if field == "listener":
        return {"name": resource.name, "active_state": {"listener": content}}
    return {field: content}


def shown(resource: Resource) -> Json:
    """Return one resource as JSON with Envoy's field names."""
    return envoyjson.as_json(resource.type, resource.body)


def as_text(value: object) -> bytes:
    """Return a value as istiod writes JSON: indented, with a newline."""
    return json.dumps(value, indent=4).encode() + b"\n"
