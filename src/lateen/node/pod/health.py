"""The probes of a pod's containers, while these run: which are asked when."""

import asyncio
from collections.abc import Callable

import msgspec

from lateen.base.clock import Clock
from lateen.base.tasks import TaskGroup
from lateen.node.container.plan import ContainerPlan, ProbeKind, ProbePlan
from lateen.node.probes import plan as probes
from lateen.node.probes.plan import Ask, ProbeOutcome


class Watched(msgspec.Struct, frozen=True):
    """A run of a container, and who is told of it."""

    plan: ContainerPlan
    ask: Ask
    told: Callable[[ProbeKind, bool], None]
    """Hears of each change of a verdict."""
    failed: Callable[[str], None]
    """Hears of each failure that counts, in kubelet's words."""
    started: bool
    """Whether its startup probe has succeeded, or it has none."""
    ready: bool


class HealthProbes:
    """Asks the probes of one pod's containers. A startup probe goes first, alone."""

    def __init__(self, clock: Clock, tasks: TaskGroup) -> None:
        self._clock = clock
        self._tasks = tasks
        self._running: dict[str, list[asyncio.Task[None]]] = {}

    def watch(self, container: Watched) -> None:
        """Ask a container's probes from now on, in place of those of its earlier run."""
        name = container.plan.name
        self.end(name)
        startup = container.plan.probe(ProbeKind.STARTUP)
        if startup is not None and not container.started:
            plans = [startup]
        else:
            plans = [each for each in container.plan.probes if each.kind is not ProbeKind.STARTUP]
        self._running[name] = [self._start(container, plan) for plan in plans]

    def end(self, name: str) -> None:
        """Ask a container's probes no more."""
        for task in self._running.pop(name, []):
            if task is not asyncio.current_task():
                task.cancel()

    def _start(self, container: Watched, plan: ProbePlan) -> asyncio.Task[None]:
        def verdict(asked: ProbePlan, ok: bool) -> None:
            container.told(asked.kind, ok)
            if asked.kind is ProbeKind.STARTUP and ok:
                self.watch(msgspec.structs.replace(container, started=True))

        def failed(asked: ProbePlan, outcome: ProbeOutcome) -> None:
            container.failed(f"{asked.kind.value.capitalize()} probe failed: {outcome.message}")

        ready = container.ready and plan.kind is ProbeKind.READINESS
        watching = probes.watch(
            plan, container.ask, self._clock, verdict, failed, healthy=True if ready else None
        )
        return self._tasks.start(watching, f"{plan.kind.value}/{container.plan.name}")
