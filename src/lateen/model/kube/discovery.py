"""The `discovery.k8s.io` API group. Pure."""

from typing import Annotated, ClassVar

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject, ObjectReference


class EndpointConditions(KubeStruct, frozen=True, kw_only=True):
    """Whether an endpoint takes traffic."""

    ready: Annotated[bool | None, doc("Takes traffic; unset counts as true.")] = None
    serving: Annotated[bool | None, doc("Would take traffic, even while it ends.")] = None
    terminating: Annotated[bool | None, doc("Is ending.")] = None


class ForZone(KubeStruct, frozen=True, kw_only=True):
    """A zone, or a node, that should use an endpoint."""

    name: Annotated[str, doc("Its name.", required=True)] = ""


class EndpointHints(KubeStruct, frozen=True, kw_only=True):
    """Who should use an endpoint."""

    for_zones: Annotated[tuple[ForZone, ...], doc("Zones.", atomic=True)] = ()
    for_nodes: Annotated[tuple[ForZone, ...], doc("Nodes.", atomic=True)] = ()


class Endpoint(KubeStruct, frozen=True, kw_only=True):
    """One backend of a Service."""

    addresses: Annotated[
        tuple[str, ...], doc("Addresses; the first is used.", required=True, distinct=True)
    ] = ()
    conditions: Annotated[EndpointConditions, doc("Whether it takes traffic.")] = (
        EndpointConditions()
    )
    hostname: Annotated[str | None, doc("Host name.")] = None
    target_ref: Annotated[ObjectReference | None, doc("The pod.")] = None
    deprecated_topology: Annotated[dict[str, str], doc("Deprecated.")] = field(default_factory=dict)
    node_name: Annotated[str | None, doc("Its node.")] = None
    zone: Annotated[str | None, doc("Its zone.")] = None
    hints: Annotated[EndpointHints | None, doc("Who should use it.")] = None


class EndpointPort(KubeStruct, frozen=True, kw_only=True):
    """A port of every endpoint in the slice."""

    ATOMIC: ClassVar[bool] = True

    name: Annotated[str | None, doc("Name of the Service's port.")] = None
    protocol: Annotated[str | None, doc("Protocol.")] = None
    port: Annotated[int | None, doc("Port number on the pods.")] = None
    app_protocol: Annotated[str | None, doc("Application protocol.")] = None


class EndpointSlice(KubeObject, frozen=True, kw_only=True):
    """A part of the endpoints of a Service."""

    address_type: Annotated[
        str, doc("Kind of the addresses.", required=True, enum=("IPv4", "IPv6", "FQDN"))
    ] = ""
    endpoints: Annotated[tuple[Endpoint, ...], doc("The endpoints.", atomic=True)] = ()
    ports: Annotated[tuple[EndpointPort, ...], doc("Their ports.", atomic=True)] = ()
