"""A pod's state as Kubernetes shows it: phase, conditions, container statuses. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from lateen.base.jsonvalue import Json
from lateen.model import wellknown
from lateen.node.container.plan import ContainerPlan, PodPlan, Role
from lateen.node.pod.state import ContainerState, Ending, Life, NetworkState, PodState

_COUNTED = (Role.APP, Role.SIDECAR)
"""Whose readiness is the pod's."""
_FIELDS = {
    "initContainerStatuses": (Role.INIT, Role.SIDECAR),
    "containerStatuses": (Role.APP,),
    "ephemeralContainerStatuses": (Role.EPHEMERAL,),
}


class PodFacts(msgspec.Struct, frozen=True):
    """What is not in the state: names, addresses, the conditions shown so far."""

    namespace: str
    name: str
    uid: str
    host_ip: str
    qos_class: str = "BestEffort"
    conditions: tuple[Mapping[str, Any], ...] = ()
    """As last written, for lastTransitionTime."""
    gates: tuple[str, ...] = ()
    """readinessGates."""
    generation: int | None = None


def phase(plan: PodPlan, state: PodState) -> str:
    """Return the pod's phase, by kubelet's rules. A pod that is taken away before it ran has
    failed: a Job waits for an end of every pod."""
    current = _phase(plan, state)
    return "Failed" if state.torn and current not in wellknown.ENDED else current


def _phase(plan: PodPlan, state: PodState) -> str:
    if state.doomed and not any(c.live for c in state.containers.values()):
        return "Failed"
    apps = [state.containers[c.name] for c in plan.containers if c.role is Role.APP]
    if not all(_passed(c, state) for c in plan.containers if c.role is Role.INIT):
        return "Pending"
    ended = [a for a in apps if a.life is Life.ENDED and a.ending]
    if len(ended) == len(apps):
        if not state.closing and any(_runs(c, state) for c in plan.containers):
            return "Running"
        failed = any(a.ending is not None and a.ending.code for a in ended)
        return "Failed" if failed else "Succeeded"
    if all(a.ending is None and a.life not in (Life.RUNNING, Life.STOPPING) for a in apps):
        return "Pending"
    return "Running"


def _runs(planned: ContainerPlan, state: PodState) -> bool:
    return planned.role is Role.SIDECAR and state.containers[planned.name].live


def _passed(planned: ContainerPlan, state: PodState) -> bool:
    ending = state.containers[planned.name].ending
    return ending is not None and ending.code == 0


def render(plan: PodPlan, state: PodState, facts: PodFacts, now: float) -> Json:
    """Return `.status` of the pod."""
    current = phase(plan, state)
    status: Json = {
        "phase": current,
        "conditions": _conditions(plan, state, facts, current, now),
        "hostIP": facts.host_ip,
        "hostIPs": [{"ip": facts.host_ip}],
        "startTime": stamp(state.begun),
        "qosClass": facts.qos_class,
    }
    if facts.generation is not None:
        status["observedGeneration"] = facts.generation
    if state.ip:
        status |= {"podIP": state.ip, "podIPs": [{"ip": state.ip}]}
    if state.doomed == "DeadlineExceeded":
        status["reason"] = state.doomed
        status["message"] = "Pod was active on the node longer than the specified deadline"
    if state.evicted:
        status |= {"reason": state.doomed, "message": state.evicted}
    initialized = _initialized(plan, state)
    for field, roles in _FIELDS.items():
        listed = [
            _container(planned, state, facts, initialized)
            for planned in plan.containers
            if planned.role in roles
        ]
        if listed:
            status[field] = listed
    return status


def ready(plan: PodPlan, state: PodState) -> bool:
    """Whether every container that counts is ready."""
    return state.network is NetworkState.READY and all(
        state.containers[c.name].ready for c in plan.containers if c.role in _COUNTED
    )


