"""A pod whose events are given one after the other."""

from typing import Any

import msgspec

from lateen.model.kube.core.pod import PodSpec
from lateen.node.container import plan as podplan
from lateen.node.container.plan import PodPlan
from lateen.node.pod import machine, messages as ev, state, status
from lateen.node.pod.messages import Command, Event
from lateen.node.pod.state import Life

T0 = 1_000_000.0


def container(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": f"{name}:1", **fields}


def plan(
    *containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **fields: Any
) -> PodPlan:
    body = {"containers": list(containers), "initContainers": list(init), **fields}
    return podplan.plan(msgspec.convert(body, PodSpec))


class Script:
    """A pod whose events are given one after the other; notes are kept apart."""

    def __init__(self, pod: PodPlan) -> None:
        self.plan = pod
        self.now = T0
        self.skew = 0.0
        self.state = state.initial(pod, T0)
        self.notes: list[ev.Note] = []

    def __call__(self, event: Event, after: float = 0.0) -> list[Command]:
        self.now += after
        self.state, commands = machine.step(self.plan, self.state, event, self.now, self.skew)
        self.notes += [c for c in commands if isinstance(c, ev.Note)]
        return [c for c in commands if not isinstance(c, ev.Note)]

    def network(self) -> list[Command]:
        assert self(ev.Tick()) == [ev.SetUpNetwork()]
        return self(ev.NetworkReady("10.0.0.1"))

    def start(self, name: str, attempt: int = 0) -> list[Command]:
        assert self(ev.Prepared(name)) == [ev.Start(name, attempt)]
        return self(ev.Started(name, attempt, self.now + self.skew))

    def exit(self, name: str, code: int = 0, attempt: int = 0, after: float = 1.0) -> list[Command]:
        self.now += after
        return self(ev.Exited(name, attempt, code, 0, self.now + self.skew))

    def life(self, name: str) -> Life:
        return self.state.containers[name].life

    def phase(self) -> str:
        return status.phase(self.plan, self.state)
