"""A proxy's bootstrap, as plain JSON values: no protobuf is imported here. Pure.

Everything but discovery itself is dynamic. What is static: the cluster of the pod's socket, the
admin endpoint, readiness (15021), statistics (15090) and a cluster for spans without endpoints.
"""

from collections.abc import Mapping
from typing import Final

from lateen.base.jsonvalue import Json
from lateen.compiler.backend import names
from lateen.compiler.ir.proxy import MeshSettings, Node
from lateen.compiler.ir.value import Value

FLUSH_MILLISECONDS: Final = 1000
"""How often Envoy writes its text access log; as Istio's agent asks for."""
STATS_PREFIXES: Final = (
    "cluster_manager",
    "listener_manager",
    "server",
    "cluster.xds-grpc",
    f"{names.METRICS_PREFIX}.",
)
"""Istio's inclusion list: everything else is not even created, which halves the memory."""
STATS_SUFFIXES: Final = ("rbac.allowed", "rbac.denied", "shadow_allowed", "shadow_denied")
"""Also Istio's: what authorization let through and refused, and would have in a dry run."""


class StatsMatcher(Value, frozen=True, kw_only=True):
    """Statistics that a proxy keeps beside Istio's own: a ProxyConfig's `proxyStatsMatcher`, and
    the annotations `sidecar.istio.io/statsInclusion*`."""

    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    regexps: tuple[str, ...] = ()


NO_MORE: Final = StatsMatcher()

OWN_METRICS: Final = "/stats/proxy"
"""The agent's path of a proxy's metrics without the application's: what 15090 has."""
_ADMIN, _AGENT = "prometheus_stats", "agent"
_TYPE: Final = "type.googleapis.com/"
_SOL_SOCKET: Final = 1
_SO_MARK: Final = 36
_DISCOVERED: Final = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
"""Where everything comes from that is discovered; waited for as long as it takes."""


def bootstrap(
    node: Node, settings: MeshSettings, xds_socket: str, *, stats: StatsMatcher = NO_MORE
) -> Json:
    """Return the bootstrap of one proxy; serialize it as JSON and hand it to `--config-yaml`.

    `xds_socket` is the path of the pod's own Unix socket. `stats` adds to Istio's inclusion list.
    """
    return {
        "node": _node(node, settings),
        "admin": _admin(),
        "dynamic_resources": _dynamic(),
        "cluster_manager": {"upstream_bind_config": {"socket_options": [_mark()]}},
        "static_resources": {
            "clusters": _clusters(xds_socket),
            "listeners": [
                _forwarding("stats", names.STATS_PORT, "/stats/prometheus", _AGENT, OWN_METRICS),
                _forwarding("readiness", names.READINESS_PORT, "/healthz/ready", _ADMIN, "/ready"),
            ],
        },
        "stats_config": _stats(stats),
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "overload_manager": _overload(),
        "layered_runtime": {
            "layers": [
                {"name": "static", "static_layer": _runtime()},
                {
                    "name": names.RUNTIME_LAYER,
                    "rtds_layer": {"name": names.RUNTIME_LAYER, "rtds_config": _DISCOVERED},
                },
            ]
        },
    }


def arguments(
    *, concurrency: int = 1, log_level: str = "warning", component_log_level: str = ""
) -> tuple[str, ...]:
    """Return Envoy's command-line arguments beside the configuration itself.

    `concurrency` 0 leaves the number of workers to Envoy: one a CPU. `component_log_level` is a
    list such as `misc:error,rbac:debug`; empty leaves it out.
    """
    components = ("--component-log-level", component_log_level) if component_log_level else ()
    return (
        *components,
        "--disable-hot-restart",
        *(("--concurrency", str(concurrency)) if concurrency else ()),
        "--log-level",
        log_level,
        "--file-flush-interval-msec",
        str(FLUSH_MILLISECONDS),
        "--drain-time-s",
        "45",
        "--drain-strategy",
        "immediate",
        "--local-address-ip-version",
        "v4",
    )


