"""Kinds with little of their own: namespaces, secrets, service accounts, definitions. Pure."""

import base64
from collections.abc import Mapping
from typing import Any

from lateen.apiserver import fieldcauses
from lateen.apiserver.kinds.strategy import base
from lateen.base.jsonvalue import Json, clone
from lateen.model.schema import octets
from lateen.model.validation.kube import names

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_MAXIMUM_SECRET = 1024 * 1024
_ACCOUNT = "kubernetes.io/service-account.name"
_NEEDED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _namespace(obj: Json) -> None:
    meta = obj.setdefault("metadata", {})
    if meta.get("name"):
        meta.setdefault("labels", {})[NAMESPACE_LABEL] = meta["name"]


def _creating_namespace(obj: Json) -> None:
    finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    obj["status"] = {"phase": "Active"}


def _updating_namespace(old: Mapping[str, Any], sent: Mapping[str, Any], obj: Json) -> None:
    """Only the namespace controller empties spec.finalizers, and only of a dying namespace."""
    if not old.get("metadata", {}).get("deletionTimestamp"):
        obj["spec"] = clone(old.get("spec", {}))


def _secret(obj: Json) -> None:
    obj.setdefault("type", "Opaque")
    texts = obj.pop("stringData", None) or {}
    if texts:
        data = obj.setdefault("data", {})
        for key, text in texts.items():
            data[key] = base64.b64encode(str(text).encode()).decode()


def _check_secret(obj: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    data = obj.get("data") or {}
    causes: list[fieldcauses.Cause] = []
    size = 0
    for key, value in data.items():
        if detail := names.config_key(key):
            causes.append(fieldcauses.invalid(f"data[{key}]", key, detail))
        size += octets.size(value)
    if size > _MAXIMUM_SECRET:
        message = f"Too long: may not be more than {_MAXIMUM_SECRET} bytes"
        causes.append(fieldcauses.Cause("FieldValueTooLong", message, "data"))
    causes.extend(_missing_parts(obj, data))
    missing = (one for one in _NEEDED_KEYS.get(str(obj.get("type")), ()) if one not in data)
    causes.extend(fieldcauses.required(f"data[{key}]") for key in missing)
    return tuple(causes)


def _missing_parts(obj: Mapping[str, Any], data: Mapping[str, Any]) -> list[fieldcauses.Cause]:
    kind = obj.get("type")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        return [fieldcauses.required("data[username]"), fieldcauses.required("data[password]")]
    notes = obj.get("metadata", {}).get("annotations") or {}
    if kind == "kubernetes.io/service-account-token" and not notes.get(_ACCOUNT):
        return [fieldcauses.required(f"metadata.annotations[{_ACCOUNT}]")]
    return []


def _check_config_map(obj: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    causes: list[fieldcauses.Cause] = []
    size = 0
    for field, held in (("data", data), ("binaryData", binary)):
        for key, value in held.items():
            if detail := names.config_key(key):
                causes.append(fieldcauses.invalid(f"{field}[{key}]", key, detail))
            size += len(value.encode()) if field == "data" else octets.size(value)
    for key in sorted(set(data) & set(binary)):
        detail = "duplicate of key present in binaryData"
        causes.append(fieldcauses.invalid(f"data[{key}]", key, detail))
    if size > _MAXIMUM_SECRET:
        message = f"Too long: may not be more than {_MAXIMUM_SECRET} bytes"
        causes.append(fieldcauses.Cause("FieldValueTooLong", message, "[]"))
    return tuple(causes)


def _fixed_data(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    causes = list(base.immutable(old, new, "type")) if "type" in old else []
    if old.get("immutable"):
        detail = "field is immutable when `immutable` is set"
        fields = ("data", "binaryData", "immutable")
        causes.extend(
            fieldcauses.forbidden(one, detail) for one in fields if old.get(one) != new.get(one)
        )
    return tuple(causes)


def _endpoint_slice(obj: Json) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _fixed_slice(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    return base.immutable(old, new, "addressType")


def _endpoints(obj: Json) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _definition(obj: Json) -> None:
    """Custom resource definitions: names derived from the kind, one strategy of conversion."""
    spec = obj.setdefault("spec", {})
    accepted = spec.setdefault("names", {})
    kind = str(accepted.get("kind", ""))
    if kind:
        accepted.setdefault("singular", kind.lower())
        accepted.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {}).setdefault("strategy", "None")


def _check_definition(obj: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    spec, name = obj.get("spec", {}), obj.get("metadata", {}).get("name")
    causes: list[fieldcauses.Cause] = []
    wanted = f"{spec.get('names', {}).get('plural', '')}.{spec.get('group', '')}"
    if name != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        causes.append(fieldcauses.invalid("metadata.name", name, detail))
    versions = spec.get("versions") or []
    if sum(bool(one.get("storage")) for one in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        causes.append(
            fieldcauses.invalid("spec.versions", [one.get("name") for one in versions], detail)
        )
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        causes.append(
            fieldcauses.unsupported("spec.scope", spec.get("scope"), ("Cluster", "Namespaced"))
        )
    return tuple(causes)


def _fixed_definition(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[fieldcauses.Cause, ...]:
    causes: list[fieldcauses.Cause] = []
    for path in ("spec.group", "spec.scope", "spec.names.plural", "spec.names.kind"):
        causes += base.immutable(old, new, path)
    versions = [one.get("name") for one in new["spec"].get("versions") or ()]
    stored = (old.get("status") or {}).get("storedVersions") or ()
    for index, name in enumerate(stored):
        if name not in versions:
            field = f"status.storedVersions[{index}]"
            causes.append(fieldcauses.invalid(field, name, "must appear in spec.versions"))
    return tuple(causes)


def _plain(**more: Any) -> base.Standard:
    return base.Standard(generation=False, status=False, **more)


STRATEGIES: Mapping[str, base.Strategy] = {
    "namespaces": base.Standard(
        defaults=_namespace,
        creating=_creating_namespace,
        updating=_updating_namespace,
        name_rule=names.label,
        generation=False,
    ),
    "secrets": _plain(defaults=_secret, check=_check_secret, check_change=_fixed_data),
    "configmaps": _plain(check=_check_config_map, check_change=_fixed_data),
    "serviceaccounts": _plain(),
    "events": _plain(),
    "events.events.k8s.io": _plain(),
    "endpoints": _plain(defaults=_endpoints),
    "endpointslices.discovery.k8s.io": base.Standard(
        defaults=_endpoint_slice, check_change=_fixed_slice, status=False
    ),
    "leases.coordination.k8s.io": _plain(),
    "controllerrevisions.apps": _plain(),
    "nodes": base.Standard(generation=False, born_with_status=True),
    "customresourcedefinitions.apiextensions.k8s.io": base.Standard(
        defaults=_definition, check=_check_definition, check_change=_fixed_definition
    ),
}
