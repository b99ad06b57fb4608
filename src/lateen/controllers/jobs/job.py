"""Jobs: run pods until enough have succeeded, or too many failed. Pure.

Every pod carries a finalizer until its end is counted: first its uid goes into the status, then the
finalizer goes, then the count grows. So a pod counts once, whoever deletes it and whenever.
"""

from datetime import datetime

import msgspec

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.jobs import index as job_index, status as job_status
from lateen.controllers.workloads import pods, selectors

RESOURCE = "jobs.batch"
TRACKING = "batch.kubernetes.io/job-tracking"
_FIRST_DELAY, _LONGEST_DELAY = 10.0, 600.0


class JobView(msgspec.Struct, frozen=True):
    """A Job with its pods and what was counted."""

    job: JsonView
    pods: tuple[JsonView, ...]
    tally: job_status.Tally
    now: datetime

    @property
    def active(self) -> list[JsonView]:
        """The pods that run or will."""
        return pods.active(self.pods)

    @property
    def parallelism(self) -> int:
        """How many pods may run at a time."""
        value = fields.spec(self.job).get("parallelism")
        return 1 if value is None else int(value)

    @property
    def completions(self) -> int | None:
        """How many must succeed; None: one success is enough and ends the making of pods."""
        value = fields.spec(self.job).get("completions")
        return None if value is None else int(value)


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Take one step, and report."""
    job = known.get(RESOURCE, *key)
    left_over = _left_over(key, job, known)
    if job is None:
        return actions.Reconciled(tuple(_released(one) for one in left_over))
    claimed = selectors.claim(job, "pods", known)
    tally = job_status.tally(job, claimed.objects, TRACKING)
    view = JobView(job, tuple(claimed.objects), tally, now)
    released: list[actions.Action] = [_released(one) for one in (*tally.counted, *left_over)]
    if fields.dying(job) or job_status.finished(job):
        free = [one for one in view.pods if pods.finished(one) or fields.dying(one)]
        rest = [_released(one) for one in free if _tracked(one) and one not in tally.counted]
        return _ended(view, [*claimed.actions, *rest, *released])
    verdict = _verdict(view)
    todo: list[actions.Action] = [*claimed.actions]
    status = _status(view, verdict)
    if status != fields.status(job):
        todo.append(actions.SetStatus(RESOURCE, fields.with_status(job, status)))
    todo.extend(released)
    again: float | None = None
    if verdict is not None or fields.spec(job).get("suspend"):
        todo.extend(_delete(view, one) for one in view.active)
    else:
        more, again = _run(view)
        todo.extend(more)
    if verdict is not None and job_status.finished({"status": status}):
        todo.append(_told(job, verdict))
    return actions.Reconciled(tuple(todo), _sooner(again, _until_deadline(view)))


def _left_over(key: controller.Name, job: JsonView | None, known: cache.Cache) -> list[JsonView]:
    """Return the tracked pods of a Job that is gone: nobody counts their end any more, and the
    finalizer would keep them."""
    alive = fields.uid(job) if job is not None else ""
    found: list[JsonView] = []
    for pod in known.within("pods", key[0]):
        owner = fields.controller_of(pod) or {}
        named = (owner.get("kind"), owner.get("name")) == ("Job", key[1])
        if named and owner.get("uid") != alive and _tracked(pod):
            found.append(pod)
    return found


def _tracked(pod: JsonView) -> bool:
    return TRACKING in (fields.meta(pod).get("finalizers") or ())


def _sooner(*waits: float | None) -> float | None:
    return min((one for one in waits if one is not None), default=None)


def _released(pod: JsonView) -> actions.Patch:
    kept = [one for one in fields.meta(pod).get("finalizers") or () if one != TRACKING]
    meta = {"uid": fields.uid(pod), "finalizers": kept or None}
    return actions.Patch("pods", fields.namespace(pod), fields.name(pod), {"metadata": meta})


def _ended(view: JobView, todo: list[actions.Action]) -> actions.Reconciled:
    """Clean up after a finished Job: its pods, and in time the Job itself."""
    todo.extend(_delete(view, one) for one in view.active)
    limit = fields.spec(view.job).get("ttlSecondsAfterFinished")
    ended = job_status.ended_at(view.job)
    since = fields.seconds_since(ended, view.now)
    if limit is None or since is None or fields.dying(view.job):
        return actions.Reconciled(tuple(todo))
    if since < limit:
        return actions.Reconciled(tuple(todo), limit - since)
    where = (fields.namespace(view.job), fields.name(view.job))
    todo.append(actions.Delete(RESOURCE, *where, fields.uid(view.job), "Background"))
    return actions.Reconciled(tuple(todo))


def _verdict(view: JobView) -> job_status.Verdict | None:
    """Tell whether the Job is decided, though pods may still run."""
    spec = fields.spec(view.job)
    done, enough = view.tally.succeeded, view.completions
    if (enough is not None and done >= enough) or (enough is None and done and not view.active):
        return job_status.COMPLETE
    limit = int(spec.get("backoffLimit", 6))
    if view.tally.failed > limit or _restarts(view) > limit:
        return job_status.TOO_MANY_FAILURES
    left = _until_deadline(view)
    if left is not None and left <= 0:
        return job_status.DEADLINE
    return None


def _restarts(view: JobView) -> int:
    """Restarts in place count as failures when the pods restart themselves."""
    template = fields.spec(view.job).get("template") or {}
    if fields.spec(template).get("restartPolicy") != "OnFailure":
        return 0
    return sum(pods.restarts(one) for one in view.active)


def _until_deadline(view: JobView) -> float | None:
    limit = fields.spec(view.job).get("activeDeadlineSeconds")
    since = fields.seconds_since(fields.status(view.job).get("startTime"), view.now)
    return None if limit is None or since is None else float(limit) - since


def _status(view: JobView, verdict: job_status.Verdict | None) -> Json:
    suspended = bool(fields.spec(view.job).get("suspend"))
    status = job_status.status(view.job, view.pods, view.tally, suspended, view.now)
    if view.completions is not None and _indexed(view.job):
        done = job_index.completed(view.job, view.pods)
        if done:
            status["completedIndexes"] = job_index.written(done)
    if verdict is not None:
        status = job_status.decided(status, verdict, bool(view.active), view.now)
    return status


def _indexed(job: JsonView) -> bool:
    return bool(fields.spec(job).get("completionMode") == "Indexed")


def _run(view: JobView) -> tuple[list[actions.Action], float | None]:
    """Create what is missing, delete what is too much; wait after failures."""
    running = len(view.active)
    wanted = view.parallelism
    if view.completions is not None:
        wanted = min(wanted, max(0, view.completions - view.tally.succeeded))
    elif view.tally.succeeded:
        wanted = running
    if running > wanted:
        excess = pods.to_delete_first(view.active)[: running - wanted]
        return [_delete(view, one) for one in excess], None
    if running == wanted:
        return [], None
    wait = _back_off(view)
    if wait > 0:
        return [], wait
    missing = wanted - running
    if not _indexed(view.job):
        return [_create(view, None)] * missing, None
    free = job_index.free(view.job, view.pods, view.completions or 0)
    return [_create(view, one) for one in free[:missing]], None


def _back_off(view: JobView) -> float:
    """Return the seconds to wait since the last failure: ten, doubled for each further one."""
    failed = view.tally.failed
    if not failed:
        return 0.0
    ends = [_end(one) for one in view.pods if fields.status(one).get("phase") == "Failed"]
    since = fields.seconds_since(max(ends, default=""), view.now)
    delay = min(_FIRST_DELAY * 2.0 ** (failed - 1), _LONGEST_DELAY)
    return 0.0 if since is None else delay - since


def _end(pod: JsonView) -> str:
    states = (one.get("state") or {} for one in fields.status(pod).get("containerStatuses") or ())
    ends = [str((one.get("terminated") or {}).get("finishedAt") or "") for one in states]
    return max(ends, default="")


def _create(view: JobView, index: int | None) -> actions.Create:
    pod = pods.from_template(view.job, fields.spec(view.job).get("template") or {})
    meta = pod["metadata"]
    meta["finalizers"] = [*meta.get("finalizers", ()), TRACKING]
    meta["generateName"] = f"{fields.name(view.job)}-"
    if index is not None:
        job_index.mark(pod, fields.name(view.job), index)
    return actions.Create("pods", pod, actions.created_pod(view.job))


def _delete(view: JobView, pod: JsonView) -> actions.Delete:
    where = (fields.namespace(pod), fields.name(pod))
    return actions.Delete("pods", *where, fields.uid(pod), report=actions.deleted_pod(view.job))


def _told(job: JsonView, verdict: job_status.Verdict) -> actions.Note:
    if verdict is job_status.COMPLETE:
        return actions.Note(job, "Completed", "Job completed")
    return actions.Note(job, verdict.reason, verdict.message, "Warning")


CONTROLLER = controller.Controller(
    name="job-controller",
    watches={
        RESOURCE: controller.itself,
        "pods": selectors.both(controller.controlled_by("Job"), selectors.selecting(RESOURCE)),
    },
    reconcile=reconcile,
)
