"""The istio-proxy container of sidecars and gateways, as Istio's templates write it. Pure.

Left out is what would do nothing here: no init container (the node agent makes the capture rules),
no tokens and sockets towards istiod (each pod's discovery socket carries its identity).
"""

import json
from collections.abc import Mapping, Sequence

import msgspec

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import fields
from lateen.controllers.injection import app_probes
from lateen.model import wellknown
from lateen.model.identity import TRUST_DOMAIN

PROXY = wellknown.PROXY
LOG_LEVEL, COMPONENT_LOG_LEVEL = "sidecar.istio.io/logLevel", "sidecar.istio.io/componentLogLevel"
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
    stats_matcher: Json = {}
    """`proxyStatsMatcher` of every proxy, where a pod has none of its own."""

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
    """Return istio-proxy for a pod; `role` is `sidecar` or `router`, `config` what the pod says
    itself of the proxy's configuration."""
    notes = fields.annotations(pod)
    return {
        "name": PROXY,
        "image": mesh.image,
        "args": [
            "proxy",
            role,
            "--domain",
            f"$(POD_NAMESPACE).svc.{mesh.cluster_domain}",
            f"--proxyLogLevel={notes.get(LOG_LEVEL) or 'warning'}",
            f"--proxyComponentLogLevel={notes.get(COMPONENT_LOG_LEVEL) or 'misc:error'}",
            "--log_output_level=default:info",
        ],
        "env": _environment(pod, mesh, probers, config or {}),
        "ports": [{"containerPort": STATS_PORT, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": readiness(),
        "resources": clone(_RESOURCES),
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
            {"name": name, "mountPath": path} for name, path in sorted(_MOUNTS.items())
        ],
    }


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
        {"name": "PROXY_CONFIG", "value": f"{_json(_with_defaults(config, mesh))}\n"},
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
    if probers:
        rows.append({"name": app_probes.PROBERS, "value": probers})
    return rows


def _with_defaults(config: JsonView, mesh: InjectedMesh) -> JsonView:
    return {"proxyStatsMatcher": mesh.stats_matcher, **config} if mesh.stats_matcher else config


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
