"""Istio's names for the things Envoy is given: clusters, listeners, chains, secrets. Pure."""

from functools import lru_cache
from typing import Final

from lateen.model.meta import ObjectRef

PASSTHROUGH_CLUSTER: Final = "PassthroughCluster"
BLACK_HOLE_CLUSTER: Final = "BlackHoleCluster"
INBOUND_PASSTHROUGH_CLUSTER: Final = "InboundPassthroughCluster"

VIRTUAL_INBOUND: Final = "virtualInbound"
VIRTUAL_OUTBOUND: Final = "virtualOutbound"
INBOUND_BLACK_HOLE_CHAIN: Final = "virtualInbound-blackhole"
INBOUND_CATCH_ALL_HTTP_CHAIN: Final = "virtualInbound-catchall-http"
OUTBOUND_BLACK_HOLE_CHAIN: Final = "virtualOutbound-blackhole"
OUTBOUND_CATCH_ALL_CHAIN: Final = "virtualOutbound-catchall-tcp"
PASSTHROUGH_CHAIN: Final = "PassthroughFilterChain"

WORKLOAD_SECRET: Final = "default"
ROOT_SECRET: Final = "ROOTCA"

XDS_CLUSTER: Final = "xds-grpc"
"""The bootstrap's cluster for discovery, secrets and access logs: the pod's Unix socket."""
TRACING_CLUSTER: Final = "zipkin"
"""The bootstrap's cluster for spans. It has no endpoint: headers travel, spans go nowhere."""

METRICS_PREFIX: Final = "istio"
"""What Envoy's names of Istio's metrics begin with."""

RUNTIME_LAYER: Final = "lateen"
"""The layer of runtime values that comes by discovery (RTDS)."""
REPORTED_KEY: Final = "lateen.access_log.reported"
"""Runtime key: how many of a million requests are reported for evidence, failures aside."""
REPORTED_OF: Final = 1_000_000
FAILED_STATUS: Final = 400
"""From this status on a request counts as failed, and is reported whatever the share."""

INBOUND_PORT: Final = 15006
OUTBOUND_PORT: Final = 15001
ADMIN_PORT: Final = 15000
READINESS_PORT: Final = 15021
STATS_PORT: Final = 15090
AGENT_PORT: Final = 15020
"""Where the node's agent answers for a pod's proxy: metrics, merged with the application's."""
PROXY_MARK: Final = 1337
"""SO_MARK on every connection the proxy opens; the capture rules let it pass."""
INBOUND_SOURCE: Final = "127.0.0.6"
"""Source of connections from the proxy to its own application."""

SOURCE_METADATA: Final = "lateen"
"""Filter-metadata namespace that carries the manifest field which caused a resource."""
ISTIO_METADATA: Final = "istio"


_KEBAB = {
    "DestinationRule": "networking.istio.io/v1/{}/destination-rule",
    "Sidecar": "networking.istio.io/v1/{}/sidecar",
    "VirtualService": "networking.istio.io/v1/{}/virtual-service",
    "BackendTLSPolicy": "gateway.networking.k8s.io/v1/{}/backend-tls-policy",
    "GRPCRoute": "gateway.networking.k8s.io/v1/{}/grpc-route",
    "HTTPRoute": "gateway.networking.k8s.io/v1/{}/http-route",
    "TCPRoute": "gateway.networking.k8s.io/v1/{}/tcp-route",
    "TLSRoute": "gateway.networking.k8s.io/v1/{}/tls-route",
}


@lru_cache(maxsize=4096)
def config_path(ref: ObjectRef) -> str:
    """Return the path by which Istio's metadata names the object that shaped a resource."""
    return f"/apis/{_KEBAB[ref.kind].format(f'namespaces/{ref.namespace}')}/{ref.name}"


def inbound_cluster(port: int) -> str:
    """Return `inbound|80||`; `port` is the workload's port."""
    return f"inbound|{port}||"


def listener(bind: str, port: int) -> str:
    """Return `0.0.0.0_80`, the form of every service and gateway listener's name."""
    return f"{bind}_{port}"


def stat_name(cluster: str) -> str:
    """Return a cluster's `alt_stat_name`: Istio ends it with its tag delimiter."""
    return f"{cluster};"


def listener_stat_prefix(direction: str, bind: str, port: int) -> str:
    """Return a connection manager's stat prefix, `inbound_0.0.0.0_80;`."""
    return f"{direction}_{bind}_{port};"


ASKED_PREFIX = "istio_ext_authz_"
"""Before what the rules of CUSTOM note, so that the filter behind them asks its provider."""
