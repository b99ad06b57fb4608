"""The `apps` API group, but for StatefulSets. Pure."""

from typing import Annotated

from lateen.model.kube.core.pod import PodTemplateSpec
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, IntOrString, KubeObject, LabelSelector


class RollingUpdate(KubeStruct, frozen=True, kw_only=True):
    """How far a rolling change may go at a time."""

    max_unavailable: Annotated[
        IntOrString | None, doc("Pods that may be missing; number or percentage.")
    ] = None
    max_surge: Annotated[
        IntOrString | None, doc("Pods that may be too many; number or percentage.")
    ] = None


class DeploymentStrategy(KubeStruct, frozen=True, kw_only=True):
    """How old pods are replaced."""

    type: Annotated[
        str, doc("RollingUpdate (default) or Recreate.", enum=("Recreate", "RollingUpdate"))
    ] = ""
    rolling_update: Annotated[RollingUpdate | None, doc("Limits of a rolling update.")] = None


class DeploymentSpec(KubeStruct, frozen=True, kw_only=True):
    """Desired pods of a Deployment."""

    replicas: Annotated[int | None, doc("How many pods; default 1.")] = None
    selector: Annotated[
        LabelSelector, doc("Which pods are its own; must match the template.", required=True)
    ] = LabelSelector()
    template: Annotated[PodTemplateSpec, doc("What the pods look like.", required=True)] = (
        PodTemplateSpec()
    )
    strategy: Annotated[
        DeploymentStrategy | None, doc("How old pods are replaced.", retain_keys=True)
    ] = None
    min_ready_seconds: Annotated[int | None, doc("Seconds ready before it counts.")] = None
    revision_history_limit: Annotated[int | None, doc("Old ReplicaSets kept; default 10.")] = None
    paused: Annotated[bool | None, doc("Whether changes wait.")] = None
    progress_deadline_seconds: Annotated[
        int | None, doc("Seconds until a stuck rollout is reported; default 600.")
    ] = None


class DeploymentStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a Deployment."""

    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    replicas: Annotated[int | None, doc("Pods.")] = None
    updated_replicas: Annotated[int | None, doc("Pods of the newest template.")] = None
    ready_replicas: Annotated[int | None, doc("Ready pods.")] = None
    available_replicas: Annotated[int | None, doc("Pods ready for long enough.")] = None
    unavailable_replicas: Annotated[int | None, doc("Pods still missing.")] = None
    terminating_replicas: Annotated[int | None, doc("Pods going away.")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()
    collision_count: Annotated[int | None, doc("Hash collisions met.")] = None


class Deployment(KubeObject, frozen=True, kw_only=True):
    """Keeps a number of equal pods and replaces them step by step on a change."""

    spec: Annotated[DeploymentSpec, doc("Desired pods.")] = DeploymentSpec()
    status: Annotated[DeploymentStatus, doc("Observed state.")] = DeploymentStatus()


class ReplicaSetSpec(KubeStruct, frozen=True, kw_only=True):
    """Desired pods of a ReplicaSet."""

    replicas: Annotated[int | None, doc("How many pods; default 1.")] = None
    min_ready_seconds: Annotated[int | None, doc("Seconds ready before it counts.")] = None
    selector: Annotated[
        LabelSelector, doc("Which pods are its own; must match the template.", required=True)
    ] = LabelSelector()
    template: Annotated[PodTemplateSpec, doc("What the pods look like.")] = PodTemplateSpec()


class ReplicaSetStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a ReplicaSet."""

    replicas: Annotated[int, doc("Pods.", required=True)] = 0
    fully_labeled_replicas: Annotated[int | None, doc("Pods with the template's labels.")] = None
    ready_replicas: Annotated[int | None, doc("Ready pods.")] = None
    available_replicas: Annotated[int | None, doc("Pods ready for long enough.")] = None
    terminating_replicas: Annotated[int | None, doc("Pods going away.")] = None
    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()


class ReplicaSet(KubeObject, frozen=True, kw_only=True):
    """Keeps a number of equal pods."""

    spec: Annotated[ReplicaSetSpec, doc("Desired pods.")] = ReplicaSetSpec()
    status: Annotated[ReplicaSetStatus, doc("Observed state.")] = ReplicaSetStatus()


class DaemonSetUpdateStrategy(KubeStruct, frozen=True, kw_only=True):
    """How old pods of a DaemonSet are replaced."""

    type: Annotated[
        str, doc("RollingUpdate (default) or OnDelete.", enum=("OnDelete", "RollingUpdate"))
    ] = ""
    rolling_update: Annotated[RollingUpdate | None, doc("Limits of a rolling update.")] = None


class DaemonSetSpec(KubeStruct, frozen=True, kw_only=True):
    """Desired pods of a DaemonSet."""

    selector: Annotated[
        LabelSelector, doc("Which pods are its own; must match the template.", required=True)
    ] = LabelSelector()
    template: Annotated[PodTemplateSpec, doc("What the pods look like.", required=True)] = (
        PodTemplateSpec()
    )
    update_strategy: Annotated[
        DaemonSetUpdateStrategy | None, doc("How old pods are replaced.")
    ] = None
    min_ready_seconds: Annotated[int | None, doc("Seconds ready before it counts.")] = None
    revision_history_limit: Annotated[int | None, doc("Old revisions kept.")] = None


class DaemonSetStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a DaemonSet."""

    current_number_scheduled: Annotated[int, doc("Nodes that run it.", required=True)] = 0
    number_misscheduled: Annotated[int, doc("Nodes that should not.", required=True)] = 0
    desired_number_scheduled: Annotated[int, doc("Nodes that should.", required=True)] = 0
    number_ready: Annotated[int, doc("Nodes where it is ready.", required=True)] = 0
    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    updated_number_scheduled: Annotated[int | None, doc("Nodes with the newest.")] = None
    number_available: Annotated[int | None, doc("Nodes where it is available.")] = None
    number_unavailable: Annotated[int | None, doc("Nodes where it is missing.")] = None
    collision_count: Annotated[int | None, doc("Hash collisions met.")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()


class DaemonSet(KubeObject, frozen=True, kw_only=True):
    """Keeps one pod on every node."""

    spec: Annotated[DaemonSetSpec, doc("Desired pods.")] = DaemonSetSpec()
    status: Annotated[DaemonSetStatus, doc("Observed state.")] = DaemonSetStatus()
