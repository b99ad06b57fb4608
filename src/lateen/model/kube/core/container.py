"""Containers: what runs in a pod, how it is probed and what it may do. Pure."""

from typing import Annotated, Any, ClassVar

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import IntOrString, Quantity, Time


class ContainerPort(KubeStruct, frozen=True, kw_only=True):
    """A port that a container listens on."""

    name: Annotated[str, doc("Name that a Service's targetPort or a probe can use.")] = ""
    host_port: Annotated[int | None, doc("Port on the node that leads here.")] = None
    container_port: Annotated[int, doc("Port number on the pod's address.", required=True)] = 0
    protocol: Annotated[str, doc("TCP (default), UDP or SCTP.", enum=("TCP", "UDP", "SCTP"))] = ""
    host_ip: Annotated[str, doc("Node address to bind hostPort to.")] = ""


class ObjectFieldSelector(KubeStruct, frozen=True, kw_only=True):
    """Takes a value from the pod itself."""

    ATOMIC: ClassVar[bool] = True

    api_version: Annotated[str, doc("Version the path is written in; v1.")] = ""
    field_path: Annotated[str, doc("Such as `status.podIP`.", required=True)] = ""


class KeySelector(KubeStruct, frozen=True, kw_only=True):
    """One key of a ConfigMap or Secret in the same namespace."""

    ATOMIC: ClassVar[bool] = True

    name: Annotated[str, doc("Name of the object.")] = ""
    key: Annotated[str, doc("Key inside it.", required=True)] = ""
    optional: Annotated[bool | None, doc("Whether it may be missing.")] = None


class ResourceFieldSelector(KubeStruct, frozen=True, kw_only=True):
    """Takes a request or limit of a container."""

    ATOMIC: ClassVar[bool] = True

    container_name: Annotated[str, doc("Which container; needed in volumes.")] = ""
    resource: Annotated[str, doc("Such as `limits.cpu`.", required=True)] = ""
    divisor: Annotated[Quantity | None, doc("Unit of the result.")] = None


class EnvVarSource(KubeStruct, frozen=True, kw_only=True):
    """Where a variable's value is taken from; exactly one of these."""

    field_ref: Annotated[ObjectFieldSelector | None, doc("From a field of the pod.")] = None
    resource_field_ref: Annotated[
        ResourceFieldSelector | None, doc("From a container's requests or limits.")
    ] = None
    config_map_key_ref: Annotated[KeySelector | None, doc("From a ConfigMap.")] = None
    secret_key_ref: Annotated[KeySelector | None, doc("From a Secret.")] = None
    file_key_ref: Annotated[
        Any,
        doc(
            "From a file of variables in a volume.",
            atomic=True,
            of="kube.published.FileKeySelector",
        ),
    ] = None


class EnvVar(KubeStruct, frozen=True, kw_only=True):
    """One environment variable."""

    name: Annotated[str, doc("Name of the variable.", required=True)] = ""
    value: Annotated[str, doc("Value; `$(NAME)` is replaced by an earlier variable.")] = ""
    value_from: Annotated[EnvVarSource | None, doc("Source of the value.")] = None


class EnvSource(KubeStruct, frozen=True, kw_only=True):
    """A ConfigMap or Secret whose keys all become variables."""

    name: Annotated[str, doc("Name of the object.")] = ""
    optional: Annotated[bool | None, doc("Whether it may be missing.")] = None


class EnvFromSource(KubeStruct, frozen=True, kw_only=True):
    """Variables taken from every key of an object."""

    prefix: Annotated[str, doc("Put before each name.")] = ""
    config_map_ref: Annotated[EnvSource | None, doc("The ConfigMap.")] = None
    secret_ref: Annotated[EnvSource | None, doc("The Secret.")] = None


class ResourceRequirements(KubeStruct, frozen=True, kw_only=True):
    """What a container asks for and may use at most."""

    limits: Annotated[dict[str, Quantity], doc("Upper bounds.")] = field(default_factory=dict)
    requests: Annotated[dict[str, Quantity], doc("What must be available.")] = field(
        default_factory=dict
    )
    claims: Annotated[
        tuple[Any, ...],
        doc("Resource claims used.", keys=("name",), of="kube.published.ResourceClaim"),
    ] = ()


