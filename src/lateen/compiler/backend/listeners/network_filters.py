"""What ends a filter chain: an HTTP connection manager or a TCP proxy. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.filters.network.mongo_proxy.v3 import mongo_proxy_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from lateen.compiler.backend import http_filters, pack
from lateen.compiler.backend.authorization import NONE, Checks
from lateen.compiler.backend.listeners import access_logs, metrics, tracing
from lateen.compiler.ir.proxy import MeshSettings, Node
from lateen.compiler.ir.routing import DEFAULT_TCP, Destination, TcpPolicy, TcpRoute
from lateen.compiler.ir.telemetry import Signals
from lateen.compiler.ir.workload import Protocol

Manager: TypeAlias = http_connection_manager_pb2.HttpConnectionManager
NetworkFilter: TypeAlias = listener_components_pb2.Filter

HTTP_MANAGER = "envoy.filters.network.http_connection_manager"
PRIVATE_RANGES = (
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("127.0.0.0", 8),
    ("::1", 128),
    ("fd00::", 8),
)
"""Clients that counted as internal (`x-envoy-internal`) before Istio 1.25."""

MONGO_PROXY = "envoy.filters.network.mongo_proxy"
TCP_PROXY = "envoy.filters.network.tcp_proxy"


def http_filter(manager: http_connection_manager_pb2.HttpConnectionManager) -> NetworkFilter:
    """Return a connection manager as the network filter it is."""
    return NetworkFilter(name=HTTP_MANAGER, typed_config=pack.any_of(manager))


def _manager(stat_prefix: str, settings: MeshSettings, signals: Signals, node: Node) -> Manager:
    """Return what every manager has: sidecar inbound, outbound and gateway."""
    manager = Manager(
        codec_type="AUTO",
        stat_prefix=stat_prefix,
        proxy_100_continue=True,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        upgrade_configs=[Manager.UpgradeConfig(upgrade_type="websocket")],
        access_log=[*access_logs.http(signals.logs), *metrics.http(signals.metrics)],
    )
    tracing.write(manager, signals, node, settings)
    manager.normalize_path.value = True
    manager.stream_idle_timeout.SetInParent()
    manager.use_remote_address.value = False
    for prefix, length in PRIVATE_RANGES if settings.features.private_is_internal else ():
        private = manager.internal_address_config.cidr_ranges.add(address_prefix=prefix)
        private.prefix_len.value = length
    return manager


def outbound_manager(
    node: Node, settings: MeshSettings, stat_prefix: str, route_table: str, resolves: str = ""
) -> Manager:
    """Return a sidecar's client side, routed by RDS. `server` stays Envoy's own `envoy`. Names
    within the wildcard `resolves` are resolved as requests have them."""
    manager = _manager(stat_prefix, settings, node.telemetry.client, node)
    _routed(manager, route_table)
    manager.http_filters.extend(http_filters.outbound(node))
    if resolves:
        from lateen.compiler.backend import forward_proxy  # what most meshes never need

        manager.http_filters.insert(-1, forward_proxy.http_filter(resolves))
    return manager


def _routed(manager: http_connection_manager_pb2.HttpConnectionManager, route_table: str) -> None:
    manager.rds.config_source.CopyFrom(pack.ads())
    manager.rds.route_config_name = route_table


def inbound_manager(
    node: Node,
    settings: MeshSettings,
    stat_prefix: str,
    protocol: Protocol,
    checks: Checks = NONE,
) -> Manager:
    """Return a sidecar's server side, still without its embedded routes.

    The client's certificate is forwarded to the application as x-forwarded-client-cert, and a
    forged one is dropped.
    """
    manager = _manager(stat_prefix, settings, node.telemetry.server, node)
    manager.server_name = "istio-envoy"
    manager.forward_client_cert_details = Manager.ForwardClientCertDetails.APPEND_FORWARD
    details = manager.set_current_client_cert_details
    details.subject.value = True
    details.uri = details.dns = True
    web = protocol is Protocol.GRPC_WEB
    manager.http_filters.extend(http_filters.inbound(node, checks, grpc_web=web))
    return manager


def gateway_manager(
    node: Node,
    settings: MeshSettings,
    stat_prefix: str,
    route_table: str,
    checks: Checks = NONE,
    *,
    grpc_web: bool = False,
) -> Manager:
    """Return an ingress gateway's manager: it faces clients it does not know."""
    manager = _manager(stat_prefix, settings, node.telemetry.client, node)
    manager.server_name = "istio-envoy"
    manager.use_remote_address.value = True
    manager.forward_client_cert_details = Manager.ForwardClientCertDetails.SANITIZE_SET
    details = manager.set_current_client_cert_details
    details.subject.value = True
    details.cert = details.uri = details.dns = True
    _routed(manager, route_table)
    manager.http_filters.extend(http_filters.outbound(node, checks, grpc_web=grpc_web))
    return manager


