"""Namespaces, nodes, events, configuration, RBAC, storage and the rest. Pure."""

from collections.abc import Iterable
from datetime import datetime

from lateen.apiserver.reading.printers import cells
from lateen.base.jsonvalue import JsonView
from lateen.model import wellknown


def _namespace(obj: JsonView, now: datetime) -> cells.Cells:
    return [cells.name(obj), cells.part(obj, "status").get("phase", ""), cells.age(obj, now)]


def _account(obj: JsonView, now: datetime) -> cells.Cells:
    return [cells.name(obj), len(obj.get("secrets") or ()), cells.age(obj, now)]


def _secret(obj: JsonView, now: datetime) -> cells.Cells:
    kind = obj.get("type", "Opaque")
    return [cells.name(obj), kind, len(obj.get("data") or ()), cells.age(obj, now)]


def _config_map(obj: JsonView, now: datetime) -> cells.Cells:
    count = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return [cells.name(obj), count, cells.age(obj, now)]


def _node(obj: JsonView, now: datetime) -> cells.Cells:
    info = cells.part(obj, "status", "nodeInfo")
    return [
        cells.name(obj),
        _node_state(obj),
        _roles(obj),
        cells.age(obj, now),
        info.get("kubeletVersion", ""),
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        info.get("osImage") or cells.UNKNOWN,
        info.get("kernelVersion") or cells.UNKNOWN,
        info.get("containerRuntimeVersion") or cells.UNKNOWN,
    ]


def _node_state(obj: JsonView) -> str:
    conditions = cells.part(obj, "status").get("conditions") or ()
    ready = next((one for one in conditions if one.get("type") == wellknown.READY), None)
    if ready is None:
        words = ["Unknown"]
    else:
        words = [wellknown.READY if ready.get("status") == "True" else "NotReady"]
    if cells.part(obj, "spec").get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(obj: JsonView) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = cells.meta(obj).get("labels") or {}
    roles = [key.removeprefix(prefix) for key in labels if key.startswith(prefix)]
    return cells.joined(sorted(filter(None, roles)))


def _address(obj: JsonView, kind: str) -> str:
    found = cells.part(obj, "status").get("addresses") or ()
    return next((str(one.get("address")) for one in found if one.get("type") == kind), cells.NONE)


