"""Defaults of a pod spec, in a Pod or in a workload's template. Pure."""

from lateen.apiserver.kinds.strategy import containers
from lateen.base.jsonvalue import Json

_FILE_MODE = 0o644
_VOLUME_SOURCES_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")
_CEPH = {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}
_AZURE = {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"}


def fill(spec: Json, *, restart_policy: str = "Always") -> None:
    """Fill what Kubernetes fills in a pod spec wherever it stands."""
    spec.setdefault("restartPolicy", restart_policy)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for one in spec.get(part) or ():
            containers.fill(one)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _volume(volume: Json) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for source in _VOLUME_SOURCES_WITH_MODE:
        if volume.get(source) is not None:
            volume[source].setdefault("defaultMode", _FILE_MODE)
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
    downward = [volume.get("downwardAPI") or {}]
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken") is not None:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        downward.append(source.get("downwardAPI") or {})
    for one in downward:
        for item in one.get("items") or ():
            containers.references(item)
    _rare(volume)


def _rare(volume: Json) -> None:
    image, disk = volume.get("image"), volume.get("azureDisk")
    if image is not None:
        image.setdefault("pullPolicy", containers.pull_policy(str(image.get("reference") or "")))
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if claim is not None:
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    if volume.get("iscsi") is not None:
        volume["iscsi"].setdefault("iscsiInterface", "default")
    if volume.get("rbd") is not None:
        for name, value in _CEPH.items():
            volume["rbd"].setdefault(name, value)
    if disk is not None:
        for name, given in _AZURE.items():
            disk.setdefault(name, given)
