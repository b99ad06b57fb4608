"""Version 1 of the `autoscaling` API group: a share of CPU is all that it can ask for. Pure."""

from typing import Annotated, ClassVar

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject, Time


class CrossVersionObjectReference(KubeStruct, frozen=True, kw_only=True):
    """Names an object with a scale in the same namespace."""

    ATOMIC: ClassVar[bool] = True

    kind: Annotated[str, doc("Its kind.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    api_version: Annotated[str, doc("Its API version.")] = ""


class HorizontalPodAutoscalerSpec(KubeStruct, frozen=True, kw_only=True):
    """What is scaled, and within which bounds."""

    scale_target_ref: Annotated[
        CrossVersionObjectReference, doc("What is scaled.", required=True)
    ] = CrossVersionObjectReference()
    min_replicas: Annotated[int | None, doc("Least number of pods; default 1.")] = None
    max_replicas: Annotated[int, doc("Greatest number of pods.", required=True)] = 0
    target_cpu_utilization_percentage: Annotated[
        int | None, doc("CPU that pods should use, in percent of what they request.")
    ] = None


class HorizontalPodAutoscalerStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of an autoscaler."""

    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    last_scale_time: Annotated[Time | None, doc("When the number last changed.")] = None
    current_replicas: Annotated[int, doc("Pods there are.", required=True)] = 0
    desired_replicas: Annotated[int, doc("Pods there should be.", required=True)] = 0
    current_cpu_utilization_percentage: Annotated[
        int | None, doc("CPU that pods use, in percent of what they request.")
    ] = None


class HorizontalPodAutoscaler(KubeObject, frozen=True, kw_only=True):
    """Bounds and a goal for the number of pods of a workload."""

    spec: Annotated[
        HorizontalPodAutoscalerSpec, doc("What is scaled, and how far.", required=True)
    ] = HorizontalPodAutoscalerSpec()
    status: Annotated[HorizontalPodAutoscalerStatus, doc("Observed state.")] = (
        HorizontalPodAutoscalerStatus()
    )
