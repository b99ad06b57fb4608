"""Rules for pods, wherever they stand. Pure.

Words and reasons are the API server's.
"""

from collections.abc import Iterable

from lateen.model.kube.core.container import Container
from lateen.model.kube.core.pod import Pod, PodSpec, Toleration
from lateen.model.validation.kube import container, metadata, names, volumes
from lateen.model.validation.report import Report

_SIDECARS_ONLY = "may not be set for init containers without restartPolicy=Always"
_LONGEST = 2**31 - 1


def pod(report: Report, obj: Pod) -> None:
    """Check a Pod."""
    pod_spec(report, obj.spec, "spec")


def pod_spec(report: Report, spec: PodSpec, path: str, claimed: Iterable[str] = ()) -> None:
    """Check what a pod runs; `claimed` are volumes that it gets besides its own."""
    known = volumes.check(report, spec.volumes, f"{path}.volumes")
    known.update(claimed)
    if not spec.containers:
        report.required(f"{path}.containers")
    seen: set[str] = set()
    network = bool(spec.host_network)
    for part, listed in (
        ("containers", spec.containers),
        ("initContainers", spec.init_containers),
    ):
        for index, one in enumerate(listed):
            at = f"{path}.{part}[{index}]"
            container.check(report, one, at, known, host_network=network)
            if one.name and one.name in seen:
                report.duplicate(f"{at}.name", one.name)
            seen.add(one.name)
            if part == "initContainers":
                _init(report, one, at)
    _names(report, spec, path)
    _placement(report, spec, path)
    _resolution(report, spec, path)


def _init(report: Report, one: Container, path: str) -> None:
    """Check what a container that runs to its end, before others, may not have."""
    if one.restart_policy == "Always":
        return
    for field, value in (
        ("lifecycle", one.lifecycle),
        ("livenessProbe", one.liveness_probe),
        ("readinessProbe", one.readiness_probe),
        ("startupProbe", one.startup_probe),
    ):
        if value is not None:
            report.forbidden(f"{path}.{field}", _SIDECARS_ONLY)


def _names(report: Report, spec: PodSpec, path: str) -> None:
    for field, text, rule in (
        ("serviceAccountName", spec.service_account_name, names.subdomain),
        ("nodeName", spec.node_name, names.subdomain),
        ("hostname", spec.hostname, names.label),
        ("subdomain", spec.subdomain, names.label),
        ("priorityClassName", spec.priority_class_name, names.subdomain),
    ):
        if text:
            report.rule(f"{path}.{field}", text, rule(text))
    deadline = spec.active_deadline_seconds
    metadata.between(report, deadline, f"{path}.activeDeadlineSeconds", 1, _LONGEST)
    for index, gate in enumerate(spec.readiness_gates):
        at = f"{path}.readinessGates[{index}].conditionType"
        report.rule(at, gate.condition_type, names.label_key(gate.condition_type))
    gates: set[str] = set()
    for index, one in enumerate(spec.scheduling_gates):
        at = f"{path}.schedulingGates[{index}]"
        report.rule(f"{at}.name", one.name, names.label_key(one.name))
        if one.name in gates:
            report.duplicate(at, one.name)
        gates.add(one.name)


def _placement(report: Report, spec: PodSpec, path: str) -> None:
    metadata.label_map(report, spec.node_selector, f"{path}.nodeSelector")
    for index, toleration in enumerate(spec.tolerations):
        _toleration(report, toleration, f"{path}.tolerations[{index}]")


def _toleration(report: Report, toleration: Toleration, path: str) -> None:
    if toleration.key:
        report.rule(f"{path}.key", toleration.key, names.label_key(toleration.key))
    elif toleration.operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and '
        detail += 'all keys"'
        report.invalid(f"{path}.operator", toleration.operator, detail)
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        report.invalid(f"{path}.effect", toleration.effect, detail)
    if toleration.operator == "Exists" and toleration.value:
        detail = "value must be empty when `operator` is 'Exists'"
        report.invalid(f"{path}.operator", toleration.value, detail)


def _resolution(report: Report, spec: PodSpec, path: str) -> None:
    """Check what names the pod can resolve."""
    for index, alias in enumerate(spec.host_aliases):
        at = f"{path}.hostAliases[{index}]"
        report.rule(f"{at}.ip", alias.ip, names.address(alias.ip))
        for name in alias.hostnames:
            report.rule(f"{at}.hostnames", name, names.subdomain(name))
    servers = spec.dns_config.nameservers if spec.dns_config is not None else ()
    if spec.dns_policy == "None" and not servers:
        report.required(
            f"{path}.dnsConfig.nameservers",
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        )
    for index, server in enumerate(servers):
        report.rule(f"{path}.dnsConfig.nameservers[{index}]", server, names.address(server))
