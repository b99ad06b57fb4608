"""Namespaces: what each holds from its first moment, and how one is emptied. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.workloads import conditions
from lateen.model.istio import meshconfig

SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease", "istio-system")
API_ROOT = "kube-root-ca.crt"
MESH_ROOT = "istio-ca-root-cert"
WITHOUT_MESH = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
"""Namespaces that istiod leaves alone: it injects nothing there, and writes no root."""


def namespace(name: str) -> Json:
    """Return a Namespace to create."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


class Furnishings(msgspec.Struct, frozen=True):
    """What every namespace holds: its `default` ServiceAccount, the API server's root and the
    mesh's root (PEM)."""

    api_root: str
    mesh_root: str

    def wanted(self, name: str) -> list[tuple[str, Json]]:
        """Return (resource, object) for a namespace."""
        account: Json = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {}}
        account["metadata"] = {"name": "default", "namespace": name}
        api = _config_map(name, API_ROOT, {"ca.crt": self.api_root})
        if name in WITHOUT_MESH:
            return [("serviceaccounts", account), ("configmaps", api)]
        mesh = _config_map(name, MESH_ROOT, {"root-cert.pem": self.mesh_root})
        mesh["metadata"]["labels"] = {"istio.io/config": "true"}
        return [("serviceaccounts", account), ("configmaps", api), ("configmaps", mesh)]

    def reconcile(
        self, key: controller.Name, known: cache.Cache, now: datetime
    ) -> actions.Reconciled:
        """Create or put right what a namespace holds."""
        space = known.get("namespaces", "", key[0])
        if space is None or fields.dying(space):
            return actions.NOTHING
        todo: list[actions.Action] = []
        for resource, wanted in self.wanted(key[0]):
            found = known.get(resource, key[0], fields.name(wanted))
            if found is None:
                todo.append(actions.Create(resource, wanted))
            elif "data" in wanted and found.get("data") != wanted["data"]:
                todo.append(actions.Update(resource, {**found, "data": wanted["data"]}))
        return actions.Reconciled(tuple(todo))

    def controller(self) -> controller.Controller:
        """Return the row for the loop."""
        return controller.Controller(
            name="namespace-furnishing",
            watches={
                "namespaces": _by_name,
                "serviceaccounts": _home_of("default"),
                "configmaps": _home_of(API_ROOT, MESH_ROOT),
            },
            reconcile=self.reconcile,
        )


def mesh_config(text: str) -> Json:
    """Return the ConfigMap with the mesh's configuration, as an installation of Istio leaves it."""
    data = {meshconfig.KEY: text, "meshNetworks": "networks: {}"}
    made = _config_map(meshconfig.ROOT_NAMESPACE, meshconfig.NAME, data)
    made["metadata"]["labels"] = {
        "istio.io/rev": "default",
        "operator.istio.io/component": "Pilot",
    }
    return made


def _config_map(space: str, name: str, data: Mapping[str, str]) -> Json:
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}


def _by_name(change: cache.ObjectChange, _: cache.Cache) -> Iterable[controller.Name]:
    yield (change.key.name,)


def _home_of(*names: str) -> controller.Keys:
    def keys(change: cache.ObjectChange, _: cache.Cache) -> Iterable[controller.Name]:
        if change.key.name in names:
            yield (change.key.namespace,)

    return keys


def drain(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Empty a namespace that is being deleted, then let it go.

    Pods keep their grace period; what has finalizers is waited for.
    """
    space = known.get("namespaces", "", key[0])
    if space is None or not fields.dying(space):
        return actions.NOTHING
    contents = known.contents(key[0])
    if not contents:
        spec = {**fields.spec(space), "finalizers": []}
        if not fields.spec(space).get("finalizers"):
            return actions.NOTHING
        body = {**space, "spec": spec}
        return actions.Reconciled((actions.Release(body, known.namespaced()),))
    todo: list[actions.Action] = [
        actions.Delete(where.resource, where.namespace, where.name, fields.uid(obj), "Background")
        for where, obj in contents
        if not fields.dying(obj)
    ]
    status = _remaining(space, [obj for _, obj in contents], now)
    if status != fields.status(space) and not todo:
        todo.append(actions.SetStatus("namespaces", fields.with_status(space, status)))
    return actions.Reconciled(tuple(todo))


def _remaining(space: JsonView, left: list[JsonView], now: datetime) -> Json:
    """Tell in the conditions what a namespace still waits for, as `kubectl describe` shows."""
    kinds: dict[str, int] = {}
    finalizers: dict[str, int] = {}
    for obj in left:
        kinds[str(obj.get("kind"))] = kinds.get(str(obj.get("kind")), 0) + 1
        for one in fields.meta(obj).get("finalizers") or ():
            finalizers[str(one)] = finalizers.get(str(one), 0) + 1
    counted = ", ".join(f"{kind} has {count} resource instances" for kind, count in kinds.items())
    held = ", ".join(f"{one} in {count} resource instances" for one, count in finalizers.items())
    content = f"Some resources are remaining: {counted}"
    rows = [("NamespaceContentRemaining", True, "SomeResourcesRemain", content)]
    if held:
        text = f"Some content in the namespace has finalizers remaining: {held}"
        rows.append(("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", text))
    found: list[JsonView] = list(fields.status(space).get("conditions") or ())
    for row in rows:
        new = conditions.condition(*row, now)
        del new["lastUpdateTime"]
        found = conditions.settled(found, new)
    return {**fields.status(space), "phase": "Terminating", "conditions": found}


def _home(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    if change.key.resource == "namespaces":
        yield (change.key.name,)
        return
    space = known.get("namespaces", "", change.key.namespace)
    if space is not None and fields.dying(space):
        yield (change.key.namespace,)


DRAIN = controller.Controller(
    name="namespace-controller", watches={"*": _home, "namespaces": _home}, reconcile=drain
)
