"""The pod's state machine: scripts of events and the commands they lead to, and laws."""

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from lateen.node.container import backoff
from lateen.node.container.plan import PodPlan, ProbeKind
from lateen.node.pod import machine, messages as ev, state as podrecord, status
from lateen.node.pod.messages import Event, Hook
from lateen.node.pod.state import Life, PodState
from tests.node.podscript import T0, Script, container, plan

FACTS = status.PodFacts("shop", "web-1", "uid-1", "10.244.0.1")
PROBE = {"httpGet": {"path": "/", "port": 80}}


def test_network_comes_first_then_every_container_at_once() -> None:
    pod = Script(plan(container("a"), container("b")))
    assert pod.network() == [ev.Prepare("a"), ev.Prepare("b")]
    assert pod.phase() == "Pending"
    pod.start("a")
    assert pod.phase() == "Running"
    pod.start("b")
    assert status.ready(pod.plan, pod.state)


WAIT = {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}


@pytest.mark.parametrize("native", [True, False])
def test_a_proxy_that_holds_the_application_lets_it_start_once_it_is_ready(native: bool) -> None:
    if native:
        proxy = container("istio-proxy", readinessProbe=PROBE, restartPolicy="Always")
        pod = Script(plan(container("app"), init=(proxy,)))
    else:
        proxy = container("istio-proxy", readinessProbe=PROBE, lifecycle=WAIT)
        pod = Script(plan(proxy, container("app")))
    assert pod.network() == [ev.Prepare("istio-proxy")]
    assert pod.start("istio-proxy") == [ev.WatchHealth("istio-proxy", 0)]
    ready = ev.Probed("istio-proxy", 0, ProbeKind.READINESS, True)
    assert pod(ready) == [ev.Prepare("app")]
    pod.start("app")
    lost = ev.Probed("istio-proxy", 0, ProbeKind.READINESS, False)
    assert pod(lost) == []
    assert pod.life("app") is Life.RUNNING


def test_a_network_that_fails_is_tried_again() -> None:
    pod = Script(plan(container("a")))
    pod(ev.Tick())
    assert pod(ev.NetworkFailed("no")) == []
    assert pod.notes[-1].reason == "FailedCreatePodSandBox"
    assert pod(ev.Tick(), after=2.0) == [ev.SetUpNetwork()]


def test_init_containers_run_in_order() -> None:
    pod = Script(plan(container("app"), init=(container("one"), container("two"))))
    assert pod.network() == [ev.Prepare("one")]
    pod.start("one")
    assert pod.exit("one") == [ev.Prepare("two")]
    pod.start("two")
    assert pod.phase() == "Pending"
    assert pod.exit("two") == [ev.Prepare("app")]


def test_the_proxy_starts_before_init_containers() -> None:
    pod = Script(plan(container("istio-proxy"), container("app"), init=(container("one"),)))
    assert pod.network() == [ev.Prepare("one"), ev.Prepare("istio-proxy")]


def test_istio_init_is_done_without_a_process() -> None:
    pod = Script(plan(container("app"), init=(container("istio-init"),)))
    assert pod.network() == [ev.Prepare("istio-init")]
    assert pod(ev.Prepared("istio-init")) == [ev.CaptureTraffic("istio-init", 0)]
    pod(ev.Started("istio-init", 0, pod.now))
    assert pod.exit("istio-init", after=0) == [ev.Prepare("app")]


def test_a_native_sidecar_holds_the_next_until_it_has_started() -> None:
    sidecar = container("side", restartPolicy="Always", startupProbe=PROBE)
    pod = Script(plan(container("app"), init=(sidecar,), restartPolicy="Never"))
    assert pod.network() == [ev.Prepare("side")]
    assert pod.start("side") == [ev.WatchHealth("side", 0)]
    assert pod(ev.Probed("side", 0, ProbeKind.STARTUP, True)) == [ev.Prepare("app")]
    pod.start("app")
    assert pod.exit("app") == [ev.UnwatchHealth("side"), ev.Signal("side", 0, "SIGTERM")]
    assert pod.exit("side", 143) == [ev.UnwatchHealth("side")]
    assert pod.phase() == "Succeeded"


