"""The state of a pod and of its containers, as values. Pure."""

from enum import Enum

import msgspec
from msgspec.structs import replace

from lateen.node.container.plan import PodPlan


class Life(Enum):
    """Where a container is in its life."""

    WAITING = "waiting"
    PREPARING = "preparing"
    BLOCKED = "blocked"
    """Something it needs is missing."""
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    ENDED = "ended"


LIVE = (Life.STARTING, Life.RUNNING, Life.STOPPING)
"""There is a process, or will be in a moment."""


class Ending(msgspec.Struct, frozen=True):
    """How a run ended."""

    attempt: int
    code: int
    signal: int
    reason: str
    message: str
    started: float
    finished: float


class ContainerState(msgspec.Struct, frozen=True):
    """One container now. `attempt` is its restart count."""

    life: Life = Life.WAITING
    attempt: int = 0
    since: float = 0.0
    """When the current run started, by the wall clock, as it is shown."""
    began: float = 0.0
    """The same by the timeline that never jumps, as are all moments that something waits for."""
    reason: str = ""
    """Why it waits: kubelet's word."""
    message: str = ""
    wake: float | None = None
    """When something is due: the retry, the end of the back-off, the kill."""
    delay: float = 0.0
    """The last back-off."""
    pull_delay: float = 0.0
    """The last back-off of its image's pull."""
    pull_at: float = 0.0
    """When its image is pulled again."""
    pulling: bool = False
    """Its image is asked for at its registry."""
    image_id: str = ""
    """Name and digest of its image; empty: a stand-in takes its place."""
    started: bool = False
    """The startup probe has passed."""
    ready: bool = False
    """The readiness probe passes."""
    hooked: bool = False
    """postStart is done."""
    pre_stopping: bool = False
    signalled: bool = False
    killed: bool = False
    ending: Ending | None = None
    previous: Ending | None = None

    @property
    def live(self) -> bool:
        """Whether it has a process."""
        return self.life in LIVE


class NetworkState(Enum):
    """The pod's network."""

    NONE = "none"
    ASKED = "asked"
    READY = "ready"
    FAILED = "failed"


class Drainage(Enum):
    """The proxy's last duty."""

    NONE = "none"
    ASKED = "asked"
    DONE = "done"


class PodState(msgspec.Struct, frozen=True):
    """A pod now."""

    containers: dict[str, ContainerState] = msgspec.field(default_factory=dict)
    network: NetworkState = NetworkState.NONE
    network_wake: float | None = None
    ip: str = ""
    begun: float = 0.0
    """status.startTime."""
    deadline: float | None = None
    """When activeDeadlineSeconds are over."""
    deleting: float | None = None
    """When deletion was asked."""
    kill_at: float | None = None
    """When everything is killed."""
    doomed: str = ""
    """Why the pod ends although nobody deleted it: kubelet's reason word."""
    evicted: str = ""
    """kubelet's message, where that is the reason."""
    drainage: Drainage = Drainage.NONE
    drain_until: float | None = None
    """When the proxy ends although the application has not."""
    torn: bool = False

    def with_container(self, name: str, state: ContainerState) -> "PodState":
        """Return this state with one container replaced."""
        return replace(self, containers={**self.containers, name: state})

    def overdue(self, now: float) -> bool:
        """Whether activeDeadlineSeconds are over: then nothing is started any more."""
        return self.deadline is not None and now >= self.deadline

    @property
    def closing(self) -> bool:
        """Whether nothing is to be started any more."""
        return self.deleting is not None or bool(self.doomed)


def extended(plan: PodPlan, state: PodState) -> PodState:
    """Return the state with the containers that the plan has and the state does not know yet."""
    for planned in plan.containers:
        if planned.name not in state.containers:
            state = state.with_container(planned.name, ContainerState())
    return state


def initial(plan: PodPlan, begun: float) -> PodState:
    """Return the state of a pod that nothing was done for yet, taken up at `begun`."""
    return PodState(
        containers={c.name: ContainerState() for c in plan.containers},
        begun=begun,
        deadline=None if plan.deadline is None else begun + plan.deadline,
    )
