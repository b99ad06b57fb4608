"""Rules for what makes pods: Deployments and the like, Jobs. Pure.

Words and reasons are the API server's.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lateen.model.kube.apps.workloads import DaemonSet, DaemonSetSpec, Deployment, ReplicaSet
from lateen.model.kube.core.pod import PodTemplateSpec
from lateen.model.schema import selectors
from lateen.model.validation.kube import metadata, podspec
from lateen.model.validation.report import Report

if TYPE_CHECKING:
    from lateen.model.kube.apps.batch import CronJob, Job, JobSpec
    from lateen.model.kube.apps.stateful import StatefulSet  # most starts read none
    from lateen.model.kube.core.storage import PersistentVolumeClaim

_NAMED = {"StatefulSetSpec": "statefulset", "DaemonSetSpec": "daemonset"}
"""What the message on an empty selector calls a kind; that of a ReplicaSet is a Deployment's."""
_NONE = (0, "0%")
_LONGEST_NAME = 52
"""Of a CronJob, whose Jobs have eleven characters more."""


def workload(report: Report, obj: "Deployment | ReplicaSet | StatefulSet | DaemonSet") -> None:
    """Check a workload: its pods must be its own."""
    spec = obj.spec
    selector = spec.selector
    path = "spec.selector"
    empty = not selector.match_labels and not selector.match_expressions
    if empty:
        named = _NAMED.get(type(spec).__name__, "deployment")
        report.invalid(path, {}, f"empty selector is invalid for {named}")
    metadata.label_selector(report, selector, path)
    replicas = None if isinstance(spec, DaemonSetSpec) else spec.replicas
    metadata.not_negative(report, replicas, "spec.replicas")
    metadata.not_negative(report, spec.min_ready_seconds, "spec.minReadySeconds")
    claims: Sequence[PersistentVolumeClaim] = getattr(spec, "volume_claim_templates", ())
    claimed = [claim.metadata.name for claim in claims]
    template(report, spec.template, "spec.template", claimed)
    policy = spec.template.spec.restart_policy
    if policy and policy != "Always":
        report.unsupported("spec.template.spec.restartPolicy", policy, ("Always",))
    _no_deadline(report, obj)
    if not empty:
        _own(report, spec.template, selectors_of(obj))


def _no_deadline(report: Report, obj: "Deployment | ReplicaSet | StatefulSet | DaemonSet") -> None:
    """Refuse pods that end by themselves; to the message a Deployment's are a ReplicaSet's."""
    deadline = obj.spec.template.spec.active_deadline_seconds
    at = "spec.template.spec.activeDeadlineSeconds"
    if deadline is None:
        return
    if isinstance(obj, DaemonSet):
        report.invalid(at, deadline, "must not be specified")
        return
    named = "ReplicaSet" if isinstance(obj, Deployment | ReplicaSet) else "StatefulSet"
    report.forbidden(at, f"activeDeadlineSeconds in {named} is not Supported")


def selectors_of(
    obj: "Deployment | ReplicaSet | StatefulSet | DaemonSet",
) -> selectors.Selector | None:
    """Return which pods are a workload's, None where that cannot be read."""
    try:
        return selectors.of(obj.spec.selector)
    except ValueError:
        return None


def _own(report: Report, made: PodTemplateSpec, chosen: selectors.Selector | None) -> None:
    if chosen is None or chosen.matches(made.metadata.labels):
        return
    shown = json.dumps(made.metadata.labels, sort_keys=True, separators=(",", ":"))
    report.error(
        "spec.template.metadata.labels",
        f"Invalid value: {shown}: `selector` does not match template `labels`",
    )


def deployment(report: Report, obj: Deployment) -> None:
    """Check a Deployment: what every workload must be, and how its pods are replaced."""
    workload(report, obj)
    spec, strategy = obj.spec, obj.spec.strategy
    if strategy is not None and strategy.rolling_update is not None:
        path, rolling = "spec.strategy.rollingUpdate", strategy.rolling_update
        if strategy.type == "Recreate":
            detail = "may not be specified when strategy `type` is 'Recreate'"
            report.forbidden(path, detail)
        elif rolling.max_unavailable in _NONE and rolling.max_surge in _NONE:
            detail = "may not be 0 when `maxSurge` is 0"
            report.invalid(f"{path}.maxUnavailable", rolling.max_unavailable, detail)
    metadata.not_negative(report, spec.revision_history_limit, "spec.revisionHistoryLimit")
    deadline = spec.progress_deadline_seconds
    metadata.not_negative(report, deadline, "spec.progressDeadlineSeconds")
    if deadline is not None and 0 <= deadline <= (spec.min_ready_seconds or 0):
        detail = "must be greater than minReadySeconds"
        report.invalid("spec.progressDeadlineSeconds", deadline, detail)


def job(report: Report, obj: "Job") -> None:
    """Check a Job."""
    _job(report, obj.spec, "spec")


def _job(report: Report, spec: "JobSpec", path: str) -> None:
    for field, number in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
    ):
        metadata.not_negative(report, number, f"{path}.{field}")
    if spec.completion_mode == "Indexed" and spec.completions is None and spec.parallelism:
        report.required(f"{path}.completions", "when completion mode is Indexed")
    template(report, spec.template, f"{path}.template")
    policy = spec.template.spec.restart_policy
    at = f"{path}.template.spec.restartPolicy"
    if policy in ("", "Always"):
        report.required(at, 'valid values: "OnFailure", "Never"')
    elif policy != "Never" and spec.pod_failure_policy is not None:
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        report.invalid(at, policy, detail)


def cron_job(report: Report, obj: "CronJob") -> None:
    """Check a CronJob."""
    spec = obj.spec
    if len(obj.metadata.name) > _LONGEST_NAME:
        detail = f"must be no more than {_LONGEST_NAME} characters"
        report.invalid("metadata.name", obj.metadata.name, detail)
    if not spec.schedule:
        report.required("spec.schedule")
    for field, number in (
        ("startingDeadlineSeconds", spec.starting_deadline_seconds),
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ):
        metadata.not_negative(report, number, f"spec.{field}")
    _job(report, spec.job_template.spec, "spec.jobTemplate.spec")


def template(
    report: Report, value: PodTemplateSpec, path: str, claimed: Iterable[str] = ()
) -> None:
    """Check a pod template; `claimed` are volumes that pods get by their kind's claims."""
    metadata.labels(report, value.metadata, f"{path}.metadata")
    podspec.pod_spec(report, value.spec, f"{path}.spec", claimed)
