"""How far each proxy is, in the two forms in which istiod tells it. Pure."""

from collections.abc import Iterable, Mapping

from envoy.service.status.v3 import csds_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from lateen.app.istiod import facts as plane
from lateen.base.clock import rfc3339
from lateen.base.jsonvalue import Json
from lateen.compiler.output import ResourceType
from lateen.xds.status import ProxyStatus, SyncState, TypeStatus

_TYPES: Mapping[ResourceType, str] = {
    ResourceType.CLUSTER: "cluster",
    ResourceType.LISTENER: "listener",
    ResourceType.ROUTE: "route",
    ResourceType.ENDPOINT: "endpoint",
    ResourceType.EXTENSION: "extensionconfig",
}
"""The types that istiod tells of, by the word of its JSON."""
_STATES: Mapping[SyncState, int] = {
    SyncState.SYNCED: csds_pb2.SYNCED,
    SyncState.STALE: csds_pb2.STALE,
    SyncState.NACK: csds_pb2.ERROR,
    SyncState.NOT_SENT: csds_pb2.NOT_SENT,
}
_KINDS = {"sidecar": "sidecar", "gateway": "router", "router": "router"}


def client_configs(facts: plane.Facts) -> list[csds_pb2.ClientConfig]:
    """Return a ClientConfig per connected proxy: what `istioctl proxy-status` reads."""
    return [_client(facts, status) for status in facts.connected]


def _client(facts: plane.Facts, status: ProxyStatus) -> csds_pb2.ClientConfig:
    made = csds_pb2.ClientConfig()
    made.node.id = plane.proxy_id(status.proxy)
    namespace = status.proxy.partition("/")[0]
    made.node.metadata.update(
        {"CLUSTER_ID": plane.CLUSTER, "NAMESPACE": namespace, "ISTIO_VERSION": facts.version}
    )
    for kind in _TYPES:
        found = status.types[kind]
        if found.state is SyncState.NOT_SENT and kind is ResourceType.EXTENSION:
            continue  # not subscribed: proxies ask for extensions only when there are some
        made.generic_xds_configs.append(_generic(kind, found))
    return made


def _generic(kind: ResourceType, found: TypeStatus) -> csds_pb2.ClientConfig.GenericXdsConfig:
    one = csds_pb2.ClientConfig.GenericXdsConfig(
        type_url=kind.value, config_status=csds_pb2.ConfigStatus.ValueType(_STATES[found.state])
    )
    if (moment := found.settled_at or found.changed_at) is not None:
        stamp = Timestamp()
        stamp.FromDatetime(moment)
        one.last_updated.CopyFrom(stamp)
    if found.error:
        one.error_state.details = found.error
    return one


def as_json(facts: plane.Facts) -> list[Json]:
    """Return what `/debug/syncz` answers: a row per connected proxy."""
    return [_row(facts, status) for status in facts.connected]


def _row(facts: plane.Facts, status: ProxyStatus) -> Json:
    row: Json = {
        "cluster_id": plane.CLUSTER,
        "proxy": plane.proxy_id(status.proxy),
        "proxy_type": _KINDS.get(facts.kinds.get(status.proxy, ""), "sidecar"),
        "proxy_version": facts.version,
        "istio_version": facts.version,
    }
    for kind, word in _TYPES.items():
        found = status.types[kind]
        asked = found.state is not SyncState.NOT_SENT
        row[f"{word}_sent"] = str(found.version) if asked else ""
        row[f"{word}_acked"] = str(found.acknowledged) if asked and found.acknowledged else ""
    return row


def connections(facts: plane.Facts, statuses: Iterable[ProxyStatus]) -> Json:
    """Return what `/debug/adsz` answers: who is connected, since when."""
    clients = [
        {
            "connectionId": f"{plane.proxy_id(status.proxy)}-1",
            "connectedAt": rfc3339(status.connected_at) if status.connected_at else "",
            "address": "",
            "metadata": {"ISTIO_VERSION": facts.version, "CLUSTER_ID": plane.CLUSTER},
        }
        for status in statuses
    ]
    return {"totalClients": len(clients), "clients": clients}
