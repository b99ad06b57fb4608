"""What happens to a pod, and what is to be done about it: the words of `podstate`. Pure.

Times are seconds of wall time.
"""

from dataclasses import dataclass
from enum import Enum

from lateen.node.podplan import ProbeKind


class Hook(Enum):
    """Kubernetes' two container hooks."""

    POST_START = "postStart"
    PRE_STOP = "preStop"


@dataclass(frozen=True, slots=True)
class NetworkReady:
    """The pod has its namespace, link and address."""

    ip: str


@dataclass(frozen=True, slots=True)
class NetworkFailed:
    """The network could not be made; tried again later."""

    message: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A container's command, variables and volumes are there."""

    container: str


@dataclass(frozen=True, slots=True)
class PrepareFailed:
    """Something a container needs is missing: kubelet's reason word and message."""

    container: str
    reason: str
    message: str
    event: str = "Failed"
    """Reason of the Event that tells of it."""


@dataclass(frozen=True, slots=True)
class Started:
    """The shim runs it."""

    container: str
    attempt: int
    at: float


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The program could not be executed."""

    container: str
    attempt: int
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Exited:
    """It ended; `code` is 128 + signal when a signal ended it."""

    container: str
    attempt: int
    code: int
    signal: int
    at: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe reached its threshold: it counts as passed or failed from now on."""

    container: str
    attempt: int
    kind: ProbeKind
    ok: bool


@dataclass(frozen=True, slots=True)
class HookDone:
    """A hook ended."""

    container: str
    attempt: int
    hook: Hook
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Drained:
    """Envoy has no connection left, or had its time."""


@dataclass(frozen=True, slots=True)
class DeletionAsked:
    """The pod has a deletion timestamp, or is gone (`grace` 0)."""

    grace: float


@dataclass(frozen=True, slots=True)
class MaterialChanged:
    """A ConfigMap, Secret or setting changed: what failed may work now."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = (
    NetworkReady
    | NetworkFailed
    | Prepared
    | PrepareFailed
    | Started
    | StartFailed
    | Exited
    | Probed
    | HookDone
    | Drained
    | DeletionAsked
    | MaterialChanged
    | Tick
)


@dataclass(frozen=True, slots=True)
class SetUpNetwork:
    """Make namespace, address and link; answer NetworkReady or NetworkFailed."""


@dataclass(frozen=True, slots=True)
class Capture:
    """Put the capture rules in; answer Exited for istio-init."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """Gather what a container needs; answer Prepared or PrepareFailed."""

    container: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start it; answer Started or StartFailed, later Exited."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to it."""

    container: str
    attempt: int
    name: str


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run a hook; answer HookDone."""

    container: str
    attempt: int
    hook: Hook


@dataclass(frozen=True, slots=True)
class WatchHealth:
    """Probe it from now on; answer Probed."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class UnwatchHealth:
    """Stop probing it."""

    container: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Let Envoy finish what it serves; answer Drained."""


@dataclass(frozen=True, slots=True)
class TearDown:
    """Nothing runs any more: remove the pod's namespace, volumes and API object."""


@dataclass(frozen=True, slots=True)
class Note:
    """Post an Event on the pod. `warning` is its type."""

    reason: str
    message: str
    warning: bool = False
    container: str = ""


Command = (
    SetUpNetwork
    | Capture
    | Prepare
    | Start
    | Signal
    | RunHook
    | WatchHealth
    | UnwatchHealth
    | Drain
    | TearDown
    | Note
)
