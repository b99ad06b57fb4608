"""The `autoscaling` API group, version 2. Pure."""

from typing import Annotated

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, KubeObject, LabelSelector, Quantity, Time


class CrossVersionObjectReference(KubeStruct, frozen=True, kw_only=True):
    """Names an object in the same namespace."""

    kind: Annotated[str, doc("Its kind.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    api_version: Annotated[str, doc("Its API version.")] = ""


class MetricIdentifier(KubeStruct, frozen=True, kw_only=True):
    """Names a metric."""

    name: Annotated[str, doc("Its name.", required=True)] = ""
    selector: Annotated[LabelSelector | None, doc("Which of its series count.")] = None


class MetricTarget(KubeStruct, frozen=True, kw_only=True):
    """The value a metric is to have."""

    type: Annotated[
        str,
        doc(
            "Which of the values counts.",
            required=True,
            enum=("AverageValue", "Utilization", "Value"),
        ),
    ] = ""
    value: Annotated[Quantity | None, doc("The value itself.")] = None
    average_value: Annotated[Quantity | None, doc("The value per pod.")] = None
    average_utilization: Annotated[
        int | None, doc("Use per pod, in percent of what it requests.")
    ] = None


class MetricValueStatus(KubeStruct, frozen=True, kw_only=True):
    """The value that a metric has."""

    value: Annotated[Quantity | None, doc("The value itself.")] = None
    average_value: Annotated[Quantity | None, doc("The value per pod.")] = None
    average_utilization: Annotated[
        int | None, doc("Use per pod, in percent of what it requests.")
    ] = None


class ObjectMetricSource(KubeStruct, frozen=True, kw_only=True):
    """A metric of another object."""

    described_object: Annotated[
        CrossVersionObjectReference, doc("The object it is about.", required=True)
    ] = CrossVersionObjectReference()
    target: Annotated[MetricTarget, doc("The value to have.", required=True)] = MetricTarget()
    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()


class PodsMetricSource(KubeStruct, frozen=True, kw_only=True):
    """A metric of every pod, averaged."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    target: Annotated[MetricTarget, doc("The value to have.", required=True)] = MetricTarget()


class ResourceMetricSource(KubeStruct, frozen=True, kw_only=True):
    """What pods use of a resource."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    target: Annotated[MetricTarget, doc("The use to have.", required=True)] = MetricTarget()


class ContainerResourceMetricSource(KubeStruct, frozen=True, kw_only=True):
    """What one container of each pod uses of a resource."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    target: Annotated[MetricTarget, doc("The use to have.", required=True)] = MetricTarget()
    container: Annotated[str, doc("Name of the container.", required=True)] = ""


class ExternalMetricSource(KubeStruct, frozen=True, kw_only=True):
    """A metric of no object of the cluster."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    target: Annotated[MetricTarget, doc("The value to have.", required=True)] = MetricTarget()


_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")


class MetricSpec(KubeStruct, frozen=True, kw_only=True):
    """One goal; exactly the field that its type names."""

    type: Annotated[str, doc("What is measured.", required=True, enum=_TYPES)] = ""
    object: Annotated[ObjectMetricSource | None, doc("A metric of another object.")] = None
    pods: Annotated[PodsMetricSource | None, doc("A metric of every pod.")] = None
    resource: Annotated[ResourceMetricSource | None, doc("What pods use.")] = None
    container_resource: Annotated[
        ContainerResourceMetricSource | None, doc("What one container uses.")
    ] = None
    external: Annotated[ExternalMetricSource | None, doc("A metric from outside.")] = None


class HPAScalingPolicy(KubeStruct, frozen=True, kw_only=True):
    """A limit on how much may change in a time."""

    type: Annotated[str, doc("What the value counts.", required=True, enum=("Percent", "Pods"))] = (
        ""
    )
    value: Annotated[int, doc("How much may change; more than 0.", required=True)] = 0
    period_seconds: Annotated[int, doc("The time, up to 1800 seconds.", required=True)] = 0


class HPAScalingRules(KubeStruct, frozen=True, kw_only=True):
    """How the number of pods may change in one direction."""

    stabilization_window_seconds: Annotated[
        int | None, doc("Seconds of past wishes that are looked back on.")
    ] = None
    select_policy: Annotated[
        str | None,
        doc("Which policy counts; default Max.", enum=("Disabled", "Max", "Min")),
    ] = None
    policies: Annotated[
        tuple[HPAScalingPolicy, ...], doc("How much may change at a time.", atomic=True)
    ] = ()
    tolerance: Annotated[Quantity | None, doc("Deviation from the goal that is let be.")] = None


class HorizontalPodAutoscalerBehavior(KubeStruct, frozen=True, kw_only=True):
    """How the number of pods may change."""

    scale_up: Annotated[HPAScalingRules | None, doc("Towards more pods.")] = None
    scale_down: Annotated[HPAScalingRules | None, doc("Towards fewer pods.")] = None


class HorizontalPodAutoscalerSpec(KubeStruct, frozen=True, kw_only=True):
    """What is scaled, by which goals and within which bounds."""

    scale_target_ref: Annotated[
        CrossVersionObjectReference, doc("What is scaled.", required=True)
    ] = CrossVersionObjectReference()
    min_replicas: Annotated[int | None, doc("Least number of pods; default 1.")] = None
    max_replicas: Annotated[int, doc("Greatest number of pods.", required=True)] = 0
    metrics: Annotated[
        tuple[MetricSpec, ...],
        doc("Goals; the one that asks for most pods counts.", atomic=True),
    ] = ()
    behavior: Annotated[
        HorizontalPodAutoscalerBehavior | None, doc("How the number may change.")
    ] = None


class ObjectMetricStatus(KubeStruct, frozen=True, kw_only=True):
    """A metric of another object, as it is."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()
    described_object: Annotated[
        CrossVersionObjectReference, doc("The object it is about.", required=True)
    ] = CrossVersionObjectReference()


class PodsMetricStatus(KubeStruct, frozen=True, kw_only=True):
    """A metric of every pod, as it is."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()


class ResourceMetricStatus(KubeStruct, frozen=True, kw_only=True):
    """What pods use now."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    current: Annotated[MetricValueStatus, doc("The use.", required=True)] = MetricValueStatus()


class ContainerResourceMetricStatus(KubeStruct, frozen=True, kw_only=True):
    """What one container of each pod uses now."""

    name: Annotated[str, doc("cpu or memory.", required=True)] = ""
    current: Annotated[MetricValueStatus, doc("The use.", required=True)] = MetricValueStatus()
    container: Annotated[str, doc("Name of the container.", required=True)] = ""


class ExternalMetricStatus(KubeStruct, frozen=True, kw_only=True):
    """A metric from outside, as it is."""

    metric: Annotated[MetricIdentifier, doc("The metric.", required=True)] = MetricIdentifier()
    current: Annotated[MetricValueStatus, doc("Its value.", required=True)] = MetricValueStatus()


class MetricStatus(KubeStruct, frozen=True, kw_only=True):
    """What one goal's metric is now."""

    type: Annotated[str, doc("What is measured.", required=True, enum=_TYPES)] = ""
    object: Annotated[ObjectMetricStatus | None, doc("A metric of another object.")] = None
    pods: Annotated[PodsMetricStatus | None, doc("A metric of every pod.")] = None
    resource: Annotated[ResourceMetricStatus | None, doc("What pods use.")] = None
    container_resource: Annotated[
        ContainerResourceMetricStatus | None, doc("What one container uses.")
    ] = None
    external: Annotated[ExternalMetricStatus | None, doc("A metric from outside.")] = None


class HorizontalPodAutoscalerStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of an autoscaler."""

    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    last_scale_time: Annotated[Time | None, doc("When the number last changed.")] = None
    current_replicas: Annotated[int | None, doc("Pods there are.")] = None
    desired_replicas: Annotated[int, doc("Pods there should be.", required=True)] = 0
    current_metrics: Annotated[
        tuple[MetricStatus, ...], doc("What the metrics are now.", atomic=True)
    ] = ()
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()


class HorizontalPodAutoscaler(KubeObject, frozen=True, kw_only=True):
    """Bounds and goals for the number of pods of a workload."""

    spec: Annotated[HorizontalPodAutoscalerSpec, doc("What is scaled, and how.", required=True)] = (
        HorizontalPodAutoscalerSpec()
    )
    status: Annotated[HorizontalPodAutoscalerStatus, doc("Observed state.")] = (
        HorizontalPodAutoscalerStatus()
    )
