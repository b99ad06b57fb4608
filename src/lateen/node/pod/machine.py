"""A pod's life: events in, commands out. Pure.

The rules are kubelet's: init containers in order, restarts with back-off, hooks, probes, a grace
period. Two things are ours. The proxy starts first, so that the application never sees a network
without it. And when a ready pod is deleted, its processes hear of it a moment later than everybody
else: kubelet has such a delay by nature, and clients need it to turn away.

The end of the proxy is Istio's. A native sidecar ends after the application. Any other is asked to
end together with the application, and Istio's agent ends Envoy when terminationDrainDuration is
over, whatever the application does; here both end sooner where the application is done. An
application may wait for just that: nginx that quits gracefully waits a minute for a connection
without a request, and Envoy keeps such ones. Behind a native sidecar it waits out the grace period.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from lateen.node.container import backoff
from lateen.node.container.plan import ContainerPlan, PodPlan, ProbeKind, Role
from lateen.node.pod import messages as ev
from lateen.node.pod.messages import Command, ContainerEvent, Event, Hook
from lateen.node.pod.state import ContainerState, Drainage, Ending, Life, NetworkState, PodState

ENDPOINT_SETTLE = 0.1
"""Between a ready pod's deletion and its stop signals: see above."""
RETRY = 5.0
"""Seconds until something missing is looked for again, should nobody tell that it came."""


def step(
    plan: PodPlan, state: PodState, event: Event, now: float, skew: float = 0.0
) -> tuple[PodState, tuple[Command, ...]]:
    """Take one event at a time `now`; return the new state and what is to be done.

    `now` never jumps; `skew` is how far the wall clock is ahead of it, whose moments events bring
    and statuses show.

    Events that no longer fit (an old run, an unknown container) change nothing.
    """
    if state.torn:
        return state, ()
    turn = _Turn(plan, state, now, skew)
    turn.take(event)
    turn.advance()
    return turn.state, tuple(turn.commands)


def next_wake(state: PodState) -> float | None:
    """Return when a Tick is due at the latest."""
    if state.torn:
        return None
    times = [c.wake for c in state.containers.values() if c.wake is not None]
    to_kill = any(c.live and not c.killed for c in state.containers.values())
    others = (state.network_wake, state.kill_at if to_kill else None, state.drain_until)
    times += [t for t in others if t is not None]
    unfinished = any(c.life is not Life.ENDED for c in state.containers.values())
    if state.deadline is not None and unfinished and not state.closing:
        times.append(state.deadline)
    return min(times, default=None)


