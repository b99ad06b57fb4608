"""Pods: defaults, the service account's token volume, what of a running pod may change. Pure."""

import zlib
from collections.abc import Mapping
from typing import Any

from lateen.apiserver import fieldcauses
from lateen.apiserver.kinds.strategy import base, containers, ephemeral, podspec
from lateen.base.jsonvalue import Json, clone

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where programs look for the pod's own token, namespace and API server CA."""

_FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)
_PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}
"""The classes that every cluster has; a class of the user's own is kept and does nothing."""
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def _defaults(pod: Json) -> None:
    spec = pod.setdefault("spec", {})
    podspec.fill(spec)
    host_network = bool(spec.get("hostNetwork"))
    for part in ("initContainers", "containers"):
        for one in spec.get(part) or ():
            containers.fill_in_pod(one, host_network=host_network)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", _PRIORITIES.get(str(spec.get("priorityClassName")), 0))
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status["qosClass"] = containers.quality_of_service(spec)


def _creating(pod: Json) -> None:
    spec = pod["spec"]
    pod["status"] = {"phase": "Pending", "qosClass": containers.quality_of_service(spec)}
    _tolerate(spec, "node.kubernetes.io/not-ready")
    _tolerate(spec, "node.kubernetes.io/unreachable")
    if spec.get("automountServiceAccountToken", True):
        _mount_token(pod)


def _tolerate(spec: Json, key: str) -> None:
    tolerations = spec.setdefault("tolerations", [])
    if not any(
        one.get("key") in (key, None, "") and one.get("effect") in ("NoExecute", None, "")
        for one in tolerations
    ):
        five_minutes = {"effect": "NoExecute", "operator": "Exists", "tolerationSeconds": 300}
        tolerations.append({"key": key, **five_minutes})


def _mount_token(pod: Json) -> None:
    """Give each container without a mount there the token volume, as the cluster's admission
    does. The name's suffix follows from the pod's name, so the function stays pure."""
    spec = pod["spec"]
    every = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    bare = [
        one
        for one in every
        if all(m.get("mountPath") != TOKEN_PATH for m in one.get("volumeMounts") or ())
    ]
    if not bare:
        return
    volume = f"kube-api-access-{_suffix(str(pod.get('metadata', {}).get('name', '')))}"
    for container in bare:
        mount = {"name": volume, "mountPath": TOKEN_PATH, "readOnly": True}
        container.setdefault("volumeMounts", []).append(mount)
    volumes = spec.setdefault("volumes", [])
    if all(one.get("name") != volume for one in volumes):
        volumes.append({"name": volume, "projected": _token_volume()})


def _suffix(name: str) -> str:
    number, letters = zlib.crc32(name.encode()), ""
    for _ in range(5):
        number, rest = divmod(number, len(_SUFFIX))
        letters += _SUFFIX[rest]
    return letters


def _token_volume() -> Json:
    own_namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    namespace = {"path": "namespace", "fieldRef": own_namespace}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": authority},
            {"downwardAPI": {"items": [namespace]}},
        ],
    }


def is_binding(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether an update is the scheduler's: it names the node of a pod that has none."""
    return not old.get("spec", {}).get("nodeName") and bool(new.get("spec", {}).get("nodeName"))


def _updating(old: Mapping[str, Any], sent: Mapping[str, Any], pod: Json) -> None:
    """A binding brings its PodScheduled condition along, as on /binding; see `is_binding`."""
    if not is_binding(old, sent):
        return
    kept = [one for one in _conditions(old) if one.get("type") != "PodScheduled"]
    scheduled = [one for one in _conditions(sent) if one.get("type") == "PodScheduled"]
    pod.setdefault("status", {})["conditions"] = clone([*scheduled, *kept])


def _conditions(pod: Mapping[str, Any]) -> list[Json]:
    return list(pod.get("status", {}).get("conditions") or ())


def _check_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    before, after = _fixed_part(old), _fixed_part(new)
    if is_binding(old, new):
        after.pop("nodeName")
    held, kept = (_gates(one.pop("schedulingGates", None)) for one in (before, after))
    for added in sorted(kept - held):
        why = f"only deletion is allowed, but found new scheduling gate '{added}'"
        return (fieldcauses.forbidden("spec.schedulingGates", why),)
    return () if before == after else (fieldcauses.forbidden("spec", _FIXED),)


def _gates(given: list[Json] | None) -> set[str]:
    return {str(one.get("name")) for one in given or ()}


def _fixed_part(pod: Mapping[str, Any]) -> Json:
    spec: Json = clone(pod.get("spec", {}))
    for free in ("activeDeadlineSeconds", "tolerations"):
        spec.pop(free, None)
    if not spec.get("nodeName"):
        spec.pop("nodeName", None)
    for part in ("containers", "initContainers"):
        for container in spec.get(part) or ():
            container.pop("image", None)
    return spec


STRATEGIES: Mapping[str, base.Strategy] = {
    "pods": base.Standard(
        defaults=_defaults,
        creating=_creating,
        updating=_updating,
        check=base.by_model("pods"),
        check_change=_check_change,
        check_new=ephemeral.check_new,
    ),
}
