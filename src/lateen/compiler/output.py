"""What the compiler hands out: named xDS resources as bytes, each with what caused it. Pure."""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from lateen.compiler.ir.value import Choice
from lateen.model.meta import Source


class ResourceType(Choice):
    """The xDS resource types, in the order they must be sent (make before break)."""

    CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    ENDPOINT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
    ROUTE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"


class Resource(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One serialized resource. Compared by identity: rendering caches, so an unchanged resource
    is the same object; `version` is a digest of the bytes, for the wire."""

    type: ResourceType
    name: str
    body: bytes
    sources: tuple[Source, ...] = ()
    version: str = ""

    def __post_init__(self) -> None:
        digest = blake2b(self.body, digest_size=8).hexdigest()
        msgspec.structs.force_setattr(self, "version", digest)

    def __repr__(self) -> str:
        secret = self.type is ResourceType.SECRET
        return f"Resource({self.type.name}, {self.name!r}, {'…' if secret else len(self.body)})"


class PatchProblem(msgspec.Struct, frozen=True):
    """A patch that cannot be tried at all, and why."""

    source: Source
    why: str


class ResourceSet(msgspec.Struct, frozen=True):
    """All resources of one proxy, by type, then name, in the order they were rendered."""

    by_type: Mapping[ResourceType, Mapping[str, Resource]]
    applied: tuple[Source, ...] = ()
    """The EnvoyFilter patches that changed something of it."""
    problems: tuple[PatchProblem, ...] = ()

    def of(self, kind: ResourceType) -> Mapping[str, Resource]:
        """Return the resources of one type, by name."""
        return self.by_type.get(kind, {})
