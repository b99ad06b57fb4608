"""Rules for pods and for the templates of Deployments and the like. Pure.

Words and reasons are the API server's.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lateen.model import selectors
from lateen.model.apps import DaemonSet, DaemonSetSpec, Deployment, ReplicaSet
from lateen.model.batch import CronJob, Job
from lateen.model.core_container import Container, ContainerPort, Lifecycle, Probe
from lateen.model.core_pod import Pod, PodSpec, PodTemplateSpec
from lateen.model.validation import kubernetes
from lateen.model.validation.report import Report

if TYPE_CHECKING:
    from lateen.model.apps_stateful import StatefulSet  # most starts read none
    from lateen.model.core_storage import PersistentVolumeClaim


def pod(report: Report, obj: Pod) -> None:
    """Check a Pod."""
    pod_spec(report, obj.spec, "spec")


def pod_spec(report: Report, spec: PodSpec, path: str, claimed: Iterable[str] = ()) -> None:
    """Check what a pod runs; `claimed` are volumes that it gets besides its own."""
    volumes: set[str] = set()
    for index, volume in enumerate(spec.volumes):
        at = f"{path}.volumes[{index}].name"
        kubernetes.dns_label(report, volume.name, at)
        if volume.name in volumes:
            report.duplicate(at, volume.name)
        volumes.add(volume.name)
    volumes.update(claimed)
    if not spec.containers:
        report.required(f"{path}.containers")
    seen: set[str] = set()
    _containers(report, spec.containers, f"{path}.containers", seen, volumes)
    _containers(report, spec.init_containers, f"{path}.initContainers", seen, volumes)


def _containers(
    report: Report, containers: Sequence[Container], path: str, seen: set[str], volumes: set[str]
) -> None:
    for index, container in enumerate(containers):
        at = f"{path}[{index}]"
        kubernetes.dns_label(report, container.name, f"{at}.name")
        if container.name and container.name in seen:
            report.duplicate(f"{at}.name", container.name)
        seen.add(container.name)
        if not container.image:
            report.required(f"{at}.image")
        elif container.image != container.image.strip():
            report.invalid(
                f"{at}.image", container.image, "must not have leading or trailing whitespace"
            )
        _ports(report, container.ports, f"{at}.ports")
        for number, variable in enumerate(container.env):
            if not variable.name:
                report.required(f"{at}.env[{number}].name")
            if variable.value and variable.value_from is not None:
                report.invalid(
                    f"{at}.env[{number}].valueFrom",
                    "",
                    "may not be specified when `value` is not empty",
                )
        _mounts(report, container, at, volumes)
        _probes(report, container, at)


def _ports(report: Report, ports: Sequence[ContainerPort], path: str) -> None:
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        if port.name:
            kubernetes.port_name(report, port.name, f"{at}.name")
            if port.name in names:
                report.duplicate(f"{at}.name", port.name)
            names.add(port.name)
        kubernetes.port_number(report, port.container_port, f"{at}.containerPort")
        if port.host_port:
            kubernetes.port_number(report, port.host_port, f"{at}.hostPort")


def _mounts(report: Report, container: Container, path: str, volumes: set[str]) -> None:
    places: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        at = f"{path}.volumeMounts[{index}]"
        if mount.name not in volumes:
            report.error(f"{at}.name", f'Not found: "{mount.name}"', "FieldValueNotFound")
        if not mount.mount_path:
            report.required(f"{at}.mountPath")
        elif mount.mount_path in places:
            report.invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        places.add(mount.mount_path)


def _probes(report: Report, container: Container, path: str) -> None:
    for probe, name in (
        (container.liveness_probe, "livenessProbe"),
        (container.readiness_probe, "readinessProbe"),
        (container.startup_probe, "startupProbe"),
    ):
        if probe is None:
            continue
        at = f"{path}.{name}"
        _handlers(report, probe, at)
        for field, number in (
            ("initialDelaySeconds", probe.initial_delay_seconds),
            ("timeoutSeconds", probe.timeout_seconds),
            ("periodSeconds", probe.period_seconds),
            ("successThreshold", probe.success_threshold),
            ("failureThreshold", probe.failure_threshold),
        ):
            if number is not None and number < 0:
                report.invalid(f"{at}.{field}", number, "must be greater than or equal to 0")
        if name != "readinessProbe" and probe.success_threshold not in (None, 0, 1):
            report.invalid(f"{at}.successThreshold", probe.success_threshold, "must be 1")
    _hooks(report, container.lifecycle, f"{path}.lifecycle")


def _handlers(report: Report, probe: Probe, path: str) -> None:
    handlers = (probe.exec, probe.http_get, probe.tcp_socket, probe.grpc)
    count = sum(handler is not None for handler in handlers)
    if count == 0:
        report.error(path, "Required value: must specify a handler type", "FieldValueRequired")
    elif count > 1:
        report.error(
            path, "Forbidden: may not specify more than 1 handler type", "FieldValueForbidden"
        )
    if probe.http_get is not None:
        kubernetes.port_reference(report, probe.http_get.port, f"{path}.httpGet.port")
    if probe.tcp_socket is not None:
        kubernetes.port_reference(report, probe.tcp_socket.port, f"{path}.tcpSocket.port")
    if probe.grpc is not None:
        kubernetes.port_number(report, probe.grpc.port, f"{path}.grpc.port")
    if probe.exec is not None and not probe.exec.command:
        report.required(f"{path}.exec.command")


def _hooks(report: Report, lifecycle: Lifecycle | None, path: str) -> None:
    if lifecycle is None:
        return
    for hook, name in ((lifecycle.post_start, "postStart"), (lifecycle.pre_stop, "preStop")):
        if hook is None:
            continue
        handlers = (hook.exec, hook.http_get, hook.tcp_socket, hook.sleep)
        if not any(handler is not None for handler in handlers):
            report.error(
                f"{path}.{name}",
                "Required value: must specify a handler type",
                "FieldValueRequired",
            )


def workload(report: Report, obj: "Deployment | ReplicaSet | StatefulSet | DaemonSet") -> None:
    """Check a workload: its pods must be its own."""
    spec = obj.spec
    selector = spec.selector
    path = "spec.selector"
    if not selector.match_labels and not selector.match_expressions:
        report.required(path)
    kubernetes.label_selector(report, selector, path)
    replicas = None if isinstance(spec, DaemonSetSpec) else spec.replicas
    if replicas is not None and replicas < 0:
        report.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
    claims: Sequence[PersistentVolumeClaim] = getattr(spec, "volume_claim_templates", ())
    claimed = [claim.metadata.name for claim in claims]
    template(report, spec.template, "spec.template", ("Always",), claimed)
    try:
        mine = selectors.of(selector).matches(spec.template.metadata.labels)
    except ValueError:
        return
    if not mine:
        shown = json.dumps(spec.template.metadata.labels, sort_keys=True, separators=(",", ":"))
        report.error(
            "spec.template.metadata.labels",
            f"Invalid value: {shown}: `selector` does not match template `labels`",
        )


def job(report: Report, obj: Job) -> None:
    """Check a Job."""
    template(report, obj.spec.template, "spec.template", ("OnFailure", "Never"))


def cron_job(report: Report, obj: CronJob) -> None:
    """Check a CronJob."""
    if not obj.spec.schedule:
        report.required("spec.schedule")
    path = "spec.jobTemplate.spec.template"
    template(report, obj.spec.job_template.spec.template, path, ("OnFailure", "Never"))


def template(
    report: Report,
    value: PodTemplateSpec,
    path: str,
    restart: tuple[str, ...],
    claimed: Iterable[str] = (),
) -> None:
    """Check a pod template; `restart` are the restart policies that its kind allows, `claimed` the
    volumes that pods get by their kind's claims."""
    kubernetes.labels(report, value.metadata, f"{path}.metadata")
    pod_spec(report, value.spec, f"{path}.spec", claimed)
    policy = value.spec.restart_policy
    if policy and policy not in restart:
        listed = ", ".join(f'"{one}"' for one in restart)
        report.error(
            f"{path}.spec.restartPolicy",
            f'Unsupported value: "{policy}": supported values: {listed}',
            "FieldValueNotSupported",
        )
    elif not policy and restart != ("Always",):
        report.error(
            f"{path}.spec.restartPolicy",
            'Required value: valid values: "OnFailure", "Never"',
            "FieldValueRequired",
        )