@pytest.mark.parametrize(
    ("policy", "code", "restarts", "phase"),
    [
        ("Always", 0, True, "Running"),
        ("Always", 1, True, "Running"),
        ("OnFailure", 0, False, "Succeeded"),
        ("OnFailure", 1, True, "Running"),
        ("Never", 0, False, "Succeeded"),
        ("Never", 1, False, "Failed"),
    ],
)
def test_restart_policy(policy: str, code: int, restarts: bool, phase: str) -> None:
    pod = Script(plan(container("app"), restartPolicy=policy))
    pod.network()
    pod.start("app")
    assert pod.exit("app", code) == ([ev.Prepare("app")] if restarts else [])
    assert pod.phase() == phase


def test_back_off_doubles_from_ten_seconds_to_five_minutes() -> None:
    pod = Script(plan(container("app")))
    pod.network()
    pod.start("app")
    assert pod.exit("app", 1) == [ev.Prepare("app")], "the first restart is at once"
    for attempt, delay in enumerate((10, 20, 40, 80, 160, 300, 300), start=1):
        pod.start("app", attempt)
        assert pod.exit("app", 1, attempt) == []
        assert pod.life("app") is Life.BACKOFF
        assert machine.next_wake(pod.state) == pod.now + delay
        assert pod(ev.Tick(), after=delay - 0.1) == []
        assert pod(ev.Tick(), after=0.1) == [ev.Prepare("app")]
    assert pod.state.containers["app"].attempt == 8


def test_a_run_of_ten_minutes_is_forgiven() -> None:
    pod = Script(plan(container("app")))
    pod.network()
    pod.start("app")
    pod.exit("app", 1)
    pod.start("app", 1)
    assert pod.exit("app", 1, 1) == []
    pod(ev.Tick(), after=10)
    pod.start("app", 2)
    assert pod.exit("app", 1, 2, after=600) == [ev.Prepare("app")]


def test_what_is_missing_is_told_once_and_looked_for_again() -> None:
    pod = Script(plan(container("app")))
    pod.network()
    missing = ev.PrepareFailed("app", "CreateContainerConfigError", 'secret "s" not found')
    assert pod(missing) == []
    assert pod(ev.Tick(), after=1) == []
    assert pod(ev.MaterialChanged()) == [ev.Prepare("app")]
    assert pod(missing) == []
    assert [n.message for n in pod.notes] == ['Error: secret "s" not found']
    assert pod(ev.Tick(), after=machine.RETRY) == [ev.Prepare("app")]
    assert pod(ev.Prepared("app")) == [ev.Start("app", 0)]


def test_an_image_that_cannot_be_pulled_is_tried_again_ever_later() -> None:
    """By kubelet's words: the failure is shown, then that the next try is waited for."""
    pod = Script(plan(container("app")))
    pod.network()
    failed = ev.PrepareFailed("app", "ErrImagePull", "no")
    told = [
        ("Pulling", 'Pulling image "app:1"'),
        ("Failed", 'Failed to pull image "app:1": no'),
        ("Failed", "Error: ErrImagePull"),
        ("BackOff", 'Back-off pulling image "app:1"'),
        ("Failed", "Error: ImagePullBackOff"),
    ]
    shown = backoff.PULL_SHOWN
    for delay in (10, 20, 40, 80, 160, 300, 300):
        pod.notes.clear()
        assert pod(failed) == []
        assert pod.state.containers["app"].reason == "ErrImagePull"
        assert pod(ev.Tick(), after=shown) == []
        waiting = pod.state.containers["app"]
        assert (waiting.reason, waiting.message) == (
            "ImagePullBackOff",
            'Back-off pulling image "app:1": ErrImagePull: no',
        )
        assert [(n.reason, n.message) for n in pod.notes] == told
        assert pod(ev.Tick(), after=delay - shown - 0.1) == []
        assert pod(ev.Tick(), after=0.1) == [ev.Prepare("app")]
    assert pod(failed) == []
    assert pod(ev.MaterialChanged()) == [ev.Prepare("app")]
    assert pod(ev.Prepared("app")) == [ev.Start("app", 0)]


def test_liveness_failure_stops_and_restarts() -> None:
    probe = {**PROBE, "terminationGracePeriodSeconds": 5}
    pod = Script(plan(container("app", livenessProbe=probe)))
    pod.network()
    assert pod.start("app") == [ev.WatchHealth("app", 0)]
    commands = pod(ev.Probed("app", 0, ProbeKind.LIVENESS, False))
    assert commands == [ev.UnwatchHealth("app"), ev.Signal("app", 0, "SIGTERM")]
    assert pod(ev.Tick(), after=5) == [ev.Signal("app", 0, "SIGKILL")]
    assert pod.exit("app", 137) == [ev.UnwatchHealth("app"), ev.Prepare("app")]


