"""What is deployed for a Gateway: a ServiceAccount, a Deployment and a Service, named and labelled
as Istio does. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields
from lateen.controllers.injection import injector, scraping
from lateen.controllers.network import ingress
from lateen.model.gatewayapi import gateway as rule
from lateen.model.patch import strategic
from lateen.model.schema import describe, kinds

NAME, CLASS = (
    "gateway.networking.k8s.io/gateway-name",
    "gateway.networking.k8s.io/gateway-class-name",
)
MANAGED = "gateway.istio.io/managed"
_MANAGED_BY = "istio.io-gateway-controller"
_NAME_OVERRIDE, _ACCOUNT = "gateway.istio.io/name-override", "gateway.istio.io/service-account"
_SERVICE_TYPE = "networking.istio.io/service-type"
_OWN_PREFIX = "gateway.networking.k8s.io/"
_NEVER_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    _NAME_OVERRIDE,
    _ACCOUNT,
    "gateway.istio.io/controller-version",
)
_STATUS_PORT = 15021
_LONGEST_PORT_NAME = 63
OVERLAYS = {
    "deployment": "deployments.apps",
    "service": "services",
    "serviceAccount": "serviceaccounts",
}
"""Keys of a ConfigMap with patches of these objects, and their resources."""


class OverlayError(Exception):
    """A patch that cannot be used; the text says why."""


def class_name(gateway: JsonView) -> str:
    """Return the class of a Gateway."""
    return str(fields.spec(gateway).get("gatewayClassName", ""))


def name_of(gateway: JsonView) -> str:
    """Return the name of a Gateway's Deployment and Service."""
    usual = f"{fields.name(gateway)}-{class_name(gateway)}"
    return fields.annotations(gateway).get(_NAME_OVERRIDE) or usual


def account_of(gateway: JsonView) -> str:
    """Return the name of its ServiceAccount, which a name override does not change."""
    usual = f"{fields.name(gateway)}-{class_name(gateway)}"
    return fields.annotations(gateway).get(_ACCOUNT) or usual


def is_managed(gateway: JsonView) -> bool:
    """Tell whether a Gateway is deployed for."""
    asked: list[JsonView] = list(fields.spec(gateway).get("addresses") or ())
    return rule.is_deployed_for([str(one.get("type") or "IPAddress") for one in asked])


def objects(
    gateway: JsonView,
    listeners: Iterable[JsonView],
    settings: injector.InjectionSettings,
    overlays: Iterable[Mapping[str, Any]],
) -> list[tuple[str, Json]]:
    """Return (resource, object) of everything deployed. `listeners` are the Gateway's and those of
    its ListenerSets, `overlays` patches by key of OVERLAYS, in their order. Raises OverlayError."""
    labels, notes = _infrastructure(gateway)
    account, deployment = (
        _account(gateway, labels, notes),
        _deployment(gateway, settings, labels, notes),
    )
    found = {
        "serviceaccounts": account,
        "deployments.apps": deployment,
        "services": _service(gateway, listeners, labels, notes),
    }
    for key, patch in (pair for each in overlays for pair in each.items()):
        if key not in OVERLAYS:
            raise OverlayError(f"unknown overlay {key!r}")
        resource = OVERLAYS[key]
        found[resource] = _patched(resource, found[resource], patch)
    return list(found.items())


def _patched(resource: str, body: Json, patch: Any) -> Json:
    schema = describe.of_kind(kinds.KINDS[resource])
    made: Json = strategic.apply_strategic(body, patch, schema)
    for field in ("name", "namespace", "ownerReferences"):
        if made["metadata"].get(field) != body["metadata"].get(field):
            raise OverlayError("illegal metadata change")
    return made


def _infrastructure(gateway: JsonView) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations of everything deployed: those of `infrastructure`, each
    side on its own, or the Gateway's own."""
    given = fields.spec(gateway).get("infrastructure") or {}
    labels, notes = given.get("labels"), given.get("annotations")
    if labels is not None:
        labels = {k: v for k, v in labels.items() if not k.startswith(_OWN_PREFIX)}
    if notes is not None:
        notes = {k: v for k, v in notes.items() if not k.startswith(_OWN_PREFIX)}
    own = fields.labels(gateway) if labels is None else labels
    said = fields.annotations(gateway) if notes is None else notes
    return dict(own), {key: value for key, value in said.items() if key not in _NEVER_COPIED}


def _labels(gateway: JsonView, labels: Mapping[str, str]) -> dict[str, str]:
    own = {NAME: fields.name(gateway), CLASS: class_name(gateway), MANAGED: _MANAGED_BY}
    return {**labels, **own}


def _object(
    version: str, kind: str, name: str, gateway: JsonView, labels: JsonView, notes: JsonView
) -> Json:
    metadata = {
        "name": name,
        "namespace": fields.namespace(gateway),
        "labels": _labels(gateway, labels),
        "annotations": dict(notes),
        "ownerReferences": [
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "Gateway",
                "name": fields.name(gateway),
                "uid": fields.uid(gateway),
            }
        ],
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _account(gateway: JsonView, labels: JsonView, notes: JsonView) -> Json:
    return _object("v1", "ServiceAccount", account_of(gateway), gateway, labels, notes)


def _service(
    gateway: JsonView, listeners: Iterable[JsonView], labels: JsonView, notes: JsonView
) -> Json:
    body = _object("v1", "Service", name_of(gateway), gateway, labels, notes)
    kind = fields.annotations(gateway).get(_SERVICE_TYPE) or "LoadBalancer"
    spec: Json = {
        "type": kind,
        "ipFamilyPolicy": "PreferDualStack",
        "selector": {NAME: fields.name(gateway)},
        "ports": ports(listeners),
    }
    asked = fields.spec(gateway).get("addresses") or ()
    if asked and kind == "LoadBalancer":
        spec["loadBalancerIP"] = str(asked[0].get("value") or "")
    body["spec"] = spec
    return body


def ports(listeners: Iterable[JsonView]) -> list[Json]:
    """Return the Service's ports: the proxy's own, then one for each port that is listened on."""
    found = [{"name": "status-port", "port": _STATUS_PORT, "protocol": "TCP", "appProtocol": "tcp"}]
    names, numbers = {"status-port"}, set[int]()
    for listener in listeners:
        number = int(listener.get("port") or 0)
        if not number or number in numbers:
            continue
        numbers.add(number)
        name = str(listener.get("name", "")).replace(".", "-")[:_LONGEST_PORT_NAME]
        if name in names:
            name = f"{name[: _LONGEST_PORT_NAME - 1 - len(str(number))]}-{number}"
        names.add(name)
        protocol = str(listener.get("protocol", "")).lower()
        found.append({"name": name, "port": number, "protocol": "TCP", "appProtocol": protocol})
    return found


def _deployment(
    gateway: JsonView, settings: injector.InjectionSettings, labels: JsonView, notes: JsonView
) -> Json:
    name, mesh = name_of(gateway), settings.mesh
    body = _object("apps/v1", "Deployment", name, gateway, labels, notes)
    pod_labels = {
        **_labels(gateway, labels),
        injector.INJECT: "false",
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": "latest",
    }
    pod_notes = {
        **notes,
        injector.REVISION: mesh.revision,
        **scraping.AGENT,
    }
    space = fields.namespace(gateway)
    body["spec"] = {
        "selector": {"matchLabels": {NAME: fields.name(gateway)}},
        "template": {
            "metadata": {"labels": pod_labels, "annotations": pod_notes},
            "spec": ingress.router_pod(mesh, space, name, account_of(gateway), ()),
        },
    }
    return body
