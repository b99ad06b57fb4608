"""The `batch` API group. Pure."""

from typing import Annotated, Any

from lateen.model.kube.core.pod import PodTemplateSpec
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import (
    Condition,
    KubeObject,
    LabelSelector,
    ObjectMeta,
    ObjectReference,
    Time,
)


class JobSpec(KubeStruct, frozen=True, kw_only=True):
    """What a Job runs, and how often."""

    parallelism: Annotated[int | None, doc("Pods at a time.")] = None
    completions: Annotated[int | None, doc("Pods that must succeed.")] = None
    active_deadline_seconds: Annotated[
        int | None, doc("Seconds until it is stopped.", form="int64")
    ] = None
    pod_failure_policy: Annotated[
        Any, doc("What failures mean.", of="kube.published.PodFailurePolicy")
    ] = None
    success_policy: Annotated[
        Any, doc("When it counts as done.", of="kube.published.SuccessPolicy")
    ] = None
    backoff_limit: Annotated[int | None, doc("Failures allowed; default 6.")] = None
    backoff_limit_per_index: Annotated[int | None, doc("Failures allowed per index.")] = None
    max_failed_indexes: Annotated[int | None, doc("Failed indexes allowed.")] = None
    selector: Annotated[LabelSelector | None, doc("Which pods are its own.")] = None
    manual_selector: Annotated[bool | None, doc("Whether the selector is the user's.")] = None
    template: Annotated[PodTemplateSpec, doc("What the pods look like.", required=True)] = (
        PodTemplateSpec()
    )
    ttl_seconds_after_finished: Annotated[int | None, doc("Seconds kept when done.")] = None
    completion_mode: Annotated[
        str | None, doc("Whether pods have numbers.", enum=("Indexed", "NonIndexed"))
    ] = None
    suspend: Annotated[bool | None, doc("Whether it waits.")] = None
    pod_replacement_policy: Annotated[
        str | None, doc("When a pod is replaced.", enum=("Failed", "TerminatingOrFailed"))
    ] = None
    scheduling: Annotated[Any, doc("How its pods are placed.")] = None
    managed_by: Annotated[str | None, doc("Controller that runs it.")] = None


class JobStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a Job."""

    conditions: Annotated[
        tuple[Condition, ...], doc("Complete, Failed, …", merge="type", atomic=True)
    ] = ()
    start_time: Annotated[Time | None, doc("When it started.")] = None
    completion_time: Annotated[Time | None, doc("When it was done.")] = None
    active: Annotated[int | None, doc("Pods running.")] = None
    succeeded: Annotated[int | None, doc("Pods that succeeded.")] = None
    failed: Annotated[int | None, doc("Pods that failed.")] = None
    terminating: Annotated[int | None, doc("Pods going away.")] = None
    completed_indexes: Annotated[str, doc("Indexes done.")] = ""
    failed_indexes: Annotated[str | None, doc("Indexes failed.")] = None
    uncounted_terminated_pods: Annotated[Any, doc("Pods not yet counted.")] = None
    ready: Annotated[int | None, doc("Pods ready.")] = None


class Job(KubeObject, frozen=True, kw_only=True):
    """Runs pods until enough of them succeed."""

    spec: Annotated[JobSpec, doc("What it runs.")] = JobSpec()
    status: Annotated[JobStatus, doc("Observed state.")] = JobStatus()


class JobTemplateSpec(KubeStruct, frozen=True, kw_only=True):
    """What Jobs made from it look like."""

    metadata: Annotated[ObjectMeta, doc("Labels and annotations of the Jobs.")] = ObjectMeta()
    spec: Annotated[JobSpec, doc("What the Jobs run.")] = JobSpec()


class CronJobSpec(KubeStruct, frozen=True, kw_only=True):
    """When Jobs are made, and which."""

    schedule: Annotated[str, doc("Cron expression.", required=True)] = ""
    time_zone: Annotated[str | None, doc("Time zone of the schedule.")] = None
    starting_deadline_seconds: Annotated[
        int | None, doc("Seconds a start may be late.", form="int64")
    ] = None
    concurrency_policy: Annotated[
        str,
        doc("When the last one still runs.", enum=("Allow", "Forbid", "Replace")),
    ] = ""
    suspend: Annotated[bool | None, doc("Whether it waits.")] = None
    job_template: Annotated[JobTemplateSpec, doc("What the Jobs look like.", required=True)] = (
        JobTemplateSpec()
    )
    successful_jobs_history_limit: Annotated[int | None, doc("Done Jobs kept; default 3.")] = None
    failed_jobs_history_limit: Annotated[int | None, doc("Failed Jobs kept; default 1.")] = None


class CronJobStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a CronJob."""

    active: Annotated[tuple[ObjectReference, ...], doc("Jobs running.", atomic=True)] = ()
    last_schedule_time: Annotated[Time | None, doc("When one was last made.")] = None
    last_successful_time: Annotated[Time | None, doc("When one last succeeded.")] = None


class CronJob(KubeObject, frozen=True, kw_only=True):
    """Makes Jobs on a schedule."""

    spec: Annotated[CronJobSpec, doc("When and which.")] = CronJobSpec()
    status: Annotated[CronJobStatus, doc("Observed state.")] = CronJobStatus()
