"""Deployments: roll a template out over ReplicaSets, scale them, keep their history. Pure.

One look does one step, as in Kubernetes: what follows from it comes with the next change.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.workloads import (
    deployment_status,
    pods,
    replicaset,
    revisions,
    rollout,
    selectors,
)

RESOURCE = "deployments.apps"


class DeploymentView(msgspec.Struct, frozen=True):
    """A Deployment with what belongs to it."""

    deployment: JsonView
    new: JsonView | None
    """The ReplicaSet of the present template, if there is one."""
    olds: tuple[JsonView, ...]
    """The others, oldest first."""
    bounds: rollout.Bounds
    taken: Callable[[str], bool]
    """Tells whether a ReplicaSet of that name is there already."""
    now: datetime

    @property
    def replicas(self) -> int:
        """The wanted number of pods."""
        return revisions.replicas(self.deployment)

    @property
    def total(self) -> int:
        """The pods asked for over all ReplicaSets."""
        return sum(revisions.replicas(one) for one in self.every)

    @property
    def every(self) -> tuple[JsonView, ...]:
        """All ReplicaSets."""
        return (*self.olds, self.new) if self.new is not None else self.olds

    @property
    def recreate(self) -> bool:
        """Whether the old pods must be gone before new ones come."""
        strategy = fields.spec(self.deployment).get("strategy") or {}
        return bool(strategy.get("type") == "Recreate")


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Take one step of a rollout, and report."""
    found = known.get(RESOURCE, *key)
    if found is None:
        return actions.NOTHING
    claimed = selectors.claim(found, replicaset.RESOURCE, known)
    view = _view(found, claimed.objects, known, now)
    todo: list[actions.Action] = list(claimed.actions)
    if not fields.dying(found):
        todo.extend(_step(view, known))
    after = _after(view, todo)
    status = deployment_status.status(after.deployment, after.new, after.every, now)
    if status != fields.status(found):
        todo.append(actions.SetStatus(RESOURCE, fields.with_status(_written(found, todo), status)))
    report = fields.with_status(found, status)
    return actions.Reconciled(tuple(todo), deployment_status.look_again(report, now))


def _view(
    found: JsonView, sets: Sequence[JsonView], known: cache.Cache, now: datetime
) -> DeploymentView:
    new = revisions.newest(found, sets)
    olds = tuple(one for one in revisions.oldest_first(sets) if one is not new)
    strategy = fields.spec(found).get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    bounds = rollout.Bounds(0, 0)
    if strategy.get("type") != "Recreate":
        bounds = rollout.bounds(
            rolling.get("maxSurge"), rolling.get("maxUnavailable"), revisions.replicas(found)
        )
    space = fields.namespace(found)

    def taken(name: str) -> bool:
        return known.get(replicaset.RESOURCE, space, name) is not None

    return DeploymentView(found, new, olds, bounds, taken, now)


def _after(view: DeploymentView, todo: Sequence[actions.Action]) -> DeploymentView:
    """Return the view with a ReplicaSet that is about to be created, for the status."""
    for action in todo:
        if isinstance(action, actions.Create):
            return replace(view, new=action.body)
    return view


def _written(found: JsonView, todo: Sequence[actions.Action]) -> JsonView:
    """Without its version, if an action before has written the Deployment itself."""
    if not any(isinstance(one, actions.Patch) and one.resource == RESOURCE for one in todo):
        return found
    meta = {key: value for key, value in fields.meta(found).items() if key != "resourceVersion"}
    return {**found, "metadata": meta}


def _step(view: DeploymentView, known: cache.Cache) -> list[actions.Action]:
    spec = fields.spec(view.deployment)
    if spec.get("paused"):
        return _scale_in_place(view)
    if _resized(view):
        return _scale_in_place(view)
    todo = _numbered(view)
    step = _recreate(view, known) if view.recreate else _roll(view)
    todo.extend(step)
    if not step and _complete(view):
        limit = int(spec.get("revisionHistoryLimit", 10))
        todo.extend(_delete(one) for one in revisions.expired(view.olds, limit))
    return todo


def _resized(view: DeploymentView) -> bool:
    """Tell whether the Deployment was scaled since its ReplicaSets were last sized."""
    texts = [
        fields.annotations(one).get(revisions.DESIRED)
        for one in view.every
        if revisions.replicas(one)
    ]
    return any(text is not None and text != str(view.replicas) for text in texts)


def _numbered(view: DeploymentView) -> list[actions.Action]:
    """Give the new ReplicaSet and the Deployment the present revision number."""
    highest = max((revisions.number(one) for one in view.olds), default=0)
    revision = highest + 1
    todo: list[actions.Action] = []
    if view.new is not None:
        current = fields.annotations(view.new)
        wanted = revisions.wanted_annotations(view.deployment, current, revision, _most(view))
        if wanted != current:
            todo.append(_annotate(replicaset.RESOURCE, view.new, wanted))
        revision = max(revision, revisions.number(view.new))
    if revisions.number(view.deployment) != revision:
        number = {revisions.REVISION: str(revision)}
        todo.append(_annotate(RESOURCE, view.deployment, number))
    return todo


def _most(view: DeploymentView) -> int:
    return view.replicas + view.bounds.surge


def _annotate(resource: str, obj: JsonView, wanted: Mapping[str, str]) -> actions.Patch:
    patch = {"metadata": {"annotations": dict(wanted)}}
    return actions.Patch(resource, fields.namespace(obj), fields.name(obj), patch)


