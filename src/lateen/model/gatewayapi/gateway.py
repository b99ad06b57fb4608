"""GatewayClass, Gateway and ListenerSet of the Gateway API. Pure."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import field

from lateen.model.gatewayapi.references import (
    LocalReference,
    ObjectReference,
    ParentReference,
    SecretObjectReference,
)
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, KubeObject, LabelSelector

_FROM = ("All", "Selector", "Same", "None")


class ParametersReference(KubeStruct, frozen=True, kw_only=True):
    """An object with what a controller is to know of its class."""

    group: Annotated[str, doc("API group.", required=True)] = ""
    kind: Annotated[str, doc("Kind.", required=True)] = ""
    name: Annotated[str, doc("Name.", required=True)] = ""
    namespace: Annotated[str, doc("Namespace; none for a cluster-wide kind.")] = ""


class GatewayClassSpec(KubeStruct, frozen=True, kw_only=True):
    """Who looks after Gateways of a class."""

    controller_name: Annotated[str, doc("Name of the controller.", required=True)] = ""
    parameters_ref: Annotated[ParametersReference | None, doc("Its parameters.")] = None
    description: Annotated[str, doc("What the class is for.")] = ""


class SupportedFeature(KubeStruct, frozen=True, kw_only=True):
    """A feature of the Gateway API that a controller has."""

    name: Annotated[str, doc("Its name.", required=True)] = ""


class GatewayClassStatus(KubeStruct, frozen=True, kw_only=True):
    """What the controller says of a class."""

    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", keys=("type",))] = ()
    supported_features: Annotated[
        tuple[SupportedFeature, ...], doc("What it can do.", keys=("name",))
    ] = ()


class GatewayClass(KubeObject, frozen=True, kw_only=True):
    """A class of Gateways that one controller looks after."""

    spec: Annotated[GatewayClassSpec, doc("Who does.", required=True)] = GatewayClassSpec()
    status: Annotated[GatewayClassStatus, doc("Observed state.")] = GatewayClassStatus()


class RouteNamespaces(KubeStruct, frozen=True, kw_only=True):
    """Namespaces whose routes, or ListenerSets, may attach."""

    from_: Annotated[str, doc("Which.", enum=_FROM)] = "Same"
    selector: Annotated[LabelSelector | None, doc("Labels of the namespaces, for Selector.")] = None


class RouteGroupKind(KubeStruct, frozen=True, kw_only=True):
    """A kind of route."""

    group: Annotated[str, doc("API group.")] = "gateway.networking.k8s.io"
    kind: Annotated[str, doc("Kind.", required=True)] = ""


class AllowedRoutes(KubeStruct, frozen=True, kw_only=True):
    """Which routes may attach to a listener."""

    namespaces: Annotated[RouteNamespaces, doc("From where.")] = RouteNamespaces()
    kinds: Annotated[
        tuple[RouteGroupKind, ...],
        doc("Of which kinds; default what the protocol has.", atomic=True),
    ] = ()


class ListenerTLSConfig(KubeStruct, frozen=True, kw_only=True):
    """How a listener ends TLS."""

    mode: Annotated[str, doc("Whether TLS ends here.", enum=("Terminate", "Passthrough"))] = (
        "Terminate"
    )
    certificate_refs: Annotated[
        tuple[SecretObjectReference, ...], doc("Certificates that are shown.", atomic=True)
    ] = ()
    options: Annotated[dict[str, str], doc("What only the controller knows.")] = field(
        default_factory=dict
    )


class Listener(KubeStruct, frozen=True, kw_only=True):
    """A port that is listened on, for one host or all."""

    name: Annotated[str, doc("Name, unique in the object.", required=True)] = ""
    hostname: Annotated[str, doc("Host that is served; none: every host.")] = ""
    port: Annotated[int, doc("Port.", required=True)] = 0
    protocol: Annotated[
        str, doc("HTTP, HTTPS, TLS, TCP, UDP, or what a controller knows.", required=True)
    ] = ""
    tls: Annotated[ListenerTLSConfig | None, doc("How TLS ends.")] = None
    allowed_routes: Annotated[AllowedRoutes, doc("Who may attach.")] = AllowedRoutes()


class GatewayAddress(KubeStruct, frozen=True, kw_only=True):
    """An address that is asked for, or that a Gateway has."""

    type: Annotated[str, doc("IPAddress or Hostname.")] = "IPAddress"
    value: Annotated[str, doc("The address; empty: any of the type.")] = ""


def is_deployed_for(types: Sequence[str]) -> bool:
    """Whether proxies are deployed for a Gateway that asks for addresses of these types: for none,
    or for one by its number. Another is served by Services that are there, named as addresses."""
    return not types or tuple(types) == ("IPAddress",)


class GatewayInfrastructure(KubeStruct, frozen=True, kw_only=True):
    """What is put on the objects that are made for a Gateway."""

    labels: Annotated[dict[str, str] | None, doc("Labels.")] = None
    annotations: Annotated[dict[str, str] | None, doc("Annotations.")] = None
    parameters_ref: Annotated[LocalReference | None, doc("Changes of those objects.")] = None


class FrontendTLSValidation(KubeStruct, frozen=True, kw_only=True):
    """How clients' certificates are checked."""

    ca_certificate_refs: Annotated[
        tuple[ObjectReference, ...], doc("Whom they must be signed by.", required=True, atomic=True)
    ] = ()
    mode: Annotated[
        str,
        doc("What becomes of others.", enum=("AllowValidOnly", "AllowInsecureFallback")),
    ] = "AllowValidOnly"


