"""Messages inside `Any`: read where their type is known, left alone where it is not. Pure."""

from functools import cache, lru_cache
from typing import Any

from google.protobuf import json_format

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
    f"{_PREFIX}filters.network.sni_dynamic_forward_proxy.v3.FilterConfig": (
        f"{_PREFIX}filters.network.sni_dynamic_forward_proxy.v3.sni_dynamic_forward_proxy_pb2"
    ),
    f"{_PREFIX}filters.network.ext_authz.v3.ExtAuthz": (
        f"{_PREFIX}filters.network.ext_authz.v3.ext_authz_pb2"
    ),
    f"{_PREFIX}filters.http.ext_authz.v3.ExtAuthz": (
        f"{_PREFIX}filters.http.ext_authz.v3.ext_authz_pb2"
    ),
    f"{_PREFIX}filters.http.fault.v3.HTTPFault": f"{_PREFIX}filters.http.fault.v3.fault_pb2",
    f"{_PREFIX}filters.http.cors.v3.Cors": f"{_PREFIX}filters.http.cors.v3.cors_pb2",
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
_STRUCTS = {
    "udpa.type.v1.TypedStruct": "udpa.type.v1.typed_struct_pb2",
    "xds.type.v3.TypedStruct": "xds.type.v3.typed_struct_pb2",
}
"""A message as fields without a type, beside the name of the type that they are of."""
ISTIO_ALPN = "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig"
_OF_ISTIO = frozenset({ISTIO_ALPN})
"""Types that Istio's own builds of Envoy have alone, and whose fields are read as they stand."""


@cache
def _class(name: str) -> Any | None:
    module = _MODULES.get(name)
    if module is None:
        return None
    return byname.attribute(f"{module}.{name.rpartition('.')[2]}")


def type_of(packed: Any) -> str:
    """Return the full name of what an Any holds; of fields without a type, of what they are."""
    name = str(packed.type_url).rpartition("/")[2]
    if name in _STRUCTS:
        return str(_fields(name, packed.value).type_url).rpartition("/")[2]
    return name


def opened(packed: Any) -> Any | None:
    """Return what an Any holds; None for a type that is not interpreted. Of Istio's own types,
    which no published API defines, it is their fields."""
    outer = str(packed.type_url).rpartition("/")[2]
    if outer in _STRUCTS:
        return _typed(outer, packed.value)
    found = _class(outer)
    return None if found is None else found.FromString(packed.value)


def known(packed: Any) -> bool:
    """Whether what an Any holds is of a type that is interpreted."""
    name = type_of(packed)
    return name in _OF_ISTIO or _class(name) is not None


@lru_cache(maxsize=256)
def _fields(name: str, body: bytes) -> Any:
    return byname.attribute(f"{_STRUCTS[name]}.TypedStruct").FromString(body)


@lru_cache(maxsize=256)
def _typed(name: str, body: bytes) -> Any | None:
    held = _fields(name, body)
    inner = str(held.type_url).rpartition("/")[2]
    values = json_format.MessageToDict(held.value)
    if inner in _OF_ISTIO:
        return values
    found = _class(inner)
    if found is None:
        return None
    made = found()
    try:
        json_format.ParseDict(values, made, ignore_unknown_fields=True)
    except json_format.ParseError:
        return None
    return made
