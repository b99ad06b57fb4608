"""The filters that verify tokens and enforce AuthorizationPolicies, as the listeners put them into
chains. Pure."""

from hashlib import blake2b

import msgspec
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)

from lateen.compiler.ir.authz import Authorization
from lateen.compiler.ir.jwt import Authentication
from lateen.compiler.output import Resource
from lateen.model.meta import Source


class Checks(msgspec.Struct, frozen=True):
    """What stands in front of the router of an HTTP chain, and of the proxy of a TCP chain."""

    http: tuple[http_connection_manager_pb2.HttpFilter, ...] = ()
    tcp: tuple[listener_components_pb2.Filter, ...] = ()
    sources: tuple[tuple[str, Source], ...] = ()
    """Each rule's name, as Envoy tells it, or each token provider's, and the field it comes
    from."""
    extensions: tuple[Resource, ...] = ()
    """What the HTTP filters are told, on a way of its own: a changed policy does not make the
    listener anew, and counts for the next request on connections that are open."""

    digest: bytes = b""
    """Of what stands in the listeners: all but the extensions."""


NONE = Checks()
NO_RULES = Authorization(http=(), tcp=())
NO_TOKENS = Authentication(providers=())


def of(
    authorization: Authorization,
    authentication: Authentication = NO_TOKENS,
    *,
    gateway: bool = False,
) -> Checks:
    """Return the filters of a workload: tokens are verified before rules ask for their claims."""
    http, tcp, extensions = _enforcing(authorization)
    sources = [(rule.name, rule.source) for rule in authorization.rules]
    if authentication.providers:
        from lateen.compiler.backend import jwt  # protobufs that most meshes never need

        http = (jwt.http_filter(authentication, gateway=gateway), *http)
        sources += [
            (jwt.provider_name(index), provider.source)
            for index, provider in enumerate(authentication.providers)
        ]
    written = blake2b(digest_size=16)
    for each in (*http, *tcp):
        written.update(each.SerializeToString(deterministic=True))
    written.update(repr(sources).encode())
    return Checks(
        http=http,
        tcp=tcp,
        sources=tuple(sources),
        extensions=extensions,
        digest=written.digest(),
    )


_Enforcing = tuple[
    tuple[http_connection_manager_pb2.HttpFilter, ...],
    tuple[listener_components_pb2.Filter, ...],
    tuple[Resource, ...],
]


def _enforcing(authorization: Authorization) -> _Enforcing:
    """Return what enforces rules: for HTTP, for TCP, and what the filters for HTTP are told."""
    if not authorization.http and not authorization.tcp:
        return (), (), ()
    from lateen.compiler.backend import rbac  # 10 ms of protobufs that most meshes never need

    http = rbac.http_references(authorization.http)
    tcp = rbac.network_filters(authorization.tcp)
    return http, tcp, rbac.extensions(authorization.http)
