"""Envoy's external authorization, as Istio fills it in from a provider. Pure."""

from collections.abc import Iterable

from envoy.config.core.v3 import grpc_service_pb2, http_uri_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.network.ext_authz.v3 import ext_authz_pb2 as network_ext_authz_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.type.matcher.v3 import metadata_pb2, string_pb2
from envoy.type.v3 import http_status_pb2

from lateen.compiler.backend import names, pack
from lateen.compiler.ir.authz import Authorizer, Pattern

HTTP_FILTER = "envoy.filters.http.ext_authz"
NETWORK_FILTER = "envoy.filters.network.ext_authz"
_V3 = "V3"


def http_filter(asked: Authorizer, noted_by: str) -> http_connection_manager_pb2.HttpFilter:
    """Return the filter that asks about requests which the rules of the filter `noted_by` have
    noted."""
    out = ext_authz_pb2.ExtAuthz(
        transport_api_version=_V3,
        failure_mode_allow=asked.fail_open,
        filter_enabled_metadata=_noted(asked, noted_by),
    )
    if asked.grpc:
        out.grpc_service.CopyFrom(_grpc(asked))
    else:
        out.http_service.CopyFrom(_http(asked))
        if asked.shown:
            out.allowed_headers.CopyFrom(_headers(asked.shown))
    if asked.status_on_error:
        out.status_on_error.MergeFrom(http_status_pb2.HttpStatus(code=asked.status_on_error))
    if asked.body is not None:
        out.with_request_body.max_request_bytes = asked.body.most
        out.with_request_body.allow_partial_message = asked.body.partial
        out.with_request_body.pack_as_bytes = asked.body.as_bytes
    return http_connection_manager_pb2.HttpFilter(name=HTTP_FILTER, typed_config=pack.any_of(out))


def network_filter(asked: Authorizer, noted_by: str, prefix: str) -> listener_components_pb2.Filter:
    """Return the filter that asks about connections; over gRPC alone. `prefix` begins
    the names of its statistics."""
    out = network_ext_authz_pb2.ExtAuthz(
        stat_prefix=prefix,
        transport_api_version=_V3,
        failure_mode_allow=asked.fail_open,
        grpc_service=_grpc(asked),
        filter_enabled_metadata=_noted(asked, noted_by),
    )
    return listener_components_pb2.Filter(name=NETWORK_FILTER, typed_config=pack.any_of(out))


def _noted(asked: Authorizer, name: str) -> metadata_pb2.MetadataMatcher:
    """Match what the rules' filter notes of a rule of this provider."""
    out = metadata_pb2.MetadataMatcher(filter=name)
    out.path.add(key=f"{names.ASKED_PREFIX}shadow_effective_policy_id")
    out.value.string_match.prefix = f"istio-ext-authz-{asked.name}"
    return out


def _grpc(asked: Authorizer) -> grpc_service_pb2.GrpcService:
    out = grpc_service_pb2.GrpcService()
    out.envoy_grpc.cluster_name = asked.cluster
    out.envoy_grpc.authority = asked.host
    out.timeout.FromMicroseconds(round(asked.timeout * 1_000_000))
    return out


def _http(asked: Authorizer) -> ext_authz_pb2.HttpService:
    uri = http_uri_pb2.HttpUri(uri=f"http://{asked.host}", cluster=asked.cluster)
    uri.timeout.FromMicroseconds(round(asked.timeout * 1_000_000))
    out = ext_authz_pb2.HttpService(server_uri=uri, path_prefix=asked.path_prefix)
    for name, value in asked.added:
        out.authorization_request.headers_to_add.add(key=name, value=value)
    told = out.authorization_response
    for place, patterns in (
        (told.allowed_upstream_headers, asked.to_upstream),
        (told.allowed_client_headers, asked.to_refused),
        (told.allowed_client_headers_on_success, asked.to_allowed),
    ):
        if patterns:
            place.CopyFrom(_headers(patterns))
    return out


def _headers(patterns: Iterable[Pattern]) -> string_pb2.ListStringMatcher:
    """Match names of headers, in any case of letters."""
    made = (string_pb2.StringMatcher(ignore_case=True, **{p.kind: p.value}) for p in patterns)
    return string_pb2.ListStringMatcher(patterns=made)
