"""Pods. Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.kube.core.container import (
    Container,
    ContainerStatus,
    EphemeralContainer,
    ResourceRequirements,
)
from lateen.model.kube.core.volume import Volume
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import (
    Condition,
    KubeObject,
    LocalObjectReference,
    ObjectMeta,
    Quantity,
    Time,
)


class Sysctl(KubeStruct, frozen=True, kw_only=True):
    """A kernel setting of the pod."""

    name: Annotated[str, doc("Name of the setting.", required=True)] = ""
    value: Annotated[str, doc("Its value.", required=True)] = ""


class PodSecurityContext(KubeStruct, frozen=True, kw_only=True):
    """What all containers of the pod may do, unless they say otherwise."""

    se_linux_options: Annotated[Any, doc("SELinux label.", of="kube.published.SELinuxOptions")] = (
        None
    )
    windows_options: Annotated[
        Any, doc("Windows settings.", of="kube.published.WindowsSecurityContextOptions")
    ] = None
    run_as_user: Annotated[int | None, doc("User id.", form="int64")] = None
    run_as_group: Annotated[int | None, doc("Group id.", form="int64")] = None
    run_as_non_root: Annotated[bool | None, doc("Refuse to run as user 0.")] = None
    supplemental_groups: Annotated[
        tuple[Annotated[int, doc(form="int64")], ...], doc("More group ids.", atomic=True)
    ] = ()
    supplemental_groups_policy: Annotated[
        str, doc("How image groups are joined.", enum=("Merge", "Strict"))
    ] = ""
    fs_group: Annotated[int | None, doc("Group that owns volumes.", form="int64")] = None
    sysctls: Annotated[tuple[Sysctl, ...], doc("Kernel settings.", atomic=True)] = ()
    fs_group_change_policy: Annotated[
        str, doc("When ownership is changed.", enum=("Always", "OnRootMismatch"))
    ] = ""
    seccomp_profile: Annotated[Any, doc("Seccomp profile.", of="kube.published.SeccompProfile")] = (
        None
    )
    app_armor_profile: Annotated[
        Any, doc("AppArmor profile.", of="kube.published.AppArmorProfile")
    ] = None
    se_linux_change_policy: Annotated[
        str, doc("How SELinux labels are applied.", enum=("MountOption", "Recursive"))
    ] = ""


class HostAlias(KubeStruct, frozen=True, kw_only=True):
    """A line of the pod's hosts file."""

    ip: Annotated[str, doc("Address.", required=True)] = ""
    hostnames: Annotated[tuple[str, ...], doc("Names of it.", atomic=True)] = ()


class PodDNSConfigOption(KubeStruct, frozen=True, kw_only=True):
    """A resolver option."""

    name: Annotated[str, doc("Name, such as ndots.")] = ""
    value: Annotated[str | None, doc("Value.")] = None


class PodDNSConfig(KubeStruct, frozen=True, kw_only=True):
    """Additions to the pod's resolver file."""

    nameservers: Annotated[tuple[str, ...], doc("Name servers.", atomic=True)] = ()
    searches: Annotated[tuple[str, ...], doc("Search domains.", atomic=True)] = ()
    options: Annotated[tuple[PodDNSConfigOption, ...], doc("Options.", atomic=True)] = ()


class Toleration(KubeStruct, frozen=True, kw_only=True):
    """A taint the pod puts up with."""

    key: Annotated[str, doc("Taint key.")] = ""
    operator: Annotated[
        str, doc("How the value is compared.", enum=("Equal", "Exists", "Gt", "Lt"))
    ] = ""
    value: Annotated[str, doc("Taint value.")] = ""
    effect: Annotated[
        str, doc("Which effect.", enum=("NoExecute", "NoSchedule", "PreferNoSchedule"))
    ] = ""
    toleration_seconds: Annotated[int | None, doc("For how long.", form="int64")] = None


class PodReadinessGate(KubeStruct, frozen=True, kw_only=True):
    """A condition that readiness waits for."""

    condition_type: Annotated[str, doc("Type of the condition.", required=True)] = ""


class PodSchedulingGate(KubeStruct, frozen=True, kw_only=True):
    """Holds the pod back from being placed."""

    name: Annotated[str, doc("Name of the gate.", required=True)] = ""


