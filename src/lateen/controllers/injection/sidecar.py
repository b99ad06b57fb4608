"""The istio-proxy container of sidecars and gateways, as Istio's templates write it. Pure.

Left out is what would do nothing here: no init container (the node agent makes the capture rules),
no tokens and sockets towards istiod (each pod's discovery socket carries its identity).
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import fields
from lateen.controllers.injection import app_probes, proxyconfig
from lateen.model import wellknown
from lateen.model.identity import TRUST_DOMAIN

PROXY = wellknown.PROXY
LOG_LEVEL, COMPONENT_LOG_LEVEL = "sidecar.istio.io/logLevel", "sidecar.istio.io/componentLogLevel"
_AGENT_LOG_LEVEL = "sidecar.istio.io/agentLogLevel"
_IMAGE, _IMAGE_TYPE = "sidecar.istio.io/proxyImage", "sidecar.istio.io/proxyImageType"
_USER_VOLUMES, _USER_MOUNTS = "sidecar.istio.io/userVolume", "sidecar.istio.io/userVolumeMount"
_RESOURCE_NOTES = {
    "requests": {"cpu": "sidecar.istio.io/proxyCPU", "memory": "sidecar.istio.io/proxyMemory"},
    "limits": {
        "cpu": "sidecar.istio.io/proxyCPULimit",
        "memory": "sidecar.istio.io/proxyMemoryLimit",
    },
}
USER = 1337
READY_PORT, STATS_PORT = 15021, 15090
_RESOURCES = {
    "limits": {"cpu": "2", "memory": "1Gi"},
    "requests": {"cpu": "100m", "memory": "128Mi"},
}
_MOUNTS = {
    "istiod-ca-cert": "/var/run/secrets/istio",
    "istio-envoy": "/etc/istio/proxy",
    "istio-podinfo": "/etc/istio/pod",
}


class InjectedMesh(msgspec.Struct, frozen=True, kw_only=True):
    """The mesh that proxies are told of."""

    istio_version: str = "1.28.0"
    trust_domain: str = TRUST_DOMAIN
    cluster_domain: str = wellknown.CLUSTER_DOMAIN
    cluster_id: str = "Kubernetes"
    revision: str = "default"
    hub: str = "docker.io/istio"

    @property
    def image(self) -> str:
        """The proxy's image."""
        return f"{self.hub}/proxyv2:{self.istio_version}"


