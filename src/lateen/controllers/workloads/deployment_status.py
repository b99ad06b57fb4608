"""A Deployment's status: counts, and the conditions Available and Progressing. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import cache, controller, fields
from lateen.controllers.workloads import conditions, replicaset, revisions, rollout
from lateen.model import wellknown


def status(
    deployment: JsonView, new: JsonView | None, every: Sequence[JsonView], now: datetime
) -> Json:
    """Return the whole new status."""
    old = fields.status(deployment)
    total = sum(revisions.replicas(one) for one in every)
    available = _sum(every, "availableReplicas")
    counts = {
        "replicas": _sum(every, "replicas"),
        "updatedReplicas": _sum((new,) if new is not None else (), "replicas"),
        "readyReplicas": _sum(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    result: Json = {"observedGeneration": fields.meta(deployment).get("generation", 0)}
    result.update(fields.without_zeros(counts))
    if old.get("collisionCount"):
        result["collisionCount"] = old["collisionCount"]
    found: list[JsonView] = list(old.get("conditions") or ())
    found = conditions.settled(found, _available(deployment, available, now))
    progressing = _progressing(deployment, new, every, counts, now)
    if progressing is not None:
        found = conditions.settled(found, progressing, touch=_advanced(old, counts))
    result["conditions"] = found
    return result


def _sum(sets: Iterable[JsonView], field: str) -> int:
    return sum(int(fields.status(one).get(field) or 0) for one in sets)


def minimum(deployment: JsonView) -> int:
    """Return how many pods must be available for the Deployment to be."""
    replicas = revisions.replicas(deployment)
    strategy = fields.spec(deployment).get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return replicas
    rolling = strategy.get("rollingUpdate") or {}
    limits = rollout.bounds(rolling.get("maxSurge"), rolling.get("maxUnavailable"), replicas)
    return replicas - limits.unavailable


def _available(deployment: JsonView, count: int, now: datetime) -> Json:
    if count >= minimum(deployment):
        text = "Deployment has minimum availability."
        return conditions.condition("Available", True, "MinimumReplicasAvailable", text, now)
    text = "Deployment does not have minimum availability."
    return conditions.condition("Available", False, "MinimumReplicasUnavailable", text, now)


def complete(deployment: JsonView, new: JsonView | None, every: Sequence[JsonView]) -> bool:
    """Tell whether all wanted pods are of the present template and serve, and no others run."""
    if new is None:
        return False
    wanted = revisions.replicas(deployment)
    updated = _sum((new,), "replicas")
    return (
        updated == wanted == _sum(every, "replicas")
        and _sum(every, "availableReplicas") == wanted
        and revisions.replicas(new) == wanted
        and fields.status(new).get("observedGeneration", 0) >= fields.meta(new).get("generation", 0)
    )


def _progressing(
    deployment: JsonView,
    new: JsonView | None,
    every: Sequence[JsonView],
    counts: Mapping[str, int],
    now: datetime,
) -> Json | None:
    spec = fields.spec(deployment)
    before = fields.condition(deployment, "Progressing") or {}
    if spec.get("paused"):
        text = "Deployment is paused"
        return conditions.condition("Progressing", True, "DeploymentPaused", text, now)
    if spec.get("progressDeadlineSeconds") is None or new is None:
        return None
    name = f'ReplicaSet "{fields.name(new)}"'
    if complete(deployment, new, every):
        text = f"{name} has successfully progressed."
        return _if_news(before, "NewReplicaSetAvailable", text, True, now)
    if before.get("reason") == "NewReplicaSetAvailable" and _same_set(before, new):
        return None
    if "uid" not in fields.meta(new):
        text = f'Created new replica set "{fields.name(new)}"'
        return conditions.condition("Progressing", True, "NewReplicaSetCreated", text, now)
    if _advanced(fields.status(deployment), counts) or before.get("status") is None:
        text = f"{name} is progressing."
        return conditions.condition("Progressing", True, "ReplicaSetUpdated", text, now)
    left = revisions.progress_left(deployment, now)
    if left is not None and left <= 0 and before.get("status") == "True":
        text = f"{name} has timed out progressing."
        return conditions.condition("Progressing", False, "ProgressDeadlineExceeded", text, now)
    if before.get("reason") == "DeploymentPaused":
        text = "Deployment is resumed"
        return conditions.condition("Progressing", True, "DeploymentResumed", text, now)
    return None


def _same_set(before: JsonView, new: JsonView) -> bool:
    """A finished rollout stays finished when a pod dies later or replicas change."""
    return f'"{fields.name(new)}"' in str(before.get("message", ""))


def _if_news(before: JsonView, reason: str, text: str, good: bool, now: datetime) -> Json | None:
    if before.get("reason") == reason and before.get("message") == text:
        return None
    return conditions.condition("Progressing", good, reason, text, now)


def _advanced(old: JsonView, counts: Mapping[str, int]) -> bool:
    """Tell whether the rollout moved: more new pods, fewer old ones, more that serve."""

    def was(field: str) -> int:
        return int(old.get(field) or 0)

    new_olds = counts["replicas"] - counts["updatedReplicas"]
    return (
        counts["updatedReplicas"] > was("updatedReplicas")
        or new_olds < was("replicas") - was("updatedReplicas")
        or counts["readyReplicas"] > was("readyReplicas")
        or counts["availableReplicas"] > was("availableReplicas")
    )


def look_again(deployment: JsonView, now: datetime) -> float | None:
    """Return when the progress deadline must be looked at, in seconds; None if it need not."""
    one = fields.condition(deployment, "Progressing") or {}
    settled = ("NewReplicaSetAvailable", "DeploymentPaused", "ProgressDeadlineExceeded")
    if one.get("reason") in settled:
        return None
    left = revisions.progress_left(deployment, now)
    return None if left is None else max(left, 0.0) + 0.01


def recreating(resource: str) -> controller.Keys:
    """A pod that goes away may be what a Deployment of the strategy Recreate waits for."""

    def keys(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
        if change.after is not None and not wellknown.has_ended(change.after):
            return
        owner = fields.controller_of(change.object)
        if owner is None or owner.get("kind") != "ReplicaSet":
            return
        space = change.key.namespace
        set_ = known.get(replicaset.RESOURCE, space, str(owner.get("name")))
        above = fields.controller_of(set_) if set_ is not None else None
        if above is not None and above.get("kind") == "Deployment":
            found = known.get(resource, space, str(above.get("name")))
            strategy = fields.spec(found or {}).get("strategy") or {}
            if strategy.get("type") == "Recreate":
                yield (space, str(above.get("name")))

    return keys