class VolumeMount(KubeStruct, frozen=True, kw_only=True):
    """A volume made visible in a container."""

    name: Annotated[str, doc("Name of the volume.", required=True)] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    recursive_read_only: Annotated[
        str,
        doc(
            "Whether sub-mounts are read-only as well.", enum=("Disabled", "Enabled", "IfPossible")
        ),
    ] = ""
    mount_path: Annotated[str, doc("Path in the container.", required=True)] = ""
    sub_path: Annotated[str, doc("Path inside the volume.")] = ""
    mount_propagation: Annotated[
        str,
        doc(
            "How mounts spread to and from the node.",
            enum=("Bidirectional", "HostToContainer", "None"),
        ),
    ] = ""
    bind_mount_options: Annotated[tuple[str, ...], doc("Options of the mount.", distinct=True)] = ()
    sub_path_expr: Annotated[str, doc("Like subPath, with variables.")] = ""


class VolumeDevice(KubeStruct, frozen=True, kw_only=True):
    """A block device of a volume."""

    name: Annotated[str, doc("Name of the volume.", required=True)] = ""
    device_path: Annotated[str, doc("Path of the device in the container.", required=True)] = ""


class ExecAction(KubeStruct, frozen=True, kw_only=True):
    """Runs a command in the container; exit status 0 is success."""

    command: Annotated[tuple[str, ...], doc("The command; no shell.", atomic=True)] = ()


class HTTPHeader(KubeStruct, frozen=True, kw_only=True):
    """A header sent by a probe."""

    name: Annotated[str, doc("Header name.", required=True)] = ""
    value: Annotated[str, doc("Header value.")] = ""


class HTTPGetAction(KubeStruct, frozen=True, kw_only=True):
    """Asks over HTTP; a status from 200 to 399 is success."""

    path: Annotated[str, doc("Path; default /.")] = ""
    port: Annotated[IntOrString, doc("Port number or name.", required=True)] = 0
    host: Annotated[str, doc("Host to connect to; default the pod's address.")] = ""
    scheme: Annotated[str, doc("HTTP (default) or HTTPS.", enum=("HTTP", "HTTPS"))] = ""
    protocol: Annotated[str, doc("Version of HTTP.")] = ""
    http_headers: Annotated[tuple[HTTPHeader, ...], doc("Extra headers.", atomic=True)] = ()


class TCPSocketAction(KubeStruct, frozen=True, kw_only=True):
    """Opens a TCP connection; that it opens is success."""

    port: Annotated[IntOrString, doc("Port number or name.", required=True)] = 0
    host: Annotated[str, doc("Host to connect to; default the pod's address.")] = ""


class GRPCAction(KubeStruct, frozen=True, kw_only=True):
    """Calls the gRPC health service."""

    port: Annotated[int, doc("Port number.", required=True)] = 0
    service: Annotated[str | None, doc("Service name asked for.")] = None
    mode: Annotated[str | None, doc("Whether over TLS.")] = None


class Probe(KubeStruct, frozen=True, kw_only=True):
    """How a container's health is asked for; exactly one of exec, httpGet, tcpSocket, grpc."""

    exec: Annotated[ExecAction | None, doc("Run a command.")] = None
    http_get: Annotated[HTTPGetAction | None, doc("Ask over HTTP.")] = None
    tcp_socket: Annotated[TCPSocketAction | None, doc("Open a connection.")] = None
    grpc: Annotated[GRPCAction | None, doc("Call the gRPC health service.")] = None
    initial_delay_seconds: Annotated[int | None, doc("Seconds before the first probe.")] = None
    timeout_seconds: Annotated[int | None, doc("Seconds until a probe fails; default 1.")] = None
    period_seconds: Annotated[int | None, doc("Seconds between probes; default 10.")] = None
    success_threshold: Annotated[
        int | None, doc("Successes in a row to count as healthy again; default 1.")
    ] = None
    failure_threshold: Annotated[
        int | None, doc("Failures in a row to count as failed; default 3.")
    ] = None
    termination_grace_period_seconds: Annotated[
        int | None, doc("Grace period when this probe ends the container.", form="int64")
    ] = None


class SleepAction(KubeStruct, frozen=True, kw_only=True):
    """Waits."""

    seconds: Annotated[int, doc("How long.", required=True, form="int64")] = 0


