"""Volumes of a pod. Pure."""

from typing import Annotated, Any

from lateen.model.kube.core.container import ObjectFieldSelector, ResourceFieldSelector
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Quantity


class KeyToPath(KubeStruct, frozen=True, kw_only=True):
    """Puts one key into a file of its own name."""

    key: Annotated[str, doc("The key.", required=True)] = ""
    path: Annotated[str, doc("Relative path of the file.", required=True)] = ""
    mode: Annotated[int | None, doc("Permission bits.")] = None
    user: Annotated[int | None, doc("Owner.", form="int64")] = None


class ConfigMapVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A ConfigMap as files."""

    name: Annotated[str, doc("Name of the ConfigMap.")] = ""
    items: Annotated[tuple[KeyToPath, ...], doc("Only these keys.", atomic=True)] = ()
    default_mode: Annotated[int | None, doc("Permission bits; default 0644.")] = None
    default_user: Annotated[int | None, doc("Owner.", form="int64")] = None
    optional: Annotated[bool | None, doc("Whether it may be missing.")] = None


class SecretVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A Secret as files."""

    secret_name: Annotated[str, doc("Name of the Secret.")] = ""
    items: Annotated[tuple[KeyToPath, ...], doc("Only these keys.", atomic=True)] = ()
    default_mode: Annotated[int | None, doc("Permission bits; default 0644.")] = None
    default_user: Annotated[int | None, doc("Owner.", form="int64")] = None
    optional: Annotated[bool | None, doc("Whether it may be missing.")] = None


class EmptyDirVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """An empty directory that lives as long as the pod."""

    medium: Annotated[str, doc("`Memory` keeps it in memory.")] = ""
    size_limit: Annotated[Quantity | None, doc("How much it may hold.")] = None
    mode: Annotated[int | None, doc("Permission bits.")] = None


_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


class HostPathVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A path of the node."""

    path: Annotated[str, doc("The path.", required=True)] = ""
    type: Annotated[str, doc("What must be there.", enum=_PATH_TYPES)] = ""


class DownwardAPIVolumeFile(KubeStruct, frozen=True, kw_only=True):
    """A file holding a field of the pod."""

    path: Annotated[str, doc("Relative path of the file.", required=True)] = ""
    field_ref: Annotated[ObjectFieldSelector | None, doc("Field of the pod.")] = None
    resource_field_ref: Annotated[
        ResourceFieldSelector | None, doc("Request or limit of a container.")
    ] = None
    mode: Annotated[int | None, doc("Permission bits.")] = None
    user: Annotated[int | None, doc("Owner.", form="int64")] = None


class DownwardAPIVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """Fields of the pod as files."""

    items: Annotated[tuple[DownwardAPIVolumeFile, ...], doc("The files.", atomic=True)] = ()
    default_mode: Annotated[int | None, doc("Permission bits; default 0644.")] = None
    default_user: Annotated[int | None, doc("Owner.", form="int64")] = None


class ServiceAccountTokenProjection(KubeStruct, frozen=True, kw_only=True):
    """A token of the pod's service account."""

    audience: Annotated[str, doc("Who the token is for.")] = ""
    expiration_seconds: Annotated[int | None, doc("Life; default 3600.", form="int64")] = None
    path: Annotated[str, doc("Relative path of the file.", required=True)] = ""
    user: Annotated[int | None, doc("Owner.", form="int64")] = None


class ObjectProjection(KubeStruct, frozen=True, kw_only=True):
    """A Secret or ConfigMap as files of a projected volume."""

    name: Annotated[str, doc("Name of the object.")] = ""
    items: Annotated[tuple[KeyToPath, ...], doc("Only these keys.", atomic=True)] = ()
    optional: Annotated[bool | None, doc("Whether it may be missing.")] = None


class DownwardAPIProjection(KubeStruct, frozen=True, kw_only=True):
    """Fields of the pod as files of a projected volume."""

    items: Annotated[tuple[DownwardAPIVolumeFile, ...], doc("The files.", atomic=True)] = ()


class VolumeProjection(KubeStruct, frozen=True, kw_only=True):
    """One source of a projected volume."""

    secret: Annotated[ObjectProjection | None, doc("A Secret.")] = None
    downward_api: Annotated[DownwardAPIProjection | None, doc("Fields of the pod.")] = None
    config_map: Annotated[ObjectProjection | None, doc("A ConfigMap.")] = None
    service_account_token: Annotated[
        ServiceAccountTokenProjection | None, doc("A service account token.")
    ] = None
    cluster_trust_bundle: Annotated[
        Any, doc("A trust bundle.", of="kube.published.ClusterTrustBundleProjection")
    ] = None
    pod_certificate: Annotated[
        Any, doc("A certificate for the pod.", of="kube.published.PodCertificateProjection")
    ] = None


class ProjectedVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """Several sources in one directory."""

    sources: Annotated[tuple[VolumeProjection, ...], doc("The sources.", atomic=True)] = ()
    default_mode: Annotated[int | None, doc("Permission bits; default 0644.")] = None
    default_user: Annotated[int | None, doc("Owner.", form="int64")] = None


class PersistentVolumeClaimVolumeSource(KubeStruct, frozen=True, kw_only=True):
    """A claimed persistent volume."""

    claim_name: Annotated[str, doc("Name of the claim.", required=True)] = ""
    read_only: Annotated[bool | None, doc("Whether writing is refused.")] = None


class Volume(KubeStruct, frozen=True, kw_only=True):
    """A volume of a pod; exactly one source."""

    name: Annotated[str, doc("Name that containers mount it by.", required=True)] = ""
    host_path: Annotated[HostPathVolumeSource | None, doc("A path of the node.")] = None
    empty_dir: Annotated[EmptyDirVolumeSource | None, doc("An empty directory.")] = None
    secret: Annotated[SecretVolumeSource | None, doc("A Secret as files.")] = None
    config_map: Annotated[ConfigMapVolumeSource | None, doc("A ConfigMap as files.")] = None
    downward_api: Annotated[DownwardAPIVolumeSource | None, doc("Pod fields as files.")] = None
    projected: Annotated[ProjectedVolumeSource | None, doc("Several sources in one.")] = None
    persistent_volume_claim: Annotated[
        PersistentVolumeClaimVolumeSource | None, doc("A persistent volume claim.")
    ] = None
    nfs: Annotated[Any, doc("An NFS share.", of="kube.published.NFSVolumeSource")] = None
    csi: Annotated[Any, doc("A CSI driver's volume.", of="kube.published.CSIVolumeSource")] = None
    ephemeral: Annotated[
        Any, doc("A claim made with the pod.", of="kube.published.EphemeralVolumeSource")
    ] = None
    image: Annotated[
        Any, doc("The content of an image.", of="kube.published.ImageVolumeSource")
    ] = None
    iscsi: Annotated[Any, doc("An iSCSI disk.", of="kube.published.ISCSIVolumeSource")] = None
    fc: Annotated[Any, doc("A Fibre Channel disk.", of="kube.published.FCVolumeSource")] = None
    git_repo: Annotated[Any, doc("Deprecated.", of="kube.published.GitRepoVolumeSource")] = None
    glusterfs: Annotated[Any, doc("Deprecated.", of="kube.published.GlusterfsVolumeSource")] = None
    rbd: Annotated[Any, doc("Deprecated.", of="kube.published.RBDVolumeSource")] = None
    cephfs: Annotated[Any, doc("Deprecated.", of="kube.published.CephFSVolumeSource")] = None
    cinder: Annotated[Any, doc("Deprecated.", of="kube.published.CinderVolumeSource")] = None
    flocker: Annotated[Any, doc("Deprecated.")] = None
    flex_volume: Annotated[Any, doc("Deprecated.", of="kube.published.FlexVolumeSource")] = None
    quobyte: Annotated[Any, doc("Deprecated.")] = None
    storageos: Annotated[Any, doc("Deprecated.")] = None
    portworx_volume: Annotated[
        Any, doc("Deprecated.", of="kube.published.PortworxVolumeSource")
    ] = None
    scale_io: Annotated[Any, doc("Deprecated.")] = None
    vsphere_volume: Annotated[
        Any, doc("Deprecated.", of="kube.published.VsphereVirtualDiskVolumeSource")
    ] = None
    photon_persistent_disk: Annotated[Any, doc("Deprecated.")] = None
    azure_disk: Annotated[Any, doc("Deprecated.", of="kube.published.AzureDiskVolumeSource")] = None
    azure_file: Annotated[Any, doc("Deprecated.", of="kube.published.AzureFileVolumeSource")] = None
    aws_elastic_block_store: Annotated[
        Any, doc("Deprecated.", of="kube.published.AWSElasticBlockStoreVolumeSource")
    ] = None
    gce_persistent_disk: Annotated[
        Any, doc("Deprecated.", of="kube.published.GCEPersistentDiskVolumeSource")
    ] = None
