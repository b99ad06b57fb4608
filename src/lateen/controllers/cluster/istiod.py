"""The control plane as objects of istio-system: what `istioctl` and people look for. Pure.

The plane is a process beside the lab, not a container of it. A Deployment, a Service and a pod
stand for it as an installation of Istio has them; no container runs, and no pod of the lab reaches
anything by them. Tools reach the pod through the API server, which has the plane answer.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from lateen.base import clock
from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.injection import injector, webhooks
from lateen.controllers.workloads import conditions
from lateen.model import wellknown

NAME = "istiod"
INJECTOR = "istio-sidecar-injector"
"""The ConfigMap about injection."""
HELM = "helm"
"""Helm's field manager."""
RELEASE = "meta.helm.sh/release-name"
"""The annotation by which Helm knows the release of an object."""
CONTAINER = "discovery"
IMAGE = "lateen/plane"
"""No image: the name says who answers."""
PORTS: Mapping[str, int] = {
    "http-debug": 8080,
    "grpc-xds": 15010,
    "https-xds": 15012,
    "https-webhook": 15017,
    "http-monitoring": 15014,
}
"""The container's ports, by name, as Istio's chart has them."""
_SELECTOR = {"app": NAME, "istio": "pilot"}
_SAYS = "Lateen's own control plane: it runs beside the lab, not in a container"


def objects(settings: injector.InjectionSettings) -> list[tuple[str, Json]]:
    """Return (resource, object): ServiceAccount, Service, Deployment, and the injector's
    ConfigMap."""
    space, revision = settings.system_namespace, settings.mesh.revision
    return [
        ("serviceaccounts", _object("v1", "ServiceAccount", space, revision)),
        ("services", _service(space, revision)),
        ("deployments.apps", _deployment(settings)),
        ("configmaps", _injector(settings)),
    ]


def _injector(settings: injector.InjectionSettings) -> Json:
    """The ConfigMap that tools read about injection, as Istio's chart has it: `values` names the
    proxy's image, `config` the policy. It holds no template: the webhook injects, and nobody else
    is to render one."""
    space, mesh = settings.system_namespace, settings.mesh
    made = _object("v1", "ConfigMap", space, mesh.revision)
    suffix = "" if mesh.revision == webhooks.DEFAULT else f"-{mesh.revision}"
    made["metadata"]["name"] = f"{INJECTOR}{suffix}"
    config = {"policy": "enabled", "defaultTemplates": ["sidecar"], "templates": {}}
    values = {
        "global": {
            "hub": mesh.hub,
            "tag": mesh.istio_version,
            "istioNamespace": space,
            "proxy": {"image": "proxyv2", "clusterDomain": mesh.cluster_domain},
        },
        "revision": "" if mesh.revision == webhooks.DEFAULT else mesh.revision,
        "sidecarInjectorWebhook": {
            "enableNamespacesByDefault": settings.inject_unlabelled,
            "rewriteAppHTTPProbe": True,
        },
    }
    written = {"config": config, "values": values}
    made["data"] = {name: json.dumps(value, indent=2) for name, value in written.items()}
    return made