class LifecycleHandler(KubeStruct, frozen=True, kw_only=True):
    """Done at a turn in a container's life; exactly one of these."""

    exec: Annotated[ExecAction | None, doc("Run a command.")] = None
    http_get: Annotated[HTTPGetAction | None, doc("Ask over HTTP.")] = None
    tcp_socket: Annotated[TCPSocketAction | None, doc("Deprecated.")] = None
    sleep: Annotated[SleepAction | None, doc("Wait.")] = None


class Lifecycle(KubeStruct, frozen=True, kw_only=True):
    """What is done after a container starts and before it stops."""

    post_start: Annotated[LifecycleHandler | None, doc("Right after the start.")] = None
    pre_stop: Annotated[LifecycleHandler | None, doc("Before the stop signal.")] = None
    stop_signal: Annotated[str, doc("Signal that stops the container.")] = ""


class Capabilities(KubeStruct, frozen=True, kw_only=True):
    """Linux capabilities added and taken."""

    add: Annotated[tuple[str, ...], doc("Added.", atomic=True)] = ()
    drop: Annotated[tuple[str, ...], doc("Removed.", atomic=True)] = ()


class SecurityContext(KubeStruct, frozen=True, kw_only=True):
    """What one container may do."""

    capabilities: Annotated[Capabilities | None, doc("Linux capabilities.")] = None
    privileged: Annotated[bool | None, doc("All privileges of the node.")] = None
    se_linux_options: Annotated[Any, doc("SELinux label.", of="kube.published.SELinuxOptions")] = (
        None
    )
    windows_options: Annotated[
        Any, doc("Windows settings.", of="kube.published.WindowsSecurityContextOptions")
    ] = None
    run_as_user: Annotated[int | None, doc("User id.", form="int64")] = None
    run_as_group: Annotated[int | None, doc("Group id.", form="int64")] = None
    run_as_non_root: Annotated[bool | None, doc("Refuse to run as user 0.")] = None
    read_only_root_filesystem: Annotated[bool | None, doc("Root file system read-only.")] = None
    allow_privilege_escalation: Annotated[
        bool | None, doc("Whether a process may gain more privileges than its parent.")
    ] = None
    proc_mount: Annotated[str, doc("Kind of /proc.", enum=("Default", "Unmasked"))] = ""
    seccomp_profile: Annotated[Any, doc("Seccomp profile.", of="kube.published.SeccompProfile")] = (
        None
    )
    app_armor_profile: Annotated[
        Any, doc("AppArmor profile.", of="kube.published.AppArmorProfile")
    ] = None


class Container(KubeStruct, frozen=True, kw_only=True):
    """One container of a pod."""

    name: Annotated[str, doc("Name, unique in the pod.", required=True)] = ""
    image: Annotated[str, doc("Image name; here it names a stand-in process.")] = ""
    command: Annotated[tuple[str, ...], doc("Replaces the image's entry point.", atomic=True)] = ()
    args: Annotated[tuple[str, ...], doc("Arguments to the entry point.", atomic=True)] = ()
    working_dir: Annotated[str, doc("Working directory.")] = ""
    ports: Annotated[
        tuple[ContainerPort, ...],
        doc("Ports listened on.", keys=("containerPort", "protocol"), merge="containerPort"),
    ] = ()
    env_from: Annotated[
        tuple[EnvFromSource, ...], doc("Variables from whole objects.", atomic=True)
    ] = ()
    env: Annotated[tuple[EnvVar, ...], doc("Environment variables.", merge="name")] = ()
    resources: Annotated[ResourceRequirements | None, doc("Requests and limits.")] = None
    resize_policy: Annotated[
        tuple[Any, ...],
        doc("How a resize acts.", atomic=True, of="kube.published.ContainerResizePolicy"),
    ] = ()
    restart_policy: Annotated[
        str,
        doc(
            "`Always` on an init container makes it a sidecar that keeps running.",
            enum=("Always", "Never", "OnFailure"),
        ),
    ] = ""
    restart_policy_rules: Annotated[
        tuple[Any, ...],
        doc(
            "Restart decisions by exit code.", atomic=True, of="kube.published.ContainerRestartRule"
        ),
    ] = ()
    volume_mounts: Annotated[
        tuple[VolumeMount, ...], doc("Volumes made visible.", merge="mountPath")
    ] = ()
    volume_devices: Annotated[
        tuple[VolumeDevice, ...], doc("Block devices.", merge="devicePath")
    ] = ()
    liveness_probe: Annotated[Probe | None, doc("Failing restarts the container.")] = None
    readiness_probe: Annotated[Probe | None, doc("Failing takes the pod out of Services.")] = None
    startup_probe: Annotated[
        Probe | None, doc("Holds back the other probes until it succeeds.")
    ] = None
    lifecycle: Annotated[Lifecycle | None, doc("Hooks after start and before stop.")] = None
    termination_message_path: Annotated[str, doc("File whose text becomes the message.")] = ""
    termination_message_policy: Annotated[
        str,
        doc("Where the last message comes from.", enum=("File", "FallbackToLogsOnError")),
    ] = ""
    image_pull_policy: Annotated[
        str,
        doc("When the image is fetched.", enum=("Always", "IfNotPresent", "Never")),
    ] = ""
    security_context: Annotated[SecurityContext | None, doc("What it may do.")] = None
    stdin: Annotated[bool | None, doc("Whether standard input stays open.")] = None
    stdin_once: Annotated[bool | None, doc("Close it after the first client.")] = None
    tty: Annotated[bool | None, doc("Whether it gets a terminal.")] = None


