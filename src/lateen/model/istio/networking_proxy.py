"""Istio kinds that shape the proxies themselves: Sidecar, EnvoyFilter, ProxyConfig. Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.istio.networking_entry import EntrySelector
from lateen.model.istio.networking_gateway import ServerTLSSettings
from lateen.model.istio.networking_policy import ConnectionPoolSettings
from lateen.model.istio.networking_route import Destination
from lateen.model.istio.types import (
    IstioStatus,
    PolicyTargetReference,
    Port,
    ProtoObject,
    WorkloadSelector,
)
from lateen.model.schema.marks import ProtoStruct, doc

CAPTURE_MODES = ("DEFAULT", "IPTABLES", "NONE")


class IstioIngressListener(ProtoStruct, frozen=True, kw_only=True):
    """A port on which the sidecar takes requests."""

    port: Annotated[Port | None, doc("The port.", required=True)] = None
    bind: Annotated[str, doc("Address to listen on, with captureMode NONE.")] = ""
    capture_mode: Annotated[str, doc("How traffic gets there.", enum=CAPTURE_MODES)] = "DEFAULT"
    default_endpoint: Annotated[str, doc("Where the application listens.")] = ""
    tls: Annotated[ServerTLSSettings | None, doc("TLS ended here.", compiled=False)] = None
    connection_pool: Annotated[ConnectionPoolSettings | None, doc("Limits.")] = None


class IstioEgressListener(ProtoStruct, frozen=True, kw_only=True):
    """Which hosts the workload can reach."""

    port: Annotated[Port | None, doc("Only on this port.")] = None
    bind: Annotated[str, doc("Address to listen on.")] = ""
    capture_mode: Annotated[str, doc("How traffic gets there.", enum=CAPTURE_MODES)] = "DEFAULT"
    hosts: Annotated[tuple[str, ...], doc("Hosts as `namespace/name`.", required=True)] = ()


class OutboundTrafficPolicy(ProtoStruct, frozen=True, kw_only=True):
    """What becomes of traffic to unknown hosts."""

    mode: Annotated[str, doc("Let it pass or not.", enum=("REGISTRY_ONLY", "ALLOW_ANY"))] = (
        "REGISTRY_ONLY"
    )
    egress_proxy: Annotated[Destination | None, doc("Service that carries it.")] = None


class SidecarSpec(ProtoStruct, frozen=True, kw_only=True):
    """What the sidecars of some workloads take and reach."""

    workload_selector: Annotated[EntrySelector | None, doc("Workloads; unset: all.")] = None
    ingress: Annotated[tuple[IstioIngressListener, ...], doc("What they take.")] = ()
    egress: Annotated[tuple[IstioEgressListener, ...], doc("What they reach.")] = ()
    inbound_connection_pool: Annotated[ConnectionPoolSettings | None, doc("Limits.")] = None
    outbound_traffic_policy: Annotated[
        OutboundTrafficPolicy | None, doc("Traffic to unknown hosts.")
    ] = None


class Sidecar(ProtoObject, frozen=True, kw_only=True):
    """Narrows what sidecars take and reach."""

    spec: Annotated[SidecarSpec, doc("The limits.")] = SidecarSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()


class EnvoyFilterPatch(ProtoStruct, frozen=True, kw_only=True):
    """The change."""

    operation: Annotated[
        str,
        doc(
            "Kind of change.",
            enum=(
                "INVALID",
                "MERGE",
                "ADD",
                "REMOVE",
                "INSERT_BEFORE",
                "INSERT_AFTER",
                "INSERT_FIRST",
                "REPLACE",
                "MERGE_AND_REPLACE_LIST",
            ),
        ),
    ] = "INVALID"
    value: Annotated[Any, doc("Envoy configuration.")] = None
    filter_class: Annotated[
        str,
        doc("Where in the chain.", enum=("UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"), compiled=False),
    ] = "UNSPECIFIED"


class EnvoyConfigObjectMatch(ProtoStruct, frozen=True, kw_only=True):
    """What is changed."""

    context: Annotated[
        str,
        doc(
            "Which side.",
            enum=("ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"),
        ),
    ] = "ANY"
    proxy: Annotated[Any, doc("Which proxies.")] = None
    listener: Annotated[Any, doc("Which listener.")] = None
    route_configuration: Annotated[Any, doc("Which route.")] = None
    cluster: Annotated[Any, doc("Which cluster.")] = None


class EnvoyConfigObjectPatch(ProtoStruct, frozen=True, kw_only=True):
    """One change to the generated configuration."""

    apply_to: Annotated[
        str,
        doc(
            "Kind of object changed.",
            enum=(
                "INVALID",
                "LISTENER",
                "FILTER_CHAIN",
                "NETWORK_FILTER",
                "HTTP_FILTER",
                "ROUTE_CONFIGURATION",
                "VIRTUAL_HOST",
                "HTTP_ROUTE",
                "CLUSTER",
                "EXTENSION_CONFIG",
                "BOOTSTRAP",
                "LISTENER_FILTER",
            ),
        ),
    ] = "INVALID"
    match: Annotated[EnvoyConfigObjectMatch | None, doc("Which objects.")] = None
    patch: Annotated[EnvoyFilterPatch | None, doc("The change.")] = None


class EnvoyFilterSpec(ProtoStruct, frozen=True, kw_only=True):
    """Changes to what the control plane generates."""

    workload_selector: Annotated[EntrySelector | None, doc("Workloads; unset: all.")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], doc("Targets.")] = ()
    config_patches: Annotated[tuple[EnvoyConfigObjectPatch, ...], doc("The changes.")] = ()
    priority: Annotated[int, doc("Lower comes first.")] = 0


class EnvoyFilter(ProtoObject, frozen=True, kw_only=True):
    """Changes the generated Envoy configuration directly."""

    spec: Annotated[EnvoyFilterSpec, doc("The changes.")] = EnvoyFilterSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()


class ProxyImage(ProtoStruct, frozen=True, kw_only=True):
    """Which proxy image."""

    image_type: Annotated[str, doc("default, debug or distroless.")] = ""


class ProxyConfigSpec(ProtoStruct, frozen=True, kw_only=True):
    """Settings of proxies that take effect at their start."""

    selector: Annotated[WorkloadSelector | None, doc("Workloads; unset: all.")] = None
    concurrency: Annotated[int | None, doc("Worker threads.")] = None
    environment_variables: Annotated[dict[str, str], doc("Variables of the proxy.")] = field(
        default_factory=dict
    )
    image: Annotated[ProxyImage | None, doc("Which image.")] = None


class ProxyConfig(ProtoObject, frozen=True, kw_only=True):
    """Settings of proxies that take effect at their start."""

    spec: Annotated[ProxyConfigSpec, doc("The settings.")] = ProxyConfigSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()
