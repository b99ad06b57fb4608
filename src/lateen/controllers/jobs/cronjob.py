"""CronJobs: a Job at each moment of a schedule. Pure; the time comes in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from lateen.base import clock
from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.jobs import cron, job, status as job_status

RESOURCE = "cronjobs.batch"
_MOST_MISSED = 100


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Start what is due, clean up old Jobs, and say when to look again."""
    owner = known.get(RESOURCE, *key)
    if owner is None or fields.dying(owner):
        return actions.NOTHING
    jobs = sorted(known.owned(fields.uid(owner), job.RESOURCE), key=fields.created)
    active = [one for one in jobs if not job_status.finished(one)]
    todo: list[actions.Action] = _expired(owner, jobs)
    status = _status(owner, active, jobs)
    spec = fields.spec(owner)
    if spec.get("suspend"):
        return actions.Reconciled((*todo, *_set(owner, status)))
    try:
        schedule = cron.parse(str(spec.get("schedule", "")))
        zone = _zone(spec["timeZone"]) if spec.get("timeZone") else UTC
    except (ValueError, OSError) as error:
        text = f"unparseable schedule: {spec.get('schedule')} : {error}"
        note = actions.Note(owner, "UnparseableSchedule", text, "Warning")
        return actions.Reconciled((*todo, *_set(owner, status), note))
    due, upcoming = _due(owner, schedule, now.astimezone(zone))
    if due is not None:
        started, status = _start(owner, due, active, status)
        todo.extend(started)
    todo.extend(_set(owner, status))
    wait = (upcoming - now).total_seconds() if upcoming is not None else None
    return actions.Reconciled(tuple(todo), wait)


def _due(
    owner: JsonView, schedule: cron.Schedule, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the latest moment that is due and was not served, and the next one to come."""
    spec, status = fields.spec(owner), fields.status(owner)
    last = clock.moment(status.get("lastScheduleTime")) or clock.moment(fields.created(owner))
    since = (last or now).astimezone(now.tzinfo)
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - timedelta(seconds=int(deadline)))
    due: datetime | None = None
    moment = schedule.after(since)
    for _ in range(_MOST_MISSED):
        if moment is None or moment > now:
            return due, moment
        due, moment = moment, schedule.after(moment)
    recent = schedule.after(now - timedelta(minutes=1))
    return (recent if recent is not None and recent <= now else due), schedule.after(now)


def _start(
    owner: JsonView, due: datetime, active: Sequence[JsonView], status: Json
) -> tuple[list[actions.Action], Json]:
    policy = fields.spec(owner).get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and active:
        text = (
            "Not starting job because prior execution is running and concurrency policy is Forbid"
        )
        return [actions.Note(owner, "JobAlreadyActive", text)], status
    todo: list[actions.Action] = []
    if policy == "Replace":
        todo.extend(_delete(owner, one) for one in active)
        status = {key: value for key, value in status.items() if key != "active"}
    body = _job(owner, due)
    report = actions.created_pod(owner, "job")
    todo.append(actions.Create(job.RESOURCE, body, report))
    return todo, {**status, "lastScheduleTime": clock.rfc3339(due)}


def _job(owner: JsonView, due: datetime) -> Json:
    """Return the Job of one moment; its name follows from it, so that none is started twice."""
    template = fields.spec(owner).get("jobTemplate") or {}
    given = fields.meta(template)
    stamp = clock.rfc3339(due)
    notes = {
        **(given.get("annotations") or {}),
        "batch.kubernetes.io/cronjob-scheduled-timestamp": stamp,
    }
    meta: Json = {
        "name": f"{fields.name(owner)}-{int(due.timestamp()) // 60}",
        "namespace": fields.namespace(owner),
        "annotations": notes,
        "ownerReferences": [fields.owner_reference(owner)],
    }
    if given.get("labels"):
        meta["labels"] = dict(given["labels"])
    spec = clone(fields.spec(template))
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def _delete(owner: JsonView, one: JsonView) -> actions.Delete:
    where = (fields.namespace(one), fields.name(one))
    report = actions.deleted_pod(owner, "job")
    return actions.Delete(job.RESOURCE, *where, fields.uid(one), "Background", report=report)


def _zone(name: str) -> tzinfo:
    """Return a zone of the machine's database. Raises ValueError, OSError."""
    import zoneinfo  # few CronJobs name one

    try:
        return zoneinfo.ZoneInfo(name)
    except zoneinfo.ZoneInfoNotFoundError as error:
        raise ValueError(str(error)) from error


def _expired(owner: JsonView, jobs: Sequence[JsonView]) -> list[actions.Action]:
    """Return the deletions of finished Jobs beyond the history limits, oldest first."""
    todo: list[actions.Action] = []
    for kind, field, usual in (
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ):
        ended = [one for one in jobs if fields.is_true(one, kind) and not fields.dying(one)]
        limit = fields.spec(owner).get(field)
        excess = len(ended) - int(usual if limit is None else limit)
        todo.extend(_delete(owner, one) for one in ended[: max(0, excess)])
    return todo


def _status(owner: JsonView, active: Sequence[JsonView], jobs: Sequence[JsonView]) -> Json:
    new: Json = {k: v for k, v in fields.status(owner).items() if k != "active"}
    references = [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": fields.name(one),
            "namespace": fields.namespace(one),
            "uid": fields.uid(one),
        }
        for one in active
    ]
    if references:
        new["active"] = references
    ends = [str(fields.status(one).get("completionTime") or "") for one in jobs]
    latest = max([*ends, str(new.get("lastSuccessfulTime") or "")], default="")
    if latest:
        new["lastSuccessfulTime"] = latest
    return new


def _set(owner: JsonView, status: Json) -> list[actions.Action]:
    if status == fields.status(owner):
        return []
    return [actions.SetStatus(RESOURCE, fields.with_status(owner, status))]


CONTROLLER = controller.Controller(
    name="cronjob-controller",
    watches={RESOURCE: controller.itself, job.RESOURCE: controller.controlled_by("CronJob")},
    reconcile=reconcile,
)
