"""Parts of pods and containers that few manifests have; nothing here acts on them. Pure."""

from typing import Annotated, ClassVar

from lateen.model.schema.marks import KubeStruct, doc


class SeccompProfile(KubeStruct, frozen=True, kw_only=True):
    """Which system calls are allowed."""

    type: Annotated[
        str,
        doc("Whose profile.", required=True, enum=("Localhost", "RuntimeDefault", "Unconfined")),
    ] = ""
    localhost_profile: Annotated[str | None, doc("File on the node, with Localhost.")] = None


class AppArmorProfile(SeccompProfile, frozen=True, kw_only=True):
    """Which AppArmor profile confines it."""


class SELinuxOptions(KubeStruct, frozen=True, kw_only=True):
    """An SELinux label."""

    user: Annotated[str, doc("User.")] = ""
    role: Annotated[str, doc("Role.")] = ""
    type: Annotated[str, doc("Type.")] = ""
    level: Annotated[str, doc("Level.")] = ""


class WindowsSecurityContextOptions(KubeStruct, frozen=True, kw_only=True):
    """What holds on Windows only."""

    gmsa_credential_spec_name: Annotated[str | None, doc("Name of the GMSA credentials.")] = None
    gmsa_credential_spec: Annotated[str | None, doc("The GMSA credentials.")] = None
    run_as_user_name: Annotated[str | None, doc("User name.")] = None
    host_process: Annotated[bool | None, doc("Whether it is a process of the node.")] = None


class ContainerResizePolicy(KubeStruct, frozen=True, kw_only=True):
    """What a change of a resource leads to."""

    resource_name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    restart_policy: Annotated[
        str,
        doc(
            "Whether the container starts anew.",
            required=True,
            enum=("NotRequired", "RestartContainer"),
        ),
    ] = ""


class ContainerRestartRuleOnExitCodes(KubeStruct, frozen=True, kw_only=True):
    """A condition on an exit status."""

    operator: Annotated[
        str, doc("How status and values relate.", required=True, enum=("In", "NotIn"))
    ] = ""
    values: Annotated[tuple[int, ...], doc("The values.", distinct=True)] = ()


class ContainerRestartRule(KubeStruct, frozen=True, kw_only=True):
    """What an exit of the container leads to."""

    action: Annotated[
        str, doc("What is done.", required=True, enum=("Restart", "RestartAllContainers"))
    ] = ""
    exit_codes: Annotated[ContainerRestartRuleOnExitCodes | None, doc("The exits it is about.")] = (
        None
    )


class FileKeySelector(KubeStruct, frozen=True, kw_only=True):
    """One variable of a file of them in a volume."""

    ATOMIC: ClassVar[bool] = True

    volume_name: Annotated[str, doc("The volume; an emptyDir.", required=True)] = ""
    path: Annotated[str, doc("Path of the file in it.", required=True)] = ""
    key: Annotated[str, doc("Name of the variable.", required=True)] = ""
    optional: Annotated[bool | None, doc("Whether it may be missing.")] = None


class ResourceClaim(KubeStruct, frozen=True, kw_only=True):
    """A claim of the pod that a container uses."""

    name: Annotated[str, doc("Its name in the pod.", required=True)] = ""
    request: Annotated[str, doc("The request in it; none: all.")] = ""


class PodResourceClaim(KubeStruct, frozen=True, kw_only=True):
    """A claim of devices; one of the two names."""

    name: Annotated[str, doc("Name that containers use it by.", required=True)] = ""
    resource_claim_name: Annotated[str | None, doc("A claim that is there.")] = None
    resource_claim_template_name: Annotated[
        str | None, doc("What a claim of the pod's own is made from.")
    ] = None


class PodOS(KubeStruct, frozen=True, kw_only=True):
    """Operating system of the containers."""

    name: Annotated[str, doc("linux or windows.", required=True, enum=("linux", "windows"))] = ""


class PodSchedulingGroup(KubeStruct, frozen=True, kw_only=True):
    """Pods that are placed together."""

    pod_group_name: Annotated[str | None, doc("Name of the PodGroup.")] = None


class EvictionResponder(KubeStruct, frozen=True, kw_only=True):
    """Who answers a request to move the pod."""

    ATOMIC: ClassVar[bool] = True

    name: Annotated[str, doc("Who.", required=True)] = ""
    priority: Annotated[int, doc("The higher, the sooner asked.", required=True)] = 0
