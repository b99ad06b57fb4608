"""Rules for probes and hooks of containers. Pure.

Words and reasons are the API server's.
"""

from lateen.model.kube.core.container import (
    Container,
    ExecAction,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    Probe,
    TCPSocketAction,
)
from lateen.model.validation.kube import metadata, names
from lateen.model.validation.report import Report


def probes(report: Report, container: Container, path: str) -> None:
    """Check the three probes of a container."""
    for probe, name in (
        (container.liveness_probe, "livenessProbe"),
        (container.readiness_probe, "readinessProbe"),
        (container.startup_probe, "startupProbe"),
    ):
        if probe is None:
            continue
        at = f"{path}.{name}"
        _handler(report, probe, at)
        for field, number in (
            ("initialDelaySeconds", probe.initial_delay_seconds),
            ("timeoutSeconds", probe.timeout_seconds),
            ("periodSeconds", probe.period_seconds),
            ("successThreshold", probe.success_threshold),
            ("failureThreshold", probe.failure_threshold),
        ):
            metadata.not_negative(report, number, f"{at}.{field}")
        grace = probe.termination_grace_period_seconds
        if name == "readinessProbe":
            if grace is not None:
                detail = "must not be set for readinessProbes"
                report.invalid(f"{at}.terminationGracePeriodSeconds", grace, detail)
            continue
        if grace is not None and grace <= 0:
            detail = "must be greater than 0"
            report.invalid(f"{at}.terminationGracePeriodSeconds", grace, detail)
        if probe.success_threshold not in (None, 0, 1):
            report.invalid(f"{at}.successThreshold", probe.success_threshold, "must be 1")


def hooks(report: Report, lifecycle: Lifecycle | None, path: str) -> None:
    """Check the hooks of a container."""
    if lifecycle is None:
        return
    for hook, name in ((lifecycle.post_start, "postStart"), (lifecycle.pre_stop, "preStop")):
        if hook is not None:
            _handler(report, hook, f"{path}.{name}")


def _handler(report: Report, handler: Probe | LifecycleHandler, path: str) -> None:
    """Check what a probe or a hook does: one thing."""
    grpc = handler.grpc if isinstance(handler, Probe) else None
    sleep = None if isinstance(handler, Probe) else handler.sleep
    given = {
        "exec": handler.exec,
        "httpGet": handler.http_get,
        "tcpSocket": handler.tcp_socket,
        "grpc": grpc,
        "sleep": sleep,
    }
    named = [name for name, one in given.items() if one is not None]
    if not named:
        report.required(path, "must specify a handler type")
    for name in named[1:]:
        report.forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
    _actions(report, handler.exec, handler.http_get, handler.tcp_socket, path)
    if grpc is not None:
        metadata.port_number(report, grpc.port, f"{path}.grpc.port")


def _actions(
    report: Report,
    command: ExecAction | None,
    http: HTTPGetAction | None,
    tcp: TCPSocketAction | None,
    path: str,
) -> None:
    if command is not None and not command.command:
        report.required(f"{path}.exec.command")
    if http is not None:
        metadata.port_reference(report, http.port, f"{path}.httpGet.port")
        for index, header in enumerate(http.http_headers):
            at = f"{path}.httpGet.httpHeaders[{index}].name"
            report.rule(at, header.name, names.header(header.name))
    if tcp is not None:
        metadata.port_reference(report, tcp.port, f"{path}.tcpSocket.port")