class FrontendTLSConfig(KubeStruct, frozen=True, kw_only=True):
    """How TLS of clients is checked on one port, or all."""

    validation: Annotated[FrontendTLSValidation | None, doc("Clients' certificates.")] = None


class FrontendTLSPort(KubeStruct, frozen=True, kw_only=True):
    """How TLS of clients is checked on one port."""

    port: Annotated[int, doc("The port.", required=True)] = 0
    tls: Annotated[FrontendTLSConfig, doc("How.", required=True)] = FrontendTLSConfig()


class FrontendTLS(KubeStruct, frozen=True, kw_only=True):
    """How TLS of clients is checked."""

    default: Annotated[FrontendTLSConfig, doc("On every port.", required=True)] = (
        FrontendTLSConfig()
    )
    per_port: Annotated[tuple[FrontendTLSPort, ...], doc("On single ports.", keys=("port",))] = ()


class BackendTLS(KubeStruct, frozen=True, kw_only=True):
    """What a Gateway shows backends that it speaks TLS to."""

    client_certificate_ref: Annotated[SecretObjectReference | None, doc("Its certificate.")] = None


class GatewayTLSConfig(KubeStruct, frozen=True, kw_only=True):
    """TLS of a whole Gateway."""

    frontend: Annotated[FrontendTLS | None, doc("Towards clients.")] = None
    backend: Annotated[BackendTLS | None, doc("Towards backends.")] = None


class AllowedListeners(KubeStruct, frozen=True, kw_only=True):
    """Which ListenerSets may attach."""

    namespaces: Annotated[RouteNamespaces, doc("From where.")] = RouteNamespaces(from_="None")


class GatewaySpec(KubeStruct, frozen=True, kw_only=True):
    """Where a Gateway listens, and for whom."""

    gateway_class_name: Annotated[str, doc("Its class.", required=True)] = ""
    listeners: Annotated[tuple[Listener, ...], doc("Ports and hosts.", keys=("name",))] = ()
    addresses: Annotated[tuple[GatewayAddress, ...], doc("Addresses asked for.", atomic=True)] = ()
    infrastructure: Annotated[GatewayInfrastructure | None, doc("What is made for it.")] = None
    allowed_listeners: Annotated[AllowedListeners, doc("ListenerSets that may attach.")] = (
        AllowedListeners()
    )
    tls: Annotated[GatewayTLSConfig | None, doc("TLS of all listeners.")] = None
    default_scope: Annotated[
        str, doc("Which routes without a parent attach (experimental).", enum=("All", "None"))
    ] = ""


class ListenerStatus(KubeStruct, frozen=True, kw_only=True):
    """What the controller says of a listener."""

    name: Annotated[str, doc("The listener.", required=True)] = ""
    supported_kinds: Annotated[
        tuple[RouteGroupKind, ...], doc("Kinds of routes it takes.", atomic=True)
    ] = ()
    attached_routes: Annotated[int, doc("How many are attached.", required=True)] = 0
    conditions: Annotated[
        tuple[Condition, ...], doc("Conditions.", required=True, keys=("type",))
    ] = ()


class GatewayStatus(KubeStruct, frozen=True, kw_only=True):
    """What the controller says of a Gateway."""

    addresses: Annotated[tuple[GatewayAddress, ...], doc("Addresses it has.", atomic=True)] = ()
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", keys=("type",))] = ()
    listeners: Annotated[tuple[ListenerStatus, ...], doc("By listener.", keys=("name",))] = ()
    attached_listener_sets: Annotated[int | None, doc("How many are attached.")] = None


class Gateway(KubeObject, frozen=True, kw_only=True):
    """Ports that traffic comes in by."""

    spec: Annotated[GatewaySpec, doc("Where it listens.", required=True)] = GatewaySpec()
    status: Annotated[GatewayStatus, doc("Observed state.")] = GatewayStatus()


class ListenerSetSpec(KubeStruct, frozen=True, kw_only=True):
    """More listeners for a Gateway."""

    parent_ref: Annotated[ParentReference, doc("The Gateway.", required=True)] = ParentReference()
    listeners: Annotated[
        tuple[Listener, ...], doc("Ports and hosts.", required=True, keys=("name",))
    ] = ()


class ListenerSetStatus(KubeStruct, frozen=True, kw_only=True):
    """What the controller says of a ListenerSet."""

    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", keys=("type",))] = ()
    listeners: Annotated[tuple[ListenerStatus, ...], doc("By listener.", keys=("name",))] = ()


class ListenerSet(KubeObject, frozen=True, kw_only=True):
    """Listeners that others add to a Gateway."""

    spec: Annotated[ListenerSetSpec, doc("Where it listens.", required=True)] = ListenerSetSpec()
    status: Annotated[ListenerSetStatus, doc("Observed state.")] = ListenerSetStatus()
