"""Istio's ServiceEntry, WorkloadEntry and WorkloadGroup. Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.istio.types import IstioStatus, ProtoObject
from lateen.model.schema.marks import ProtoStruct, doc


class ServicePort(ProtoStruct, frozen=True, kw_only=True):
    """A port of a service entry."""

    number: Annotated[int, doc("Port number.", required=True)] = 0
    protocol: Annotated[str, doc("Protocol, as in a Gateway.")] = ""
    name: Annotated[str, doc("Name of the port.", required=True)] = ""
    target_port: Annotated[int, doc("Port of the endpoints; default number.")] = 0


class WorkloadEntrySpec(ProtoStruct, frozen=True, kw_only=True):
    """A workload outside Kubernetes."""

    address: Annotated[str, doc("Address, DNS name or Unix socket.")] = ""
    ports: Annotated[dict[str, int], doc("Ports by name of the service's port.")] = field(
        default_factory=dict
    )
    labels: Annotated[dict[str, str], doc("Labels.")] = field(default_factory=dict)
    network: Annotated[str, doc("Network it is in.", compiled=False)] = ""
    locality: Annotated[str, doc("region/zone/subzone.")] = ""
    weight: Annotated[int, doc("Share of requests.", form="uint32")] = 0
    service_account: Annotated[str, doc("Service account, hence its SPIFFE identity.")] = ""


class EntrySelector(ProtoStruct, frozen=True, kw_only=True):
    """Selects pods and workload entries by label."""

    labels: Annotated[dict[str, str], doc("Labels they must have.")] = field(default_factory=dict)


class ServiceEntrySpec(ProtoStruct, frozen=True, kw_only=True):
    """A service that Kubernetes does not know."""

    hosts: Annotated[tuple[str, ...], doc("Its DNS names.", required=True)] = ()
    addresses: Annotated[tuple[str, ...], doc("Virtual addresses or ranges.")] = ()
    ports: Annotated[tuple[ServicePort, ...], doc("Its ports.")] = ()
    location: Annotated[
        str,
        doc("Whether it is part of the mesh.", enum=("MESH_EXTERNAL", "MESH_INTERNAL")),
    ] = "MESH_EXTERNAL"
    resolution: Annotated[
        str,
        doc(
            "How endpoints are found.",
            enum=("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"),
        ),
    ] = "NONE"
    endpoints: Annotated[tuple[WorkloadEntrySpec, ...], doc("Endpoints by hand.")] = ()
    workload_selector: Annotated[EntrySelector | None, doc("Endpoints by label.")] = None
    export_to: Annotated[
        tuple[str, ...], doc("Namespaces that see it: `*` (default), `.`, names.")
    ] = ()
    subject_alt_names: Annotated[tuple[str, ...], doc("Names its servers must have.")] = ()


class EntryAddress(ProtoStruct, frozen=True, kw_only=True):
    """An address given to a host."""

    value: Annotated[str, doc("The address.")] = ""
    host: Annotated[str, doc("The host.")] = ""


class ServiceEntryStatus(IstioStatus, frozen=True, kw_only=True):
    """Observed state of a service entry."""

    addresses: Annotated[tuple[EntryAddress, ...], doc("Addresses given out.")] = ()


class ServiceEntry(ProtoObject, frozen=True, kw_only=True):
    """Adds a service to the registry."""

    spec: Annotated[ServiceEntrySpec, doc("The service.")] = ServiceEntrySpec()
    status: Annotated[ServiceEntryStatus, doc("Observed state.")] = ServiceEntryStatus()


class WorkloadEntry(ProtoObject, frozen=True, kw_only=True):
    """Adds a workload outside Kubernetes to the registry."""

    spec: Annotated[WorkloadEntrySpec, doc("The workload.")] = WorkloadEntrySpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()


class GroupMetadata(ProtoStruct, frozen=True, kw_only=True):
    """Labels and annotations of the entries made."""

    labels: Annotated[dict[str, str], doc("Labels.")] = field(default_factory=dict)
    annotations: Annotated[dict[str, str], doc("Annotations.")] = field(default_factory=dict)


class WorkloadGroupSpec(ProtoStruct, frozen=True, kw_only=True):
    """What registered workloads look like."""

    metadata: Annotated[GroupMetadata | None, doc("Labels and annotations.")] = None
    template: Annotated[WorkloadEntrySpec, doc("The entry made.", required=True)] = (
        WorkloadEntrySpec()
    )
    probe: Annotated[Any, doc("Readiness probe.")] = None


class WorkloadGroup(ProtoObject, frozen=True, kw_only=True):
    """A template for workload entries that register themselves."""

    spec: Annotated[WorkloadGroupSpec, doc("The template.")] = WorkloadGroupSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()
