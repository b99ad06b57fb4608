"""Discovery messages as bytes: responses joined from resources, requests read. Pure.

A response is put together from parts that are serialized already; a protobuf message is their
concatenation, so nothing is parsed or copied twice.
"""

from collections.abc import Iterable
from functools import cache

import msgspec
from envoy.service.discovery.v3 import discovery_pb2

from lateen.compiler.backend.wire import field
from lateen.compiler.output import Resource, ResourceType
from lateen.xds.resources import BY_URL


class DeltaRequest(msgspec.Struct, frozen=True):
    """An incremental request. `error` None is an acknowledgement of `nonce`, if it has one."""

    kind: ResourceType
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    nonce: str = ""
    error: str | None = None


class SotwRequest(msgspec.Struct, frozen=True):
    """A state-of-the-world request: all names wanted, each time."""

    kind: ResourceType
    names: tuple[str, ...] = ()
    nonce: str = ""
    version: str = ""
    error: str | None = None


@cache
def _type_url(kind: ResourceType, number: int) -> bytes:
    return field(number, kind.value.encode())


def _any(resource: Resource) -> bytes:
    return _type_url(resource.type, 1) + field(2, resource.body)


def delta_response(
    kind: ResourceType,
    resources: Iterable[Resource],
    removed: Iterable[str],
    nonce: str,
    version: str = "",
) -> bytes:
    """Return a DeltaDiscoveryResponse."""
    parts = [field(1, version.encode())] if version else []
    for resource in resources:
        body = (
            field(1, resource.version.encode())
            + field(2, _any(resource))
            + field(3, resource.name.encode())
        )
        parts.append(field(2, body))
    parts.append(_type_url(kind, 4))
    parts.append(field(5, nonce.encode()))
    parts.extend(field(6, name.encode()) for name in removed)
    return b"".join(parts)


def sotw_response(
    kind: ResourceType, resources: Iterable[Resource], version: str, nonce: str
) -> bytes:
    """Return a DiscoveryResponse."""
    parts = [field(1, version.encode())]
    parts.extend(field(2, _any(resource)) for resource in resources)
    parts.append(_type_url(kind, 4))
    parts.append(field(5, nonce.encode()))
    return b"".join(parts)


def read_delta(data: bytes) -> tuple[str, DeltaRequest | None]:
    """Return a request's node id (empty if it names none) and the request.

    The request is None for a type this server does not know. Raises
    google.protobuf.message.DecodeError on bytes that are no request.
    """
    message = discovery_pb2.DeltaDiscoveryRequest.FromString(data)
    kind = BY_URL.get(message.type_url)
    if kind is None:
        return message.node.id, None
    request = DeltaRequest(
        kind=kind,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        versions=tuple(message.initial_resource_versions.items()),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )
    return message.node.id, request


def read_sotw(data: bytes) -> tuple[str, SotwRequest | None]:
    """Return a request's node id (empty if it names none) and the request, as `read_delta`."""
    message = discovery_pb2.DiscoveryRequest.FromString(data)
    kind = BY_URL.get(message.type_url)
    if kind is None:
        return message.node.id, None
    request = SotwRequest(
        kind=kind,
        names=tuple(message.resource_names),
        nonce=message.response_nonce,
        version=message.version_info,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )
    return message.node.id, request
