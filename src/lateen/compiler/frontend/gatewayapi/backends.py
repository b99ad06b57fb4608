"""Where rules of the Gateway API send to, and why not. Pure."""

from typing import Protocol

import msgspec

from lateen.compiler.frontend.gatewayapi import objects as gateway_objects
from lateen.compiler.frontend.gatewayapi.conditions import Denial
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Referrer
from lateen.model.istio import networking_route, types

NOWHERE = "unresolved.invalid"
"""The host of a backend that may not be used; no service ever has it."""
_HOSTNAME_GROUP = "networking.istio.io"


class Reference(Protocol):
    """A backend reference of any kind of route."""

    @property
    def group(self) -> str:
        """Return the API group."""
        ...

    @property
    def kind(self) -> str:
        """Return the kind."""
        ...

    @property
    def name(self) -> str:
        """Return the name."""
        ...

    @property
    def namespace(self) -> str:
        """Return the namespace, empty for the route's."""
        ...

    @property
    def port(self) -> int | None:
        """Return the port."""
        ...


class Backend(msgspec.Struct, frozen=True):
    """A destination, and what is wrong with the reference to it."""

    destination: networking_route.Destination
    problem: Denial | None = None


def resolve(ref: Reference, who: Referrer, objects: GatewayObjects, *, checked: bool) -> Backend:
    """Return the destination of a reference. `checked`: another namespace must grant it, which
    Istio does not ask of routes in the mesh."""
    namespace = ref.namespace or who.namespace
    if (ref.group, ref.kind) == (_HOSTNAME_GROUP, "Hostname"):
        return _of_hostname(ref, objects)
    if (ref.group, ref.kind) not in (("", "Service"), ("core", "Service")):
        message = f'referencing unsupported backendRef: group "{ref.group}" kind "{ref.kind}"'
        return _nowhere(ref, Denial("InvalidKind", message))
    if checked and not objects.grants_reference(who, "", "Service", namespace, ref.name):
        message = (
            f"backendRef {ref.name}/{namespace} not accessible to a {who.kind} in namespace "
            f'"{who.namespace}" (missing a ReferenceGrant?)'
        )
        return _nowhere(ref, Denial("RefNotPermitted", message))
    if ref.port is None:
        return _nowhere(ref, Denial("InvalidDestination", "port is required in backendRef", True))
    if "." in ref.name:
        message = "service name invalid; the name of the Service must be used, not the hostname."
        return _nowhere(ref, Denial("InvalidDestination", message, True))
    host = gateway_objects.hostname(namespace, ref.name, objects.domain)
    made = _destination(host, ref.port)
    if (namespace, ref.name) not in objects.services:
        return Backend(made, Denial("BackendNotFound", f"backend({host}) not found"))
    return Backend(made)


def _of_hostname(ref: Reference, objects: GatewayObjects) -> Backend:
    if ref.port is None:
        return _nowhere(ref, Denial("InvalidDestination", "port is required in backendRef", True))
    if ref.namespace:
        message = "namespace may not be set with Hostname type"
        return _nowhere(ref, Denial("InvalidDestination", message, True))
    made = _destination(ref.name, ref.port)
    if not objects.knows_host(ref.name):
        return Backend(made, Denial("BackendNotFound", f"backend({ref.name}) not found"))
    return Backend(made)


def _nowhere(ref: Reference, problem: Denial) -> Backend:
    return Backend(_destination(NOWHERE, ref.port or 80), problem)


def _destination(host: str, port: int) -> networking_route.Destination:
    return networking_route.Destination(host=host, port=types.PortSelector(number=port))
