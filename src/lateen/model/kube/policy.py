"""The `policy` API group. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, IntOrString, KubeObject, LabelSelector, Time


class PodDisruptionBudgetSpec(KubeStruct, frozen=True, kw_only=True):
    """How many pods must stay when some are evicted; one of the two bounds."""

    min_available: Annotated[
        IntOrString | None, doc("Pods that must stay; number or percentage.")
    ] = None
    selector: Annotated[
        LabelSelector | None, doc("Pods it is for; empty: all of the namespace.", replace=True)
    ] = None
    max_unavailable: Annotated[
        IntOrString | None, doc("Pods that may be missing; number or percentage.")
    ] = None
    unhealthy_pod_eviction_policy: Annotated[
        str | None,
        doc(
            "When pods that are not ready may be evicted.",
            enum=("AlwaysAllow", "IfHealthyBudget"),
        ),
    ] = None


class PodDisruptionBudgetStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a budget."""

    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    disrupted_pods: Annotated[dict[str, Time], doc("Pods being evicted, since when.")] = field(
        default_factory=dict
    )
    disruptions_allowed: Annotated[int | None, doc("Pods that may be evicted now.")] = None
    current_healthy: Annotated[int | None, doc("Pods that are ready.")] = None
    desired_healthy: Annotated[int | None, doc("Pods that must be ready.")] = None
    expected_pods: Annotated[int | None, doc("Pods it is for.")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()


class PodDisruptionBudget(KubeObject, frozen=True, kw_only=True):
    """Limits how many pods may be evicted at a time."""

    spec: Annotated[PodDisruptionBudgetSpec, doc("How many must stay.")] = PodDisruptionBudgetSpec()
    status: Annotated[PodDisruptionBudgetStatus, doc("Observed state.")] = (
        PodDisruptionBudgetStatus()
    )
