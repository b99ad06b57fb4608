"""Limits of namespaces in the core API group: ResourceQuota and LimitRange. Pure."""

from typing import Annotated, ClassVar

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject, Quantity


class ScopedResourceSelectorRequirement(KubeStruct, frozen=True, kw_only=True):
    """One condition on what a quota counts."""

    scope_name: Annotated[str, doc("What is compared, such as PriorityClass.", required=True)] = ""
    operator: Annotated[
        str,
        doc(
            "How scope and values relate.",
            required=True,
            enum=("DoesNotExist", "Exists", "In", "NotIn"),
        ),
    ] = ""
    values: Annotated[tuple[str, ...], doc("Values for In and NotIn.", atomic=True)] = ()


class ScopeSelector(KubeStruct, frozen=True, kw_only=True):
    """Selects what a quota counts; all conditions must hold."""

    ATOMIC: ClassVar[bool] = True

    match_expressions: Annotated[
        tuple[ScopedResourceSelectorRequirement, ...], doc("The conditions.", atomic=True)
    ] = ()


class ResourceQuotaSpec(KubeStruct, frozen=True, kw_only=True):
    """What there may be in a namespace."""

    hard: Annotated[
        dict[str, Quantity], doc("At most of each, such as `pods` or `limits.cpu`.")
    ] = field(default_factory=dict)
    scopes: Annotated[
        tuple[str, ...], doc("What counts, such as BestEffort; all must hold.", atomic=True)
    ] = ()
    scope_selector: Annotated[ScopeSelector | None, doc("What counts, by conditions.")] = None


class ResourceQuotaStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a quota."""

    hard: Annotated[dict[str, Quantity], doc("At most of each.")] = field(default_factory=dict)
    used: Annotated[dict[str, Quantity], doc("Used of each.")] = field(default_factory=dict)


class ResourceQuota(KubeObject, frozen=True, kw_only=True):
    """Limits what there may be in a namespace, all together."""

    spec: Annotated[ResourceQuotaSpec, doc("What there may be.")] = ResourceQuotaSpec()
    status: Annotated[ResourceQuotaStatus, doc("Observed state.")] = ResourceQuotaStatus()


class LimitRangeItem(KubeStruct, frozen=True, kw_only=True):
    """Bounds for one type of object."""

    type: Annotated[str, doc("Container, Pod or PersistentVolumeClaim.", required=True)] = ""
    max: Annotated[dict[str, Quantity], doc("At most of each.")] = field(default_factory=dict)
    min: Annotated[dict[str, Quantity], doc("At least of each.")] = field(default_factory=dict)
    default: Annotated[dict[str, Quantity], doc("Limits of what names none.")] = field(
        default_factory=dict
    )
    default_request: Annotated[dict[str, Quantity], doc("Requests of what names none.")] = field(
        default_factory=dict
    )
    max_limit_request_ratio: Annotated[
        dict[str, Quantity], doc("How often a limit may be its request.")
    ] = field(default_factory=dict)


class LimitRangeSpec(KubeStruct, frozen=True, kw_only=True):
    """Bounds for single objects."""

    limits: Annotated[
        tuple[LimitRangeItem, ...], doc("Bounds for each type.", required=True, atomic=True)
    ] = ()


class LimitRange(KubeObject, frozen=True, kw_only=True):
    """Limits what each object of a namespace may ask for."""

    spec: Annotated[LimitRangeSpec, doc("The bounds.")] = LimitRangeSpec()
