"""What a pod's state looks like from outside, and how a state is found again from it."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from lateen.model.kube.core.pod import PodSpec
from lateen.node.container import plan as podplan
from lateen.node.container.plan import PodPlan
from lateen.node.pod import adopt, machine, messages as ev, state as podrecord, status
from lateen.node.pod.state import ContainerState, Ending, Life, NetworkState, PodState
from lateen.node.shim.protocol import Process

T0 = 1_795_509_057.0
STAMP = "2026-11-24T08:30:57Z"
FACTS = status.PodFacts("shop", "web-1", "uid-1", "10.244.0.1")
ENDED = Ending(0, 1, 0, "Error", "last words", T0, T0)


def plan(*names: str, init: tuple[str, ...] = (), policy: str = "Always") -> PodPlan:
    body = {
        "restartPolicy": policy,
        "containers": [{"name": n, "image": n} for n in names],
        "initContainers": [{"name": n, "image": n} for n in init],
    }
    return podplan.plan(msgspec.convert(body, PodSpec))


def state(pod: PodPlan, **containers: ContainerState) -> PodState:
    made = podrecord.initial(pod, T0)
    for name, container in containers.items():
        made = made.with_container(name, container)
    return replace(made, network=NetworkState.READY, ip="10.244.0.7")


RUNNING = ContainerState(life=Life.RUNNING, since=T0, started=True, ready=True)
BACKOFF = ContainerState(life=Life.BACKOFF, attempt=3, delay=80.0, ending=ENDED)


@pytest.mark.parametrize(
    ("container", "shown", "last"),
    [
        (ContainerState(), {"waiting": {"reason": "ContainerCreating"}}, {}),
        (ContainerState(life=Life.STARTING), {"waiting": {"reason": "ContainerCreating"}}, {}),
        (
            ContainerState(life=Life.BLOCKED, reason="ErrImagePull", message="no such"),
            {"waiting": {"reason": "ErrImagePull", "message": "no such"}},
            {},
        ),
        (RUNNING, {"running": {"startedAt": STAMP}}, {}),
        (
            BACKOFF,
            {
                "waiting": {
                    "reason": "CrashLoopBackOff",
                    "message": "back-off 1m20s restarting failed container=app "
                    "pod=web-1_shop(uid-1)",
                }
            },
            {"exitCode": 1},
        ),
        (
            ContainerState(life=Life.ENDED, ending=replace(ENDED, code=137, signal=9)),
            {"terminated": {"exitCode": 137, "signal": 9, "reason": "Error"}},
            {},
        ),
    ],
)
def test_container_states(container: ContainerState, shown: Any, last: Any) -> None:
    pod = plan("app")
    body = status.render(pod, state(pod, app=container), FACTS, T0)["containerStatuses"][0]
    (kind,) = shown
    assert list(body["state"]) == [kind]
    assert shown[kind].items() <= body["state"][kind].items()
    assert last.items() <= body["lastState"].get("terminated", {}).items()
    waiting = container.life is Life.BACKOFF
    assert body["restartCount"] == container.attempt - waiting
    assert body["ready"] is container.ready


def conditions(pod: PodPlan, made: PodState, facts: status.PodFacts = FACTS) -> dict[str, Any]:
    return {c["type"]: c for c in status.render(pod, made, facts, T0)["conditions"]}


def test_a_pod_that_is_ready() -> None:
    pod = plan("app", "side")
    body = status.render(pod, state(pod, app=RUNNING, side=RUNNING), FACTS, T0)
    assert body["phase"] == "Running"
    assert (body["podIP"], body["hostIP"]) == ("10.244.0.7", "10.244.0.1")
    assert {c["type"]: c["status"] for c in body["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"),
        "True",
    )


def test_what_holds_a_pod_back_is_named() -> None:
    pod = plan("app", "istio-proxy", init=("one",))
    got = conditions(pod, state(pod, **{"istio-proxy": RUNNING}))
    assert got["Initialized"]["message"] == "containers with incomplete status: [one]"
    assert got["Ready"]["message"] == "containers with unready status: [app]"
    body = status.render(pod, state(pod), FACTS, T0)
    assert body["phase"] == "Pending"
    waiting = body["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "PodInitializing"}


def test_a_pod_that_completed_stays_initialized() -> None:
    pod = plan("app", init=("one",))
    ended = ContainerState(life=Life.ENDED, ending=replace(ENDED, code=0))
    assert conditions(pod, state(pod, app=ended))["Initialized"]["status"] == "True"


def test_transition_times_stay_while_nothing_turns() -> None:
    pod = plan("app")
    made = state(pod, app=RUNNING)
    before = tuple(status.render(pod, made, FACTS, T0)["conditions"])
    facts = replace(FACTS, conditions=before)
    later = {c["type"]: c for c in status.render(pod, made, facts, T0 + 60)["conditions"]}
    assert later["Ready"]["lastTransitionTime"] == STAMP
    unready = made.with_container("app", replace(RUNNING, ready=False))
    turned = {c["type"]: c for c in status.render(pod, unready, facts, T0 + 60)["conditions"]}
    assert turned["Ready"]["lastTransitionTime"] == "2026-11-24T08:31:57Z"
    assert turned["Initialized"]["lastTransitionTime"] == STAMP


def test_readiness_gates_are_waited_for() -> None:
    pod = plan("app")
    made = state(pod, app=RUNNING)
    gated = replace(FACTS, gates=("own/gate",))
    assert conditions(pod, made, gated)["Ready"]["status"] == "False"
    assert conditions(pod, made, gated)["ContainersReady"]["status"] == "True"
    open_gate = replace(gated, conditions=({"type": "own/gate", "status": "True"},))
    assert conditions(pod, made, open_gate)["Ready"]["status"] == "True"
    assert conditions(pod, made, open_gate)["own/gate"]["status"] == "True"


def test_a_completed_pod() -> None:
    pod = plan("app", policy="Never")
    done = ContainerState(life=Life.ENDED, ending=replace(ENDED, code=0, reason="Completed"))
    body = status.render(pod, state(pod, app=done), FACTS, T0)
    assert body["phase"] == "Succeeded"
    ready = next(c for c in body["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "PodCompleted")


# --- adoption ---


def process(container: str, attempt: int, **fields: Any) -> Process:
    given = {"state": "running", "started": int(T0 * 1e9), **fields}
    return Process(f"uid-1/{container}/{attempt}", 7, **given)


def shown(pod: PodPlan, made: PodState) -> dict[str, Any]:
    return status.render(pod, made, FACTS, T0)


def test_what_runs_is_adopted() -> None:
    pod = plan("app", init=("one",))
    done = ContainerState(life=Life.ENDED, ending=replace(ENDED, code=0))
    before = state(pod, one=done, app=replace(RUNNING, attempt=2, ending=ENDED))
    processes = [process("one", 0, state="exited"), process("app", 1), process("app", 2)]
    got = adopt.restore(pod, shown(pod, before), processes, T0 + 100)
    assert got.begun == T0
    app = got.containers["app"]
    assert (app.life, app.attempt, app.ready, app.since) == (Life.RUNNING, 2, True, T0)
    assert app.ending is not None
    assert app.ending.code == 1


def test_what_ended_meanwhile_follows_as_an_event() -> None:
    pod = plan("app", policy="Never")
    ended = process("app", 0, state="exited", code=3)
    got = adopt.restore(pod, shown(pod, state(pod, app=RUNNING)), [ended], T0)
    assert got.containers["app"].life is Life.RUNNING
    got = replace(got, network=NetworkState.READY)
    after, _ = machine.step(pod, got, ev.Exited("app", 0, 3, 0, T0), T0)
    assert status.phase(pod, after) == "Failed"


def test_what_only_looked_around_does_not_start_again() -> None:
    body = {"containers": [{"name": "app"}], "ephemeralContainers": [{"name": "look"}]}
    pod = podplan.plan(msgspec.convert(body, PodSpec))
    got = adopt.restore(pod, shown(pod, state(pod, app=RUNNING, look=RUNNING)), [], T0 + 9)
    assert got.containers["app"].attempt == 1
    look = got.containers["look"]
    assert (look.life, look.attempt, look.ending and look.ending.code) == (Life.ENDED, 0, 255)


def test_what_went_away_with_the_shim_starts_again() -> None:
    pod = plan("app", "new", init=("one",))
    done = ContainerState(life=Life.ENDED, ending=replace(ENDED, code=0))
    before = state(pod, one=done, app=replace(RUNNING, attempt=1))
    got = adopt.restore(pod, shown(pod, before), [], T0 + 9)
    app = got.containers["app"]
    assert (app.life, app.attempt) == (Life.WAITING, 2)
    assert app.ending is not None
    assert (app.ending.code, app.ending.reason, app.ending.started) == (255, "Unknown", T0)
    assert got.containers["new"].attempt == 0
    assert got.containers["one"].life is Life.WAITING, "init containers run again"
    assert got.network is NetworkState.NONE
