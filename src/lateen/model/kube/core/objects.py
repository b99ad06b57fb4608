"""The core API group (`v1`). Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.kube.core.container import (
    Container,
    ContainerPort,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    EphemeralContainer,
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    HTTPHeader,
    Lifecycle,
    LifecycleHandler,
    Probe,
    ResourceRequirements,
    SecurityContext,
    TCPSocketAction,
    VolumeMount,
)
from lateen.model.kube.core.pod import (
    HostIP,
    Pod,
    PodIP,
    PodSecurityContext,
    PodSpec,
    PodStatus,
    PodTemplate,
    PodTemplateSpec,
)
from lateen.model.kube.core.service import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from lateen.model.kube.core.volume import Volume
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import (
    Bytes,
    Condition,
    KubeObject,
    LocalObjectReference,
    ObjectReference,
    Quantity,
    Time,
)

__all__ = [
    "ConfigMap",
    "Container",
    "ContainerPort",
    "ContainerState",
    "ContainerStateRunning",
    "ContainerStateTerminated",
    "ContainerStateWaiting",
    "ContainerStatus",
    "EndpointAddress",
    "EndpointPort",
    "EndpointSubset",
    "Endpoints",
    "EnvFromSource",
    "EnvVar",
    "EnvVarSource",
    "EphemeralContainer",
    "Event",
    "EventSource",
    "ExecAction",
    "GRPCAction",
    "HTTPGetAction",
    "HTTPHeader",
    "HostIP",
    "Lifecycle",
    "LifecycleHandler",
    "LoadBalancerIngress",
    "LoadBalancerStatus",
    "Namespace",
    "NamespaceSpec",
    "NamespaceStatus",
    "Node",
    "NodeAddress",
    "NodeSpec",
    "NodeStatus",
    "Pod",
    "PodIP",
    "PodSecurityContext",
    "PodSpec",
    "PodStatus",
    "PodTemplate",
    "PodTemplateSpec",
    "Probe",
    "ResourceRequirements",
    "Secret",
    "SecurityContext",
    "Service",
    "ServiceAccount",
    "ServicePort",
    "ServiceSpec",
    "ServiceStatus",
    "TCPSocketAction",
    "Volume",
    "VolumeMount",
]


class NamespaceSpec(KubeStruct, frozen=True, kw_only=True):
    """What a namespace waits for."""

    finalizers: Annotated[tuple[str, ...], doc("Must be emptied first.", atomic=True)] = ()


class NamespaceStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a namespace."""

    phase: Annotated[str, doc("Active or Terminating.")] = ""
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()


class Namespace(KubeObject, frozen=True, kw_only=True):
    """A scope for names."""

    spec: Annotated[NamespaceSpec, doc("What it waits for.")] = NamespaceSpec()
    status: Annotated[NamespaceStatus, doc("Observed state.")] = NamespaceStatus()


class ServiceAccount(KubeObject, frozen=True, kw_only=True):
    """An identity for pods: Istio makes SPIFFE ids from it."""

    secrets: Annotated[tuple[ObjectReference, ...], doc("Secrets pods may use.", merge="name")] = ()
    image_pull_secrets: Annotated[
        tuple[LocalObjectReference, ...], doc("Registry credentials.", atomic=True)
    ] = ()
    automount_service_account_token: Annotated[
        bool | None, doc("Whether pods get a token put into them.")
    ] = None


class Secret(KubeObject, frozen=True, kw_only=True):
    """Confidential data; values are base64."""

    immutable: Annotated[bool | None, doc("Whether it can never change.")] = None
    data: Annotated[dict[str, Bytes], doc("Values in base64.")] = field(default_factory=dict)
    string_data: Annotated[dict[str, str], doc("Values as text, moved into data.")] = field(
        default_factory=dict
    )
    type: Annotated[str, doc("What kind of secret, such as kubernetes.io/tls.")] = ""


class ConfigMap(KubeObject, frozen=True, kw_only=True):
    """Configuration as keys and texts."""

    immutable: Annotated[bool | None, doc("Whether it can never change.")] = None
    data: Annotated[dict[str, str], doc("Texts.")] = field(default_factory=dict)
    binary_data: Annotated[dict[str, Bytes], doc("Bytes in base64.")] = field(default_factory=dict)


class Taint(KubeStruct, frozen=True, kw_only=True):
    """Keeps pods off a node."""

    key: Annotated[str, doc("Key.", required=True)] = ""
    value: Annotated[str, doc("Value.")] = ""
    effect: Annotated[
        str,
        doc(
            "What becomes of pods.",
            required=True,
            enum=("NoExecute", "NoSchedule", "PreferNoSchedule"),
        ),
    ] = ""
    time_added: Annotated[Time | None, doc("When it was added.")] = None