def stamp(moment: float) -> str:
    """Format a time as Kubernetes does."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _initialized(plan: PodPlan, state: PodState) -> bool:
    return not _incomplete(plan, state)


def _incomplete(plan: PodPlan, state: PodState) -> list[str]:
    """Name what holds the containers back. Once one of them ran, nothing does any more: a pod that
    completed stays initialized, though its sidecars have ended."""
    if any(_has_run(c, state) for c in plan.containers if c.role is Role.APP and not c.proxy):
        return []
    return [c.name for c in plan.containers if _holds_back(c, state)]


def _has_run(planned: ContainerPlan, state: PodState) -> bool:
    container = state.containers[planned.name]
    return container.life in (Life.RUNNING, Life.STOPPING) or container.ending is not None


def _holds_back(planned: ContainerPlan, state: PodState) -> bool:
    if planned.role is Role.INIT:
        return not _passed(planned, state)
    container = state.containers[planned.name]
    return planned.role is Role.SIDECAR and not (container.started or container.attempt)


def _conditions(
    plan: PodPlan, state: PodState, facts: PodFacts, current: str, now: float
) -> list[Json]:
    incomplete = _incomplete(plan, state)
    unready = [
        c.name for c in plan.containers if c.role in _COUNTED and not state.containers[c.name].ready
    ]
    ended = current in wellknown.ENDED
    words = f"containers with unready status: [{' '.join(unready)}]"
    reason = "PodCompleted" if current == "Succeeded" else "ContainersNotReady"
    if ended and current == "Failed":
        reason, words = "PodFailed", ""
    if current == "Succeeded":
        words = ""
    contained = (not unready and state.network is NetworkState.READY, reason, words)
    gate = _gate(facts)
    whole = contained if not contained[0] or not gate else (False, "ReadinessGatesNotReady", gate)
    waiting = f"containers with incomplete status: [{' '.join(incomplete)}]"
    wanted = (
        ("PodReadyToStartContainers", (state.network is NetworkState.READY and not ended, "", "")),
        ("Initialized", (not incomplete, "ContainersNotInitialized", waiting)),
        (wellknown.READY, whole),
        ("ContainersReady", contained),
        ("PodScheduled", (True, "", "")),
        *(
            (("DisruptionTarget", (True, "TerminationByKubelet", state.evicted)),)
            if state.evicted
            else ()
        ),
    )
    before = {str(c.get("type")): c for c in facts.conditions}
    ours = [_condition(kind, value, before.get(kind), now) for kind, value in wanted]
    names = {kind for kind, _ in wanted}
    return ours + [dict(c) for c in facts.conditions if c.get("type") not in names]


def _gate(facts: PodFacts) -> str:
    """Return why a readiness gate holds the pod back, or nothing."""
    held = {str(c.get("type")): c.get("status") for c in facts.conditions}
    for gate in facts.gates:
        if held.get(gate) != "True":
            return f'corresponding condition of pod readiness gate "{gate}" does not exist.'
    return ""


def _condition(
    kind: str, value: tuple[bool, str, str], before: Mapping[str, Any] | None, now: float
) -> Json:
    holds, reason, message = value
    status = "True" if holds else "False"
    condition: Json = {"type": kind, "status": status, "lastProbeTime": None}
    if not holds or kind == "DisruptionTarget":
        condition |= {k: v for k, v in (("reason", reason), ("message", message)) if v}
    same = before is not None and before.get("status") == status
    since = before.get("lastTransitionTime") if same and before is not None else None
    condition["lastTransitionTime"] = since or stamp(now)
    return condition


def _container(planned: ContainerPlan, state: PodState, facts: PodFacts, initialized: bool) -> Json:
    container = state.containers[planned.name]
    held = planned.role is Role.APP and not planned.proxy and not initialized
    now, last = _states(planned, container, facts, held)
    ended_well = container.ending is not None and container.ending.code == 0
    counted = planned.role in _COUNTED
    status: Json = {
        "name": planned.name,
        "state": now,
        "lastState": last,
        "ready": ended_well if planned.role is Role.INIT else counted and container.ready,
        "restartCount": container.attempt - (container.life is Life.BACKOFF),
        "image": planned.image,
        "imageID": "",
        "started": container.life is Life.RUNNING and container.started,
    }
    if container.ending or container.life in (Life.RUNNING, Life.STOPPING):
        run = (
            container.attempt
            if container.live or container.life is Life.ENDED
            else (container.ending.attempt if container.ending else 0)
        )
        status["containerID"] = container_id(facts.uid, planned.name, run)
        status["imageID"] = container.image_id or f"{STAND_IN}{planned.image}"
    return status


STAND_IN = "lateen://"
"""What an imageID begins with where a stand-in runs; else it is an image's name and digest."""


def container_id(uid: str, name: str, attempt: int) -> str:
    """Return a container's id as shown in statuses."""
    return f"lateen://{uid}/{name}/{attempt}"


def run_of(identity: str) -> int | None:
    """Return the number of the run that a container's id names; None for another's id."""
    number = identity.rpartition("/")[2]
    return int(number) if identity.startswith("lateen://") and number.isdigit() else None


def _states(
    planned: ContainerPlan, container: ContainerState, facts: PodFacts, held: bool
) -> tuple[Json, Json]:
    ending = container.ending
    if container.life in (Life.RUNNING, Life.STOPPING):
        return {"running": {"startedAt": stamp(container.since)}}, _terminated(
            planned, ending, facts
        )
    if container.life is Life.BACKOFF and container.delay:
        words = (
            f"back-off {_duration(container.delay)} restarting failed container={planned.name} "
            f"pod={facts.name}_{facts.namespace}({facts.uid})"
        )
        waiting = {"reason": "CrashLoopBackOff", "message": words}
        return {"waiting": waiting}, _terminated(planned, ending, facts)
    if container.reason and container.life in (Life.BLOCKED, Life.PREPARING):
        waiting = {"reason": container.reason, "message": container.message}
        return {"waiting": waiting}, _terminated(planned, ending, facts)
    if ending is not None:
        return _terminated(planned, ending, facts), _terminated(planned, container.previous, facts)
    return {"waiting": {"reason": "PodInitializing" if held else "ContainerCreating"}}, {}


def _terminated(planned: ContainerPlan, ending: Ending | None, facts: PodFacts) -> Json:
    if ending is None:
        return {}
    body: Json = {
        "exitCode": ending.code,
        "reason": ending.reason,
        "startedAt": stamp(ending.started),
        "finishedAt": stamp(ending.finished),
        "containerID": container_id(facts.uid, planned.name, ending.attempt),
    }
    if ending.signal:
        body["signal"] = ending.signal
    if ending.message:
        body["message"] = ending.message
    return {"terminated": body}


def _duration(seconds: float) -> str:
    """Format as Go does: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