class _Turn:
    """One step in the making."""

    def __init__(self, plan: PodPlan, state: PodState, now: float, skew: float) -> None:
        self.plan = plan
        self.state = state
        self.now = now
        self.skew = skew
        self.commands: list[Command] = []

    def do(self, command: Command) -> None:
        self.commands.append(command)

    def get(self, name: str) -> ContainerState:
        return self.state.containers[name]

    def put(self, name: str, **changes: Any) -> None:
        changed = replace(self.get(name), **changes)
        self.state = self.state.with_container(name, changed)

    # --- events ---

    def take(self, event: Event) -> None:
        match event:
            case ev.NetworkReady(ip):
                if self.state.network is not NetworkState.NONE:
                    self.state = replace(
                        self.state, network=NetworkState.READY, ip=ip, network_wake=None
                    )
            case ev.NetworkFailed(message):
                self._network_failed(message)
            case ev.Drained():
                if self.state.drainage is Drainage.ASKED:
                    self.state = replace(self.state, drainage=Drainage.DONE)
            case ev.DeletionAsked(grace):
                self._deletion(grace)
            case ev.Evicted():
                self._evict(event)
            case ev.MaterialChanged():
                self._try_again()
            case ev.Tick():
                pass
            case _:
                if event.container in self.state.containers:
                    self._take_container(event)

    def _try_again(self) -> None:
        for name, container in self.state.containers.items():
            if container.life is Life.BLOCKED:
                self.put(name, wake=self.now, pull_at=0.0)

    def _network_failed(self, message: str) -> None:
        if self.state.network is not NetworkState.ASKED:
            return
        self.state = replace(
            self.state, network=NetworkState.FAILED, network_wake=self.now + RETRY / 5
        )
        self.do(ev.Note("FailedCreatePodSandBox", message, warning=True))

    def _deletion(self, grace: float) -> None:
        at = self.now if self.state.deleting is None else self.state.deleting
        kill_at = at + grace
        if self.state.kill_at is not None:
            kill_at = min(kill_at, self.state.kill_at)
        self.state = replace(self.state, deleting=at, kill_at=kill_at)

    def _take_container(self, event: ContainerEvent) -> None:
        name, container = event.container, self.get(event.container)
        if isinstance(event, ev.Pulling | ev.Prepared | ev.PrepareFailed):
            if container.life is Life.PREPARING:
                self._take_prepared(event)
            return
        if not container.live or container.attempt != event.attempt:
            return
        match event:
            case ev.Started(_, _, at):
                if container.life is Life.STARTING:
                    self._started(name, at)
            case ev.StartFailed(_, _, code, message):
                if container.life is Life.STARTING:
                    self.do(ev.Note("Failed", f"Error: {message}", warning=True, container=name))
                    self._ended(name, code, 0, self.now + self.skew, message, "StartError")
            case ev.Exited(_, _, code, signal, at, message, reason):
                reason = reason or ("Completed" if code == 0 else "Error")
                self._ended(name, code, signal, at, message, reason)
            case ev.Probed(_, _, kind, ok):
                if container.life is Life.RUNNING:
                    self._probed(name, kind, ok)
            case ev.HookDone(_, _, hook, ok):
                self._hook_done(name, hook, ok)

    def _take_prepared(self, event: ev.Pulling | ev.Prepared | ev.PrepareFailed) -> None:
        match event:
            case ev.Pulling(name):
                self._pulling(name)
            case ev.Prepared(name, image_id, pulled):
                self.put(name, image_id=image_id, pulling=False)
                self._start(name, pulled)
            case ev.PrepareFailed(name, backoff.PULL_FAILED, message):
                self._pull_failed(name, message)
            case ev.PrepareFailed(name, reason, message, told):
                known, again = self.get(name).message, self.now + RETRY
                self.put(name, life=Life.BLOCKED, reason=reason, message=message, wake=again)
                if message != known:
                    words = f"Error: {message}" if told == "Failed" else message
                    self.do(ev.Note(told, words, warning=True, container=name))

    def _pulling(self, name: str) -> None:
        if not self.get(name).pulling:
            self.put(name, pulling=True)
            image = self.plan.container(name).image
            self.do(ev.Note("Pulling", f'Pulling image "{image}"', container=name))

    def _pull_failed(self, name: str, message: str) -> None:
        self._pulling(name)
        delay = backoff.pull(self.get(name).pull_delay)
        shown, at = self.now + backoff.PULL_SHOWN, self.now + delay
        reason = backoff.PULL_FAILED
        self.put(name, life=Life.BLOCKED, reason=reason, message=message, wake=shown)
        self.put(name, pull_delay=delay, pull_at=at, pulling=False)
        image = self.plan.container(name).image
        words = f'Failed to pull image "{image}": {message}'
        self.do(ev.Note("Failed", words, warning=True, container=name))
        self.do(ev.Note("Failed", f"Error: {reason}", warning=True, container=name))

    def _wait_to_pull(self, name: str) -> None:
        container, reason = self.get(name), backoff.PULL_WAITS
        words = f'Back-off pulling image "{self.plan.container(name).image}"'
        message = f"{words}: {container.reason}: {container.message}"
        self.put(name, reason=reason, message=message, wake=container.pull_at)
        self.do(ev.Note("BackOff", words, container=name))
        self.do(ev.Note("Failed", f"Error: {reason}", warning=True, container=name))

    def _start(self, name: str, pulled: str) -> None:
        if self.state.overdue(self.now):
            return
        attempt = self.get(name).attempt
        self.put(name, life=Life.STARTING, reason="", message="", wake=None, pull_delay=0.0)
        planned = self.plan.container(name)
        if planned.builtin:
            self.do(ev.CaptureTraffic(name, attempt))
            return
        pulled = pulled or f'Container image "{planned.image}" already present on machine'
        self.do(ev.Note("Pulled", pulled, container=name))
        self.do(ev.Note("Created", f"Created container: {name}", container=name))
        self.do(ev.Start(name, attempt))

    def _started(self, name: str, at: float) -> None:
        planned = self.plan.container(name)
        self.put(name, life=Life.RUNNING, since=at, began=at - self.skew)
        if planned.builtin:
            return
        self.do(ev.Note("Started", f"Started container {name}", container=name))
        if planned.post_start:
            self.do(ev.RunHook(name, self.get(name).attempt, Hook.POST_START))
        else:
            self._healthy_from_now(name)

    def _healthy_from_now(self, name: str) -> None:
        planned, container = self.plan.container(name), self.get(name)
        started = planned.probe(ProbeKind.STARTUP) is None
        ready = started and planned.probe(ProbeKind.READINESS) is None
        self.put(name, hooked=True, started=started, ready=ready)
        if planned.probes:
            self.do(ev.WatchHealth(name, container.attempt))

    def _probed(self, name: str, kind: ProbeKind, ok: bool) -> None:
        planned = self.plan.container(name)
        if kind is ProbeKind.STARTUP and ok:
            self.put(name, started=True, ready=planned.probe(ProbeKind.READINESS) is None)
        elif kind is ProbeKind.READINESS:
            self.put(name, ready=ok and self.get(name).started)
        elif not ok:
            probe = planned.probe(kind)
            grace = self.plan.grace if probe is None or probe.grace is None else probe.grace
            words = f"Container {name} failed {kind.value} probe, will be restarted"
            self.do(ev.Note("Killing", words, container=name))
            self._stop(name, self.now + grace)

    def _hook_done(self, name: str, hook: Hook, ok: bool) -> None:
        if not ok:
            self.do(ev.Note(*ev.HOOK_FAILED[hook], warning=True, container=name))
        if hook is Hook.PRE_STOP:
            if self.get(name).pre_stopping and not self.get(name).signalled:
                self._signal(name)
        elif self.get(name).life is Life.RUNNING and not self.get(name).hooked:
            if ok:
                self._healthy_from_now(name)
            else:
                self.do(ev.Note("Killing", "FailedPostStartHook", container=name))
                self._stop(name, self.now + self.plan.grace)

    def _ended(
        self, name: str, code: int, signal: int, at: float, message: str, reason: str
    ) -> None:
        container = self.get(name)
        since = container.since or at
        ending = Ending(container.attempt, code, signal, reason, message, since, at)
        if self.plan.container(name).probes:
            self.do(ev.UnwatchHealth(name))
        fresh = ContainerState(
            attempt=container.attempt,
            life=Life.ENDED,
            ending=ending,
            previous=container.ending,
            delay=container.delay,
            image_id=container.image_id,
        )
        self.state = self.state.with_container(name, fresh)
        if not self._restarts(name, code):
            return
        first = container.attempt == 0
        ended = at - self.skew
        ran = ended - container.began if container.since else 0.0
        delay = backoff.restart(-1.0 if first else container.delay, ran)
        self.put(name, life=Life.BACKOFF, attempt=container.attempt + 1, delay=delay)
        self.put(name, wake=ended + delay)
        if delay:
            words = f"Back-off restarting failed container {name} in pod {self.plan.pod}"
            self.do(ev.Note("BackOff", words, warning=True, container=name))

    def _restarts(self, name: str, code: int) -> bool:
        role = self.plan.container(name).role
        if self.state.closing or (role is Role.SIDECAR and self._apps_done()):
            return False
        if role in (Role.SIDECAR, Role.EPHEMERAL):
            return role is Role.SIDECAR
        if role is Role.INIT:
            return code != 0 and self.plan.restart_policy != "Never"
        return self.plan.restart_policy == "Always" or (
            self.plan.restart_policy == "OnFailure" and code != 0
        )

    # --- what is due ---

    def advance(self) -> None:
        """Do all that the state calls for, until nothing more does."""
        self._doom()
        before = None
        while before is not self.state and not self.state.torn:
            before = self.state
            if self.state.closing:
                self._close()
            else:
                self._open()

    def _doom(self) -> None:
        """See whether the pod ends by itself: by its deadline, or by a failed init container."""
        if self.state.closing:
            return
        if self.state.overdue(self.now) and not self._apps_done():
            self._end_all("DeadlineExceeded")
        for planned in self.plan.containers:
            container = self.get(planned.name)
            failed = container.life is Life.ENDED and container.ending and container.ending.code
            if planned.role is Role.INIT and failed:
                self._end_all("InitFailed")

    def _end_all(self, reason: str) -> None:
        self.state = replace(self.state, doomed=reason, kill_at=self.now + self.plan.grace)

    def _evict(self, event: ev.Evicted) -> None:
        if not self.state.closing:
            self._end_all("Evicted")
            kill_at = self.now + event.grace
            self.state = replace(self.state, evicted=event.message, kill_at=kill_at)
            self.do(ev.Note("Evicted", event.message, warning=True))

    def _open(self) -> None:
        if self.state.network in (NetworkState.NONE, NetworkState.FAILED):
            if (self.state.network_wake or 0.0) <= self.now:
                self.state = replace(self.state, network=NetworkState.ASKED, network_wake=None)
                self.do(ev.SetUpNetwork())
            return
        if self.state.network is not NetworkState.READY:
            return
        waiting_for = ""
        for planned in self.plan.containers:
            allowed = not waiting_for or planned.proxy or planned.role is Role.EPHEMERAL
            self._open_one(planned, allowed)
            if not waiting_for and not self._passed(planned):
                waiting_for = planned.name
        if self._apps_done():
            self._stop_sidecars()

    def _passed(self, planned: ContainerPlan) -> bool:
        """Tell whether what comes after a container may start."""
        container = self.get(planned.name)
        if planned.holds:
            return container.ready or container.attempt > 0
        if planned.role is Role.SIDECAR:
            return container.started or container.attempt > 0
        return planned.role is not Role.INIT or container.life is Life.ENDED

    def _open_one(self, planned: ContainerPlan, allowed: bool) -> None:
        container = self.get(planned.name)
        due = container.wake is not None and container.wake <= self.now
        match container.life:
            case Life.WAITING if allowed:
                self._prepare(planned.name)
            case Life.BLOCKED if due and container.pull_at > self.now:
                self._wait_to_pull(planned.name)
            case Life.BLOCKED | Life.BACKOFF if due:
                self._prepare(planned.name)
            case Life.STOPPING if due:
                self._kill(planned.name)

    def _prepare(self, name: str) -> None:
        self.put(name, life=Life.PREPARING, wake=None, pull_at=0.0)
        self.do(ev.Prepare(name))

    def _apps_done(self) -> bool:
        return all(
            self.get(c.name).life is Life.ENDED for c in self.plan.containers if c.role is Role.APP
        )

    def _stop_sidecars(self) -> None:
        """The work is done: what looks around ends, then sidecars, the last one first."""
        for planned in reversed(self.plan.containers):
            if planned.role in (Role.SIDECAR, Role.EPHEMERAL):
                container = self.get(planned.name)
                if container.life is Life.RUNNING:
                    self._stop(planned.name, self.now + self.plan.grace)
                    return
                if container.live:
                    return
                if container.life is not Life.ENDED:
                    self.put(planned.name, life=Life.ENDED, wake=None)

    # --- the end ---

    def _close(self) -> None:
        for name, container in self.state.containers.items():
            if not container.live and container.life is not Life.ENDED:
                self.put(name, life=Life.ENDED, wake=None)
        if self.state.network_wake is not None:
            self.state = replace(self.state, network_wake=None)
        killing = self.state.kill_at is not None and self.now >= self.state.kill_at
        until = self.state.drain_until
        if until is not None and self.now >= until:
            self.state = replace(self.state, drain_until=None)
            if not killing:
                self._stop_drained()
        for name, container in self.state.containers.items():
            overdue = container.wake is not None and container.wake <= self.now
            if (container.life is Life.STOPPING and overdue) or (
                killing and container.life in (Life.RUNNING, Life.STOPPING)
            ):
                self._kill(name)
        if not killing:
            self._stop_in_order()
        if not any(c.live for c in self.state.containers.values()):
            self._finish()

    def _finish(self) -> None:
        """Nothing runs any more."""
        if self.state.kill_at is not None:
            self.state = replace(self.state, kill_at=None)
        if self.state.deleting is not None:
            self.state = replace(self.state, torn=True)
            self.do(ev.TearDown())

    def _stop_drained(self) -> None:
        """The time to drain is over: Envoy ends, if it does not wait for the application."""
        for planned in self.plan.containers:
            if planned.proxy and not planned.outlasts:
                self._stop_when_settled(planned.name)

    def _stop_in_order(self) -> None:
        """Applications first, then sidecars the last one first, the proxy when it is drained."""
        self._drain()
        for planned in self.plan.containers:
            if planned.role is not Role.SIDECAR and not planned.proxy:
                self._stop_when_settled(planned.name)
        if self._busy(lambda c: c.role is not Role.SIDECAR and not c.proxy):
            return
        for planned in reversed(self.plan.containers):
            if planned.role is Role.SIDECAR and not planned.proxy and self.get(planned.name).live:
                self._stop_when_settled(planned.name)
                return
        if self.state.drainage is Drainage.DONE:
            for planned in self.plan.containers:
                if planned.proxy:
                    self._stop_when_settled(planned.name)

    def _busy(self, of: Callable[[ContainerPlan], bool]) -> bool:
        return any(self.get(c.name).live for c in self.plan.containers if of(c))

    def _drain(self) -> None:
        if self.state.drainage is not Drainage.NONE:
            return
        proxies = [self.get(c.name) for c in self.plan.containers if c.proxy]
        if any(c.life is Life.STARTING for c in proxies):
            return
        if any(c.life is Life.RUNNING for c in proxies):
            until = self.now + self.plan.drain
            self.state = replace(self.state, drainage=Drainage.ASKED, drain_until=until)
            self.do(ev.Drain())
        else:
            self.state = replace(self.state, drainage=Drainage.DONE)

    def _stop_when_settled(self, name: str) -> None:
        container = self.get(name)
        if container.life is not Life.RUNNING:
            return
        deleted = self.state.deleting
        if deleted is not None and container.ready and not self.plan.container(name).proxy:
            settled = deleted + ENDPOINT_SETTLE
            if self.now < settled:
                if container.wake is None:
                    self.put(name, wake=settled)
                return
        self.do(ev.Note("Killing", f"Stopping container {name}", container=name))
        self._stop(name, self.state.kill_at or self.now + self.plan.grace)

    def _stop(self, name: str, kill_at: float) -> None:
        planned, container = self.plan.container(name), self.get(name)
        self.put(name, life=Life.STOPPING, wake=kill_at, ready=False)
        if planned.probes:
            self.do(ev.UnwatchHealth(name))
        if planned.pre_stop:
            self.put(name, pre_stopping=True)
            self.do(ev.RunHook(name, container.attempt, Hook.PRE_STOP))
        else:
            self._signal(name)

    def _signal(self, name: str) -> None:
        self.put(name, signalled=True)
        word = self.plan.container(name).stop_signal
        self.do(ev.Signal(name, self.get(name).attempt, word))

    def _kill(self, name: str) -> None:
        """The grace period is over."""
        if self.get(name).killed:
            return
        self.put(name, life=Life.STOPPING, wake=None, killed=True, ready=False)
        self.do(ev.Signal(name, self.get(name).attempt, "SIGKILL"))
