"""The state of a pod that was there before this agent: from the shim's records. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from lateen.node.container.plan import ContainerPlan, PodPlan, ProbeKind, Role
from lateen.node.pod.state import ContainerState, Ending, Life, PodState, initial
from lateen.node.shim import protocol
from lateen.node.shim.protocol import Process

_NANO = 1_000_000_000
_LOST = 255
"""Exit code of a container that went away with its runtime, as kubelet shows it."""


def restore(
    plan: PodPlan,
    status: Mapping[str, Any],
    processes: Iterable[Process],
    now: float,
) -> PodState:
    """Return the state to go on from.

    `processes` are the shim's for this pod: those that run are adopted. A container that the
    status shows as started but that the shim does not know went away with an earlier shim: it
    starts again with its restart count raised. What ended while no agent was there is given as
    running; the shim's record of its end follows as an event.
    """
    latest: dict[str, Process] = {}
    for process in processes:
        _, name, attempt = protocol.parse_handle(process.handle)
        known = latest.get(name)
        if known is None or protocol.parse_handle(known.handle)[2] < attempt:
            latest[name] = process
    shown = {
        str(s.get("name")): s
        for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        for s in status.get(field) or ()
    }
    survived = bool(latest)
    state = initial(plan, _moment(status.get("startTime"), now))
    for planned in plan.containers:
        before = shown.get(planned.name, {})
        if planned.name in latest:
            container = _adopted(planned, latest[planned.name], before)
        else:
            container = _lost(planned, before, survived, now)
        state = state.with_container(planned.name, container)
    return state


def _adopted(planned: ContainerPlan, process: Process, shown: Mapping[str, Any]) -> ContainerState:
    _, _, attempt = protocol.parse_handle(process.handle)
    started = bool(shown.get("started")) or planned.probe(ProbeKind.STARTUP) is None
    ready = bool(shown.get("ready")) or planned.probe(ProbeKind.READINESS) is None
    return ContainerState(
        life=Life.RUNNING,
        attempt=attempt,
        since=process.started / _NANO,
        began=process.started / _NANO,
        started=started,
        ready=ready and started,
        hooked=True,
        image_id=str(shown.get("imageID") or "").partition("lateen://")[0],
        ending=_last_ending(shown),
    )


def _lost(
    planned: ContainerPlan, shown: Mapping[str, Any], survived: bool, now: float
) -> ContainerState:
    """No process: it never started, or had ended, or went away with the runtime."""
    count = int(shown.get("restartCount", 0))
    now_state = shown.get("state") or {}
    ended = now_state.get("terminated")
    if survived and (ended or planned.builtin) and (planned.role is Role.INIT):
        ending = _ending(count, ended or {"exitCode": 0, "reason": "Completed"}, now)
        return ContainerState(life=Life.ENDED, attempt=count, ending=ending)
    if "containerID" not in shown:
        return ContainerState(attempt=count)
    if planned.builtin:
        return ContainerState(attempt=count)
    started = (now_state.get("running") or {}).get("startedAt")
    lost: Mapping[str, Any] = ended or {
        "exitCode": _LOST,
        "reason": "Unknown",
        "startedAt": started,
    }
    if planned.role is Role.EPHEMERAL:
        return ContainerState(life=Life.ENDED, ending=_ending(count, lost, now))
    return ContainerState(attempt=count + 1, ending=_ending(count, lost, now))


def _last_ending(shown: Mapping[str, Any]) -> Ending | None:
    last = (shown.get("lastState") or {}).get("terminated")
    count = max(0, int(shown.get("restartCount", 0)) - 1)
    return _ending(count, last, 0.0) if last else None


def _ending(attempt: int, body: Mapping[str, Any], now: float) -> Ending:
    return Ending(
        attempt=attempt,
        code=int(body.get("exitCode", 0)),
        signal=int(body.get("signal") or 0),
        reason=str(body.get("reason", "")),
        message=str(body.get("message", "")),
        started=_moment(body.get("startedAt"), now),
        finished=_moment(body.get("finishedAt"), now),
    )


def _moment(text: Any, otherwise: float) -> float:
    """Read a Kubernetes timestamp."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return otherwise
