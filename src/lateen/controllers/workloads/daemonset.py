"""DaemonSets on the one node there is: one pod, replaced when the template changes. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.workloads import history, pods, rollout, selectors

RESOURCE = "daemonsets.apps"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Keep one pod of the present template on the node, if the node fits."""
    owner = known.get(RESOURCE, *key)
    if owner is None or fields.dying(owner):
        return actions.NOTHING
    claimed = selectors.claim(owner, "pods", known)
    past = history.history(owner, known)
    digest = history.digest(past.update)
    desired = 1 if _fits(owner, known) else 0
    mine = pods.active(claimed.objects)
    todo: list[actions.Action] = [*claimed.actions, *past.todo]
    todo.extend(_status(owner, mine, digest, desired, now))
    dead = [one for one in claimed.objects if pods.finished(one) and not fields.dying(one)]
    todo.extend(_delete(owner, one) for one in dead)
    todo.extend(_step(owner, mine, digest, desired, now))
    hashes = {fields.labels(pod).get(history.LABEL, "") for pod in mine}
    in_use = {f"{fields.name(owner)}-{one}" for one in hashes}
    limit = int(fields.spec(owner).get("revisionHistoryLimit", 10))
    todo.extend(past.expired(limit, in_use))
    return actions.Reconciled(tuple(todo), pods.until_available(mine, _minimum(owner), now))


def _minimum(owner: JsonView) -> int:
    return int(fields.spec(owner).get("minReadySeconds") or 0)


def _fits(owner: JsonView, known: cache.Cache) -> bool:
    """Tell whether the node has the labels asked for; before it reports, it is taken to fit."""
    nodes = known.all("nodes")
    template = fields.spec(owner).get("template") or {}
    wanted = fields.spec(template).get("nodeSelector") or {}
    return not nodes or any(wanted.items() <= fields.labels(one).items() for one in nodes)


def _step(
    owner: JsonView, mine: Sequence[JsonView], digest: str, desired: int, now: datetime
) -> Iterable[actions.Action]:
    new = [one for one in mine if fields.labels(one).get(history.LABEL) == digest]
    old = [one for one in mine if one not in new]
    if not desired:
        return [_delete(owner, one) for one in mine]
    todo: list[actions.Action] = [_delete(owner, one) for one in pods.to_delete_first(new)[:-1]]
    strategy = fields.spec(owner).get("updateStrategy") or {}
    if not old:
        return todo if new else [_create(owner, digest)]
    if strategy.get("type") == "OnDelete":
        return todo
    if new:
        serves = any(pods.available(one, _minimum(owner), now) for one in new)
        return [*todo, *(_delete(owner, one) for one in old)] if serves else todo
    rolling = strategy.get("rollingUpdate") or {}
    if rollout.resolve(rolling.get("maxSurge"), desired, up=True):
        return [_create(owner, digest)]
    return [_delete(owner, one) for one in old]


def _create(owner: JsonView, digest: str) -> actions.Create:
    pod = pods.from_template(owner, fields.spec(owner).get("template") or {})
    pod["metadata"]["generateName"] = f"{fields.name(owner)}-"
    generation = str(fields.meta(owner).get("generation", 1))
    pod["metadata"]["labels"].update({history.LABEL: digest, "pod-template-generation": generation})
    tolerations = pod["spec"].setdefault("tolerations", [])
    for key, effect in _TOLERATED:
        tolerations.append({"key": key, "operator": "Exists", "effect": effect})
    return actions.Create("pods", pod, actions.created_pod(owner))


def _delete(owner: JsonView, pod: JsonView) -> actions.Delete:
    where = (fields.namespace(pod), fields.name(pod))
    return actions.Delete("pods", *where, fields.uid(pod), report=actions.deleted_pod(owner))


def _status(
    owner: JsonView, mine: Sequence[JsonView], digest: str, desired: int, now: datetime
) -> list[actions.Action]:
    ready = any(pods.ready(one) for one in mine)
    available = any(pods.available(one, _minimum(owner), now) for one in mine)
    updated = any(fields.labels(one).get(history.LABEL) == digest for one in mine)
    counts = {
        "updatedNumberScheduled": desired * updated,
        "numberAvailable": desired * available,
        "numberUnavailable": desired * (not available),
    }
    new: Json = {
        "currentNumberScheduled": desired * bool(mine),
        "desiredNumberScheduled": desired,
        "numberMisscheduled": (not desired) * bool(mine),
        "numberReady": desired * ready,
        "observedGeneration": fields.meta(owner).get("generation", 0),
        **fields.without_zeros(counts),
    }
    if new == fields.status(owner):
        return []
    return [actions.SetStatus(RESOURCE, fields.with_status(owner, new))]


def _every(_: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    """A changed node concerns every DaemonSet."""
    for one in known.all(RESOURCE):
        yield (fields.namespace(one), fields.name(one))


def _labels_changed(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    before, after = change.before, change.after
    if before is None or after is None or fields.labels(before) != fields.labels(after):
        yield from _every(change, known)


CONTROLLER = controller.Controller(
    name="daemonset-controller",
    watches={
        RESOURCE: controller.itself,
        "pods": selectors.both(
            controller.controlled_by("DaemonSet"), selectors.selecting(RESOURCE)
        ),
        history.RESOURCE: controller.controlled_by("DaemonSet"),
        "nodes": _labels_changed,
    },
    reconcile=reconcile,
)
