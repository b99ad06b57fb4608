"""The objects that the Gateway API's translation reads, and who may refer to whom. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from lateen.compiler.frontend.registry import services
from lateen.model.gatewayapi import gateway, policy, references, routes
from lateen.model.istio import networking_entry
from lateen.model.kube.core import objects as core, service

Key = tuple[str, str]
"""(namespace, name)."""

GATEWAY_CLASSES = f"gatewayclasses.{references.GROUP}"
GATEWAYS = f"gateways.{references.GROUP}"
LISTENER_SETS = f"listenersets.{references.GROUP}"
HTTP_ROUTES = f"httproutes.{references.GROUP}"
GRPC_ROUTES = f"grpcroutes.{references.GROUP}"
TLS_ROUTES = f"tlsroutes.{references.GROUP}"
TCP_ROUTES = f"tcproutes.{references.GROUP}"
POLICIES = f"backendtlspolicies.{references.GROUP}"
GRANTS = f"referencegrants.{references.GROUP}"
_OTHERS = ("namespaces", "services", "secrets", "configmaps")
_ENTRIES = "serviceentries.networking.istio.io"

TRANSLATED = (GATEWAYS, HTTP_ROUTES, GRPC_ROUTES, TLS_ROUTES, TCP_ROUTES, POLICIES)
"""The Gateway API's kinds that something is made of."""
READ = (GATEWAY_CLASSES, *TRANSLATED, LISTENER_SETS, GRANTS, *_OTHERS, _ENTRIES)
"""All kinds that are read."""

CONTROLLER = "istio.io/gateway-controller"
"""The name by which Istio looks after Gateways."""
CLASS = "istio"
"""The class that is there without an object."""


class SnapshotReader(Protocol):
    """What is read of a snapshot."""

    def of(self, resource: str) -> Mapping[Key, Any]:
        """Return the objects of one kind."""
        ...


class Referrer(NamedTuple):
    """An object that refers to others."""

    kind: str
    namespace: str


class GatewayObjects(msgspec.Struct, frozen=True, kw_only=True):
    """All objects that are read, by kind, in the order of `READ`."""

    classes: Mapping[Key, gateway.GatewayClass]
    gateways: Mapping[Key, gateway.Gateway]
    http_routes: Mapping[Key, routes.HTTPRoute]
    grpc_routes: Mapping[Key, routes.GRPCRoute]
    tls_routes: Mapping[Key, routes.TLSRoute]
    tcp_routes: Mapping[Key, routes.TCPRoute]
    policies: Mapping[Key, policy.BackendTLSPolicy]
    listener_sets: Mapping[Key, gateway.ListenerSet]
    grants: Mapping[Key, policy.ReferenceGrant]
    namespaces: Mapping[Key, core.Namespace]
    services: Mapping[Key, service.Service]
    secrets: Mapping[Key, core.Secret]
    config_maps: Mapping[Key, core.ConfigMap]
    entries: Mapping[Key, networking_entry.ServiceEntry]
    domain: str

    def is_looked_after(self, class_name: str) -> bool:
        """Whether Gateways of a class are this controller's: a class of Istio's name is, even
        without an object."""
        found = self.classes.get(("", class_name))
        if found is not None:
            return found.spec.controller_name == CONTROLLER
        return class_name == CLASS

    def grants_reference(
        self, who: Referrer, group: str, kind: str, namespace: str, name: str
    ) -> bool:
        """Whether an object may be referred to: one of the same namespace, or where a
        ReferenceGrant beside it says so."""
        if who.namespace == namespace:
            return True
        return any(
            any(
                each
                == policy.ReferenceGrantFrom(
                    group=references.GROUP, kind=who.kind, namespace=who.namespace
                )
                for each in grant.spec.from_
            )
            and any(
                (each.group, each.kind) == (group, kind) and each.name in ("", name)
                for each in grant.spec.to
            )
            for (owner, _), grant in self.grants.items()
            if owner == namespace
        )

    def knows_host(self, host: str) -> bool:
        """Whether the mesh has a service of a hostname."""
        tail = f".svc.{self.domain}"
        name, _, namespace = host.removesuffix(tail).partition(".")
        if host.endswith(tail) and (namespace, name) in self.services:
            return True
        return any(host in entry.spec.hosts for entry in self.entries.values())


_FIELDS = tuple(name for name in GatewayObjects.__struct_fields__ if name != "domain")


def read(objects: SnapshotReader, domain: str) -> GatewayObjects:
    """Return the objects of a snapshot that concern the Gateway API."""
    tables = dict(zip(_FIELDS, (objects.of(resource) for resource in READ), strict=True))
    return GatewayObjects(**tables, domain=domain)


def in_use(objects: SnapshotReader) -> bool:
    """Whether there is anything to translate. Classes alone are there in every lab."""
    return any(objects.of(resource) for resource in TRANSLATED)


def hostname(namespace: str, name: str, domain: str) -> str:
    """Return a Service's hostname."""
    return services.hostname(namespace, name, domain)
