"""A Deployment's ReplicaSets as its revisions: which is the new one, what numbers they carry,
which are too old to keep. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import fields
from lateen.controllers.workloads import hashing

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
)


def same_template(one: JsonView, other: JsonView) -> bool:
    """Compare pod templates, leaving the hash label aside."""
    return _bare(one) == _bare(other)


def _bare(template: JsonView) -> JsonView:
    meta = dict(fields.meta(template))
    labels = dict(fields.labels(template))
    labels.pop(hashing.TEMPLATE_HASH, None)
    meta["labels"] = labels
    return {**template, "metadata": meta}


def newest(deployment: JsonView, sets: Sequence[JsonView]) -> JsonView | None:
    """Return the ReplicaSet of the Deployment's present template: the oldest, if several."""
    template = fields.spec(deployment).get("template") or {}
    same = [one for one in sets if same_template(fields.spec(one).get("template") or {}, template)]
    return min(same, key=_age, default=None)


def _age(one: JsonView) -> tuple[str, str]:
    return (fields.created(one), fields.name(one))


def number(obj: JsonView) -> int:
    """Return the revision number, 0 if it has none."""
    text = fields.annotations(obj).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def replicas(one: JsonView) -> int:
    """Return spec.replicas."""
    value = fields.spec(one).get("replicas")
    return 1 if value is None else int(value)


def oldest_first(sets: Sequence[JsonView]) -> list[JsonView]:
    """Order by creation."""
    return sorted(sets, key=_age)


def wanted_annotations(
    deployment: JsonView, current: Mapping[str, str], revision: int, most: int
) -> dict[str, str]:
    """Return the annotations of the new ReplicaSet: the Deployment's own, its revision and the
    sizes it was scaled for. A set that comes back by a rollback remembers its earlier numbers."""
    own = fields.annotations(deployment)
    result = {**current, **{k: v for k, v in own.items() if k not in _NOT_COPIED}}
    before = current.get(REVISION, "")
    if before.isdigit() and int(before) < revision:
        history = current.get(HISTORY, "")
        result[HISTORY] = f"{history},{before}" if history else before
    if not before.isdigit() or int(before) < revision:
        result[REVISION] = str(revision)
    result[DESIRED] = str(replicas(deployment))
    result[MAXIMUM] = str(most)
    return result


def born(deployment: JsonView, taken: Callable[[str], bool]) -> Json:
    """Return the ReplicaSet of the present template, without its size.

    `taken` tells whether a ReplicaSet of a name is there: one of the same name with another
    template is a collision of hashes, and the next hash is tried, as Kubernetes does.
    """
    spec = fields.spec(deployment)
    template: Json = clone(spec.get("template") or {})
    collisions = int(fields.status(deployment).get("collisionCount") or 0)
    digest = hashing.template_hash(template, collisions)
    while taken(f"{fields.name(deployment)}-{digest}"):
        collisions += 1
        digest = hashing.template_hash(template, collisions)
    labels = {**fields.labels(template), hashing.TEMPLATE_HASH: digest}
    template["metadata"] = {**fields.meta(template), "labels": labels}
    selector: Json = clone(spec.get("selector") or {})
    selector["matchLabels"] = {**selector.get("matchLabels", {}), hashing.TEMPLATE_HASH: digest}
    body: Json = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{fields.name(deployment)}-{digest}",
            "namespace": fields.namespace(deployment),
            "labels": labels,
            "ownerReferences": [fields.owner_reference(deployment)],
        },
        "spec": {"selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return body


def expired(sets: Sequence[JsonView], limit: int) -> list[JsonView]:
    """Return the old ReplicaSets beyond the history limit: empty ones, lowest revision first."""
    if len(sets) <= limit:
        return []
    ordered = sorted(sets, key=lambda one: (number(one), *_age(one)))
    return [one for one in ordered[: len(sets) - limit] if _empty(one)]


def _empty(one: JsonView) -> bool:
    status = fields.status(one)
    observed = status.get("observedGeneration", 0) >= fields.meta(one).get("generation", 0)
    return not (replicas(one) or status.get("replicas") or fields.dying(one)) and observed


def progress_left(deployment: JsonView, now: datetime) -> float | None:
    """Return in how many seconds the progress deadline passes; None without one."""
    limit = fields.spec(deployment).get("progressDeadlineSeconds")
    one = fields.condition(deployment, "Progressing")
    if limit is None or one is None:
        return None
    since = fields.seconds_since(one.get("lastUpdateTime"), now)
    return None if since is None else float(limit) - since
