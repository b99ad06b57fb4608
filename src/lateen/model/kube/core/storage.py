"""Persistent volumes of the core API group, and the claims on them. Pure."""

from typing import Annotated, Any, ClassVar

from msgspec import field

from lateen.model.kube.core.placement import NodeSelector
from lateen.model.kube.core.volume import HostPathVolumeSource
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import (
    Condition,
    KubeObject,
    LabelSelector,
    ObjectReference,
    Quantity,
    Time,
    TypedLocalObjectReference,
)

_MODES = ("Block", "Filesystem")
_ACCESS = doc(enum=("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"))


class VolumeNodeAffinity(KubeStruct, frozen=True, kw_only=True):
    """From where a volume can be reached."""

    required: Annotated[NodeSelector | None, doc("Nodes that reach it.")] = None


class SecretReference(KubeStruct, frozen=True, kw_only=True):
    """Names a Secret in any namespace."""

    ATOMIC: ClassVar[bool] = True

    name: Annotated[str, doc("Its name.")] = ""
    namespace: Annotated[str, doc("Its namespace.")] = ""


class ClaimReference(ObjectReference, frozen=True, kw_only=True):
    """The claim that a volume belongs to."""

    ATOMIC: ClassVar[bool] = False


class CSIPersistentVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A volume of a CSI driver."""

    driver: Annotated[str, doc("Name of the driver.", required=True)] = ""
    volume_handle: Annotated[str, doc("The driver's name of the volume.", required=True)] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    volume_attributes: Annotated[dict[str, str], doc("Settings for the driver.")] = field(
        default_factory=dict
    )
    controller_publish_secret_ref: Annotated[
        SecretReference | None, doc("Secret to attach it with.")
    ] = None
    node_stage_secret_ref: Annotated[
        SecretReference | None, doc("Secret to make it ready on a node with.")
    ] = None
    node_publish_secret_ref: Annotated[SecretReference | None, doc("Secret to mount it with.")] = (
        None
    )
    controller_expand_secret_ref: Annotated[
        SecretReference | None, doc("Secret to enlarge it with.")
    ] = None
    node_expand_secret_ref: Annotated[
        SecretReference | None, doc("Secret to enlarge it on a node with.")
    ] = None


class LocalVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A disk or directory of one node."""

    path: Annotated[str, doc("Its path there.", required=True)] = ""
    fs_type: Annotated[str | None, doc("File system, such as ext4.")] = None


class NFSVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """An NFS share."""

    server: Annotated[str, doc("Name or address of the server.", required=True)] = ""
    path: Annotated[str, doc("Path it exports.", required=True)] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class ISCSIPersistentVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """An iSCSI disk."""

    target_portal: Annotated[str, doc("Address of the target, with its port.", required=True)] = ""
    iqn: Annotated[str, doc("Qualified name of the target.", required=True)] = ""
    lun: Annotated[int, doc("Number of the unit.", required=True)] = 0
    iscsi_interface: Annotated[str, doc("Interface; default `default` (tcp).")] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    portals: Annotated[tuple[str, ...], doc("More addresses.", atomic=True)] = ()
    chap_auth_discovery: Annotated[bool | None, doc("Whether CHAP is used to discover.")] = None
    chap_auth_session: Annotated[bool | None, doc("Whether CHAP is used in the session.")] = None
    secret_ref: Annotated[SecretReference | None, doc("Secret for CHAP.")] = None
    initiator_name: Annotated[str | None, doc("Name of the initiator.")] = None


class FCVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A Fibre Channel disk."""

    target_wwns: Annotated[tuple[str, ...], doc("Worldwide names of the target.", atomic=True)] = ()
    lun: Annotated[int | None, doc("Number of the unit.")] = None
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    wwids: Annotated[tuple[str, ...], doc("Worldwide identifiers of the disk.", atomic=True)] = ()


class PersistentVolumeSpec(KubeStruct, frozen=True, kw_only=True):
    """What a volume is; exactly one source."""

    capacity: Annotated[dict[str, Quantity], doc("Its size.")] = field(default_factory=dict)
    access_modes: Annotated[
        tuple[Annotated[str, _ACCESS], ...],
        doc("How it can be mounted, such as ReadWriteOnce.", atomic=True),
    ] = ()
    claim_ref: Annotated[ClaimReference | None, doc("Claim it belongs to.")] = None
    persistent_volume_reclaim_policy: Annotated[
        str,
        doc("What becomes of it after its claim.", enum=("Delete", "Recycle", "Retain")),
    ] = ""
    storage_class_name: Annotated[str, doc("StorageClass it belongs to.")] = ""
    mount_options: Annotated[tuple[str, ...], doc("Options of the mount.", atomic=True)] = ()
    volume_mode: Annotated[
        str | None, doc("File system (default) or bare device.", enum=_MODES)
    ] = None
    node_affinity: Annotated[VolumeNodeAffinity | None, doc("Nodes that reach it.")] = None
    volume_attributes_class_name: Annotated[str | None, doc("VolumeAttributesClass.")] = None
    csi: Annotated[CSIPersistentVolumeSource | None, doc("A CSI driver's volume.")] = None
    local: Annotated[LocalVolumeSource | None, doc("A disk of one node.")] = None
    nfs: Annotated[NFSVolumeSource | None, doc("An NFS share.")] = None
    host_path: Annotated[HostPathVolumeSource | None, doc("A path of the node.")] = None
    iscsi: Annotated[ISCSIPersistentVolumeSource | None, doc("An iSCSI disk.")] = None
    fc: Annotated[FCVolumeSource | None, doc("A Fibre Channel disk.")] = None
    glusterfs: Annotated[Any, doc("Deprecated.")] = None
    rbd: Annotated[Any, doc("Deprecated.")] = None
    cephfs: Annotated[Any, doc("Deprecated.")] = None
    cinder: Annotated[Any, doc("Deprecated.")] = None
    flocker: Annotated[Any, doc("Deprecated.")] = None
    flex_volume: Annotated[Any, doc("Deprecated.")] = None
    quobyte: Annotated[Any, doc("Deprecated.")] = None
    storageos: Annotated[Any, doc("Deprecated.")] = None
    portworx_volume: Annotated[
        Any, doc("Deprecated.", of="kube.core.volume_sources.PortworxVolumeSource")
    ] = None
    scale_io: Annotated[Any, doc("Deprecated.")] = None
    vsphere_volume: Annotated[
        Any, doc("Deprecated.", of="kube.core.volume_sources.VsphereVirtualDiskVolumeSource")
    ] = None
    photon_persistent_disk: Annotated[Any, doc("Deprecated.")] = None
    azure_disk: Annotated[
        Any, doc("Deprecated.", of="kube.core.volume_sources.AzureDiskVolumeSource")
    ] = None
    azure_file: Annotated[Any, doc("Deprecated.")] = None
    aws_elastic_block_store: Annotated[
        Any, doc("Deprecated.", of="kube.core.volume_sources.AWSElasticBlockStoreVolumeSource")
    ] = None
    gce_persistent_disk: Annotated[
        Any, doc("Deprecated.", of="kube.core.volume_sources.GCEPersistentDiskVolumeSource")
    ] = None


class PersistentVolumeStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a volume."""

    phase: Annotated[str, doc("Pending, Available, Bound, Released or Failed.")] = ""
    message: Annotated[str, doc("Why it is in this state.")] = ""
    reason: Annotated[str, doc("One word for it.")] = ""
    last_phase_transition_time: Annotated[Time | None, doc("Since when.")] = None


class PersistentVolume(KubeObject, frozen=True, kw_only=True):
    """Storage that outlives the pods that use it."""

    spec: Annotated[PersistentVolumeSpec, doc("What it is.")] = PersistentVolumeSpec()
    status: Annotated[PersistentVolumeStatus, doc("Observed state.")] = PersistentVolumeStatus()


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
