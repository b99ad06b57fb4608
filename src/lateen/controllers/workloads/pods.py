"""Facts about pods that the workload controllers share: templates, readiness, order of deletion.
Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import fields
from lateen.model import wellknown

_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


def from_template(owner: JsonView, template: JsonView) -> Json:
    """Return a pod of a workload's template, owned by it; the caller names it."""
    given = fields.meta(template)
    meta: Json = {
        "namespace": fields.namespace(owner),
        "labels": dict(given.get("labels") or {}),
        "ownerReferences": [fields.owner_reference(owner)],
    }
    if given.get("annotations"):
        meta["annotations"] = dict(given["annotations"])
    if given.get("finalizers"):
        meta["finalizers"] = list(given["finalizers"])
    spec = clone(template.get("spec") or {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def finished(pod: JsonView) -> bool:
    """Tell whether it ran to its end."""
    return wellknown.has_ended(pod)


def active(pods: Iterable[JsonView]) -> list[JsonView]:
    """Return the pods that count as replicas: neither ended nor being deleted."""
    return [pod for pod in pods if not finished(pod) and not fields.dying(pod)]


def ready(pod: JsonView) -> bool:
    """Tell whether the Ready condition is True."""
    return fields.is_true(pod, wellknown.READY)


def ready_for(pod: JsonView, now: datetime) -> float | None:
    """Return for how many seconds the pod has been ready, or None."""
    one = fields.condition(pod, wellknown.READY)
    if one is None or one.get("status") != "True":
        return None
    since = fields.seconds_since(one.get("lastTransitionTime"), now)
    return 0.0 if since is None else since


def available(pod: JsonView, minimum: int, now: datetime) -> bool:
    """Tell whether the pod has been ready for `minimum` seconds."""
    since = ready_for(pod, now)
    return since is not None and since >= minimum


def until_available(pods: Iterable[JsonView], minimum: int, now: datetime) -> float | None:
    """Return in how many seconds the next ready pod becomes available; None if none will."""
    waits = [
        minimum - since
        for pod in pods
        if (since := ready_for(pod, now)) is not None and since < minimum
    ]
    return min(waits, default=None)


def restarts(pod: JsonView) -> int:
    """Return the restarts of its containers, added up."""
    statuses = fields.status(pod).get("containerStatuses") or ()
    return sum(int(one.get("restartCount", 0)) for one in statuses)


def to_delete_first(pods: Sequence[JsonView]) -> list[JsonView]:
    """Order pods as a ReplicaSet gives them up: not scheduled, not running, not ready, cheap by
    their deletion cost, ready only lately, restarted often, young."""

    def recent_first(text: str) -> tuple[int, ...]:
        return tuple(-ord(one) for one in text)

    def rank(pod: JsonView) -> tuple[Any, ...]:
        since = (fields.condition(pod, wellknown.READY) or {}).get("lastTransitionTime") or ""
        return (
            bool(fields.spec(pod).get("nodeName")),
            _PHASE_RANK.get(str(fields.status(pod).get("phase")), 0),
            ready(pod),
            _cost(pod),
            recent_first(str(since)),
            -restarts(pod),
            recent_first(fields.created(pod)),
        )

    return sorted(pods, key=rank)


def _cost(pod: JsonView) -> int:
    try:
        return int(fields.annotations(pod).get(_DELETION_COST, "0"))
    except ValueError:
        return 0