def test_readiness_waits_for_startup() -> None:
    pod = Script(plan(container("app", startupProbe=PROBE, readinessProbe=PROBE)))
    pod.network()
    pod.start("app")
    pod(ev.Probed("app", 0, ProbeKind.READINESS, True))
    assert not status.ready(pod.plan, pod.state)
    pod(ev.Probed("app", 0, ProbeKind.STARTUP, True))
    pod(ev.Probed("app", 0, ProbeKind.READINESS, True))
    assert status.ready(pod.plan, pod.state)
    pod(ev.Probed("app", 0, ProbeKind.READINESS, False))
    assert not status.ready(pod.plan, pod.state)


def test_deletion_stops_the_app_then_the_drained_proxy() -> None:
    pod = Script(plan(container("app"), container("istio-proxy"), terminationGracePeriodSeconds=30))
    pod.network()
    pod.start("app")
    pod.start("istio-proxy")
    assert pod(ev.DeletionAsked(30)) == [ev.Drain()]
    assert machine.next_wake(pod.state) == pod.now + machine.ENDPOINT_SETTLE
    settled = pod(ev.Tick(), after=machine.ENDPOINT_SETTLE)
    assert settled == [ev.Signal("app", 0, "SIGTERM")]
    assert pod.exit("app", 0) == [], "the proxy is not drained yet"
    assert pod(ev.Drained()) == [ev.Signal("istio-proxy", 0, "SIGTERM")]
    assert pod.exit("istio-proxy", 0) == [ev.TearDown()]


HEARS = {"preStop": {"exec": {"command": ["pilot-agent", "request", "POST", "drain"]}}}


@pytest.mark.parametrize(
    ("extra", "native"),
    [({}, False), ({"lifecycle": HEARS}, True), ({"restartPolicy": "Always"}, True)],
)
def test_a_drained_proxy_waits_for_the_application_only_as_a_native_sidecar(
    extra: dict[str, Any], native: bool
) -> None:
    """An application may wait for a connection of Envoy to end: Istio's agent ends Envoy."""
    proxy = container("istio-proxy", **extra)
    inside = "restartPolicy" in extra
    apps = (container("app"),) if inside else (container("app"), proxy)
    pod = Script(plan(*apps, init=(proxy,) if inside else ()))
    pod.network()
    for name in ("istio-proxy", "app"):
        pod.start(name)
        pod(ev.Probed(name, 0, ProbeKind.STARTUP, True))
    pod(ev.DeletionAsked(30))
    assert pod(ev.Tick(), after=0.2) == [ev.Signal("app", 0, "SIGTERM")]
    assert pod(ev.Drained(), after=1) == []
    due = machine.next_wake(pod.state)
    assert due == pytest.approx(T0 + 5)
    ended = [] if native else [ev.Signal("istio-proxy", 0, "SIGTERM")]
    assert pod(ev.Tick(), after=due - pod.now) == ended
    assert machine.next_wake(pod.state) == T0 + 30, "nothing else is due"
    last = pod.exit("app", 0)
    assert last == ([ev.Signal("istio-proxy", 0, "SIGTERM")] if native else [])
    assert pod.exit("istio-proxy", 0) == [ev.TearDown()]


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ("{}\n", 5),
        ('{"terminationDrainDuration":"1m5s"}\n', 65),
        ('{"terminationDrainDuration":"0s"}', 0),
        ('{"terminationDrainDuration":"long"}', 5),
        ("[]", 5),
        ("{", 5),
    ],
)
def test_how_long_a_proxy_drains(config: str, seconds: float) -> None:
    env = [{"name": "PROXY_CONFIG", "value": config}]
    assert plan(container("istio-proxy", env=env), container("app")).drain == seconds


def test_the_grace_period_ends_in_sigkill_for_all() -> None:
    pod = Script(plan(container("app"), container("istio-proxy")))
    pod.network()
    pod.start("app")
    pod.start("istio-proxy")
    pod(ev.DeletionAsked(30))
    pod(ev.Tick(), after=1)
    pod(ev.Tick(), after=4)
    killed = pod(ev.Tick(), after=25)
    assert killed == [ev.Signal("app", 0, "SIGKILL"), ev.Signal("istio-proxy", 0, "SIGKILL")]
    assert machine.next_wake(pod.state) is None
    pod.exit("app", 137)
    assert pod.exit("istio-proxy", 137) == [ev.TearDown()]


