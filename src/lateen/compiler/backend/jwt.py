"""Envoy's verification of tokens, as Istio fills it in from RequestAuthentications. Pure."""

from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.type.matcher.v3 import metadata_pb2, value_pb2

from lateen.compiler.backend import pack
from lateen.compiler.ir.jwt import Authentication, TokenProvider

HTTP_FILTER = "envoy.filters.http.jwt_authn"
PAYLOAD = "payload"
"""The key of the filter's metadata under which a token's claims are."""


def http_filter(found: Authentication, *, gateway: bool) -> http_connection_manager_pb2.HttpFilter:
    """Return the filter that verifies tokens. At a gateway a verified claim may choose the route,
    so there the route is chosen again."""
    return http_connection_manager_pb2.HttpFilter(
        name=HTTP_FILTER, typed_config=pack.any_of(_config(found, gateway=gateway))
    )


def _config(found: Authentication, *, gateway: bool) -> config_pb2.JwtAuthentication:
    """A request passes without a token, or with tokens that are all valid; one valid token is
    enough where one provider finds no other."""
    out = config_pb2.JwtAuthentication(bypass_cors_preflight=True)
    names = list(map(provider_name, range(len(found.providers))))
    for name, provider in zip(names, found.providers, strict=True):
        _provider(out.providers[name], provider, gateway=gateway)
    rule = out.rules.add()
    rule.match.prefix = "/"
    either = rule.requires.requires_any.requirements
    if len(names) == 1:
        either.add().provider_name = names[0]
        either.add().allow_missing.SetInParent()
        return out
    for name in names:
        either.add().provider_name = name
    every = either.add().requires_all.requirements
    for name in names:
        each = every.add().requires_any.requirements
        each.add().provider_name = name
        each.add().allow_missing.SetInParent()
    return out


def provider_name(index: int) -> str:
    """Return Istio's name of a provider, by its place among those of a workload."""
    return f"origins-{index}"


def _provider(out: config_pb2.JwtProvider, source: TokenProvider, *, gateway: bool) -> None:
    out.issuer = source.issuer
    out.audiences.extend(source.audiences)
    out.local_jwks.inline_string = source.keys
    out.forward = source.forward
    out.forward_payload_header = source.payload_header
    out.payload_in_metadata = PAYLOAD
    out.clear_route_cache = gateway
    out.normalize_payload_in_metadata.space_delimited_claims.extend(source.lists)
    for name, prefix in source.headers:
        out.from_headers.add(name=name, value_prefix=prefix)
    out.from_params.extend(source.params)
    out.from_cookies.extend(source.cookies)
    for header, claim in source.claim_headers:
        out.claim_to_headers.add(header_name=header, claim_name=claim)


def claim_matcher(
    claims: tuple[str, ...], value: value_pb2.ValueMatcher
) -> metadata_pb2.MetadataMatcher:
    """Return a test of a verified token's claim, named from the outside in."""
    out = metadata_pb2.MetadataMatcher(filter=HTTP_FILTER, value=value)
    for key in (PAYLOAD, *claims):
        out.path.add(key=key)
    return out


def text_or_list(value: value_pb2.ValueMatcher) -> value_pb2.ValueMatcher:
    """Return a test that a value passes, or a list with such a value in it."""
    out = value_pb2.ValueMatcher()
    out.or_match.value_matchers.add().list_match.one_of.CopyFrom(value)
    out.or_match.value_matchers.add().CopyFrom(value)
    return out
