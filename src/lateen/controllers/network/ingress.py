"""What istio-system holds from the start: the ingress gateway. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.base.jsonvalue import Json, clone
from lateen.controllers.injection import injector, sidecar

NAME = "istio-ingressgateway"
ACCOUNT = "istio-ingressgateway-service-account"
_SELECTOR = {"app": NAME, "istio": "ingressgateway"}
_PORTS = (("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443))


def istio_system(settings: injector.InjectionSettings) -> list[tuple[str, Json]]:
    """Return (resource, object) of istio-system: account, Service and Deployment of the gateway.

    Istio is there from the start here, as after an installation with the default profile; its
    control plane is Lateen itself and needs no Deployment.
    """
    space = settings.system_namespace
    return [
        ("serviceaccounts", _object("v1", "ServiceAccount", ACCOUNT, space)),
        ("services", _service(space)),
        ("deployments.apps", _deployment(settings)),
    ]


def _labels(revision: str = "default") -> dict[str, str]:
    return {
        **_SELECTOR,
        "install.operator.istio.io/owning-resource": "unknown",
        "istio.io/rev": revision,
        "operator.istio.io/component": "IngressGateways",
        "release": "istio",
    }


def _object(version: str, kind: str, name: str, space: str) -> Json:
    meta = {"name": name, "namespace": space, "labels": _labels()}
    return {"apiVersion": version, "kind": kind, "metadata": meta}


def _service(space: str) -> Json:
    ports = [
        {"name": name, "port": port, "protocol": "TCP", "targetPort": target}
        for name, port, target in _PORTS
    ]
    body = _object("v1", "Service", NAME, space)
    body["spec"] = {"type": "LoadBalancer", "selector": dict(_SELECTOR), "ports": ports}
    return body


def _deployment(settings: injector.InjectionSettings) -> Json:
    mesh, space = settings.mesh, settings.system_namespace
    body = _object("apps/v1", "Deployment", NAME, space)
    labels = {
        **_labels(mesh.revision),
        "chart": "gateways",
        "heritage": "Tiller",
        "service.istio.io/canonical-name": NAME,
        "service.istio.io/canonical-revision": "latest",
        injector.INJECT: "false",
    }
    body["spec"] = {
        "replicas": 1,
        "selector": {"matchLabels": dict(_SELECTOR)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"},
        },
        "template": {
            "metadata": {"labels": labels, "annotations": {injector.INJECT: "false"}},
            "spec": _pod_spec(mesh, space),
        },
    }
    return body


def _pod_spec(mesh: sidecar.InjectedMesh, space: str) -> Json:
    ports = [{"containerPort": target, "protocol": "TCP"} for _, _, target in _PORTS]
    proxy = sidecar.container(_likeness(space), mesh, role="router")
    proxy["ports"] = [*ports, *proxy["ports"]]
    return {
        "serviceAccountName": ACCOUNT,
        "securityContext": {
            "runAsGroup": sidecar.USER,
            "runAsNonRoot": True,
            "runAsUser": sidecar.USER,
        },
        "containers": [proxy],
        "volumes": sidecar.volumes(),
    }


def _likeness(space: str) -> Mapping[str, Any]:
    """A pod such as the Deployment will make: what the proxy's variables are derived from."""
    digest = {"pod-template-hash": "x"}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{NAME}-x",
        "controller": True,
    }
    meta = {"name": NAME, "namespace": space, "labels": digest, "ownerReferences": [owner]}
    return {"metadata": meta, "spec": {}}


def marked(body: Json, digest: str) -> Json:
    """Return the object with a note of what it was made from, so that a later version of Lateen or
    another Istio version is told from a user's own change."""
    result: Json = clone(body)
    result["metadata"].setdefault("annotations", {})[MADE_FROM] = digest
    return result


MADE_FROM = "lateen.dev/made-from"
