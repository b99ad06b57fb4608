"""StatefulSets: pods with names that last, made and replaced in order. Pure."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.workloads import history, pods, selectors

RESOURCE = "statefulsets.apps"
_CLAIMS = "persistentvolumeclaims"


class StatefulSetView(msgspec.Struct, frozen=True):
    """A StatefulSet with its pods by ordinal and its revisions."""

    owner: JsonView
    pods: Mapping[int, JsonView]
    history: history.History
    current: JsonView
    """The revision that pods below the partition keep."""
    now: datetime

    @property
    def first(self) -> int:
        """The lowest ordinal."""
        return int((fields.spec(self.owner).get("ordinals") or {}).get("start") or 0)

    @property
    def wanted(self) -> range:
        """The ordinals that shall run."""
        replicas = fields.spec(self.owner).get("replicas")
        return range(self.first, self.first + (1 if replicas is None else int(replicas)))

    @property
    def ordered(self) -> bool:
        """Whether each pod waits for the one before it."""
        return bool(fields.spec(self.owner).get("podManagementPolicy") != "Parallel")

    def healthy(self, pod: JsonView) -> bool:
        """Tell whether a pod serves and stays."""
        minimum = int(fields.spec(self.owner).get("minReadySeconds") or 0)
        return pods.available(pod, minimum, self.now) and not fields.dying(pod)


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Take one step towards the wanted pods, and report."""
    owner = known.get(RESOURCE, *key)
    if owner is None or fields.dying(owner):
        return actions.NOTHING
    claimed = selectors.claim(owner, "pods", known)
    mine = {n: pod for pod in claimed.objects if (n := ordinal(owner, pod)) is not None}
    past = history.history(owner, known)
    named = str(fields.status(owner).get("currentRevision") or "")
    view = StatefulSetView(owner, mine, past, past.find(named) or past.update, now)
    todo: list[actions.Action] = [*claimed.actions, *past.todo, *_status(view)]
    todo.extend(_step(view, known))
    in_use = {_revision(pod) for pod in mine.values()} | {fields.name(view.current)}
    limit = int(fields.spec(owner).get("revisionHistoryLimit", 10))
    todo.extend(past.expired(limit, in_use))
    minimum = int(fields.spec(owner).get("minReadySeconds") or 0)
    return actions.Reconciled(tuple(todo), pods.until_available(mine.values(), minimum, now))


def ordinal(owner: JsonView, pod: JsonView) -> int | None:
    """Return the number at the end of a pod's name, None if it is not of this set."""
    stem, _, number = fields.name(pod).rpartition("-")
    return int(number) if stem == fields.name(owner) and number.isdigit() else None


def _revision(pod: JsonView) -> str:
    return str(fields.labels(pod).get(history.LABEL, ""))


def _step(view: StatefulSetView, known: cache.Cache) -> list[actions.Action]:
    todo, blocked = _fill(view, known)
    if blocked:
        return todo
    gone, blocked = _shrink(view)
    todo.extend(gone)
    return todo if blocked else [*todo, *_replace(view)]


def _fill(view: StatefulSetView, known: cache.Cache) -> tuple[list[actions.Action], bool]:
    """Create what is missing, lowest first; in order, one waits for the one before."""
    todo: list[actions.Action] = []
    for number in view.wanted:
        pod = view.pods.get(number)
        if pod is None:
            todo.extend(_create(view, number, known))
        elif pods.finished(pod) and not fields.dying(pod):
            todo.append(_delete(view, pod))
        elif view.healthy(pod) or not view.ordered:
            continue
        if view.ordered:
            return todo, True
    return todo, False


def _shrink(view: StatefulSetView) -> tuple[list[actions.Action], bool]:
    """Delete what is beyond the wanted number, highest first."""
    excess = sorted((n for n in view.pods if n not in view.wanted), reverse=True)
    todo: list[actions.Action] = []
    for number in excess:
        pod = view.pods[number]
        if not fields.dying(pod):
            todo.append(_delete(view, pod))
        if view.ordered:
            break
    return todo, bool(excess) and view.ordered