class EphemeralContainer(Container, frozen=True, kw_only=True):
    """A container added to a running pod to look around."""

    target_container_name: Annotated[str, doc("Whose process namespace it shares.")] = ""


class ContainerStateWaiting(KubeStruct, frozen=True, kw_only=True):
    """Not running yet."""

    reason: Annotated[str, doc("One word, such as CrashLoopBackOff.")] = ""
    message: Annotated[str, doc("Why.")] = ""


class ContainerStateRunning(KubeStruct, frozen=True, kw_only=True):
    """Running."""

    started_at: Annotated[Time | None, doc("Since when.")] = None


class ContainerStateTerminated(KubeStruct, frozen=True, kw_only=True):
    """Ended."""

    exit_code: Annotated[int, doc("Exit status.", required=True)] = 0
    signal: Annotated[int | None, doc("Signal that ended it.")] = None
    reason: Annotated[str, doc("One word, such as Completed, Error.")] = ""
    message: Annotated[str, doc("Its last words.")] = ""
    started_at: Annotated[Time | None, doc("When it started.")] = None
    finished_at: Annotated[Time | None, doc("When it ended.")] = None
    container_id: Annotated[str, doc("Id of the ended container.")] = ""


class ContainerState(KubeStruct, frozen=True, kw_only=True):
    """One of the three states."""

    waiting: Annotated[ContainerStateWaiting | None, doc("Not running yet.")] = None
    running: Annotated[ContainerStateRunning | None, doc("Running.")] = None
    terminated: Annotated[ContainerStateTerminated | None, doc("Ended.")] = None


class ContainerStatus(KubeStruct, frozen=True, kw_only=True):
    """What became of one container."""

    name: Annotated[str, doc("Name in the spec.", required=True)] = ""
    state: Annotated[ContainerState | None, doc("State now.")] = None
    last_state: Annotated[ContainerState | None, doc("How the previous run ended.")] = None
    ready: Annotated[bool, doc("Whether its readiness holds.", required=True)] = False
    restart_count: Annotated[int, doc("How often it was restarted.", required=True)] = 0
    image: Annotated[str, doc("Image it runs.", required=True)] = ""
    image_id: Annotated[str, doc("Identity of that image.", required=True)] = ""
    container_id: Annotated[str, doc("Id of the container.")] = ""
    started: Annotated[bool | None, doc("Whether the startup probe succeeded.")] = None
    allocated_resources: Annotated[dict[str, Quantity], doc("Requests granted.")] = field(
        default_factory=dict
    )
    allocated_resources_status: Annotated[
        tuple[Any, ...], doc("Health of devices.", merge="name")
    ] = ()
    resources: Annotated[ResourceRequirements | None, doc("Requests and limits in force.")] = None
    volume_mounts: Annotated[tuple[Any, ...], doc("Mounts in force.", merge="mountPath")] = ()
    user: Annotated[Any, doc("User it runs as.")] = None
    stop_signal: Annotated[str, doc("Signal that stops it.")] = ""
