"""On which nodes pods may and should run: affinity and spreading. Pure.

In a module of their own, as few manifests have any.
"""

from typing import Annotated, ClassVar

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import LabelSelector


class NodeSelectorRequirement(KubeStruct, frozen=True, kw_only=True):
    """One condition on a node's label or field."""

    key: Annotated[str, doc("Label or field.", required=True)] = ""
    operator: Annotated[
        str,
        doc(
            "How key and values relate.",
            required=True,
            enum=("DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn"),
        ),
    ] = ""
    values: Annotated[tuple[str, ...], doc("Values to compare with.", atomic=True)] = ()


class NodeSelectorTerm(KubeStruct, frozen=True, kw_only=True):
    """Conditions on a node; all must hold."""

    ATOMIC: ClassVar[bool] = True

    match_expressions: Annotated[
        tuple[NodeSelectorRequirement, ...], doc("Conditions on labels.", atomic=True)
    ] = ()
    match_fields: Annotated[
        tuple[NodeSelectorRequirement, ...], doc("Conditions on fields.", atomic=True)
    ] = ()


class NodeSelector(KubeStruct, frozen=True, kw_only=True):
    """Selects nodes; one of the terms must hold."""

    ATOMIC: ClassVar[bool] = True

    node_selector_terms: Annotated[
        tuple[NodeSelectorTerm, ...], doc("The terms.", required=True, atomic=True)
    ] = ()


class PreferredSchedulingTerm(KubeStruct, frozen=True, kw_only=True):
    """Nodes to prefer, and how much."""

    weight: Annotated[int, doc("How much, from 1 to 100.", required=True)] = 0
    preference: Annotated[NodeSelectorTerm, doc("The nodes.", required=True)] = NodeSelectorTerm()


class NodeAffinity(KubeStruct, frozen=True, kw_only=True):
    """Nodes that a pod needs, or likes."""

    required_during_scheduling_ignored_during_execution: Annotated[
        NodeSelector | None, doc("Nodes it may run on.")
    ] = None
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredSchedulingTerm, ...], doc("Nodes it likes.", atomic=True)
    ] = ()


class PodAffinityTerm(KubeStruct, frozen=True, kw_only=True):
    """Pods to be near to, or away from."""

    label_selector: Annotated[LabelSelector | None, doc("The pods, by label.")] = None
    namespaces: Annotated[
        tuple[str, ...], doc("Their namespaces; none: the pod's own.", atomic=True)
    ] = ()
    topology_key: Annotated[
        str, doc("Label of nodes that says what counts as one place.", required=True)
    ] = ""
    namespace_selector: Annotated[LabelSelector | None, doc("Their namespaces, by label.")] = None
    match_label_keys: Annotated[
        tuple[str, ...], doc("Labels whose values must be the pod's own.", atomic=True)
    ] = ()
    mismatch_label_keys: Annotated[
        tuple[str, ...], doc("Labels whose values must be others.", atomic=True)
    ] = ()


class WeightedPodAffinityTerm(KubeStruct, frozen=True, kw_only=True):
    """Pods to be near to or away from, and how much."""

    weight: Annotated[int, doc("How much, from 1 to 100.", required=True)] = 0
    pod_affinity_term: Annotated[PodAffinityTerm, doc("The pods.", required=True)] = (
        PodAffinityTerm()
    )


class PodAffinity(KubeStruct, frozen=True, kw_only=True):
    """Pods that a pod must be near to, or likes to be."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodAffinityTerm, ...], doc("All of these must be there.", atomic=True)
    ] = ()
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[WeightedPodAffinityTerm, ...], doc("The more of these, the better.", atomic=True)
    ] = ()


class PodAntiAffinity(PodAffinity, frozen=True, kw_only=True):
    """Pods that a pod must be away from, or likes to be."""


class Affinity(KubeStruct, frozen=True, kw_only=True):
    """Preferences for nodes and neighbours."""

    node_affinity: Annotated[NodeAffinity | None, doc("Nodes.")] = None
    pod_affinity: Annotated[PodAffinity | None, doc("Neighbours it wants.")] = None
    pod_anti_affinity: Annotated[PodAntiAffinity | None, doc("Neighbours it avoids.")] = None


_HONOR = ("Honor", "Ignore")


class TopologySpreadConstraint(KubeStruct, frozen=True, kw_only=True):
    """How evenly pods spread over places."""

    max_skew: Annotated[
        int, doc("How many more pods one place may have than another.", required=True)
    ] = 0
    topology_key: Annotated[
        str, doc("Label of nodes that says what counts as one place.", required=True)
    ] = ""
    when_unsatisfiable: Annotated[
        str,
        doc(
            "What is done when it cannot be.",
            required=True,
            enum=("DoNotSchedule", "ScheduleAnyway"),
        ),
    ] = ""
    label_selector: Annotated[LabelSelector | None, doc("Pods that count.")] = None
    min_domains: Annotated[int | None, doc("Places that there must be.")] = None
    node_affinity_policy: Annotated[
        str | None, doc("Whether nodes that the pod may not run on count.", enum=_HONOR)
    ] = None
    node_taints_policy: Annotated[
        str | None, doc("Whether nodes with taints count.", enum=_HONOR)
    ] = None
    match_label_keys: Annotated[
        tuple[str, ...], doc("Labels whose values must be the pod's own.", atomic=True)
    ] = ()