def _event(obj: JsonView, now: datetime) -> cells.Cells:
    about, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    stamp = obj.get("eventTime")
    first = obj.get("firstTimestamp") or stamp
    last = obj.get("lastTimestamp") or stamp
    series = obj.get("series") or {}
    count = series.get("count") or obj.get("count") or 1
    if series.get("lastObservedTime"):
        last = series["lastObservedTime"]
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return [
        cells.since(last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        f"{component}, {host}" if host else component,
        str(obj.get("message", "")).strip(),
        cells.since(first, now),
        count,
        cells.name(obj),
    ]


def _created(obj: JsonView, now: datetime) -> cells.Cells:
    """Print a kind whose table shows the moment instead of the age."""
    return [cells.name(obj), cells.meta(obj).get("creationTimestamp", cells.UNKNOWN)]


def _binding(obj: JsonView, now: datetime) -> cells.Cells:
    role = obj.get("roleRef") or {}
    subjects = obj.get("subjects") or ()

    def named(kind: str) -> str:
        return ", ".join(
            f"{one['namespace']}/{one.get('name')}" if one.get("namespace") else str(one["name"])
            for one in subjects
            if one.get("kind") == kind
        )

    return [
        cells.name(obj),
        f"{role.get('kind')}/{role.get('name')}",
        cells.age(obj, now),
        named("User"),
        named("Group"),
        named("ServiceAccount"),
    ]


def _autoscaler(obj: JsonView, now: datetime) -> cells.Cells:
    spec, status = cells.part(obj, "spec"), cells.part(obj, "status")
    target = spec.get("scaleTargetRef") or {}
    wanted = [_metric(one) for one in spec.get("metrics") or ()]
    return [
        cells.name(obj),
        f"{target.get('kind')}/{target.get('name')}",
        ", ".join(wanted) or cells.NONE,
        str(spec.get("minReplicas", cells.UNKNOWN)),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        cells.age(obj, now),
    ]


def _metric(metric: JsonView) -> str:
    """No metrics are measured here, so what is current is unknown, as on a cluster without any."""
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    goal = target.get("averageUtilization")
    shown = f"{goal}%" if goal is not None else str(target.get("averageValue", cells.UNKNOWN))
    return f"{resource.get('name', metric.get('type'))}: {cells.UNKNOWN}/{shown}"


def _budget(obj: JsonView, now: datetime) -> cells.Cells:
    spec = cells.part(obj, "spec")
    return [
        cells.name(obj),
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        cells.part(obj, "status").get("disruptionsAllowed", 0),
        cells.age(obj, now),
    ]


def _lease(obj: JsonView, now: datetime) -> cells.Cells:
    holder = cells.part(obj, "spec").get("holderIdentity", "")
    return [cells.name(obj), holder, cells.age(obj, now)]


def _priority(obj: JsonView, now: datetime) -> cells.Cells:
    default = str(bool(obj.get("globalDefault"))).lower()
    policy = obj.get("preemptionPolicy", "PreemptLowerPriority")
    return [cells.name(obj), obj.get("value", 0), default, cells.age(obj, now), policy]


_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _modes(given: Iterable[object] | None) -> str:
    return ",".join(_MODES.get(str(one), str(one)) for one in given or ())


def _claim(obj: JsonView, now: datetime) -> cells.Cells:
    spec, status = cells.part(obj, "spec"), cells.part(obj, "status")
    bound = bool(spec.get("volumeName"))
    phase = "Terminating" if cells.meta(obj).get("deletionTimestamp") else status.get("phase", "")
    return [
        cells.name(obj),
        phase,
        spec.get("volumeName", ""),
        cells.part(obj, "status", "capacity").get("storage", "") if bound else "",
        _modes(status.get("accessModes")) if bound else "",
        spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or "<unset>",
        cells.age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _volume(obj: JsonView, now: datetime) -> cells.Cells:
    spec, status = cells.part(obj, "spec"), cells.part(obj, "status")
    claim = spec.get("claimRef") or {}
    return [
        cells.name(obj),
        cells.part(obj, "spec", "capacity").get("storage", ""),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        status.get("phase", ""),
        f"{claim.get('namespace')}/{claim.get('name')}" if claim else "",
        spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or "<unset>",
        status.get("reason", ""),
        cells.age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _storage_class(obj: JsonView, now: datetime) -> cells.Cells:
    default = "storageclass.kubernetes.io/is-default-class"
    marked = (cells.meta(obj).get("annotations") or {}).get(default) == "true"
    return [
        cells.name(obj) + (" (default)" if marked else ""),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        str(bool(obj.get("allowVolumeExpansion"))).lower(),
        cells.age(obj, now),
    ]


def _webhooks(obj: JsonView, now: datetime) -> cells.Cells:
    return [cells.name(obj), len(obj.get("webhooks") or ()), cells.age(obj, now)]


def _template(obj: JsonView, now: datetime) -> cells.Cells:
    template = cells.part(obj, "template")
    labels = cells.pairs(cells.meta(template).get("labels"))
    return [cells.name(obj), *cells.containers(template), labels]


def _component(obj: JsonView, now: datetime) -> cells.Cells:
    found: JsonView = next((one for one in obj["conditions"] if one["type"] == "Healthy"), {})
    healthy = "Healthy" if found.get("status") == "True" else "Unhealthy"
    return [cells.name(obj), healthy, found.get("message", ""), found.get("error", "")]


def _request(obj: JsonView, now: datetime) -> cells.Cells:
    spec, status = cells.part(obj, "spec"), cells.part(obj, "status")
    types = [str(one.get("type")) for one in status.get("conditions") or ()]
    state = [one for one in types if one in ("Approved", "Denied")] or ["Pending"]
    seconds = spec.get("expirationSeconds")
    return [
        cells.name(obj),
        cells.age(obj, now),
        spec.get("signerName") or cells.NONE,
        spec.get("username", ""),
        cells.duration(seconds) if seconds is not None else cells.NONE,
        ",".join([*state, "Issued"] if status.get("certificate") else state),
    ]


_EVENT_COLUMNS = (
    *cells.columns("Last Seen,Type,Reason,Object", "Subobject,Source"),
    cells.Column("Message"),
    *cells.columns("", "First Seen,#Count,Name"),
)
_NODE_WIDE = "Internal-IP,External-IP,OS-Image,Kernel-Version,Container-Runtime"
_CREATED = cells.TablePrinter(cells.columns("Name,Created At"), _created)
_BINDING = cells.TablePrinter(
    cells.columns("Name,Role,Age", "Users,Groups,ServiceAccounts"), _binding
)
_WEBHOOKS = cells.TablePrinter(cells.columns("Name,#Webhooks,Age"), _webhooks)
_CLAIM = "Name,Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age"
_VOLUME = (
    "Name,Capacity,Access Modes,Reclaim Policy,Status,Claim,StorageClass,"
    "VolumeAttributesClass,Reason,Age"
)
_CLASS = "Name,Provisioner,ReclaimPolicy,VolumeBindingMode,AllowVolumeExpansion,Age"

PRINTERS = {
    "componentstatuses": cells.TablePrinter(cells.columns("Name,Status,Message,Error"), _component),
    "certificatesigningrequests.certificates.k8s.io": cells.TablePrinter(
        cells.columns("Name,Age,SignerName,Requestor,RequestedDuration,Condition"), _request
    ),
    "namespaces": cells.TablePrinter(cells.columns("Name,Status,Age"), _namespace),
    "serviceaccounts": cells.TablePrinter(cells.columns("Name,#Secrets,Age"), _account),
    "secrets": cells.TablePrinter(cells.columns("Name,Type,#Data,Age"), _secret),
    "configmaps": cells.TablePrinter(cells.columns("Name,#Data,Age"), _config_map),
    "nodes": cells.TablePrinter(cells.columns("Name,Status,Roles,Age,Version", _NODE_WIDE), _node),
    "events": cells.TablePrinter(_EVENT_COLUMNS, _event),
    "limitranges": _CREATED,
    "customresourcedefinitions.apiextensions.k8s.io": _CREATED,
    "roles.rbac.authorization.k8s.io": _CREATED,
    "clusterroles.rbac.authorization.k8s.io": _CREATED,
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "horizontalpodautoscalers.autoscaling": cells.TablePrinter(
        cells.columns("Name,Reference,Targets,MinPods,#MaxPods,#Replicas,Age"), _autoscaler
    ),
    "poddisruptionbudgets.policy": cells.TablePrinter(
        cells.columns("Name,Min Available,Max Unavailable,#Allowed Disruptions,Age"), _budget
    ),
    "leases.coordination.k8s.io": cells.TablePrinter(cells.columns("Name,Holder,Age"), _lease),
    "priorityclasses.scheduling.k8s.io": cells.TablePrinter(
        cells.columns("Name,#Value,Global-Default,Age,PreemptionPolicy"), _priority
    ),
    "persistentvolumeclaims": cells.TablePrinter(cells.columns(_CLAIM, "VolumeMode"), _claim),
    "persistentvolumes": cells.TablePrinter(cells.columns(_VOLUME, "VolumeMode"), _volume),
    "storageclasses.storage.k8s.io": cells.TablePrinter(cells.columns(_CLASS), _storage_class),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "podtemplates": cells.TablePrinter(
        cells.columns("Name,Containers,Images,Pod Labels"), _template
    ),
}
