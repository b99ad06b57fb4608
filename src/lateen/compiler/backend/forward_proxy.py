"""Destinations by the names of requests: Envoy's dynamic forward proxy. Pure."""

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.clusters.dynamic_forward_proxy.v3 import cluster_pb2 as dynamic_pb2
from envoy.extensions.common.dynamic_forward_proxy.v3 import dns_cache_pb2
from envoy.extensions.filters.http.dynamic_forward_proxy.v3 import (
    dynamic_forward_proxy_pb2 as http_pb2,
)
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3 import (
    sni_dynamic_forward_proxy_pb2 as sni_pb2,
)
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from lateen.compiler.backend import pack
from lateen.compiler.ir.policy import ClientTls, TlsMode

CLUSTER_TYPE = "envoy.clusters.dynamic_forward_proxy"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def _cache(host: str) -> dns_cache_pb2.DnsCacheConfig:
    """Filter and cluster share a cache by its name. Pods have IPv4 alone."""
    return dns_cache_pb2.DnsCacheConfig(
        name=f"{host}_dfp_dns_cache", dns_lookup_family=cluster_pb2.Cluster.V4_ONLY
    )


def http_filter(host: str) -> http_connection_manager_pb2.HttpFilter:
    """Return the filter that resolves the Host of a request before its cluster is asked for it."""
    return http_connection_manager_pb2.HttpFilter(
        name="envoy.filters.http.dynamic_forward_proxy",
        typed_config=pack.any_of(http_pb2.FilterConfig(dns_cache_config=_cache(host))),
    )


def sni_filter(host: str, port: int) -> listener_components_pb2.Filter:
    """Return the filter that resolves the server name of a TLS connection."""
    config = sni_pb2.FilterConfig(dns_cache_config=_cache(host), port_value=port)
    return listener_components_pb2.Filter(
        name="envoy.filters.network.sni_dynamic_forward_proxy", typed_config=pack.any_of(config)
    )


def into_cluster(cluster: cluster_pb2.Cluster, host: str, tls: ClientTls | None) -> None:
    """Make a cluster one whose endpoints are the names that were resolved.

    Envoy wants the names of requests to be those of certificates too, or to be told that this is
    meant otherwise: where a rule names one server for all, or does not verify.
    """
    config = dynamic_pb2.ClusterConfig(dns_cache_config=_cache(host))
    if tls is not None and tls.mode is not TlsMode.DISABLE and not (tls.auto_sni and tls.auto_san):
        config.allow_insecure_cluster_options = True
    else:
        _by_name(cluster)
    cluster.ClearField("type")
    cluster.cluster_type.name = CLUSTER_TYPE
    cluster.cluster_type.typed_config.CopyFrom(pack.any_of(config))
    cluster.lb_policy = cluster_pb2.Cluster.LbPolicy.CLUSTER_PROVIDED


def _by_name(cluster: cluster_pb2.Cluster) -> None:
    options = http_protocol_options_pb2.HttpProtocolOptions()
    packed = cluster.typed_extension_protocol_options.get(_HTTP_OPTIONS)
    if packed is not None:
        packed.Unpack(options)
    options.upstream_http_protocol_options.auto_sni = True
    options.upstream_http_protocol_options.auto_san_validation = True
    if options.WhichOneof("upstream_protocol_options") is None:
        options.explicit_http_config.http_protocol_options.SetInParent()
    cluster.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(pack.any_of(options))