def _replace(view: StatefulSetView) -> list[actions.Action]:
    """Bring pods to the present revision, highest first, one at a time, down to the partition."""
    strategy = fields.spec(view.owner).get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    for number in reversed(view.wanted):
        if number < partition:
            break
        pod = view.pods.get(number)
        if pod is None or fields.dying(pod):
            return []
        if _revision(pod) != fields.name(view.history.update):
            return [_delete(view, pod)]
        if not view.healthy(pod):
            return []
    return []


def _delete(view: StatefulSetView, pod: JsonView) -> actions.Delete:
    name = fields.name(view.owner)
    report = actions.Report(
        view.owner,
        "SuccessfulDelete",
        f"delete Pod {{name}} in StatefulSet {name} successful",
        "FailedDelete",
        f"delete Pod {{name}} in StatefulSet {name} failed error: {{error}}",
    )
    where = (fields.namespace(pod), fields.name(pod))
    return actions.Delete("pods", *where, fields.uid(pod), report=report)


def _create(view: StatefulSetView, number: int, known: cache.Cache) -> list[actions.Action]:
    strategy = fields.spec(view.owner).get("updateStrategy") or {}
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    revision = view.current if number < partition else view.history.update
    name = f"{fields.name(view.owner)}-{number}"
    pod = pods.from_template(view.owner, history.template(revision))
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"].update(
        {
            history.LABEL: fields.name(revision),
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(number),
        }
    )
    pod["spec"]["hostname"] = name
    if fields.spec(view.owner).get("serviceName"):
        pod["spec"]["subdomain"] = fields.spec(view.owner)["serviceName"]
    todo = _claims(view.owner, pod, known)
    owner = fields.name(view.owner)
    report = actions.Report(
        view.owner,
        "SuccessfulCreate",
        f"create Pod {{name}} in StatefulSet {owner} successful",
        "FailedCreate",
        f"create Pod {{name}} in StatefulSet {owner} failed error: {{error}}",
    )
    return [*todo, actions.Create("pods", pod, report)]


def _claims(owner: JsonView, pod: Json, known: cache.Cache) -> list[actions.Action]:
    """Create the pod's volume claims and put them in the place of its volumes of that name."""
    todo: list[actions.Action] = []
    space = fields.namespace(owner)
    for template in fields.spec(owner).get("volumeClaimTemplates") or ():
        volume = fields.name(template)
        name = f"{volume}-{pod['metadata']['name']}"
        others = [one for one in pod["spec"].get("volumes") or () if one.get("name") != volume]
        claim = {"name": volume, "persistentVolumeClaim": {"claimName": name}}
        pod["spec"]["volumes"] = [*others, claim]
        if known.get(_CLAIMS, space, name) is None:
            labels = fields.spec(owner).get("selector", {}).get("matchLabels") or {}
            meta = {"name": name, "namespace": space, "labels": dict(labels)}
            body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}
            body["spec"] = clone(fields.spec(template))
            todo.append(actions.Create(_CLAIMS, body))
    return todo


def _status(view: StatefulSetView) -> list[actions.Action]:
    mine = list(view.pods.values())
    update, current = fields.name(view.history.update), fields.name(view.current)
    updated = sum(1 for pod in mine if _revision(pod) == update)
    ready = sum(1 for pod in mine if pods.ready(pod))
    settled = updated == len(view.wanted) == ready == len(mine)
    if settled:
        current = update
    minimum = int(fields.spec(view.owner).get("minReadySeconds") or 0)
    counts = {
        "readyReplicas": ready,
        "currentReplicas": sum(1 for pod in mine if _revision(pod) == current),
        "updatedReplicas": updated,
    }
    new: Json = {
        "observedGeneration": fields.meta(view.owner).get("generation", 0),
        "replicas": len(mine),
        **fields.without_zeros(counts),
        "availableReplicas": sum(1 for pod in mine if pods.available(pod, minimum, view.now)),
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": 0,
    }
    if new == fields.status(view.owner):
        return []
    return [actions.SetStatus(RESOURCE, fields.with_status(view.owner, new))]


CONTROLLER = controller.Controller(
    name="statefulset-controller",
    watches={
        RESOURCE: controller.itself,
        "pods": selectors.both(
            controller.controlled_by("StatefulSet"), selectors.selecting(RESOURCE)
        ),
        history.RESOURCE: controller.controlled_by("StatefulSet"),
    },
    reconcile=reconcile,
)
