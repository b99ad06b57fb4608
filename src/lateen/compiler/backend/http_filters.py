"""The HTTP filters of a connection manager, in Istio's order, one function each. Pure."""

from functools import cache
from typing import TypeAlias

from envoy.config.core.v3 import extension_pb2, substitution_format_string_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.filters.http.grpc_stats.v3 import config_pb2 as grpc_stats_pb2
from envoy.extensions.filters.http.grpc_web.v3 import grpc_web_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import message

from lateen.compiler.backend import pack
from lateen.compiler.backend.authorization import NONE, Checks
from lateen.compiler.ir.proxy import Node

ALPN_FILTER = "istio.alpn"
"""The name under which the ALPN override runs: Istio's, for those who look for it."""
FAULT_FILTER = "envoy.filters.http.fault"
CORS_FILTER = "envoy.filters.http.cors"
PEER_METADATA_FILTER = "istio.metadata_exchange"

PEER_METADATA = "x-envoy-peer-metadata"
PEER_METADATA_ID = "x-envoy-peer-metadata-id"

HTTP1_ALPN = "istio-http/1.1,istio,http/1.1"
HTTP2_ALPN = "istio-h2,istio,h2"
EITHER_ALPN = f"%CEL(request.protocol == 'HTTP/2' ? '{HTTP2_ALPN}' : '{HTTP1_ALPN}')%"
ALPN_STATE = "envoy.network.application_protocols"
ALPN_LOG_STATE = "lateen.alpn"
"""The same list as text: the override itself cannot be written to a log."""

HttpFilter: TypeAlias = http_connection_manager_pb2.HttpFilter
_SharedWithUpstream = value_pb2.FilterStateValue.SharedWithUpstream


def _filter(name: str, config: message.Message) -> HttpFilter:
    return HttpFilter(name=name, typed_config=pack.any_of(config))


def outbound(node: Node, checks: Checks = NONE, *, grpc_web: bool = False) -> list[HttpFilter]:
    """Return the filters of a client's side: sidecar outbound and gateway."""
    own, web = _peer_metadata_out(node), _grpc_web() if grpc_web else []
    return [own, *checks.http, *web, grpc_stats(), alpn(), fault(), cors(), router()]


def _grpc_web() -> list[HttpFilter]:
    return [_filter("envoy.filters.http.grpc_web", grpc_web_pb2.GrpcWeb())]


def inbound(node: Node, checks: Checks = NONE, *, grpc_web: bool) -> list[HttpFilter]:
    """Return the filters of a server's side."""
    web = _grpc_web() if grpc_web else []
    return [_peer_metadata_in(node), *checks.http, *web, grpc_stats(), fault(), cors(), router()]


@cache
def grpc_stats() -> HttpFilter:
    """Return the gRPC statistics filter as Istio sets it."""
    config = grpc_stats_pb2.FilterConfig(emit_filter_state=True)
    config.stats_for_all_methods.value = False
    return _filter("envoy.filters.http.grpc_stats", config)


@cache
def fault() -> HttpFilter:
    """Return the fault filter; what it does is configured by route."""
    return _filter(FAULT_FILTER, fault_pb2.HTTPFault())


@cache
def cors() -> HttpFilter:
    """Return the CORS filter; what it does is configured by route."""
    return _filter(CORS_FILTER, cors_pb2.Cors())


@cache
def router() -> HttpFilter:
    """Return the router, always last."""
    return _filter("envoy.filters.http.router", router_pb2.Router())


def alpn_config(protocols: str) -> set_filter_state_pb2.Config:
    """Return the setting that makes the upstream handshake offer these protocols.

    It stands in for Istio's own ALPN filter, which upstream Envoy lacks.
    """
    layout = substitution_format_string_pb2.SubstitutionFormatString(
        text_format_source={"inline_string": protocols}
    )
    override = value_pb2.FilterStateValue(
        object_key=ALPN_STATE, format_string=layout, shared_with_upstream=_SharedWithUpstream.ONCE
    )
    for_the_log = value_pb2.FilterStateValue(
        object_key=ALPN_LOG_STATE, factory_key="envoy.string", format_string=layout
    )
    return set_filter_state_pb2.Config(on_request_headers=[override, for_the_log])


@cache
def alpn() -> HttpFilter:
    """Return the ALPN override for HTTP/1.1 upstreams; routes to others say otherwise."""
    return _filter(ALPN_FILTER, alpn_config(HTTP1_ALPN))


def _own_metadata(node: Node) -> tuple[tuple[str, str], ...]:
    return ((PEER_METADATA, node.peer_metadata), (PEER_METADATA_ID, node.id))


def _peer_metadata_out(node: Node) -> HttpFilter:
    """Tell the server who calls, and keep what the server tells from the client."""
    mutations = header_mutation_pb2.Mutations()
    for name, value in _own_metadata(node):
        _set_header(mutations.request_mutations.add(), name, value)
        mutations.response_mutations.add(remove=name)
    return _filter(PEER_METADATA_FILTER, header_mutation_pb2.HeaderMutation(mutations=mutations))


def _set_header(mutation: header_mutation_pb2.Mutations, name: str, value: str) -> None:
    mutation.append.header.key = name
    mutation.append.header.value = value.replace("%", "%%")
    mutation.append.append_action = "OVERWRITE_IF_EXISTS_OR_ADD"


def _peer_metadata_in(node: Node) -> HttpFilter:
    """Take the caller's metadata away from the application, and answer with our own.

    Skipped for callers that send none: they have no sidecar, and would see ours.
    """
    mutations = header_mutation_pb2.Mutations()
    for name, value in _own_metadata(node):
        mutations.request_mutations.add(remove=name)
        _set_header(mutations.response_mutations.add(), name, value)
    inner = header_mutation_pb2.HeaderMutation(mutations=mutations)
    wrapped = extension_matcher_pb2.ExtensionWithMatcher(
        extension_config=extension_pb2.TypedExtensionConfig(
            name="envoy.filters.http.header_mutation", typed_config=pack.any_of(inner)
        )
    )
    absent = wrapped.xds_matcher.matcher_list.matchers.add()
    present = absent.predicate.not_matcher.single_predicate
    present.input.name = PEER_METADATA_ID
    present.input.typed_config.CopyFrom(
        pack.any_of(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=PEER_METADATA_ID))
    )
    present.value_match.safe_regex.regex = ".+"
    present.value_match.safe_regex.google_re2.SetInParent()
    absent.on_match.action.name = "skip"
    absent.on_match.action.typed_config.CopyFrom(pack.any_of(skip_action_pb2.SkipFilter()))
    return _filter(PEER_METADATA_FILTER, wrapped)
