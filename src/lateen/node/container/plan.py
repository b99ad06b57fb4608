"""What a pod's life depends on, taken from its spec: order, restarts, probes, hooks. Pure."""

from enum import Enum

import msgspec
from msgspec.structs import replace

from lateen.model import wellknown
from lateen.model.kube.core.container import Container, LifecycleHandler, Probe
from lateen.model.kube.core.pod import PodSpec
from lateen.model.schema import durations

PROXY = wellknown.PROXY
CAPTURE = "istio-init"
FIRST_PROCESS = "pause:"
"""What holds the process namespace that a pod's containers share; no container has such a name."""
_DEFAULT_GRACE = 30
_DEFAULT_DRAIN = 5.0


class Role(Enum):
    """How a container takes part in the pod's life."""

    INIT = "init"
    """Runs to its end before the next one starts."""
    SIDECAR = "sidecar"
    """An init container with restartPolicy Always: stays, ends after the others."""
    APP = "app"
    EPHEMERAL = "ephemeral"
    """Added to a running pod to look around: starts at once, is never restarted, counts for
    nothing."""


class ProbeKind(Enum):
    """Kubernetes' three probes."""

    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


class ProbePlan(msgspec.Struct, frozen=True):
    """One probe with Kubernetes' defaults filled in. Times in seconds."""

    kind: ProbeKind
    action: Probe
    initial_delay: float = 0.0
    timeout: float = 1.0
    period: float = 10.0
    successes: int = 1
    failures: int = 3
    grace: float | None = None


class ContainerPlan(msgspec.Struct, frozen=True):
    """One container's part in the pod's life."""

    name: str
    image: str
    role: Role
    proxy: bool = False
    """Envoy: starts as soon as there is a network."""
    outlasts: bool = False
    """Whether this proxy ends after the application: it is a native sidecar, or has the hook that
    Istio gives to those. Another ends with its drain at the latest."""
    holds: bool = False
    """Whether later containers wait until this proxy is ready: a native sidecar, or one with
    Istio's holdApplicationUntilProxyStarts."""
    builtin: bool = False
    """Done by the agent itself, without a process: istio-init."""
    probes: tuple[ProbePlan, ...] = ()
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str = "SIGTERM"
    target: str = ""
    """Of an ephemeral container: the one whose processes it shares."""

    def probe(self, kind: ProbeKind) -> ProbePlan | None:
        """Return the probe of a kind, or None."""
        return next((p for p in self.probes if p.kind is kind), None)


class PodPlan(msgspec.Struct, frozen=True):
    """A pod's containers in the order they start, and its policies."""

    containers: tuple[ContainerPlan, ...]
    pod: str = ""
    """`name_namespace(uid)`, as kubelet names a pod in Events."""
    restart_policy: str = "Always"
    grace: float = _DEFAULT_GRACE
    deadline: float | None = None
    """activeDeadlineSeconds."""
    drain: float = 0.0
    """The proxy's terminationDrainDuration: seconds that Istio's agent lets Envoy drain."""

    @property
    def proxied(self) -> bool:
        """Whether an Envoy runs in it."""
        return any(c.proxy for c in self.containers)

    def container(self, name: str) -> ContainerPlan:
        """Return a container by name. Raises KeyError."""
        for container in self.containers:
            if container.name == name:
                return container
        raise KeyError(name)


def plan(spec: PodSpec, pod: str = "") -> PodPlan:
    """Read a PodSpec, with Kubernetes' defaults; `pod` names it in Events."""
    init = tuple(
        _container(c, Role.SIDECAR if c.restart_policy == "Always" else Role.INIT)
        for c in spec.init_containers
    )
    apps = tuple(_container(c, Role.APP) for c in spec.containers)
    added = tuple(
        replace(_container(c, Role.EPHEMERAL), target=c.target_container_name)
        for c in spec.ephemeral_containers
    )
    grace = spec.termination_grace_period_seconds
    return PodPlan(
        containers=init + apps + added,
        pod=pod,
        restart_policy=spec.restart_policy or "Always",
        grace=float(_DEFAULT_GRACE if grace is None else grace),
        deadline=spec.active_deadline_seconds,
        drain=next(
            (_drain(c) for c in spec.init_containers + spec.containers if c.name == PROXY), 0
        ),
    )


def _drain(container: Container) -> float:
    """Read terminationDrainDuration where Istio's agent reads it: in the proxy's environment."""
    text = next((one.value for one in container.env if one.name == "PROXY_CONFIG"), "")
    try:
        config = msgspec.json.decode(text or "{}")
        given = config.get("terminationDrainDuration") if isinstance(config, dict) else None
        return _DEFAULT_DRAIN if given is None else max(0.0, durations.seconds(str(given)))
    except ValueError:
        return _DEFAULT_DRAIN


def _container(container: Container, role: Role) -> ContainerPlan:
    lifecycle = container.lifecycle
    proxy = container.name == PROXY
    planned = ContainerPlan(
        name=container.name,
        image=container.image,
        role=role,
        proxy=proxy,
        holds=proxy and (role is Role.SIDECAR or _waits(container)),
        outlasts=proxy and (role is Role.SIDECAR or _hears_early(container)),
        builtin=container.name == CAPTURE and role is Role.INIT,
        probes=_probes(container),
        # The pilot-agent's hooks wait for its own process; there is none here.
        post_start=lifecycle.post_start if lifecycle and not proxy else None,
        pre_stop=lifecycle.pre_stop if lifecycle and not proxy else None,
        stop_signal=(lifecycle.stop_signal if lifecycle else "") or "SIGTERM",
    )
    if not proxy:
        return planned
    # Asking Envoy early harms nobody, and Istio's delay of a second would be the longest
    # part of a pod's start.
    return replace(planned, probes=tuple(replace(p, initial_delay=0.0) for p in planned.probes))


def _waits(container: Container) -> bool:
    """Tell whether a proxy has the hook by which Istio holds the application."""
    hook = container.lifecycle.post_start if container.lifecycle else None
    return bool(hook and hook.exec and tuple(hook.exec.command[:2]) == ("pilot-agent", "wait"))


def _hears_early(container: Container) -> bool:
    """Tell whether a proxy has the hook by which Istio tells native sidecars that the pod ends."""
    hook = container.lifecycle.pre_stop if container.lifecycle else None
    return bool(hook and hook.exec and tuple(hook.exec.command[:2]) == ("pilot-agent", "request"))


def _probes(container: Container) -> tuple[ProbePlan, ...]:
    given = (
        (ProbeKind.STARTUP, container.startup_probe),
        (ProbeKind.LIVENESS, container.liveness_probe),
        (ProbeKind.READINESS, container.readiness_probe),
    )
    return tuple(_probe(kind, probe) for kind, probe in given if probe is not None)


def _probe(kind: ProbeKind, probe: Probe) -> ProbePlan:
    grace = probe.termination_grace_period_seconds
    return ProbePlan(
        kind=kind,
        action=probe,
        initial_delay=float(probe.initial_delay_seconds or 0),
        timeout=float(probe.timeout_seconds or 1),
        period=float(probe.period_seconds or 10),
        successes=probe.success_threshold or 1,
        failures=probe.failure_threshold or 3,
        grace=None if grace is None else float(grace),
    )
