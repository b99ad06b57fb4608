"""Sources of volumes that few manifests have; nothing here acts on them. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.kube.core.storage import PersistentVolumeClaimSpec
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import LabelSelector, LocalObjectReference, ObjectMeta


class CSIVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A volume of a CSI driver, made with the pod."""

    driver: Annotated[str, doc("Name of the driver.", required=True)] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    fs_type: Annotated[str | None, doc("File system, such as ext4.")] = None
    volume_attributes: Annotated[dict[str, str], doc("Settings for the driver.")] = field(
        default_factory=dict
    )
    node_publish_secret_ref: Annotated[
        LocalObjectReference | None, doc("Secret to mount it with.")
    ] = None


class PersistentVolumeClaimTemplate(KubeStruct, frozen=True, kw_only=True):
    """What a claim made with the pod looks like."""

    metadata: Annotated[ObjectMeta | None, doc("Its labels and annotations.")] = None
    spec: Annotated[PersistentVolumeClaimSpec | None, doc("What is claimed.", required=True)] = None


class EphemeralVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A claim made with the pod."""

    volume_claim_template: Annotated[
        PersistentVolumeClaimTemplate | None, doc("What it looks like.")
    ] = None


class ImageVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """The content of an image."""

    reference: Annotated[str, doc("Name of the image.")] = ""
    pull_policy: Annotated[
        str, doc("When it is fetched.", enum=("Always", "IfNotPresent", "Never"))
    ] = ""


class ISCSIVolumeSource(KubeStruct, frozen=True, kw_only=True):
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
    secret_ref: Annotated[LocalObjectReference | None, doc("Secret for CHAP.")] = None
    initiator_name: Annotated[str | None, doc("Name of the initiator.")] = None


class ClusterTrustBundleProjection(KubeStruct, frozen=True, kw_only=True):
    """Trusted certificates as a file."""

    name: Annotated[str | None, doc("Name of the bundle.")] = None
    signer_name: Annotated[str | None, doc("Signer whose bundles are taken.")] = None
    label_selector: Annotated[LabelSelector | None, doc("Which of its bundles.")] = None
    optional: Annotated[bool | None, doc("Whether it may be missing.")] = None
    path: Annotated[str, doc("Relative path of the file.", required=True)] = ""
    user: Annotated[int | None, doc("Owner.", form="int64")] = None


class PodCertificateProjection(KubeStruct, frozen=True, kw_only=True):
    """A certificate for the pod, and its key."""

    signer_name: Annotated[str, doc("Who signs it.", required=True)] = ""
    key_type: Annotated[str, doc("Kind of the key, such as ED25519.", required=True)] = ""
    max_expiration_seconds: Annotated[int | None, doc("Longest life; default 86400.")] = None
    credential_bundle_path: Annotated[str, doc("File for both.")] = ""
    key_path: Annotated[str, doc("File for the key.")] = ""
    certificate_chain_path: Annotated[str, doc("File for the certificates.")] = ""
    user_annotations: Annotated[dict[str, str], doc("More for the signer to read.")] = field(
        default_factory=dict
    )
    user: Annotated[int | None, doc("Owner.", form="int64")] = None


class AWSElasticBlockStoreVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A disk of AWS."""

    volume_id: Annotated[str, doc("Its id.", required=True)] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    partition: Annotated[int | None, doc("Partition; none: the whole disk.")] = None
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class GCEPersistentDiskVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A disk of Google Cloud."""

    pd_name: Annotated[str, doc("Its name.", required=True)] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    partition: Annotated[int | None, doc("Partition; none: the whole disk.")] = None
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class AzureDiskVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A disk of Azure."""

    disk_name: Annotated[str, doc("Its name.", required=True)] = ""
    disk_uri: Annotated[str, doc("Its URI.", required=True)] = ""
    caching_mode: Annotated[str | None, doc("None, ReadOnly or ReadWrite.")] = None
    fs_type: Annotated[str | None, doc("File system, such as ext4.")] = None
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    kind: Annotated[str | None, doc("Shared, Dedicated or Managed.")] = None


class AzureFileVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A file share of Azure."""

    secret_name: Annotated[str, doc("Secret with account and key.", required=True)] = ""
    share_name: Annotated[str, doc("Name of the share.", required=True)] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class CephFSVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A CephFS file system."""

    monitors: Annotated[tuple[str, ...], doc("Its monitors.", required=True, atomic=True)] = ()
    path: Annotated[str, doc("Path in it; default /.")] = ""
    user: Annotated[str, doc("User; default admin.")] = ""
    secret_file: Annotated[str, doc("File with the key.")] = ""
    secret_ref: Annotated[LocalObjectReference | None, doc("Secret with the password or key.")] = (
        None
    )
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class RBDVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A Ceph block device."""

    monitors: Annotated[tuple[str, ...], doc("Its monitors.", required=True, atomic=True)] = ()
    image: Annotated[str, doc("Its image.", required=True)] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    pool: Annotated[str, doc("Pool; default rbd.")] = ""
    user: Annotated[str, doc("User; default admin.")] = ""
    keyring: Annotated[str, doc("File with the key.")] = ""
    secret_ref: Annotated[LocalObjectReference | None, doc("Secret with the password or key.")] = (
        None
    )
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class CinderVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A volume of OpenStack."""

    volume_id: Annotated[str, doc("Its id.", required=True)] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    secret_ref: Annotated[LocalObjectReference | None, doc("Secret with the password or key.")] = (
        None
    )


class GlusterfsVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A GlusterFS volume."""

    endpoints: Annotated[str, doc("Endpoints of its servers.", required=True)] = ""
    path: Annotated[str, doc("Name of the volume.", required=True)] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class VsphereVirtualDiskVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A disk of vSphere."""

    volume_path: Annotated[str, doc("Its path.", required=True)] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    storage_policy_name: Annotated[str, doc("Name of its policy.")] = ""
    storage_policy_id: Annotated[str, doc("Id of its policy.")] = ""


class GitRepoVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A Git repository."""

    repository: Annotated[str, doc("Its URL.", required=True)] = ""
    revision: Annotated[str, doc("Commit.")] = ""
    directory: Annotated[str, doc("Directory to put it into.")] = ""


class FlexVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A volume of a Flexvolume driver."""

    driver: Annotated[str, doc("Name of the driver.", required=True)] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    secret_ref: Annotated[LocalObjectReference | None, doc("Secret to mount it with.")] = None
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
    options: Annotated[dict[str, str], doc("Settings for the driver.")] = field(
        default_factory=dict
    )


class PortworxVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A volume of Portworx."""

    volume_id: Annotated[str, doc("Its id.", required=True)] = ""
    fs_type: Annotated[str, doc("File system, such as ext4.")] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None
