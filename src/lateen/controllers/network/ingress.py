"""What istio-system holds from the start: the gateways. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.injection import injector, scraping, sidecar

NAME = "istio-ingressgateway"
EGRESS = "istio-egressgateway"


class _Install(msgspec.Struct, frozen=True):
    """One gateway of an installation of Istio."""

    name: str
    istio: str
    """Value of the label `istio`, by which Gateways select it."""
    component: str
    service: str
    """The Service's type."""
    ports: tuple[tuple[str, int, int], ...]
    """(name, port, target port)."""

    @property
    def account(self) -> str:
        """The name of its ServiceAccount."""
        return f"{self.name}-service-account"

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which the Service selects its pods."""
        return {"app": self.name, "istio": self.istio}


_INGRESS = _Install(
    NAME,
    "ingressgateway",
    "IngressGateways",
    "LoadBalancer",
    (("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443)),
)
_EGRESS = _Install(
    EGRESS,
    "egressgateway",
    "EgressGateways",
    "ClusterIP",
    (("http2", 80, 8080), ("https", 443, 8443)),
)


def istio_system(
    settings: injector.InjectionSettings, *, egress: bool = False
) -> list[tuple[str, Json]]:
    """Return (resource, object) of istio-system: account, Service and Deployment of each gateway.

    Istio is there from the start here, as after an installation with the default profile; its
    control plane is Lateen itself: `cluster.istiod` has what stands for it. The egress gateway is
    that of the demo profile: it is there where the lab's settings ask for it.
    """
    space = settings.system_namespace
    return [
        each
        for gateway in ((_INGRESS, _EGRESS) if egress else (_INGRESS,))
        for each in (
            ("serviceaccounts", _object("v1", "ServiceAccount", gateway.account, space, gateway)),
            ("services", _service(space, gateway)),
            ("deployments.apps", _deployment(settings, gateway)),
        )
    ]


def _labels(gateway: _Install, revision: str = "default") -> dict[str, str]:
    return {
        **gateway.selector,
        "install.operator.istio.io/owning-resource": "unknown",
        "istio.io/rev": revision,
        "operator.istio.io/component": gateway.component,
        "release": "istio",
    }


def _object(version: str, kind: str, name: str, space: str, gateway: _Install) -> Json:
    meta = {"name": name, "namespace": space, "labels": _labels(gateway)}
    return {"apiVersion": version, "kind": kind, "metadata": meta}


def _service(space: str, gateway: _Install) -> Json:
    ports = [
        {"name": name, "port": port, "protocol": "TCP", "targetPort": target}
        for name, port, target in gateway.ports
    ]
    body = _object("v1", "Service", gateway.name, space, gateway)
    body["spec"] = {"type": gateway.service, "selector": gateway.selector, "ports": ports}
    return body


def _deployment(settings: injector.InjectionSettings, gateway: _Install) -> Json:
    mesh, space = settings.mesh, settings.system_namespace
    body = _object("apps/v1", "Deployment", gateway.name, space, gateway)
    labels = {
        **_labels(gateway, mesh.revision),
        "chart": "gateways",
        "heritage": "Tiller",
        "service.istio.io/canonical-name": gateway.name,
        "service.istio.io/canonical-revision": "latest",
        injector.INJECT: "false",
    }
    body["spec"] = {
        "replicas": 1,
        "selector": {"matchLabels": gateway.selector},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"},
        },
        "template": {
            "metadata": {
                "labels": labels,
                "annotations": {injector.INJECT: "false", **scraping.AGENT},
            },
            "spec": router_pod(
                mesh,
                space,
                gateway.name,
                gateway.account,
                [target for _, _, target in gateway.ports],
            ),
        },
    }
    return body


def router_pod(
    mesh: sidecar.InjectedMesh, space: str, name: str, account: str, ports: Sequence[int]
) -> Json:
    """Return the specification of a gateway's pods; `name` is its Deployment's."""
    proxy = sidecar.container(_likeness(space, name), mesh, role="router")
    listed = [{"containerPort": port, "protocol": "TCP"} for port in ports]
    proxy["ports"] = [*listed, *proxy["ports"]]
    return {
        "serviceAccountName": account,
        "securityContext": {
            "runAsGroup": sidecar.USER,
            "runAsNonRoot": True,
            "runAsUser": sidecar.USER,
        },
        "containers": [proxy],
        "volumes": sidecar.volumes(),
    }


def _likeness(space: str, name: str) -> Mapping[str, Any]:
    """A pod such as the Deployment will make: what the proxy's variables are derived from."""
    digest = {"pod-template-hash": "x"}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{name}-x",
        "controller": True,
    }
    meta = {"name": name, "namespace": space, "labels": digest, "ownerReferences": [owner]}
    return {"metadata": meta, "spec": {}}


def digest_of(body: JsonView) -> str:
    """Return a digest of an object as it is made."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def marked(body: Json, digest: str) -> Json:
    """Return the object with a note of what it was made from, so that a later version of Lateen or
    another Istio version is told from a user's own change."""
    result: Json = clone(body)
    result["metadata"].setdefault("annotations", {})[MADE_FROM] = digest
    return result


MADE_FROM = "lateen.dev/made-from"
