"""What happens to a pod, and what is to be done about it: the words of `podstate`. Pure.

Times are seconds of wall time.
"""

from enum import Enum

import msgspec

from lateen.node.container.plan import ProbeKind


class Hook(Enum):
    """Kubernetes' two container hooks."""

    POST_START = "postStart"
    PRE_STOP = "preStop"


HOOK_FAILED = {
    Hook.POST_START: ("FailedPostStartHook", "PostStartHook failed"),
    Hook.PRE_STOP: ("FailedPreStopHook", "PreStopHook failed"),
}
"""Reason and words of the Event: no more, as with kubelet, since a hook may print secrets."""


class NetworkReady(msgspec.Struct, frozen=True):
    """The pod has its namespace, link and address."""

    ip: str


class NetworkFailed(msgspec.Struct, frozen=True):
    """The network could not be made; tried again later."""

    message: str


class Pulling(msgspec.Struct, frozen=True):
    """A container's image is asked for at its registry."""

    container: str


class Prepared(msgspec.Struct, frozen=True):
    """A container's command, variables and volumes are there."""

    container: str
    image_id: str = ""
    """Name and digest of its image; empty: a stand-in takes its place."""
    pulled: str = ""
    """What the Event says of the image, if it was pulled just now."""


class PrepareFailed(msgspec.Struct, frozen=True):
    """Something a container needs is missing: kubelet's reason word and message."""

    container: str
    reason: str
    message: str
    event: str = "Failed"
    """Reason of the Event that tells of it."""


class Started(msgspec.Struct, frozen=True):
    """The shim runs it."""

    container: str
    attempt: int
    at: float


class StartFailed(msgspec.Struct, frozen=True):
    """The program could not be executed."""

    container: str
    attempt: int
    code: int
    message: str


class Exited(msgspec.Struct, frozen=True):
    """It ended; `code` is 128 + signal when a signal ended it."""

    container: str
    attempt: int
    code: int
    signal: int
    at: float
    message: str = ""
    reason: str = ""
    """Why the node ended it, if it did: `OOMKilled`."""


class Probed(msgspec.Struct, frozen=True):
    """A probe reached its threshold: it counts as passed or failed from now on."""

    container: str
    attempt: int
    kind: ProbeKind
    ok: bool


class HookDone(msgspec.Struct, frozen=True):
    """A hook ended."""

    container: str
    attempt: int
    hook: Hook
    ok: bool


class Drained(msgspec.Struct, frozen=True):
    """Envoy has no connection left, or had its time."""


class DeletionAsked(msgspec.Struct, frozen=True):
    """The pod has a deletion timestamp, or is gone (`grace` 0)."""

    grace: float


class Evicted(msgspec.Struct, frozen=True):
    """It holds more on disk than it may: kubelet's message, and its seconds of grace for that."""

    message: str
    grace: float = 1.0


class MaterialChanged(msgspec.Struct, frozen=True):
    """A ConfigMap, Secret or setting changed: what failed may work now."""


class Tick(msgspec.Struct, frozen=True):
    """Time has passed."""


ContainerEvent = (
    Pulling | Prepared | PrepareFailed | Started | StartFailed | Exited | Probed | HookDone
)
"""What happens to one container."""

Event = (
    NetworkReady
    | NetworkFailed
    | Pulling
    | Prepared
    | PrepareFailed
    | Started
    | StartFailed
    | Exited
    | Probed
    | HookDone
    | Drained
    | DeletionAsked
    | Evicted
    | MaterialChanged
    | Tick
)


class SetUpNetwork(msgspec.Struct, frozen=True):
    """Make namespace, address and link; answer NetworkReady or NetworkFailed."""


class CaptureTraffic(msgspec.Struct, frozen=True):
    """Put the capture rules in; answer Exited for istio-init."""

    container: str
    attempt: int


class Prepare(msgspec.Struct, frozen=True):
    """Gather what a container needs; answer Prepared or PrepareFailed."""

    container: str


class Start(msgspec.Struct, frozen=True):
    """Start it; answer Started or StartFailed, later Exited."""

    container: str
    attempt: int


class Signal(msgspec.Struct, frozen=True):
    """Send a signal to it."""

    container: str
    attempt: int
    name: str


class RunHook(msgspec.Struct, frozen=True):
    """Run a hook; answer HookDone."""

    container: str
    attempt: int
    hook: Hook


class WatchHealth(msgspec.Struct, frozen=True):
    """Probe it from now on; answer Probed."""

    container: str
    attempt: int


class UnwatchHealth(msgspec.Struct, frozen=True):
    """Stop probing it."""

    container: str


class Drain(msgspec.Struct, frozen=True):
    """Let Envoy finish what it serves; answer Drained."""


class TearDown(msgspec.Struct, frozen=True):
    """Nothing runs any more: remove the pod's namespace, volumes and API object."""


class Note(msgspec.Struct, frozen=True):
    """Post an Event on the pod. `warning` is its type."""

    reason: str
    message: str
    warning: bool = False
    container: str = ""


Command = (
    SetUpNetwork
    | CaptureTraffic
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