class NodeSpec(KubeStruct, frozen=True, kw_only=True):
    """What a node is told."""

    pod_cidr: Annotated[str, doc("Pod addresses of this node.")] = ""
    pod_cidrs: Annotated[tuple[str, ...], doc("Pod addresses of this node.", unique=True)] = ()
    provider_id: Annotated[str, doc("Identity at the provider.")] = ""
    unschedulable: Annotated[bool | None, doc("Whether new pods stay away.")] = None
    taints: Annotated[tuple[Taint, ...], doc("Keep pods off.", atomic=True)] = ()
    config_source: Annotated[Any, doc("Deprecated.")] = None
    pod_preemption_policy: Annotated[Any, doc("Whether pods may push others out.")] = None
    external_id: Annotated[str, doc("Deprecated.")] = ""


class NodeAddress(KubeStruct, frozen=True, kw_only=True):
    """An address of a node."""

    type: Annotated[str, doc("InternalIP, Hostname, …", required=True)] = ""
    address: Annotated[str, doc("The address.", required=True)] = ""


class NodeSystemInfo(KubeStruct, frozen=True, kw_only=True):
    """What a node is."""

    machine_id: Annotated[str, doc("Machine id.", required=True)] = ""
    system_uuid: Annotated[str, doc("System UUID.", required=True)] = ""
    boot_id: Annotated[str, doc("Boot id.", required=True)] = ""
    kernel_version: Annotated[str, doc("Kernel.", required=True)] = ""
    os_image: Annotated[str, doc("Distribution.", required=True)] = ""
    container_runtime_version: Annotated[str, doc("Runtime.", required=True)] = ""
    kubelet_version: Annotated[str, doc("Agent.", required=True)] = ""
    kube_proxy_version: Annotated[str, doc("Deprecated.", required=True)] = ""
    operating_system: Annotated[str, doc("linux.", required=True)] = ""
    architecture: Annotated[str, doc("Such as amd64.", required=True)] = ""
    running_in_user_namespace: Annotated[bool | None, doc("Without root.")] = None
    swap: Annotated[Any, doc("Swap.")] = None


class NodeStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a node."""

    capacity: Annotated[dict[str, Quantity], doc("What it has.")] = field(default_factory=dict)
    allocatable: Annotated[dict[str, Quantity], doc("What pods may use.")] = field(
        default_factory=dict
    )
    phase: Annotated[str, doc("Deprecated.")] = ""
    conditions: Annotated[tuple[Any, ...], doc("Conditions.", merge="type")] = ()
    addresses: Annotated[tuple[NodeAddress, ...], doc("Its addresses.", merge="type")] = ()
    daemon_endpoints: Annotated[Any, doc("Ports of the agent.")] = None
    node_info: Annotated[NodeSystemInfo | None, doc("What it is.")] = None
    images: Annotated[tuple[Any, ...], doc("Images present.", atomic=True)] = ()
    volumes_in_use: Annotated[tuple[str, ...], doc("Volumes in use.", atomic=True)] = ()
    volumes_attached: Annotated[tuple[Any, ...], doc("Volumes attached.", atomic=True)] = ()
    config: Annotated[Any, doc("Deprecated.")] = None
    runtime_handlers: Annotated[tuple[Any, ...], doc("Runtimes.", atomic=True)] = ()
    features: Annotated[Any, doc("Features of the runtime.")] = None
    declared_features: Annotated[tuple[str, ...], doc("Features of the node.", atomic=True)] = ()


class Node(KubeObject, frozen=True, kw_only=True):
    """A machine that runs pods."""

    spec: Annotated[NodeSpec, doc("What it is told.")] = NodeSpec()
    status: Annotated[NodeStatus, doc("Observed state.")] = NodeStatus()


class EventSource(KubeStruct, frozen=True, kw_only=True):
    """Who saw it."""

    component: Annotated[str, doc("Component.")] = ""
    host: Annotated[str, doc("Node.")] = ""


class Event(KubeObject, frozen=True, kw_only=True):
    """Something that happened to an object."""

    involved_object: Annotated[ObjectReference, doc("What it is about.", required=True)] = (
        ObjectReference()
    )
    reason: Annotated[str, doc("One word for it.")] = ""
    message: Annotated[str, doc("A sentence.")] = ""
    source: Annotated[EventSource | None, doc("Who saw it.")] = None
    first_timestamp: Annotated[Time | None, doc("When first seen.")] = None
    last_timestamp: Annotated[Time | None, doc("When last seen.")] = None
    count: Annotated[int | None, doc("How often.")] = None
    type: Annotated[str, doc("Normal or Warning.")] = ""
    event_time: Annotated[Time | None, doc("When first seen, precisely.")] = None
    series: Annotated[Any, doc("The series it belongs to.")] = None
    action: Annotated[str, doc("What was done.")] = ""
    related: Annotated[ObjectReference | None, doc("A second object.")] = None
    reporting_component: Annotated[str, doc("Who reports it.")] = ""
    reporting_instance: Annotated[str, doc("Which instance.")] = ""
