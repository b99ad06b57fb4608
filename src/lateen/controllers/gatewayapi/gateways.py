"""Gateways: what is deployed for one is kept as it should be. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.gatewayapi import classes, deployed
from lateen.controllers.injection import injector
from lateen.controllers.network import ingress

RESOURCE = "gateways.gateway.networking.k8s.io"
LISTENER_SETS = "listenersets.gateway.networking.k8s.io"
_DEFAULTS = "gateway.istio.io/defaults-for-class"


class Deployer(msgspec.Struct, frozen=True):
    """Keeps the objects of managed Gateways."""

    settings: injector.InjectionSettings

    def reconcile(
        self, key: controller.Name, known: cache.Cache, now: datetime
    ) -> actions.Reconciled:
        """Create what a Gateway needs, and bring it up to date where the Gateway has changed. An
        object of the same name that is not managed is left alone, as in Istio."""
        gateway = known.get(RESOURCE, *key)
        if gateway is None or fields.dying(gateway) or not deployed.is_managed(gateway):
            return actions.NOTHING
        if classes.is_ours(gateway, known) != classes.GATEWAY:
            return actions.NOTHING
        try:
            wanted = deployed.objects(
                gateway,
                listeners(gateway, known),
                self.settings,
                overlays(gateway, known, self.settings.system_namespace),
            )
        except deployed.OverlayError as error:
            note = actions.Note(gateway, "InvalidParameters", str(error), "Warning")
            return actions.Reconciled((note,))
        todo: list[actions.Action] = []
        for resource, body in wanted:
            found = known.get(resource, fields.namespace(body), fields.name(body))
            made = ingress.marked(body, ingress.digest_of(body))
            if found is None:
                todo.append(actions.Create(resource, made))
            elif deployed.MANAGED in fields.labels(found) and not _same(found, made):
                todo.append(_patch(resource, found, made))
        return actions.Reconciled(tuple(todo))

    def controller(self) -> controller.Controller:
        """Return the row for the loop."""
        return controller.Controller(
            name="gateway-controller",
            watches={
                RESOURCE: controller.itself,
                classes.RESOURCE: classes.gateways_of,
                LISTENER_SETS: parent,
                "configmaps": _configured,
                "services": deployed_for,
                "deployments.apps": deployed_for,
                "serviceaccounts": deployed_for,
            },
            reconcile=self.reconcile,
        )


def listeners(gateway: JsonView, known: cache.Cache) -> list[JsonView]:
    """Return the listeners of a Gateway, then those of its ListenerSets, older ones first."""
    found = list(fields.spec(gateway).get("listeners") or ())
    for one in listener_sets(gateway, known):
        found += fields.spec(one).get("listeners") or ()
    return found


def listener_sets(gateway: JsonView, known: cache.Cache) -> list[JsonView]:
    """Return the ListenerSets that name a Gateway as their parent and are accepted, older first."""
    own = (fields.namespace(gateway), fields.name(gateway))
    found = [
        one
        for one in known.all(LISTENER_SETS)
        if _parent_of(one) == own and fields.is_true(one, "Accepted")
    ]
    return sorted(
        found, key=lambda one: (fields.created(one), fields.namespace(one), fields.name(one))
    )


def _parent_of(listener_set: JsonView) -> tuple[str, str]:
    ref = fields.spec(listener_set).get("parentRef") or {}
    return str(ref.get("namespace") or fields.namespace(listener_set)), str(ref.get("name", ""))


def parent(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    """The Gateway of a changed ListenerSet is the one to look at."""
    yield _parent_of(change.object)


def deployed_for(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    """The Gateway that an object was deployed for is the one to look at."""
    name = fields.labels(change.object).get(deployed.NAME)
    if name:
        yield (change.key.namespace, name)


def _configured(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    for one in known.all(RESOURCE):
        name = parameters(one).get("name")
        here = (fields.namespace(one), name) == (change.key.namespace, change.key.name)
        if here or deployed.class_name(one) == fields.labels(change.object).get(_DEFAULTS):
            yield (fields.namespace(one), fields.name(one))


def parameters(gateway: JsonView) -> JsonView:
    """Return a Gateway's `infrastructure.parametersRef`, empty if it has none."""
    given: JsonView = (fields.spec(gateway).get("infrastructure") or {}).get("parametersRef") or {}
    return given


def parameters_problem(gateway: JsonView, known: cache.Cache) -> str:
    """Return why a Gateway's parameters cannot be taken, in Istio's words; empty if they can."""
    ref = parameters(gateway)
    if not ref:
        return ""
    group, kind, name = ref.get("group", ""), ref.get("kind", ""), ref.get("name", "")
    if (group, kind) != ("", "ConfigMap"):
        return f"Unsupported parametersRef group/kind {group}/{kind}"
    if known.get("configmaps", fields.namespace(gateway), name) is None:
        return f"parametersRef ConfigMap {fields.namespace(gateway)}/{name} does not exist"
    return ""


def overlays(gateway: JsonView, known: cache.Cache, system: str) -> list[Mapping[str, Any]]:
    """Return the patches of what is deployed: those for the whole class (the oldest ConfigMap in
    Istio's namespace that says so), then the Gateway's own. Raises OverlayError."""
    chosen: list[JsonView] = []
    for_class = [
        one
        for one in known.within("configmaps", system)
        if fields.labels(one).get(_DEFAULTS) == deployed.class_name(gateway)
    ]
    if for_class:
        chosen.append(min(for_class, key=lambda one: (fields.created(one), fields.name(one))))
    ref = parameters(gateway)
    if ref and not parameters_problem(gateway, known):
        own = known.get("configmaps", fields.namespace(gateway), str(ref.get("name", "")))
        chosen += [own] if own is not None else []
    return [_read(one) for one in chosen]


def _read(config: JsonView) -> Mapping[str, Any]:
    import yaml  # few Gateways have parameters

    found = {}
    for key, text in (config.get("data") or {}).items():
        try:
            patch = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise deployed.OverlayError(f"{key}: {error}") from None
        if not isinstance(patch, dict):
            raise deployed.OverlayError(f"{key}: no object")
        found[key] = patch
    return found


def _same(found: JsonView, made: JsonView) -> bool:
    noted = fields.annotations(found).get(ingress.MADE_FROM)
    return noted == fields.annotations(made).get(ingress.MADE_FROM)


def _patch(resource: str, found: JsonView, made: Json) -> actions.Patch:
    """Return the change to an object that was made before; labels that are wanted no more go."""
    gone = {key: None for key in fields.labels(found) if key not in fields.labels(made)}
    metadata = {**made["metadata"], "labels": {**made["metadata"]["labels"], **gone}}
    body = {**made, "metadata": metadata}
    return actions.Patch(resource, fields.namespace(found), fields.name(found), body)