class PodSpec(KubeStruct, frozen=True, kw_only=True):
    """What a pod runs and how."""

    volumes: Annotated[
        tuple[Volume, ...], doc("Volumes containers can mount.", merge="name", retain_keys=True)
    ] = ()
    init_containers: Annotated[
        tuple[Container, ...], doc("Run one after the other before the rest.", merge="name")
    ] = ()
    containers: Annotated[
        tuple[Container, ...], doc("Run side by side.", required=True, merge="name")
    ] = ()
    ephemeral_containers: Annotated[
        tuple[EphemeralContainer, ...], doc("Added later, for debugging.", merge="name")
    ] = ()
    restart_policy: Annotated[
        str,
        doc("When ended containers start again.", enum=("Always", "OnFailure", "Never")),
    ] = ""
    termination_grace_period_seconds: Annotated[
        int | None, doc("Seconds between the stop signal and the kill; default 30.", form="int64")
    ] = None
    active_deadline_seconds: Annotated[
        int | None, doc("Seconds the pod may be active.", form="int64")
    ] = None
    dns_policy: Annotated[
        str,
        doc(
            "How names are resolved.",
            enum=("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
        ),
    ] = ""
    node_selector: Annotated[dict[str, str], doc("Labels the node must have.", atomic=True)] = (
        field(default_factory=dict)
    )
    service_account_name: Annotated[str, doc("Service account, hence its SPIFFE identity.")] = ""
    service_account: Annotated[str, doc("Old name of serviceAccountName.")] = ""
    automount_service_account_token: Annotated[
        bool | None, doc("Whether a token is put into containers.")
    ] = None
    node_name: Annotated[str, doc("Node it runs on.")] = ""
    host_network: Annotated[bool | None, doc("Use the node's network.")] = None
    host_pid: Annotated[bool | None, doc("Use the node's process ids.")] = None
    host_ipc: Annotated[bool | None, doc("Use the node's IPC.")] = None
    host_users: Annotated[bool | None, doc("Use the node's user ids.")] = None
    share_process_namespace: Annotated[
        bool | None, doc("Whether containers see each other's processes.")
    ] = None
    security_context: Annotated[PodSecurityContext | None, doc("What containers may do.")] = None
    image_pull_secrets: Annotated[
        tuple[LocalObjectReference, ...], doc("Registry credentials.", merge="name")
    ] = ()
    hostname: Annotated[str, doc("Host name.")] = ""
    hostname_override: Annotated[str | None, doc("Host name, whatever else says.")] = None
    subdomain: Annotated[str, doc("Headless Service that gives the pod a DNS name.")] = ""
    affinity: Annotated[
        Any, doc("Preferences for nodes and neighbours.", of="kube.published.Affinity")
    ] = None
    scheduler_name: Annotated[str, doc("Who places it.")] = ""
    tolerations: Annotated[tuple[Toleration, ...], doc("Taints put up with.", atomic=True)] = ()
    host_aliases: Annotated[
        tuple[HostAlias, ...], doc("Lines added to the hosts file.", merge="ip")
    ] = ()
    priority_class_name: Annotated[str, doc("Priority by name.")] = ""
    priority: Annotated[int | None, doc("Priority by number.")] = None
    dns_config: Annotated[PodDNSConfig | None, doc("Additions to the resolver file.")] = None
    readiness_gates: Annotated[
        tuple[PodReadinessGate, ...], doc("Conditions readiness waits for.", atomic=True)
    ] = ()
    runtime_class_name: Annotated[str | None, doc("Runtime to use.")] = None
    enable_service_links: Annotated[
        bool | None, doc("Whether Services become environment variables; default true.")
    ] = None
    preemption_policy: Annotated[
        str | None, doc("Whether it may push others out.", enum=("Never", "PreemptLowerPriority"))
    ] = None
    overhead: Annotated[dict[str, Quantity], doc("What the runtime itself needs.")] = field(
        default_factory=dict
    )
    topology_spread_constraints: Annotated[
        tuple[Any, ...],
        doc(
            "How pods spread over nodes.",
            keys=("topologyKey", "whenUnsatisfiable"),
            merge="topologyKey",
            of="kube.published.TopologySpreadConstraint",
        ),
    ] = ()
    set_hostname_as_fqdn: Annotated[bool | None, doc("Host name with its domain.")] = None
    os: Annotated[Any, doc("Operating system of the containers.", of="kube.published.PodOS")] = None
    scheduling_gates: Annotated[
        tuple[PodSchedulingGate, ...], doc("Hold the pod back from being placed.", merge="name")
    ] = ()
    resource_claims: Annotated[
        tuple[Any, ...],
        doc(
            "Resource claims.", merge="name", retain_keys=True, of="kube.published.PodResourceClaim"
        ),
    ] = ()
    resources: Annotated[ResourceRequirements | None, doc("Requests of the pod as a whole.")] = None
    eviction_responders: Annotated[
        tuple[Any, ...],
        doc(
            "Who answers a request to move it.", merge="name", of="kube.published.EvictionResponder"
        ),
    ] = ()
    scheduling_group: Annotated[
        Any, doc("Scheduling group it belongs to.", of="kube.published.PodSchedulingGroup")
    ] = None


class PodIP(KubeStruct, frozen=True, kw_only=True):
    """An address of the pod."""

    ip: Annotated[str, doc("The address.", required=True)] = ""


class HostIP(KubeStruct, frozen=True, kw_only=True):
    """An address of the node."""

    ip: Annotated[str, doc("The address.", required=True)] = ""


class PodStatus(KubeStruct, frozen=True, kw_only=True):
    """What became of a pod."""

    observed_generation: Annotated[
        int | None, doc("Generation this was observed on.", form="int64")
    ] = None
    phase: Annotated[str, doc("Pending, Running, Succeeded, Failed or Unknown.")] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        doc("PodScheduled, Initialized, ContainersReady, Ready.", merge="type"),
    ] = ()
    message: Annotated[str, doc("Why it is in this state.")] = ""
    reason: Annotated[str, doc("One word for it.")] = ""
    nominated_node_name: Annotated[str, doc("Node being cleared for it.")] = ""
    host_ip: Annotated[str, doc("Address of its node.")] = ""
    host_ips: Annotated[
        tuple[HostIP, ...], doc("Addresses of its node.", merge="ip", atomic=True)
    ] = ()
    pod_ip: Annotated[str, doc("Address of the pod.")] = ""
    pod_ips: Annotated[tuple[PodIP, ...], doc("Addresses of the pod.", merge="ip")] = ()
    start_time: Annotated[Time | None, doc("When the node took it up.")] = None
    init_container_statuses: Annotated[
        tuple[ContainerStatus, ...], doc("One per init container.", atomic=True)
    ] = ()
    container_statuses: Annotated[
        tuple[ContainerStatus, ...], doc("One per container.", atomic=True)
    ] = ()
    qos_class: Annotated[str, doc("BestEffort, Burstable or Guaranteed.")] = ""
    ephemeral_container_statuses: Annotated[
        tuple[ContainerStatus, ...], doc("One per ephemeral container.", atomic=True)
    ] = ()
    resize: Annotated[str, doc("Deprecated.")] = ""
    resource_claim_statuses: Annotated[
        tuple[Any, ...], doc("Resource claims.", merge="name", retain_keys=True)
    ] = ()
    allocated_resources: Annotated[dict[str, Quantity], doc("Requests granted.")] = field(
        default_factory=dict
    )
    resources: Annotated[ResourceRequirements | None, doc("Requests and limits in force.")] = None
    node_allocatable_resource_claim_statuses: Annotated[
        tuple[Any, ...], doc("Resource claims of the node.", atomic=True)
    ] = ()
    volume_health: Annotated[tuple[Any, ...], doc("State of volumes.", atomic=True)] = ()
    extended_resource_claim_status: Annotated[Any, doc("Claim behind extended resources.")] = None


class Pod(KubeObject, frozen=True, kw_only=True):
    """Containers that share one network address and one fate."""

    spec: Annotated[PodSpec, doc("What it runs.")] = PodSpec()
    status: Annotated[PodStatus, doc("What became of it.")] = PodStatus()


class PodTemplateSpec(KubeStruct, frozen=True, kw_only=True):
    """What pods made from it look like."""

    metadata: Annotated[ObjectMeta, doc("Labels and annotations of the pods.")] = ObjectMeta()
    spec: Annotated[PodSpec, doc("What the pods run.")] = PodSpec()


class PodTemplate(KubeObject, frozen=True, kw_only=True):
    """A template kept as an object."""

    template: Annotated[PodTemplateSpec, doc("The template.")] = PodTemplateSpec()
