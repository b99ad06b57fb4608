"""StatefulSets and revisions of the `apps` API group. Pure.

In a module of their own, as the claims that they bring along are: few labs have any.
"""

from typing import Annotated, Any

from lateen.model.kube.core.pod import PodTemplateSpec
from lateen.model.kube.core.storage import PersistentVolumeClaim
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, IntOrString, KubeObject, LabelSelector


class OrderedRollingUpdate(KubeStruct, frozen=True, kw_only=True):
    """How far a rolling change of numbered pods may go."""

    partition: Annotated[int | None, doc("Pods below this ordinal keep the old revision.")] = None
    max_unavailable: Annotated[
        IntOrString | None, doc("Pods that may be missing; number or percentage.")
    ] = None


class StatefulSetUpdateStrategy(KubeStruct, frozen=True, kw_only=True):
    """How old pods of a StatefulSet are replaced."""

    type: Annotated[
        str, doc("RollingUpdate (default) or OnDelete.", enum=("OnDelete", "RollingUpdate"))
    ] = ""
    rolling_update: Annotated[OrderedRollingUpdate | None, doc("Limits of a rolling update.")] = (
        None
    )


class ClaimRetentionPolicy(KubeStruct, frozen=True, kw_only=True):
    """What becomes of a pod's claims."""

    when_deleted: Annotated[str, doc("With the StatefulSet.", enum=("Delete", "Retain"))] = ""
    when_scaled: Annotated[str, doc("With a pod too many.", enum=("Delete", "Retain"))] = ""


class StatefulSetOrdinals(KubeStruct, frozen=True, kw_only=True):
    """Numbers of the pods."""

    start: Annotated[int | None, doc("The first; default 0.")] = None


class StatefulSetSpec(KubeStruct, frozen=True, kw_only=True):
    """Desired pods of a StatefulSet."""

    replicas: Annotated[int | None, doc("How many pods; default 1.")] = None
    selector: Annotated[
        LabelSelector, doc("Which pods are its own; must match the template.", required=True)
    ] = LabelSelector()
    template: Annotated[PodTemplateSpec, doc("What the pods look like.", required=True)] = (
        PodTemplateSpec()
    )
    volume_claim_templates: Annotated[
        tuple[PersistentVolumeClaim, ...], doc("Claims per pod.", atomic=True)
    ] = ()
    service_name: Annotated[str, doc("Headless Service that names the pods.")] = ""
    pod_management_policy: Annotated[
        str, doc("One after the other, or at once.", enum=("OrderedReady", "Parallel"))
    ] = ""
    update_strategy: Annotated[
        StatefulSetUpdateStrategy | None, doc("How old pods are replaced.")
    ] = None
    revision_history_limit: Annotated[int | None, doc("Old revisions kept.")] = None
    min_ready_seconds: Annotated[int | None, doc("Seconds ready before it counts.")] = None
    persistent_volume_claim_retention_policy: Annotated[
        ClaimRetentionPolicy | None, doc("What becomes of claims.")
    ] = None
    ordinals: Annotated[StatefulSetOrdinals | None, doc("Numbers of the pods.")] = None


class StatefulSetStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a StatefulSet."""

    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    replicas: Annotated[int, doc("Pods.", required=True)] = 0
    ready_replicas: Annotated[int | None, doc("Ready pods.")] = None
    current_replicas: Annotated[int | None, doc("Pods of the current revision.")] = None
    updated_replicas: Annotated[int | None, doc("Pods of the newest revision.")] = None
    current_revision: Annotated[str, doc("Revision in force.")] = ""
    update_revision: Annotated[str, doc("Newest revision.")] = ""
    collision_count: Annotated[int | None, doc("Hash collisions met.")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()
    available_replicas: Annotated[int | None, doc("Pods ready for long enough.")] = None


class StatefulSet(KubeObject, frozen=True, kw_only=True):
    """Keeps numbered pods with stable names."""

    spec: Annotated[StatefulSetSpec, doc("Desired pods.")] = StatefulSetSpec()
    status: Annotated[StatefulSetStatus, doc("Observed state.")] = StatefulSetStatus()


class ControllerRevision(KubeObject, frozen=True, kw_only=True):
    """What a StatefulSet or DaemonSet once was, to go back to."""

    data: Annotated[Any, doc("The state.", required=True)] = None
    revision: Annotated[int | None, doc("Number of the revision.", form="int64")] = None