def _node(node: Node, settings: MeshSettings) -> Json:
    identity = node.identity.rpartition("/")[2]
    return {
        "id": node.id,
        "cluster": f"{node.workload or node.pod}.{node.namespace}",
        "metadata": {
            "NAME": node.pod,
            "NAMESPACE": node.namespace,
            "INSTANCE_IPS": node.ip,
            "LABELS": dict(node.labels),
            "WORKLOAD_NAME": node.workload,
            "SERVICE_ACCOUNT": identity,
            "CLUSTER_ID": settings.cluster_id,
            "MESH_ID": settings.mesh_id,
            "ISTIO_VERSION": settings.features.version,
            "INTERCEPTION_MODE": "REDIRECT",
        },
    }


def _admin() -> Json:
    return {"address": _address("127.0.0.1", names.ADMIN_PORT)}


def _dynamic() -> Json:
    return {
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "set_node_on_first_message_only": True,
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": names.XDS_CLUSTER}}],
        },
        "cds_config": _DISCOVERED,
        "lds_config": _DISCOVERED,
    }


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _mark() -> Json:
    return {
        "description": "mark of the proxy's own traffic",
        "level": _SOL_SOCKET,
        "name": _SO_MARK,
        "int_value": names.PROXY_MARK,
        "state": "STATE_PREBIND",
    }


def _static_cluster(name: str, address: Json | None) -> Json:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}] if address else []
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def _xds_cluster(socket: str) -> Json:
    """The pod's socket. Its bind options are emptied: a mark is for IP sockets."""
    options = {
        "@type": _TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        **_static_cluster(names.XDS_CLUSTER, {"pipe": {"path": socket}}),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }


def _clusters(xds_socket: str) -> list[Json]:
    return [
        _xds_cluster(xds_socket),
        _static_cluster(_ADMIN, _address("127.0.0.1", names.ADMIN_PORT)),
        _static_cluster(_AGENT, _address("127.0.0.1", names.AGENT_PORT)),
        _tracing_cluster(),
    ]


def _tracing_cluster() -> Json:
    return _static_cluster(names.TRACING_CLUSTER, None)


def _forwarding(name: str, port: int, path: str, cluster: str, target: str) -> Json:
    """Return a listener that forwards one path to a cluster and answers 404 to others."""
    manager = {
        "@type": _TYPE
        + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {
            "name": name,
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"path": path},
                            "route": {"cluster": cluster, "prefix_rewrite": target},
                        }
                    ],
                }
            ],
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _TYPE + "envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": f"{name}_{port}",
        "address": _address("0.0.0.0", port),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }


def _stats(more: StatsMatcher) -> Json:
    patterns: list[Json] = [{"prefix": each} for each in (*STATS_PREFIXES, *more.prefixes)]
    patterns += [{"suffix": each} for each in (*STATS_SUFFIXES, *more.suffixes)]
    patterns += [{"safe_regex": {"regex": each}} for each in more.regexps]
    return {
        "use_all_default_tags": False,
        "stats_matcher": {"inclusion_list": {"patterns": patterns}},
    }


def _overload() -> Json:
    """Return no limit on connections, said aloud: Envoy warns of one that was left out."""
    name = "global_downstream_max_connections"
    package = "envoy.extensions.resource_monitors.downstream_connections.v3"
    monitor = {
        "@type": f"{_TYPE}{package}.DownstreamConnectionsConfig",
        "max_active_downstream_connections": 2147483647,
    }
    return {
        "resource_monitors": [{"name": f"envoy.resource_monitors.{name}", "typed_config": monitor}]
    }


def _runtime() -> Mapping[str, object]:
    """Return Istio's runtime keys."""
    hidden = "envoy.config.listener.v3.Listener.hidden_envoy_deprecated_use_original_dst"
    return {
        f"envoy.deprecated_features:{hidden}": True,
        "re2.max_program_size.error_level": 32768,
        "envoy.reloadable_features.http_reject_path_with_fragment": False,
    }
