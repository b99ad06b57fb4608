"""ReplicaSets: keep as many pods of one template as asked for. Pure."""

from collections.abc import Sequence
from datetime import datetime

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.workloads import pods, selectors

RESOURCE = "replicasets.apps"
_BURST = 500
"""Most pods made or deleted in one go, as in Kubernetes."""


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Adopt, create, delete, and report the counts."""
    owner = known.get(RESOURCE, *key)
    if owner is None:
        return actions.NOTHING
    claimed = selectors.claim(owner, "pods", known)
    mine = pods.active(claimed.objects)
    todo: list[actions.Action] = [*claimed.actions, *_status(owner, mine, now)]
    if not fields.dying(owner):
        todo.extend(_replicas(owner, mine))
    wait = pods.until_available(mine, _minimum(owner), now)
    return actions.Reconciled(tuple(todo), wait)


def _minimum(owner: JsonView) -> int:
    return int(fields.spec(owner).get("minReadySeconds") or 0)


def wanted(owner: JsonView) -> int:
    """Return spec.replicas, 1 if absent."""
    replicas = fields.spec(owner).get("replicas")
    return 1 if replicas is None else int(replicas)


def _replicas(owner: JsonView, mine: Sequence[JsonView]) -> list[actions.Action]:
    missing = wanted(owner) - len(mine)
    if missing > 0:
        template = fields.spec(owner).get("template") or {}
        pod = pods.from_template(owner, template)
        pod["metadata"]["generateName"] = f"{fields.name(owner)}-"
        report = actions.created_pod(owner)
        return [actions.Create("pods", pod, report)] * min(missing, _BURST)
    victims = pods.to_delete_first(mine)[: min(-missing, _BURST)]
    return [
        actions.Delete(
            "pods",
            fields.namespace(pod),
            fields.name(pod),
            fields.uid(pod),
            report=actions.deleted_pod(owner),
        )
        for pod in victims
    ]


def _status(owner: JsonView, mine: Sequence[JsonView], now: datetime) -> list[actions.Action]:
    template = fields.labels(fields.spec(owner).get("template") or {})
    counts = {
        "fullyLabeledReplicas": sum(
            1 for pod in mine if template.items() <= fields.labels(pod).items()
        ),
        "readyReplicas": sum(1 for pod in mine if pods.ready(pod)),
        "availableReplicas": sum(1 for pod in mine if pods.available(pod, _minimum(owner), now)),
    }
    new: Json = {"replicas": len(mine), **fields.without_zeros(counts)}
    new["observedGeneration"] = fields.meta(owner).get("generation", 0)
    old = fields.status(owner)
    if old.get("conditions"):
        new["conditions"] = old["conditions"]
    if new == old:
        return []
    return [actions.SetStatus(RESOURCE, fields.with_status(owner, new))]


CONTROLLER = controller.Controller(
    name="replicaset-controller",
    watches={
        RESOURCE: controller.itself,
        "pods": selectors.both(
            controller.controlled_by("ReplicaSet"), selectors.selecting(RESOURCE)
        ),
    },
    reconcile=reconcile,
)
