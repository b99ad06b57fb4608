"""Pods: READY, STATUS and RESTARTS, derived from the container statuses as kubectl shows them.
Pure."""

from collections.abc import Sequence
from datetime import datetime

from lateen.apiserver.reading.printers import cells
from lateen.base.jsonvalue import JsonView
from lateen.model import wellknown

COLUMNS = (
    *cells.columns("Name,Ready,Status,Restarts,Age"),
    *(cells.Column(one, wide=True) for one in ("IP", "Node", "Nominated Node", "Readiness Gates")),
    cells.Column("Images", wide=True),
)

_DIGEST = len("sha256:") + 12
"""Characters of a digest that tell images apart for a reader."""


def print_pod(pod: JsonView, now: datetime) -> cells.Cells:
    """Return the cells of a pod."""
    spec, status = cells.part(pod, "spec"), cells.part(pod, "status")
    side = _restartable(pod)
    total = len(spec.get("containers") or ()) + len(side)
    ready, restarts, last = _counts(pod, side)
    return [
        cells.name(pod),
        f"{ready}/{total}",
        reason(pod),
        f"{restarts} ({cells.since(last, now)} ago)" if restarts and last else str(restarts),
        cells.age(pod, now),
        status.get("podIP") or cells.NONE,
        spec.get("nodeName") or cells.NONE,
        status.get("nominatedNodeName") or cells.NONE,
        _gates(pod),
        _images(pod),
    ]


def _images(pod: JsonView) -> str:
    """Return what the containers run: an image by its digest, or a stand-in under its name."""
    found = []
    for one in _statuses(pod, "containerStatuses"):
        name, _, digest = str(one.get("imageID") or "").partition("@")
        if digest:
            found.append(f"{name}@{digest[:_DIGEST]}")
        elif name:
            found.append(f"{name.partition('://')[2]} (stand-in)")
    return ",".join(dict.fromkeys(found)) or cells.NONE


def _restartable(pod: JsonView) -> set[str]:
    """Return the names of init containers that stay: sidecars in Kubernetes' sense."""
    found = cells.part(pod, "spec").get("initContainers") or ()
    return {str(one.get("name")) for one in found if one.get("restartPolicy") == "Always"}


def _statuses(pod: JsonView, part: str) -> Sequence[JsonView]:
    found: Sequence[JsonView] = cells.part(pod, "status").get(part) or ()
    return found


def _counts(pod: JsonView, side: set[str]) -> tuple[int, int, str]:
    """Return the ready containers, the restarts, and when the last restart was."""
    begun = _init_reason(pod) == "" or _condition(pod, "Initialized") == "True"
    inits = _statuses(pod, "initContainerStatuses")
    mains = _statuses(pod, "containerStatuses") if begun else ()
    counted = [one for one in inits if not begun or one.get("name") in side] + list(mains)
    ready = sum(
        1
        for one in (*inits, *mains)
        if one.get("ready")
        and cells.part(one, "state").get("running") is not None
        and (one.get("name") in side or one in mains)
    )
    ends = [
        str(cells.part(one, "lastState", "terminated").get("finishedAt") or "") for one in counted
    ]
    return ready, sum(int(one.get("restartCount") or 0) for one in counted), max(ends, default="")


def reason(pod: JsonView) -> str:
    """Return the STATUS column: the phase, or the reason that says more."""
    status = cells.part(pod, "status")
    word = str(status.get("reason") or status.get("phase") or "")
    if _gated(pod):
        word = "SchedulingGated"
    starting = _init_reason(pod)
    word = starting or word
    if not starting or _condition(pod, "Initialized") == "True":
        word = _container_reason(pod, word)
    if cells.meta(pod).get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in wellknown.ENDED:
            return "Terminating"
    return word


def _gated(pod: JsonView) -> bool:
    conditions = cells.part(pod, "status").get("conditions") or ()
    return any(
        one.get("type") == "PodScheduled" and one.get("reason") == "SchedulingGated"
        for one in conditions
    )


def _condition(pod: JsonView, kind: str) -> str:
    conditions = cells.part(pod, "status").get("conditions") or ()
    return next((str(one.get("status")) for one in conditions if one.get("type") == kind), "")


def _init_reason(pod: JsonView) -> str:
    """Return what the first unfinished init container makes of the status; empty if none does."""
    side = _restartable(pod)
    total = len(cells.part(pod, "spec").get("initContainers") or ())
    for index, one in enumerate(_statuses(pod, "initContainerStatuses")):
        state = cells.part(one, "state")
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if one.get("name") in side and one.get("started"):
            continue
        if ended is not None:
            return f"Init:{_ended(ended)}"
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _ended(state: JsonView) -> str:
    if state.get("reason"):
        return str(state["reason"])
    if state.get("signal"):
        return f"Signal:{state['signal']}"
    return f"ExitCode:{state.get('exitCode', 0)}"


def _container_reason(pod: JsonView, word: str) -> str:
    running = False
    for one in reversed(_statuses(pod, "containerStatuses")):
        state = cells.part(one, "state")
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            word = str(waiting["reason"])
        elif ended is not None:
            word = _ended(ended)
        elif one.get("ready") and state.get("running") is not None:
            running = True
    if word == "Completed" and running:
        return "Running" if _condition(pod, wellknown.READY) == "True" else "NotReady"
    return word


def _gates(pod: JsonView) -> str:
    gates = cells.part(pod, "spec").get("readinessGates") or ()
    if not gates:
        return cells.NONE
    met = sum(1 for one in gates if _condition(pod, str(one.get("conditionType"))) == "True")
    return f"{met}/{len(gates)}"


PRINTERS = {"pods": cells.TablePrinter(COLUMNS, print_pod)}
