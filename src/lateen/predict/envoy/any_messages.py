"""Messages inside `Any`: read where their type is known, left alone where it is not. Pure."""

from functools import cache
from typing import Any

from lateen.base import byname

_PREFIX = "envoy.extensions."
_MODULES = {
    f"{_PREFIX}filters.network.http_connection_manager.v3.HttpConnectionManager": (
        f"{_PREFIX}filters.network.http_connection_manager.v3.http_connection_manager_pb2"
    ),
    f"{_PREFIX}filters.network.tcp_proxy.v3.TcpProxy": (
        f"{_PREFIX}filters.network.tcp_proxy.v3.tcp_proxy_pb2"
    ),
    f"{_PREFIX}filters.network.rbac.v3.RBAC": f"{_PREFIX}filters.network.rbac.v3.rbac_pb2",
    f"{_PREFIX}filters.http.rbac.v3.RBAC": f"{_PREFIX}filters.http.rbac.v3.rbac_pb2",
    f"{_PREFIX}filters.http.rbac.v3.RBACPerRoute": f"{_PREFIX}filters.http.rbac.v3.rbac_pb2",
    f"{_PREFIX}filters.http.jwt_authn.v3.JwtAuthentication": (
        f"{_PREFIX}filters.http.jwt_authn.v3.config_pb2"
    ),
    f"{_PREFIX}filters.network.ext_authz.v3.ExtAuthz": (
        f"{_PREFIX}filters.network.ext_authz.v3.ext_authz_pb2"
    ),
    f"{_PREFIX}filters.http.ext_authz.v3.ExtAuthz": (
        f"{_PREFIX}filters.http.ext_authz.v3.ext_authz_pb2"
    ),
    f"{_PREFIX}filters.http.fault.v3.HTTPFault": f"{_PREFIX}filters.http.fault.v3.fault_pb2",
    f"{_PREFIX}filters.http.cors.v3.CorsPolicy": f"{_PREFIX}filters.http.cors.v3.cors_pb2",
    f"{_PREFIX}filters.http.set_filter_state.v3.Config": (
        f"{_PREFIX}filters.http.set_filter_state.v3.set_filter_state_pb2"
    ),
    f"{_PREFIX}filters.http.header_mutation.v3.HeaderMutation": (
        f"{_PREFIX}filters.http.header_mutation.v3.header_mutation_pb2"
    ),
    f"{_PREFIX}transport_sockets.tls.v3.UpstreamTlsContext": (
        f"{_PREFIX}transport_sockets.tls.v3.tls_pb2"
    ),
    f"{_PREFIX}transport_sockets.tls.v3.DownstreamTlsContext": (
        f"{_PREFIX}transport_sockets.tls.v3.tls_pb2"
    ),
    f"{_PREFIX}transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport": (
        f"{_PREFIX}transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2"
    ),
    f"{_PREFIX}upstreams.http.v3.HttpProtocolOptions": (
        f"{_PREFIX}upstreams.http.v3.http_protocol_options_pb2"
    ),
    f"{_PREFIX}path.match.uri_template.v3.UriTemplateMatchConfig": (
        f"{_PREFIX}path.match.uri_template.v3.uri_template_match_pb2"
    ),
    "envoy.config.route.v3.FilterConfig": "envoy.config.route.v3.route_components_pb2",
}


@cache
def _class(name: str) -> Any | None:
    module = _MODULES.get(name)
    if module is None:
        return None
    return byname.attribute(f"{module}.{name.rpartition('.')[2]}")


def type_of(packed: Any) -> str:
    """Return the full name of what an Any holds."""
    return str(packed.type_url).rpartition("/")[2]


def opened(packed: Any) -> Any | None:
    """Return what an Any holds; None for a type that is not interpreted."""
    found = _class(type_of(packed))
    return None if found is None else found.FromString(packed.value)