def _roll(view: DeploymentView) -> list[actions.Action]:
    if view.new is None:
        count = rollout.next_new(0, view.total, view.replicas, view.bounds.surge)
        return _create(view, count)
    current = revisions.replicas(view.new)
    count = rollout.next_new(current, view.total, view.replicas, view.bounds.surge)
    if count != current:
        return _scale(view, view.new, count)
    olds = [rollout.OldReplicaSet(revisions.replicas(one), _available(one)) for one in view.olds]
    new = rollout.OldReplicaSet(current, _available(view.new))
    left = rollout.next_old(olds, new, view.replicas, view.bounds.unavailable)
    return [
        action
        for one, old, count in zip(view.olds, olds, left, strict=True)
        if count != old.replicas
        for action in _scale(view, one, count)
    ]


def _recreate(view: DeploymentView, known: cache.Cache) -> list[actions.Action]:
    down = [
        action for one in view.olds if revisions.replicas(one) for action in _scale(view, one, 0)
    ]
    if down:
        return down
    remaining = (pod for one in view.olds for pod in known.owned(fields.uid(one), "pods"))
    if any(not pods.finished(pod) for pod in remaining):
        return []
    if view.new is None:
        return _create(view, view.replicas)
    if revisions.replicas(view.new) != view.replicas:
        return _scale(view, view.new, view.replicas)
    return []


def _available(one: JsonView) -> int:
    return int(fields.status(one).get("availableReplicas") or 0)


def _create(view: DeploymentView, count: int) -> list[actions.Action]:
    body = revisions.born(view.deployment, view.taken)
    highest = max((revisions.number(one) for one in view.olds), default=0)
    body["metadata"]["annotations"] = revisions.wanted_annotations(
        view.deployment, {}, highest + 1, _most(view)
    )
    body["spec"]["replicas"] = count
    todo: list[actions.Action] = [actions.Create(replicaset.RESOURCE, body)]
    if count:
        todo.append(_scaling_note(view, fields.name(body), 0, count))
    return todo


def _scale(view: DeploymentView, one: JsonView, count: int) -> list[actions.Action]:
    before = revisions.replicas(one)
    notes = {revisions.DESIRED: str(view.replicas), revisions.MAXIMUM: str(_most(view))}
    patch: Json = {"metadata": {"annotations": notes}}
    if before != count:
        patch["spec"] = {"replicas": count}
    where = (fields.namespace(one), fields.name(one))
    todo: list[actions.Action] = [actions.Patch(replicaset.RESOURCE, *where, patch)]
    if before != count:
        todo.append(_scaling_note(view, fields.name(one), before, count))
    return todo


def _scaling_note(view: DeploymentView, name: str, before: int, after: int) -> actions.Note:
    way = "up" if after > before else "down"
    text = f"Scaled {way} replica set {name} from {before} to {after}"
    return actions.Note(view.deployment, "ScalingReplicaSet", text)


def _scale_in_place(view: DeploymentView) -> list[actions.Action]:
    """Follow a change of `replicas` without going on with a rollout."""
    running = [one for one in view.every if revisions.replicas(one)]
    only = running[0] if len(running) == 1 else (view.new if not running else None)
    if only is not None:
        return _sized(view, only, view.replicas)
    if not running:
        return []
    if view.new is not None and _saturated(view):
        down = [action for one in view.olds for action in _sized(view, one, 0)]
        return down + _sized(view, view.new, view.replicas)
    return _scale_proportionally(view, running)


def _saturated(view: DeploymentView) -> bool:
    """Tell whether the new ReplicaSet alone serves all that is wanted."""
    new = view.new or {}
    return revisions.replicas(new) == view.replicas == _available(new)


def _scale_proportionally(
    view: DeploymentView, running: Sequence[JsonView]
) -> list[actions.Action]:
    ordered = sorted(running, key=lambda one: (-revisions.replicas(one), fields.created(one)))
    sizes = [revisions.replicas(one) for one in ordered]
    most = _most(view) if view.replicas else 0
    text = fields.annotations(ordered[0]).get(revisions.MAXIMUM, "")
    former = int(text) if text.isdigit() else sum(sizes)
    shares = rollout.proportional(sizes, former, most)
    return [
        action
        for one, count in zip(ordered, shares, strict=True)
        for action in _sized(view, one, count)
    ]


def _sized(view: DeploymentView, one: JsonView, count: int) -> list[actions.Action]:
    current = fields.annotations(one)
    noted = current.get(revisions.DESIRED) == str(view.replicas)
    if revisions.replicas(one) == count and noted:
        return []
    return _scale(view, one, count)


def _complete(view: DeploymentView) -> bool:
    return deployment_status.complete(view.deployment, view.new, view.every)


def _delete(one: JsonView) -> actions.Delete:
    where = (fields.namespace(one), fields.name(one))
    return actions.Delete(replicaset.RESOURCE, *where, fields.uid(one))


CONTROLLER = controller.Controller(
    name="deployment-controller",
    watches={
        RESOURCE: controller.itself,
        replicaset.RESOURCE: selectors.both(
            controller.controlled_by("Deployment"), selectors.selecting(RESOURCE)
        ),
        "pods": deployment_status.recreating(RESOURCE),
    },
    reconcile=reconcile,
)