def container(
    pod: JsonView,
    mesh: InjectedMesh,
    *,
    role: str,
    probers: str = "",
    config: JsonView | None = None,
) -> Json:
    """Return istio-proxy for a pod; `role` is `sidecar` or `router`, `config` what holds of the
    proxy's configuration."""
    notes = fields.annotations(pod)
    return {
        "name": PROXY,
        "image": _image(notes, mesh, config or {}),
        "args": [
            "proxy",
            role,
            "--domain",
            f"$(POD_NAMESPACE).svc.{mesh.cluster_domain}",
            f"--proxyLogLevel={notes.get(LOG_LEVEL) or 'warning'}",
            f"--proxyComponentLogLevel={notes.get(COMPONENT_LOG_LEVEL) or 'misc:error'}",
            f"--log_output_level={notes.get(_AGENT_LOG_LEVEL) or 'default:info'}",
        ],
        "env": _environment(pod, mesh, probers, config or {}),
        "ports": [{"containerPort": STATS_PORT, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": readiness(),
        "resources": _resources(notes),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": USER,
            "runAsNonRoot": True,
            "runAsUser": USER,
        },
        "volumeMounts": [
            *({"name": name, "mountPath": path} for name, path in sorted(_MOUNTS.items())),
            *_named(notes, _USER_MOUNTS),
        ],
    }


def _image(notes: Mapping[str, str], mesh: InjectedMesh, config: JsonView) -> str:
    """Return the proxy's image: a pod's own, or the mesh's in the sort that is asked for."""
    if own := notes.get(_IMAGE):
        return own
    kind = notes.get(_IMAGE_TYPE) or proxyconfig.image_type(config)
    return f"{mesh.image}-{kind}" if kind and kind != "default" else mesh.image


def _resources(notes: Mapping[str, str]) -> Json:
    """Return the proxy's resources. A pod that names one of them has those that it names alone, as
    in Istio: requests by `proxyCPU` and `proxyMemory`, limits by `proxyCPULimit` and so on."""
    said = {
        kind: {name: notes[key] for name, key in keys.items() if notes.get(key)}
        for kind, keys in _RESOURCE_NOTES.items()
    }
    found = {kind: values for kind, values in said.items() if values}
    return found or clone(_RESOURCES)


def user_volumes(pod: JsonView) -> list[Json]:
    """Return the volumes that a pod's annotation adds for the proxy; none where it is no JSON."""
    return _named(fields.annotations(pod), _USER_VOLUMES)


def _named(notes: Mapping[str, str], annotation: str) -> list[Json]:
    """Return what an annotation lists, as JSON: a list, or an object by name."""
    try:
        written = json.loads(notes.get(annotation) or "[]")
    except ValueError:
        return []
    if isinstance(written, dict):
        written = [{"name": name, **each} for name, each in written.items() if _is_object(each)]
    return [each for each in written if _is_object(each)] if isinstance(written, list) else []


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def drain_hook() -> Json:
    """Return the hook by which a native sidecar hears that the pod ends: it is asked to end itself
    only when the application has."""
    command = ["pilot-agent", "request", "--debug-port=15020", "POST", "drain"]
    return {"exec": {"command": command}}


def readiness() -> Json:
    """Return the proxy's probe. It asks each second, where Istio's asks each 15 after a start-up
    probe: here a proxy is ready in tens of milliseconds, and nobody shall wait for a next turn."""
    return {
        "httpGet": {"path": "/healthz/ready", "port": READY_PORT, "scheme": "HTTP"},
        "periodSeconds": 1,
        "timeoutSeconds": 3,
        "failureThreshold": 30,
    }


def _environment(pod: JsonView, mesh: InjectedMesh, probers: str, config: JsonView) -> list[Json]:
    owner, workload = workload_of(pod)
    rows: list[Json] = [
        _field("POD_NAME", "metadata.name"),
        _field("POD_NAMESPACE", "metadata.namespace"),
        _field("INSTANCE_IP", "status.podIP"),
        _field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        _field("HOST_IP", "status.hostIP"),
        {"name": "PROXY_CONFIG", "value": f"{_json(config)}\n"},
        {"name": "ISTIO_META_POD_PORTS", "value": _pod_ports(pod)},
        {"name": "ISTIO_META_APP_CONTAINERS", "value": ",".join(app_containers(pod))},
        {"name": "ISTIO_META_CLUSTER_ID", "value": mesh.cluster_id},
        _field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        {"name": "ISTIO_META_INTERCEPTION_MODE", "value": _interception(pod)},
        {"name": "ISTIO_META_WORKLOAD_NAME", "value": workload},
        {"name": "ISTIO_META_OWNER", "value": owner},
        {"name": "ISTIO_META_MESH_ID", "value": mesh.trust_domain},
        {"name": "TRUST_DOMAIN", "value": mesh.trust_domain},
    ]
    own = proxyconfig.variables(config)
    taken = {row["name"] for row in own}
    rows = [*(row for row in rows if row["name"] not in taken), *own]
    if probers:
        rows.append({"name": app_probes.PROBERS, "value": probers})
    return rows


def _json(config: JsonView) -> str:
    # YAML has values that JSON has not, moments above all; no field of a ProxyConfig is one.
    return json.dumps(config, separators=(",", ":"), default=str)


def _field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _interception(pod: JsonView) -> str:
    return fields.annotations(pod).get("sidecar.istio.io/interceptionMode", "REDIRECT")


def app_containers(pod: JsonView) -> list[str]:
    """Return the names of the pod's containers other than the proxy."""
    found = fields.spec(pod).get("containers") or ()
    return [str(one.get("name")) for one in found if one.get("name") != PROXY]


def _pod_ports(pod: JsonView) -> str:
    """List the declared ports in the form that Istio's agent reads: one JSON object a line."""
    ports = [
        {key: one[key] for key in ("name", "containerPort", "protocol") if key in one}
        for container in fields.spec(pod).get("containers") or ()
        if container.get("name") != PROXY
        for one in container.get("ports") or ()
    ]
    lines = [json.dumps(one, separators=(",", ":")) for one in ports]
    return "[\n    " + "\n    ,".join(lines) + "\n]" if lines else "[\n]"


def workload_of(pod: JsonView) -> tuple[str, str]:
    """Return the owner's path, as `kubernetes://apis/apps/v1/namespaces/…`, and the workload's
    name: the Deployment above a ReplicaSet, the CronJob above a Job, found by their names."""
    space = fields.namespace(pod) or "default"
    owner = fields.controller_of(pod)
    if owner is None:
        name = fields.name(pod)
        return f"kubernetes://apis/v1/namespaces/{space}/pods/{name}", name
    version, kind, name = str(owner["apiVersion"]), str(owner["kind"]), str(owner["name"])
    digest = fields.labels(pod).get("pod-template-hash", "")
    if kind == "ReplicaSet" and digest and name.endswith(f"-{digest}"):
        kind, name = "Deployment", name.removesuffix(f"-{digest}")
    stem, _, minutes = name.rpartition("-")
    if kind == "Job" and stem and len(minutes) >= 8 and minutes.isdigit():
        kind, name = "CronJob", stem
    return f"kubernetes://apis/{version}/namespaces/{space}/{kind.lower()}s/{name}", name


def volumes() -> list[Json]:
    """Return the volumes behind the proxy's mounts."""
    labels = {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}
    notes = {"apiVersion": "v1", "fieldPath": "metadata.annotations"}
    items = [labels, {"path": "annotations", "fieldRef": notes}]
    mode = 0o644
    return [
        {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}},
        {"name": "istio-podinfo", "downwardAPI": {"defaultMode": mode, "items": items}},
        {
            "name": "istiod-ca-cert",
            "configMap": {"name": "istio-ca-root-cert", "defaultMode": mode},
        },
    ]


def merged(template: JsonView, own: JsonView) -> Json:
    """Lay a user's own istio-proxy container over the template's: lists are joined by name, the
    image `auto` means the template's."""
    result: Json = clone(template)
    for key, value in own.items():
        if key == "image" and value == "auto":
            continue
        if key in _MERGED:
            result[key] = _joined(result.get(key) or (), value or (), _MERGED[key])
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = {**result[key], **value}
        else:
            result[key] = clone(value)
    return result


_MERGED = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath"}


def _joined(below: Sequence[JsonView], above: Sequence[JsonView], key: str) -> list[JsonView]:
    named = {one.get(key) for one in above}
    return [*(one for one in below if one.get(key) not in named), *above]
