"""Persistent volumes of the core API group, and the claims on them. Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import (
    Condition,
    KubeObject,
    LabelSelector,
    Quantity,
    TypedLocalObjectReference,
)

_MODES = ("Block", "Filesystem")
_ACCESS = doc(enum=("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"))


class VolumeResourceRequirements(KubeStruct, frozen=True, kw_only=True):
    """How large a volume is to be."""

    limits: Annotated[dict[str, Quantity], doc("At most.")] = field(default_factory=dict)
    requests: Annotated[dict[str, Quantity], doc("At least.")] = field(default_factory=dict)


class TypedObjectReference(KubeStruct, frozen=True, kw_only=True):
    """Names an object of any kind, in any namespace."""

    api_group: Annotated[str | None, doc("Its API group; none: the core group.")] = None
    kind: Annotated[str, doc("Its kind.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    namespace: Annotated[str | None, doc("Its namespace; none: the claim's.")] = None


class PersistentVolumeClaimSpec(KubeStruct, frozen=True, kw_only=True):
    """What is claimed."""

    access_modes: Annotated[
        tuple[Annotated[str, _ACCESS], ...],
        doc("How it is to be mounted, such as ReadWriteOnce.", atomic=True),
    ] = ()
    selector: Annotated[LabelSelector | None, doc("Which volumes will do.")] = None
    resources: Annotated[VolumeResourceRequirements | None, doc("How large it is to be.")] = None
    volume_name: Annotated[str, doc("The volume it has.")] = ""
    storage_class_name: Annotated[str | None, doc("StorageClass of the volume.")] = None
    volume_mode: Annotated[
        str | None, doc("File system (default) or bare device.", enum=_MODES)
    ] = None
    data_source: Annotated[
        TypedLocalObjectReference | None, doc("Snapshot or claim to begin with.")
    ] = None
    data_source_ref: Annotated[TypedObjectReference | None, doc("Any object to begin with.")] = None
    volume_attributes_class_name: Annotated[str | None, doc("VolumeAttributesClass.")] = None


class ModifyVolumeStatus(KubeStruct, frozen=True, kw_only=True):
    """How far a change of a volume's attributes is."""

    target_volume_attributes_class_name: Annotated[str, doc("Class it is to have.")] = ""
    status: Annotated[str, doc("Pending, InProgress or Infeasible.", required=True)] = ""


class PersistentVolumeClaimStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a claim."""

    phase: Annotated[str, doc("Pending, Bound or Lost.")] = ""
    access_modes: Annotated[tuple[str, ...], doc("Modes of its volume.", atomic=True)] = ()
    capacity: Annotated[dict[str, Quantity], doc("Size of its volume.")] = field(
        default_factory=dict
    )
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()
    allocated_resources: Annotated[dict[str, Quantity], doc("Size being worked on.")] = field(
        default_factory=dict
    )
    allocated_resource_statuses: Annotated[dict[str, str], doc("How far that is.")] = field(
        default_factory=dict
    )
    current_volume_attributes_class_name: Annotated[str | None, doc("Class it has.")] = None
    modify_volume_status: Annotated[
        ModifyVolumeStatus | None, doc("How far a change of its attributes is.")
    ] = None
    health_status: Annotated[Any, doc("Whether its volume is sound.")] = None


class PersistentVolumeClaim(KubeObject, frozen=True, kw_only=True):
    """Asks for a volume of some size."""

    spec: Annotated[PersistentVolumeClaimSpec, doc("What is claimed.")] = (
        PersistentVolumeClaimSpec()
    )
    status: Annotated[PersistentVolumeClaimStatus, doc("Observed state.")] = (
        PersistentVolumeClaimStatus()
    )
