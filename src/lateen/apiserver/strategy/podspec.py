"""Defaults and refusals of a pod spec, in a Pod or in a workload's template. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.apiserver.strategy import base, containers, names

Json = dict[str, Any]

_FILE_MODE = 0o644
_VOLUME_SOURCES_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")
_CEPH = {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}
_AZURE = {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"}
_RESTART_POLICIES = ("Always", "OnFailure", "Never")


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


def check(
    spec: Mapping[str, Any],
    path: str,
    allowed: tuple[str, ...] = _RESTART_POLICIES,
    claimed: Iterable[str] = (),
) -> tuple[base.Cause, ...]:
    """Refusals of a defaulted pod spec at `path` (`spec`, `spec.template.spec`); `claimed` are
    volumes that its pods get besides."""
    causes: list[base.Cause] = []
    if not spec.get("containers"):
        causes.append(base.required(f"{path}.containers"))
    if spec.get("restartPolicy") not in allowed:
        causes.append(base.unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), allowed))
    volumes = {str(one.get("name")) for one in spec.get("volumes") or ()}
    volumes.update(claimed)
    causes.extend(_volumes(spec, path))
    seen: set[str] = set()
    for part in ("containers", "initContainers"):
        for index, one in enumerate(spec.get(part) or ()):
            where = f"{path}.{part}[{index}]"
            causes.extend(container(one, where, volumes))
            name = one.get("name")
            if name in seen:
                causes.append(_duplicate(f"{where}.name", name))
            seen.add(str(name))
    return tuple(causes)


def _volumes(spec: Mapping[str, Any], path: str) -> list[base.Cause]:
    causes: list[base.Cause] = []
    seen: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        field, name = f"{path}.volumes[{index}].name", str(volume.get("name", ""))
        causes.extend(_label(field, name))
        if name in seen:
            causes.append(_duplicate(field, name))
        seen.add(name)
    return causes


def container(one: Mapping[str, Any], where: str, volumes: set[str]) -> list[base.Cause]:
    """Refusals of a container of any sort; `volumes` are the names of its pod's."""
    causes = list(_label(f"{where}.name", str(one.get("name", ""))))
    if not one.get("image"):
        causes.append(base.required(f"{where}.image"))
    for index, port in enumerate(one.get("ports") or ()):
        number, field = port.get("containerPort"), f"{where}.ports[{index}].containerPort"
        if number is None:
            causes.append(base.required(field))
        elif not (isinstance(number, int) and 1 <= number <= 65535):
            causes.append(base.invalid(field, number, "must be between 1 and 65535, inclusive"))
    for index, mount in enumerate(one.get("volumeMounts") or ()):
        field = f"{where}.volumeMounts[{index}]"
        if str(mount.get("name")) not in volumes:
            causes.append(_missing(f"{field}.name", mount.get("name")))
        if not mount.get("mountPath"):
            causes.append(base.required(f"{field}.mountPath"))
        for name in ("subPath", "subPathExpr"):
            path = str(mount.get(name) or "")
            if path.startswith("/"):
                causes.append(base.invalid(f"{field}.{name}", path, "must be a relative path"))
            elif ".." in path.split("/"):
                causes.append(base.invalid(f"{field}.{name}", path, "must not contain '..'"))
    return causes


def _label(field: str, name: str) -> tuple[base.Cause, ...]:
    if not name:
        return (base.required(field),)
    detail = names.label(name)
    return (base.invalid(field, name, detail),) if detail else ()


def _duplicate(field: str, value: object) -> base.Cause:
    return base.Cause("FieldValueDuplicate", f'Duplicate value: "{value}"', field)


def _missing(field: str, value: object) -> base.Cause:
    return base.Cause("FieldValueNotFound", f'Not found: "{value}"', field)
