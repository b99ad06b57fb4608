"""Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs. Pure."""

from datetime import datetime

from lateen.apiserver.reading.printers import cells
from lateen.base import clock
from lateen.base.jsonvalue import JsonView

_WIDE = "Containers,Images"
_WIDE_SELECTOR = "Containers,Images,Selector"


def _wide(obj: JsonView) -> list[str]:
    return list(cells.containers(cells.part(obj, "spec", "template")))


def _selector(obj: JsonView) -> str:
    return cells.selector(cells.part(obj, "spec").get("selector"))


def _count(obj: JsonView, field: str) -> int:
    return int(cells.part(obj, "status").get(field) or 0)


def _wanted(obj: JsonView) -> int:
    replicas = cells.part(obj, "spec").get("replicas")
    return 1 if replicas is None else int(replicas)


def _deployment(obj: JsonView, now: datetime) -> cells.Cells:
    return [
        cells.name(obj),
        f"{_count(obj, 'readyReplicas')}/{_wanted(obj)}",
        _count(obj, "updatedReplicas"),
        _count(obj, "availableReplicas"),
        cells.age(obj, now),
        *_wide(obj),
        _selector(obj),
    ]


def _replica_set(obj: JsonView, now: datetime) -> cells.Cells:
    counts = [_wanted(obj), _count(obj, "replicas"), _count(obj, "readyReplicas")]
    return [cells.name(obj), *counts, cells.age(obj, now), *_wide(obj), _selector(obj)]


def _controller(obj: JsonView, now: datetime) -> cells.Cells:
    """Print a ReplicationController, whose selector is a plain map."""
    counts = [_wanted(obj), _count(obj, "replicas"), _count(obj, "readyReplicas")]
    chosen = cells.pairs(cells.part(obj, "spec").get("selector"))
    return [cells.name(obj), *counts, cells.age(obj, now), *_wide(obj), chosen]


def _stateful_set(obj: JsonView, now: datetime) -> cells.Cells:
    ready = f"{_count(obj, 'readyReplicas')}/{_wanted(obj)}"
    return [cells.name(obj), ready, cells.age(obj, now), *_wide(obj)]


def _daemon_set(obj: JsonView, now: datetime) -> cells.Cells:
    node = cells.part(obj, "spec", "template", "spec").get("nodeSelector")
    return [
        cells.name(obj),
        _count(obj, "desiredNumberScheduled"),
        _count(obj, "currentNumberScheduled"),
        _count(obj, "numberReady"),
        _count(obj, "updatedNumberScheduled"),
        _count(obj, "numberAvailable"),
        cells.pairs(node),
        cells.age(obj, now),
        *_wide(obj),
        _selector(obj),
    ]


def _job(obj: JsonView, now: datetime) -> cells.Cells:
    spec, status = cells.part(obj, "spec"), cells.part(obj, "status")
    done, total = status.get("succeeded") or 0, spec.get("completions")
    if total is not None:
        completions = f"{done}/{total}"
    else:
        parallel = spec.get("parallelism") or 0
        completions = f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    begun, ended = clock.moment(status.get("startTime")), clock.moment(status.get("completionTime"))
    took = ""
    if begun is not None:
        took = cells.duration(((ended or now) - begun).total_seconds())
    return [
        cells.name(obj),
        _job_state(obj),
        completions,
        took,
        cells.age(obj, now),
        *_wide(obj),
        _selector(obj),
    ]


def _job_state(obj: JsonView) -> str:
    conditions = cells.part(obj, "status").get("conditions") or ()
    true = {one.get("type") for one in conditions if one.get("status") == "True"}
    for kind in ("Complete", "Failed"):
        if kind in true:
            return kind
    if cells.meta(obj).get("deletionTimestamp"):
        return "Terminating"
    order = {
        "Suspended": "Suspended",
        "FailureTarget": "FailureTarget",
        "SuccessCriteriaMet": "SuccessCriteriaMet",
    }
    return next((word for kind, word in order.items() if kind in true), "Running")


def _cron_job(obj: JsonView, now: datetime) -> cells.Cells:
    spec, status = cells.part(obj, "spec"), cells.part(obj, "status")
    last = status.get("lastScheduleTime")
    return [
        cells.name(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or cells.NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        cells.since(last, now) if last else cells.NONE,
        cells.age(obj, now),
        *cells.containers(cells.part(obj, "spec", "jobTemplate", "spec", "template")),
        cells.selector(cells.part(obj, "spec", "jobTemplate", "spec").get("selector")),
    ]


def _revision(obj: JsonView, now: datetime) -> cells.Cells:
    owners = cells.meta(obj).get("ownerReferences") or ()
    owner = next((one for one in owners if one.get("controller")), None)
    shown = cells.NONE
    if owner is not None:
        group = str(owner.get("apiVersion", "")).partition("/")[0]
        shown = f"{str(owner.get('kind', '')).lower()}.{group}/{owner.get('name')}"
    return [cells.name(obj), shown, obj.get("revision", 0), cells.age(obj, now)]


def _scale(obj: JsonView, now: datetime) -> cells.Cells:
    return [cells.name(obj), _wanted(obj), _count(obj, "replicas"), cells.age(obj, now)]


_SET = "Name,#Desired,#Current,#Ready,Age"
_DAEMON = "Name,#Desired,#Current,#Ready,#Up-to-date,#Available,Node Selector,Age"
_CRON = "Name,Schedule,Timezone,Suspend,#Active,Last Schedule,Age"

SCALE = cells.TablePrinter(cells.columns("Name,#Desired,#Available,Age"), _scale)
PRINTERS = {
    "deployments.apps": cells.TablePrinter(
        cells.columns("Name,Ready,#Up-to-date,#Available,Age", _WIDE_SELECTOR), _deployment
    ),
    "replicasets.apps": cells.TablePrinter(cells.columns(_SET, _WIDE_SELECTOR), _replica_set),
    "replicationcontrollers": cells.TablePrinter(cells.columns(_SET, _WIDE_SELECTOR), _controller),
    "statefulsets.apps": cells.TablePrinter(cells.columns("Name,Ready,Age", _WIDE), _stateful_set),
    "daemonsets.apps": cells.TablePrinter(cells.columns(_DAEMON, _WIDE_SELECTOR), _daemon_set),
    "jobs.batch": cells.TablePrinter(
        cells.columns("Name,Status,Completions,Duration,Age", _WIDE_SELECTOR), _job
    ),
    "cronjobs.batch": cells.TablePrinter(cells.columns(_CRON, _WIDE_SELECTOR), _cron_job),
    "controllerrevisions.apps": cells.TablePrinter(
        cells.columns("Name,Controller,#Revision,Age"), _revision
    ),
}