def test_pre_stop_comes_before_the_signal() -> None:
    hook = {"preStop": {"exec": {"command": ["true"]}}}
    pod = Script(plan(container("app", lifecycle=hook, readinessProbe=PROBE)))
    pod.network()
    pod.start("app")
    asked = pod(ev.DeletionAsked(30))
    assert asked == [ev.UnwatchHealth("app"), ev.RunHook("app", 0, Hook.PRE_STOP)]
    done = pod(ev.HookDone("app", 0, Hook.PRE_STOP, False))
    assert done == [ev.Signal("app", 0, "SIGTERM")]
    assert pod.notes[-1].reason == "FailedPreStopHook"


def test_post_start_holds_probes_back_and_may_kill() -> None:
    hook = {"postStart": {"exec": {"command": ["true"]}}}
    pod = Script(plan(container("app", lifecycle=hook, readinessProbe=PROBE)))
    pod.network()
    assert pod.start("app") == [ev.RunHook("app", 0, Hook.POST_START)]
    failed = pod(ev.HookDone("app", 0, Hook.POST_START, False))
    assert failed == [ev.UnwatchHealth("app"), ev.Signal("app", 0, "SIGTERM")]
    assert [note.message for note in pod.notes[-2:]] == [
        "PostStartHook failed",
        "FailedPostStartHook",
    ]


def debugged(policy: str = "Always") -> Script:
    """A pod that runs, to which a container was added."""
    pod = Script(plan(container("app"), init=(container("one"),), restartPolicy=policy))
    pod.network()
    look = container("look", targetContainerName="app")
    pod.plan = plan(
        container("app"),
        init=(container("one"),),
        restartPolicy=policy,
        ephemeralContainers=[look],
    )
    pod.state = podrecord.extended(pod.plan, pod.state)
    return pod


def test_an_added_container_starts_at_once_and_only_once() -> None:
    pod = debugged()
    assert pod(ev.Tick()) == [ev.Prepare("look")], "whatever init containers do"
    assert pod.start("look") == []
    shown = status.render(pod.plan, pod.state, FACTS, pod.now)
    assert [one["name"] for one in shown["ephemeralContainerStatuses"]] == ["look"]
    assert (shown["phase"], shown["ephemeralContainerStatuses"][0]["ready"]) == ("Pending", False)
    pod.start("one")
    pod.exit("one")
    pod.start("app")
    assert status.ready(pod.plan, pod.state)
    assert pod.exit("look", 1) == []
    assert pod.life("look") is Life.ENDED
    assert status.ready(pod.plan, pod.state), "it counts for nothing"


def test_a_pod_that_is_deleted_before_it_ran_has_failed() -> None:
    pod = Script(plan(container("app"), restartPolicy="Never"))
    pod.network()
    assert pod(ev.DeletionAsked(1)) == [ev.TearDown()]
    assert pod.phase() == "Failed"
    web = Script(plan(container("app")))
    web.network()
    web.start("app")
    web(ev.DeletionAsked(30))
    assert web.phase() == "Running"


def test_an_added_container_ends_with_the_work() -> None:
    pod = debugged("Never")
    pod(ev.Tick())
    pod.start("look")
    pod.start("one")
    pod.exit("one")
    pod.start("app")
    assert pod.exit("app") == [ev.Signal("look", 0, "SIGTERM")]
    assert pod.phase() == "Succeeded"


def test_a_failed_init_container_without_restarts_fails_the_pod() -> None:
    pod = Script(plan(container("app"), init=(container("one"),), restartPolicy="Never"))
    pod.network()
    pod.start("one")
    pod.exit("one", 1)
    assert pod.phase() == "Failed"
    assert pod.life("app") is Life.ENDED
    assert pod(ev.DeletionAsked(30)) == [ev.TearDown()]


def test_the_deadline_fails_the_pod() -> None:
    pod = Script(plan(container("app"), activeDeadlineSeconds=5, restartPolicy="Never"))
    pod.network()
    pod.start("app")
    assert machine.next_wake(pod.state) == T0 + 5
    assert pod(ev.Tick(), after=5) == [ev.Signal("app", 0, "SIGTERM")]
    pod.exit("app", 143)
    assert pod.phase() == "Failed"


