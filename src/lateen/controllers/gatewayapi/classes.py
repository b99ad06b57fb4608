"""GatewayClasses: those that Istio makes, and which controller a class means. Pure."""

from datetime import datetime

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.gatewayapi import conditions

RESOURCE = "gatewayclasses.gateway.networking.k8s.io"
GATEWAY, REMOTE = "istio.io/gateway-controller", "istio.io/unmanaged-gateway"
"""Who looks after a class's Gateways: by deployments, or not at all."""
_BUILT_IN = {
    "istio": (GATEWAY, "The default Istio GatewayClass"),
    "istio-remote": (
        REMOTE,
        "Remote to this cluster. Does not deploy or affect configuration.",
    ),
}


def controller_of(name: str, known: cache.Cache) -> str:
    """Return the controller of a class; empty for one that is not ours. A built-in class means its
    own even while the object is not there, as in Istio."""
    found = known.get(RESOURCE, "", name)
    if found is None:
        return _BUILT_IN[name][0] if name in _BUILT_IN else ""
    named = str(fields.spec(found).get("controllerName", ""))
    return named if named in (GATEWAY, REMOTE) else ""


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Create a built-in class that is not there; accept one whose controller we are."""
    name = key[-1]
    found = known.get(RESOURCE, "", name)
    if found is None:
        return actions.Reconciled(
            (actions.Create(RESOURCE, _made(name)),) if name in _BUILT_IN else ()
        )
    if not controller_of(name, known):
        return actions.NOTHING
    wanted = conditions.StatusCondition("Accepted", True, "Accepted", "Handled by Istio controller")
    before = fields.status(found)
    status = {**before, "conditions": conditions.merged(found, (wanted,), now)}
    if status == before:
        return actions.NOTHING
    return actions.Reconciled((actions.SetStatus(RESOURCE, fields.with_status(found, status)),))


def _made(name: str) -> Json:
    controller_name, words = _BUILT_IN[name]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": name},
        "spec": {"controllerName": controller_name, "description": words},
    }


def gateways_of(change: cache.ObjectChange, known: cache.Cache) -> tuple[controller.Name, ...]:
    """Return the Gateways of a changed class."""
    return tuple(
        (fields.namespace(one), fields.name(one))
        for one in known.all("gateways.gateway.networking.k8s.io")
        if fields.spec(one).get("gatewayClassName") == change.key.name
    )


def is_ours(gateway: JsonView, known: cache.Cache) -> str:
    """Return the controller of a Gateway's class; empty for one that is not ours."""
    return controller_of(str(fields.spec(gateway).get("gatewayClassName", "")), known)


CONTROLLER = controller.Controller(
    name="gateway-class-controller",
    watches={RESOURCE: controller.itself},
    reconcile=reconcile,
    first=tuple(("", name) for name in _BUILT_IN),
)
