"""When a Job has failed, and when it is done, in a module of their own as few Jobs say so. Pure."""

from typing import Annotated

from lateen.model.schema.marks import KubeStruct, doc


class PodFailurePolicyOnExitCodesRequirement(KubeStruct, frozen=True, kw_only=True):
    """A condition on a container's exit status."""

    container_name: Annotated[str | None, doc("The container; none: any.")] = None
    operator: Annotated[
        str, doc("How status and values relate.", required=True, enum=("In", "NotIn"))
    ] = ""
    values: Annotated[tuple[int, ...], doc("The values.", required=True, distinct=True)] = ()


class PodFailurePolicyOnPodConditionsPattern(KubeStruct, frozen=True, kw_only=True):
    """A condition of the pod."""

    type: Annotated[str, doc("Its type.", required=True)] = ""
    status: Annotated[
        str, doc("What it must be; default True.", enum=("False", "True", "Unknown"))
    ] = ""


class PodFailurePolicyRule(KubeStruct, frozen=True, kw_only=True):
    """What a pod's failure means; one of the two conditions."""

    action: Annotated[
        str,
        doc("What is done.", required=True, enum=("Count", "FailIndex", "FailJob", "Ignore")),
    ] = ""
    on_exit_codes: Annotated[
        PodFailurePolicyOnExitCodesRequirement | None, doc("By exit status.")
    ] = None
    on_pod_conditions: Annotated[
        tuple[PodFailurePolicyOnPodConditionsPattern, ...],
        doc("By conditions of the pod.", atomic=True),
    ] = ()


class PodFailurePolicy(KubeStruct, frozen=True, kw_only=True):
    """What failures of pods mean; the first rule that fits counts."""

    rules: Annotated[
        tuple[PodFailurePolicyRule, ...], doc("The rules.", required=True, atomic=True)
    ] = ()


class SuccessPolicyRule(KubeStruct, frozen=True, kw_only=True):
    """Indexes that are enough."""

    succeeded_indexes: Annotated[str | None, doc("Which, such as `0,2-4`.")] = None
    succeeded_count: Annotated[int | None, doc("How many of them.")] = None


class SuccessPolicy(KubeStruct, frozen=True, kw_only=True):
    """When a Job of numbered pods is done; one rule is enough."""

    rules: Annotated[
        tuple[SuccessPolicyRule, ...], doc("The rules.", required=True, atomic=True)
    ] = ()
