"""A Job's status: the count of its pods' ends, and its conditions. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from lateen.base import clock
from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields
from lateen.controllers.workloads import conditions, pods

_UNCOUNTED = "uncountedTerminatedPods"


class Verdict(msgspec.Struct, frozen=True):
    """How a Job ends: the condition that is set while pods still run, and the one after."""

    before: str
    kind: str
    reason: str
    message: str


COMPLETE = Verdict(
    "SuccessCriteriaMet",
    "Complete",
    "CompletionsReached",
    "Reached expected number of succeeded pods",
)
TOO_MANY_FAILURES = Verdict(
    "FailureTarget",
    "Failed",
    "BackoffLimitExceeded",
    "Job has reached the specified backoff limit",
)
DEADLINE = Verdict(
    "FailureTarget",
    "Failed",
    "DeadlineExceeded",
    "Job was active longer than specified deadline",
)


class Tally(msgspec.Struct, frozen=True):
    """Ends of pods: counted for good, noted in the status, and seen just now."""

    base: Mapping[str, int]
    """`succeeded` and `failed` without those that are noted."""
    noted: Mapping[str, tuple[str, ...]]
    """uids whose pods may still carry the finalizer, by outcome; what the status shall note."""
    counted: tuple[JsonView, ...]
    """Pods whose uid the stored status notes: their finalizer may go."""

    @property
    def succeeded(self) -> int:
        """All successes known."""
        return self.base["succeeded"] + len(self.noted["succeeded"])

    @property
    def failed(self) -> int:
        """All failures known."""
        return self.base["failed"] + len(self.noted["failed"])


def tally(job: JsonView, mine: Sequence[JsonView], finalizer: str) -> Tally:
    """Count the ends of the Job's pods, each once."""
    status = fields.status(job)
    stored: JsonView = status.get(_UNCOUNTED) or {}
    held = {
        fields.uid(one): one
        for one in mine
        if finalizer in (fields.meta(one).get("finalizers") or ())
    }
    base: dict[str, int] = {}
    noted: dict[str, tuple[str, ...]] = {}
    counted: list[JsonView] = []
    known = {uid for uids in stored.values() for uid in uids}
    for word, phase in (("succeeded", "Succeeded"), ("failed", "Failed")):
        old: Sequence[str] = stored.get(word) or ()
        settled = [uid for uid in old if uid not in held]
        base[word] = int(status.get(word) or 0) + len(settled)
        fresh = [uid for uid, pod in held.items() if uid not in known and _phase(pod) == phase]
        noted[word] = (*(uid for uid in old if uid in held), *fresh)
        counted.extend(held[uid] for uid in old if uid in held)
    return Tally(base, noted, tuple(counted))


def _phase(pod: JsonView) -> str:
    """Return a pod's phase; one that is deleted before it has a node, which nobody will end, has
    failed."""
    if fields.dying(pod) and not fields.spec(pod).get("nodeName"):
        return "Failed"
    return str(fields.status(pod).get("phase") or "")


def status(
    job: JsonView, mine: Sequence[JsonView], counted: Tally, suspended: bool, now: datetime
) -> Json:
    """Return the status without a verdict."""
    old = fields.status(job)
    active = pods.active(mine)
    counts = {
        "active": len(active),
        "terminating": sum(1 for one in mine if fields.dying(one) and not pods.finished(one)),
        "succeeded": counted.base["succeeded"],
        "failed": counted.base["failed"],
    }
    new: Json = fields.without_zeros(counts)
    new["ready"] = sum(1 for one in active if pods.ready(one))
    new[_UNCOUNTED] = {word: list(uids) for word, uids in counted.noted.items() if uids}
    if not suspended:
        new["startTime"] = old.get("startTime") or clock.rfc3339(now)
    listed: list[JsonView] = list(old.get("conditions") or ())
    if suspended:
        one = conditions.condition("Suspended", True, "JobSuspended", "Job suspended", now)
        listed = conditions.settled(listed, _probed(one))
    elif any(one.get("type") == "Suspended" for one in listed):
        one = conditions.condition("Suspended", False, "JobResumed", "Job resumed", now)
        listed = conditions.settled(listed, _probed(one))
    if listed:
        new["conditions"] = listed
    for field in ("completedIndexes", "completionTime"):
        if field in old:
            new[field] = old[field]
    return new


def _probed(one: Json) -> Json:
    """Conditions of Jobs carry the time of their last probe instead of the last update."""
    return {("lastProbeTime" if k == "lastUpdateTime" else k): v for k, v in one.items()}


def decided(old: JsonView, verdict: Verdict, running: bool, now: datetime) -> Json:
    """Return the status with a verdict: final once no pod runs and every end is counted."""
    listed: list[JsonView] = list(old.get("conditions") or ())
    reason, message = verdict.reason, verdict.message
    early = conditions.condition(verdict.before, True, reason, message, now)
    listed = conditions.settled(listed, _probed(early))
    new = {**old, "conditions": listed}
    if running or old.get("terminating") or old.get(_UNCOUNTED):
        return new
    final = conditions.condition(verdict.kind, True, reason, message, now)
    new["conditions"] = conditions.settled(listed, _probed(final))
    if verdict is COMPLETE:
        new["completionTime"] = clock.rfc3339(now)
    return new


def finished(job: JsonView) -> bool:
    """Tell whether the Job is over."""
    return fields.is_true(job, "Complete") or fields.is_true(job, "Failed")


def ended_at(job: JsonView) -> str:
    """Return when the Job was over."""
    for kind in ("Complete", "Failed"):
        if fields.is_true(job, kind):
            return str((fields.condition(job, kind) or {}).get("lastTransitionTime") or "")
    return ""
