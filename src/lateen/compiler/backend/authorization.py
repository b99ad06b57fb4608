"""The filters that enforce AuthorizationPolicies, as the listeners put them into chains. Pure."""

from hashlib import blake2b

import msgspec
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)

from lateen.compiler.ir.authz import Authorization
from lateen.compiler.output import Resource
from lateen.model.meta import Source


class Checks(msgspec.Struct, frozen=True):
    """What stands in front of the router of an HTTP chain, and of the proxy of a TCP chain."""

    http: tuple[http_connection_manager_pb2.HttpFilter, ...] = ()
    tcp: tuple[listener_components_pb2.Filter, ...] = ()
    sources: tuple[tuple[str, Source], ...] = ()
    """Each rule's name, as Envoy tells it, and the field it comes from."""
    extensions: tuple[Resource, ...] = ()
    """What the HTTP filters are told, on a way of its own: a changed policy does not make the
    listener anew, and counts for the next request on connections that are open."""

    digest: bytes = b""
    """Of what stands in the listeners: all but the extensions."""


NONE = Checks()


def of(authorization: Authorization) -> Checks:
    """Return the filters of a workload. Envoy's messages for them are loaded when first needed."""
    from lateen.compiler.backend import rbac  # 10 ms of protobufs that most meshes never need

    http = rbac.http_references(authorization.http)
    tcp = rbac.network_filters(authorization.tcp)
    sources = tuple((rule.name, rule.source) for rule in authorization.rules)
    written = blake2b(digest_size=16)
    for each in (*http, *tcp):
        written.update(each.SerializeToString(deterministic=True))
    written.update(repr(sources).encode())
    return Checks(
        http=http,
        tcp=tcp,
        sources=sources,
        extensions=rbac.extensions(authorization.http),
        digest=written.digest(),
    )