def tcp_proxy(
    stat_prefix: str,
    destinations: Sequence[Destination],
    signals: Signals,
    conduct: TcpPolicy = DEFAULT_TCP,
) -> NetworkFilter:
    """Return a TCP proxy to one cluster, or to several by weight (weight 0 gets nothing)."""
    logs = [*access_logs.tcp(signals.logs), *metrics.tcp(signals.metrics)]
    proxy = tcp_proxy_pb2.TcpProxy(stat_prefix=stat_prefix, access_log=logs)
    proxy.access_log_options.flush_access_log_on_connected = True
    _conduct(proxy, conduct)
    weighted = [d for d in destinations if d.weight > 0]
    if len(destinations) > 1 and weighted:
        for destination in weighted:
            proxy.weighted_clusters.clusters.add(
                name=destination.cluster, weight=destination.weight
            )
    else:
        proxy.cluster = destinations[0].cluster
    return NetworkFilter(name=TCP_PROXY, typed_config=pack.any_of(proxy))


def _conduct(proxy: tcp_proxy_pb2.TcpProxy, conduct: TcpPolicy) -> None:
    if conduct.idle_timeout is not None:
        proxy.idle_timeout.CopyFrom(pack.duration(conduct.idle_timeout))
    if conduct.max_duration is not None:
        proxy.max_downstream_connection_duration.CopyFrom(pack.duration(conduct.max_duration))
    if conduct.by_source:
        proxy.hash_policy.add().source_ip.SetInParent()
    if conduct.tunnel is not None:
        tunnel = conduct.tunnel
        host = f"[{tunnel.host}]" if ":" in tunnel.host else tunnel.host
        proxy.tunneling_config.hostname = f"{host}:{tunnel.port}"
        proxy.tunneling_config.use_post = tunnel.post


def route_filters(
    route: TcpRoute, signals: Signals, *, mongo: bool = False
) -> tuple[NetworkFilter, ...]:
    """Return the filters of a route: its TCP proxy, behind a reader of MongoDB's protocol where the
    port speaks that. Statistics are called after the cluster or, with several of them, after the
    VirtualService: `name.namespace`."""
    single, source = len(route.destinations) == 1, route.source
    prefix = route.destinations[0].cluster
    if not single and source is not None:
        prefix = f"{source.ref.name}.{source.ref.namespace}"
    proxy = tcp_proxy(prefix, route.destinations, signals, route.conduct)
    if route.resolves is not None:
        from lateen.compiler.backend import forward_proxy  # what most meshes never need

        return (forward_proxy.sni_filter(*route.resolves), proxy)
    return (mongo_reader(prefix), proxy) if mongo else (proxy,)


def mongo_reader(stat_prefix: str) -> NetworkFilter:
    """Return the filter that counts what MongoDB clients ask."""
    config = mongo_proxy_pb2.MongoProxy(stat_prefix=stat_prefix)
    return NetworkFilter(name=MONGO_PROXY, typed_config=pack.any_of(config))


def tcp_to(cluster: str, signals: Signals) -> NetworkFilter:
    """Return a TCP proxy to one named cluster."""
    return tcp_proxy(cluster, (Destination(cluster=cluster),), signals)
