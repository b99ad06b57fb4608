"""Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.apiserver import fieldcauses
from lateen.apiserver.kinds.strategy import base, podspec
from lateen.base.jsonvalue import Json
from lateen.model.schema import objectmeta, selectors

_ROLLING_25 = {"maxUnavailable": "25%", "maxSurge": "25%"}


def _replication_controller(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    if spec.get("template") is None:
        return
    _template(spec)
    labels = spec["template"]["metadata"].get("labels")
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def _template(spec: Json, restart_policy: str = "Always") -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    podspec.fill(template.setdefault("spec", {}), restart_policy=restart_policy)


def _deployment(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {**_ROLLING_25, **rolling}
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    _template(spec)


def _replica_set(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    _template(spec)
    if "selector" not in spec and (labels := spec["template"]["metadata"].get("labels")):
        spec["selector"] = {"matchLabels": dict(labels)}


def _stateful_set(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    _template(spec)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        claim.setdefault("status", {}).setdefault("phase", "Pending")


def _daemon_set(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0, **rolling}
    spec.setdefault("revisionHistoryLimit", 10)
    _template(spec)


def _job_spec(spec: Json) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    endless = spec.get("backoffLimitPerIndex") is not None
    spec.setdefault("backoffLimit", 2**31 - 1 if endless else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    judged = spec.get("podFailurePolicy")
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed" if judged is None else "Failed")
    for rule in (judged or {}).get("rules") or ():
        for condition in rule.get("onPodConditions") or ():
            condition.setdefault("status", "True")
    _template(spec)


def _job(obj: Json) -> None:
    _job_spec(obj.setdefault("spec", {}))


def _cron_job(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    job_spec = template.setdefault("spec", {})
    podspec.fill(job_spec.setdefault("template", {}).setdefault("spec", {}))
    job_spec["template"].setdefault("metadata", {})


def _born_with(**counts: int) -> base.Creating:
    """Give a new object the status it has before its controller has seen it."""

    def creating(obj: Json) -> None:
        obj["status"] = dict(counts)

    return creating


def _creating_job(job: Json) -> None:
    """A Job selects its pods by its own uid, unless told otherwise."""
    job["status"] = {}
    spec, meta = job["spec"], job.get("metadata", {})
    uid = str(meta.get("uid", ""))
    if spec.get("manualSelector") or not uid:
        return
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for prefix in ("batch.kubernetes.io/", ""):
        labels[f"{prefix}controller-uid"] = uid
        labels[f"{prefix}job-name"] = str(meta.get("name", ""))
    if not meta.get("labels"):
        job["metadata"]["labels"] = dict(labels)


def _check_selected(resource: str) -> base.Check:
    """Refuse what the model refuses, and a missing selector, which to the model is empty."""
    by_model = base.by_model(resource)

    def check(obj: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
        causes = by_model(obj)
        if obj.get("spec", {}).get("selector") is not None:
            return causes
        return (
            fieldcauses.required("spec.selector"),
            *(c for c in causes if c.field != "spec.selector"),
        )

    return check


def _fixed_selector(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[fieldcauses.Cause, ...]:
    return base.immutable(old, new, "spec.selector")


def _fixed_job(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    fields = ("spec.selector", "spec.template", "spec.completionMode", "spec.completions")
    return tuple(cause for field in fields for cause in base.immutable(old, new, field))


_STATEFUL_FREE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def _fixed_stateful_set(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[fieldcauses.Cause, ...]:
    before, after = (
        {key: value for key, value in one.get("spec", {}).items() if key not in _STATEFUL_FREE}
        for one in (old, new)
    )
    if before == after:
        return ()
    listed = ", ".join(f"'{one}'" for one in _STATEFUL_FREE[:-1])
    detail = f"updates to statefulset spec for fields other than {listed} and "
    return (fieldcauses.forbidden("spec", f"{detail}'{_STATEFUL_FREE[-1]}' are forbidden"),)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector accepts the labels; one that cannot be read does not."""
    try:
        chosen = selectors.of(msgspec.convert(selector, objectmeta.LabelSelector))
    except ValueError:
        return False
    return chosen.matches(labels)


STRATEGIES: Mapping[str, base.Strategy] = {
    "deployments.apps": base.Standard(
        defaults=_deployment,
        creating=_born_with(),
        check=_check_selected("deployments.apps"),
        check_change=_fixed_selector,
    ),
    "replicasets.apps": base.Standard(
        defaults=_replica_set,
        creating=_born_with(replicas=0),
        check=_check_selected("replicasets.apps"),
        check_change=_fixed_selector,
    ),
    "statefulsets.apps": base.Standard(
        defaults=_stateful_set,
        creating=_born_with(replicas=0, availableReplicas=0),
        check=_check_selected("statefulsets.apps"),
        check_change=_fixed_stateful_set,
    ),
    "replicationcontrollers": base.Standard(
        defaults=_replication_controller, creating=_born_with(replicas=0)
    ),
    "podtemplates": base.Standard(defaults=_template, status=False),
    "daemonsets.apps": base.Standard(
        defaults=_daemon_set,
        creating=_born_with(
            currentNumberScheduled=0,
            desiredNumberScheduled=0,
            numberMisscheduled=0,
            numberReady=0,
        ),
        check=_check_selected("daemonsets.apps"),
        check_change=_fixed_selector,
    ),
    "jobs.batch": base.Standard(
        defaults=_job,
        creating=_creating_job,
        check=base.by_model("jobs.batch"),
        check_change=_fixed_job,
    ),
    "cronjobs.batch": base.Standard(
        defaults=_cron_job, creating=_born_with(), check=base.by_model("cronjobs.batch")
    ),
}
