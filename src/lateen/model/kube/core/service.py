"""Services and their endpoints. Pure."""

from typing import Annotated, ClassVar

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, IntOrString, KubeObject, ObjectReference


class ServicePort(KubeStruct, frozen=True, kw_only=True):
    """A port of a Service."""

    name: Annotated[str, doc("Name; its part before the first `-` tells Istio the protocol.")] = ""
    protocol: Annotated[str, doc("TCP (default), UDP or SCTP.", enum=("TCP", "UDP", "SCTP"))] = ""
    app_protocol: Annotated[str | None, doc("Application protocol; wins over the name.")] = None
    port: Annotated[int, doc("Port on the Service's address.", required=True)] = 0
    target_port: Annotated[
        IntOrString | None, doc("Port number or name on the pods; default `port`.")
    ] = None
    node_port: Annotated[int | None, doc("Port on every node.")] = None


class ClientIPConfig(KubeStruct, frozen=True, kw_only=True):
    """Stickiness by client address."""

    timeout_seconds: Annotated[int | None, doc("How long it holds.")] = None


class SessionAffinityConfig(KubeStruct, frozen=True, kw_only=True):
    """Settings of the stickiness."""

    client_ip: Annotated[ClientIPConfig | None, doc("By client address.")] = None


class ServiceSpec(KubeStruct, frozen=True, kw_only=True):
    """How a Service is reached and which pods answer."""

    ports: Annotated[
        tuple[ServicePort, ...], doc("Its ports.", keys=("port", "protocol"), merge="port")
    ] = ()
    selector: Annotated[
        dict[str, str],
        doc("Labels of the pods that answer; empty: endpoints by hand.", atomic=True),
    ] = field(default_factory=dict)
    cluster_ip: Annotated[str, doc("Virtual address; `None` makes it headless.")] = ""
    cluster_ips: Annotated[tuple[str, ...], doc("Virtual addresses.", atomic=True)] = ()
    type: Annotated[
        str,
        doc(
            "How it is exposed; default ClusterIP.",
            enum=("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
        ),
    ] = ""
    external_ips: Annotated[tuple[str, ...], doc("More addresses.", atomic=True)] = ()
    session_affinity: Annotated[str, doc("Stickiness.", enum=("ClientIP", "None"))] = ""
    load_balancer_ip: Annotated[str, doc("Deprecated: wanted load balancer address.")] = ""
    load_balancer_source_ranges: Annotated[
        tuple[str, ...], doc("Clients the load balancer lets in.", atomic=True)
    ] = ()
    external_name: Annotated[str, doc("DNS name this Service stands for.")] = ""
    external_traffic_policy: Annotated[
        str, doc("Where outside traffic may go.", enum=("Cluster", "Local"))
    ] = ""
    health_check_node_port: Annotated[int | None, doc("Port of the node's health answer.")] = None
    publish_not_ready_addresses: Annotated[
        bool | None, doc("Whether pods count before they are ready.")
    ] = None
    session_affinity_config: Annotated[
        SessionAffinityConfig | None, doc("Settings of the stickiness.")
    ] = None
    ip_families: Annotated[
        tuple[Annotated[str, doc(enum=("IPv4", "IPv6"))], ...], doc("IPv4, IPv6.", atomic=True)
    ] = ()
    ip_family_policy: Annotated[
        str | None,
        doc("Single or dual stack.", enum=("PreferDualStack", "RequireDualStack", "SingleStack")),
    ] = None
    allocate_load_balancer_node_ports: Annotated[
        bool | None, doc("Whether a load balancer needs node ports.")
    ] = None
    load_balancer_class: Annotated[str | None, doc("Which load balancer.")] = None
    internal_traffic_policy: Annotated[
        str | None, doc("Where inside traffic may go.", enum=("Cluster", "Local"))
    ] = None
    traffic_distribution: Annotated[
        str | None,
        doc(
            "Preference for near endpoints.",
            enum=("PreferClose", "PreferSameNode", "PreferSameZone"),
        ),
    ] = None


class PortStatus(KubeStruct, frozen=True, kw_only=True):
    """State of one load balancer port."""

    port: Annotated[int, doc("Port number.", required=True)] = 0
    protocol: Annotated[str, doc("Protocol.", required=True)] = ""
    error: Annotated[str | None, doc("What is wrong.")] = None


class LoadBalancerIngress(KubeStruct, frozen=True, kw_only=True):
    """An address of the load balancer."""

    ip: Annotated[str, doc("Address.")] = ""
    hostname: Annotated[str, doc("Name.")] = ""
    ip_mode: Annotated[str | None, doc("VIP or Proxy.")] = None
    ports: Annotated[tuple[PortStatus, ...], doc("State of its ports.", atomic=True)] = ()


class LoadBalancerStatus(KubeStruct, frozen=True, kw_only=True):
    """What the load balancer gave."""

    ingress: Annotated[tuple[LoadBalancerIngress, ...], doc("Its addresses.", atomic=True)] = ()


class ServiceStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a Service."""

    load_balancer: Annotated[LoadBalancerStatus | None, doc("What the load balancer gave.")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()


class Service(KubeObject, frozen=True, kw_only=True):
    """A stable name and address for a changing set of pods."""

    spec: Annotated[ServiceSpec, doc("How it is reached.")] = ServiceSpec()
    status: Annotated[ServiceStatus, doc("Observed state.")] = ServiceStatus()


class EndpointAddress(KubeStruct, frozen=True, kw_only=True):
    """An address behind a Service."""

    ATOMIC: ClassVar[bool] = True

    ip: Annotated[str, doc("The address.", required=True)] = ""
    hostname: Annotated[str, doc("Host name.")] = ""
    node_name: Annotated[str | None, doc("Its node.")] = None
    target_ref: Annotated[ObjectReference | None, doc("The pod.")] = None


class EndpointPort(KubeStruct, frozen=True, kw_only=True):
    """A port behind a Service."""

    ATOMIC: ClassVar[bool] = True

    name: Annotated[str, doc("Name of the Service's port.")] = ""
    port: Annotated[int, doc("Port number.", required=True)] = 0
    protocol: Annotated[str, doc("Protocol.")] = ""
    app_protocol: Annotated[str | None, doc("Application protocol.")] = None


class EndpointSubset(KubeStruct, frozen=True, kw_only=True):
    """Addresses that share their ports."""

    addresses: Annotated[tuple[EndpointAddress, ...], doc("Ready ones.", atomic=True)] = ()
    not_ready_addresses: Annotated[tuple[EndpointAddress, ...], doc("Others.", atomic=True)] = ()
    ports: Annotated[tuple[EndpointPort, ...], doc("Their ports.", atomic=True)] = ()


class Endpoints(KubeObject, frozen=True, kw_only=True):
    """Addresses behind a Service, in the old form."""

    subsets: Annotated[tuple[EndpointSubset, ...], doc("Groups of addresses.", atomic=True)] = ()