def adoptable(body: Json) -> Json:
    """Return the object as one of the release `istiod` of Istio's chart: `helm install` takes over
    what says so, and refuses what is there otherwise."""
    meta = body["metadata"]
    labels = {**(meta.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    notes = {
        **(meta.get("annotations") or {}),
        RELEASE: NAME,
        "meta.helm.sh/release-namespace": wellknown.ISTIO_SYSTEM,
    }
    return {**body, "metadata": {**meta, "labels": labels, "annotations": notes}}


def is_plane(namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a pod is one of istiod's own chart: it stands for the plane, and nothing runs."""
    return namespace == wellknown.ISTIO_SYSTEM and _SELECTOR.items() <= labels.items()


def recognized(pod: JsonView, namespace: str) -> Json | None:
    """Return a pod of istiod's own chart as one that stands for the plane; None for another one."""
    if not is_plane(namespace, fields.labels(pod)):
        return None
    notes = {**fields.annotations(pod), wellknown.BUILT_IN: _SAYS}
    return {**pod, "metadata": {**fields.meta(pod), "annotations": notes}}


def _object(version: str, kind: str, space: str, revision: str) -> Json:
    labels = {
        **_SELECTOR,
        "app.kubernetes.io/name": NAME,
        "istio.io/rev": revision,
        "operator.istio.io/component": "Pilot",
        "release": "istio",
    }
    notes = {wellknown.BUILT_IN: _SAYS}
    meta = {"name": NAME, "namespace": space, "labels": labels, "annotations": notes}
    return {"apiVersion": version, "kind": kind, "metadata": meta}


def _service(space: str, revision: str) -> Json:
    """The Service; no sidecar knows it, as no pod of the lab reaches the plane by it."""
    made = _object("v1", "Service", space, revision)
    made["metadata"]["annotations"]["networking.istio.io/exportTo"] = "~"
    ports = (
        ("grpc-xds", 15010, 15010),
        ("https-dns", 15012, 15012),
        ("https-webhook", 443, 15017),
        ("http-monitoring", 15014, 15014),
    )
    made["spec"] = {
        "selector": dict(_SELECTOR),
        "ports": [
            {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}
            for name, port, target in ports
        ],
    }
    return made


def _deployment(settings: injector.InjectionSettings) -> Json:
    space, mesh = settings.system_namespace, settings.mesh
    made = _object("apps/v1", "Deployment", space, mesh.revision)
    labels = {**made["metadata"]["labels"], injector.INJECT: "false"}
    notes = {
        wellknown.BUILT_IN: _SAYS,
        "prometheus.io/port": "15014",
        "prometheus.io/scrape": "true",
        injector.INJECT: "false",
    }
    discovery = {
        "name": CONTAINER,
        "image": f"{IMAGE}:{mesh.istio_version}",
        "args": ["discovery"],
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in PORTS.items()
        ],
    }
    made["spec"] = {
        "replicas": 1,
        "selector": {
            "matchLabels": {"istio": _SELECTOR["istio"]}
        },  # as the chart: it cannot change
        "template": {
            "metadata": {"labels": labels, "annotations": notes},
            "spec": {
                "serviceAccountName": NAME,
                "terminationGracePeriodSeconds": 0,
                "containers": [discovery],
            },
        },
    }
    return made


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Report a pod that stands for the plane as running: who reports is what it stands for."""
    pod = known.get("pods", *key)
    if pod is None or not wellknown.stands_for_plane(pod) or not fields.spec(pod).get("nodeName"):
        return actions.NOTHING
    if fields.dying(pod):
        gone = actions.Delete("pods", key[0], key[1], fields.uid(pod), grace_seconds=0)
        return actions.Reconciled((gone,))
    if fields.status(pod).get("phase") == "Running":
        return actions.NOTHING
    new = actions.SetStatus("pods", fields.with_status(pod, _running(pod, now)))
    return actions.Reconciled((new,))


def _running(pod: JsonView, now: datetime) -> Json:
    """The status of a pod whose containers all run. It has no address: nothing answers there."""
    stamp = clock.rfc3339(now)
    found = list(fields.status(pod).get("conditions") or ())
    for kind in ("PodReadyToStartContainers", "Initialized", wellknown.READY, "ContainersReady"):
        new = conditions.condition(kind, True, "", "", now)
        for unused in ("reason", "message", "lastUpdateTime"):
            del new[unused]
        found = conditions.settled(found, {"lastProbeTime": None, **new})
    return {
        **fields.status(pod),
        "phase": "Running",
        "conditions": found,
        "startTime": stamp,
        "qosClass": "BestEffort",
        "containerStatuses": [
            {
                "name": str(one["name"]),
                "image": str(one["image"]),
                "imageID": "",
                "containerID": f"lateen://{fields.uid(pod)}/{one['name']}/0",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "lastState": {},
                "state": {"running": {"startedAt": stamp}},
            }
            for one in fields.spec(pod).get("containers") or ()
        ],
    }


def _planes(change: cache.ObjectChange, _: cache.Cache) -> Iterable[controller.Name]:
    if wellknown.stands_for_plane(change.object):
        yield (change.key.namespace, change.key.name)


CONTROLLER = controller.Controller(
    name="plane-reporter", watches={"pods": _planes}, reconcile=reconcile
)