def test_what_is_prepared_when_the_deadline_is_over_is_not_started() -> None:
    pod = Script(plan(container("app"), activeDeadlineSeconds=5, restartPolicy="Never"))
    assert pod.network() == [ev.Prepare("app")]
    assert pod(ev.Prepared("app"), after=5) == []
    assert pod.phase() == "Failed"


def test_deletion_before_anything_ran() -> None:
    pod = Script(plan(container("app")))
    assert pod(ev.DeletionAsked(30)) == [ev.TearDown()]


# --- laws ---

NAMES = ("one", "side", "app", "istio-proxy", "stranger")
PLANS = (
    plan(container("app")),
    plan(container("app", livenessProbe=PROBE, readinessProbe=PROBE), container("istio-proxy")),
    plan(
        container("app", lifecycle={"preStop": {"sleep": {"seconds": 1}}}),
        container("istio-proxy"),
        init=(container("one"), container("side", restartPolicy="Always", startupProbe=PROBE)),
        restartPolicy="OnFailure",
    ),
    plan(
        container("app"), init=(container("one"),), restartPolicy="Never", activeDeadlineSeconds=50
    ),
)
names, attempts, flags = st.sampled_from(NAMES), st.integers(0, 3), st.booleans()
events = st.one_of(
    st.just(ev.NetworkReady("10.0.0.1")),
    st.just(ev.NetworkFailed("no")),
    st.builds(ev.Prepared, names),
    st.builds(ev.PrepareFailed, names, st.just("ErrImagePull"), st.sampled_from("xy")),
    st.builds(ev.Started, names, attempts, st.just(T0)),
    st.builds(ev.StartFailed, names, attempts, st.just(128), st.just("no")),
    st.builds(ev.Exited, names, attempts, st.sampled_from((0, 1, 137)), st.just(0), st.just(T0)),
    st.builds(ev.Probed, names, attempts, st.sampled_from(list(ProbeKind)), flags),
    st.builds(ev.HookDone, names, attempts, st.sampled_from(list(Hook)), flags),
    st.just(ev.Drained()),
    st.builds(ev.DeletionAsked, st.sampled_from((0.0, 30.0))),
    st.just(ev.MaterialChanged()),
    st.just(ev.Tick()),
)
timed = st.lists(st.tuples(st.sampled_from((0.0, 0.2, 5.0, 40.0)), events), max_size=60)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLANS), timed)
def test_no_order_of_events_breaks_it(pod: PodPlan, script: list[tuple[float, Event]]) -> None:
    """Whatever comes in whatever order: no error, no second start of a running container, no
    start after deletion, one TearDown and nothing after it, and a status that can be shown."""
    state, now = podrecord.initial(pod, T0), T0
    started: set[tuple[str, int]] = set()
    facts = status.PodFacts("ns", "pod", "uid", "10.0.0.9")
    torn = 0
    for wait, event in script:
        now += wait
        before = state
        state, commands = machine.step(pod, state, event, now)
        for command in commands:
            if isinstance(command, ev.Start | ev.CaptureTraffic):
                assert (command.container, command.attempt) not in started
                started.add((command.container, command.attempt))
                assert not before.containers[command.container].live
                assert not state.closing
            torn += isinstance(command, ev.TearDown)
        assert torn <= 1
        assert not (before.torn and commands)
        wake = machine.next_wake(state)
        assert wake is None or wake > now or _waits_for_start(state)
        assert status.render(pod, state, facts, now)["phase"] in (
            "Pending",
            "Running",
            "Succeeded",
            "Failed",
        )


def _waits_for_start(state: PodState) -> bool:
    return any(c.life is Life.STARTING for c in state.containers.values())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLANS), timed)
def test_a_deleted_pod_always_ends(pod: PodPlan, script: list[tuple[float, Event]]) -> None:
    """After any history, deletion with an obedient world leads to TearDown."""
    state, now = podrecord.initial(pod, T0), T0
    for wait, event in script:
        now += wait
        state, _ = machine.step(pod, state, event, now)
    state, _ = machine.step(pod, state, ev.DeletionAsked(1.0), now)
    for _ in range(40):
        if state.torn:
            return
        now += 1.0
        for name, one in state.containers.items():
            if one.life is Life.STARTING:
                state, _ = machine.step(pod, state, ev.Started(name, one.attempt, now), now)
            elif one.killed or one.signalled:
                ended = ev.Exited(name, one.attempt, 137, 9, now)
                state, _ = machine.step(pod, state, ended, now)
        state, _ = machine.step(pod, state, ev.Tick(), now)
    assert state.torn, replace(state)
