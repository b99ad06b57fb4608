"""One pod: does what its state machine asks, and tells it what happened."""

import asyncio
import contextlib
import logging
import os
import signal

import msgspec
from msgspec.structs import replace

from lateen.base.clock import Clock, Steady
from lateen.base.jsonvalue import Json
from lateen.base.tasks import TaskGroup
from lateen.kube import events
from lateen.model.client import ApiClient, ApiError
from lateen.model.labapi.images import ContainerImage
from lateen.node import reporting
from lateen.node.container import launch, plan as podplan, sidecar
from lateen.node.container.files import (
    TOKEN_SECONDS,
    Caches,
    MountFailed,
    Places,
    PodFiles,
    TokenSource,
)
from lateen.node.container.imagesource import ImageService
from lateen.node.container.launch import ImageUnknownError, LabFacts
from lateen.node.container.plan import CAPTURE, PROXY, ProbeKind, ProbePlan
from lateen.node.container.references import Missing
from lateen.node.metrics import pods as seen_pods, service as metrics
from lateen.node.net.podnetwork import PodNetwork
from lateen.node.pod import (
    adopt,
    drain,
    health,
    machine,
    messages,
    starterror,
    status as podstatus,
)
from lateen.node.pod.messages import Command, Event
from lateen.node.pod.qos import qos_class
from lateen.node.pod.state import Life, NetworkState, extended
from lateen.node.pod.status import PodFacts
from lateen.node.probes import plan as probes, prober
from lateen.node.probes.plan import ProbeOutcome
from lateen.node.shim import protocol
from lateen.node.shim.client import ShimClient, ShimError
from lateen.node.shim.protocol import ContainerSpec, Process

log = logging.getLogger(__name__)

_NANO = 1_000_000_000
_SOCKET_PATIENCE = 30.0
_SOCKET_POLL = 0.002
_IMAGE_EVENTS = {"InvalidImageName": "InspectFailed", "ErrImageNeverPull": "ErrImageNeverPull"}
"""kubelet's reason of the Event that tells of an image it cannot use."""
_FIELDS = {
    podplan.Role.INIT: "initContainers",
    podplan.Role.SIDECAR: "initContainers",
    podplan.Role.APP: "containers",
    podplan.Role.EPHEMERAL: "ephemeralContainers",
}
"""The part of a pod's spec that a container stands in, by its role: Events name it."""


class NodeServices(msgspec.Struct, frozen=True):
    """What every pod's worker works with."""

    client: ApiClient
    shim: ShimClient
    clock: Clock
    network: PodNetwork
    lab: LabFacts
    places: Places
    caches: Caches
    events: events.Recorder
    pods: seen_pods.Pods
    """Whom metrics may name."""
    tokens: TokenSource | None = None
    images: ImageService | None = None


class PodWorker:
    """Runs one pod from its first sight to its end."""

    def __init__(self, body: Json, kit: NodeServices, processes: tuple[Process, ...] = ()) -> None:
        """`processes` are those that the shim has of this pod already."""
        self._kit = kit
        sources = (kit.client, kit.tokens, kit.images)
        self.files = PodFiles(body, kit.lab, kit.places, kit.caches, *sources)
        self._images: dict[str, ContainerImage] = {}
        self.uid = self.files.uid
        metadata = body["metadata"]
        self._shared = protocol.handle(self.uid, podplan.FIRST_PROCESS, 0)
        self._named = f"{metadata['name']}_{metadata['namespace']}({self.uid})"
        self._plan = podplan.plan(self.files.spec, self._named)
        self._known = processes
        status = body.get("status") or {}
        self._conditions: tuple[Json, ...] = tuple(status.get("conditions") or ())
        self._time = Steady(kit.clock)
        self._state = adopt.restore(self._plan, status, processes, self._time.now())
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._prober = prober.Prober(kit.shim, kit.clock)
        self._specs: dict[str, ContainerSpec] = {}
        self._timer: asyncio.Task[None] | None = None
        self._metrics: asyncio.Task[None] | None = None
        self._tasks = TaskGroup(f"pod/{metadata['name']}")
        self._health = health.HealthProbes(kit.clock, self._tasks)
        self._in_api = True
        self._status = reporting.StatusWriter(
            kit.client, kit.clock, metadata["namespace"], metadata["name"], self.uid, self._render
        )

    # --- from the agent ---

    def update(self, body: Json) -> None:
        """Take a newer version of the Pod object."""
        if self.files.take(body):
            self._plan = podplan.plan(self.files.spec, self._named)
            self._state = extended(self._plan, self._state)
            self._post(messages.Tick())
        metadata = body["metadata"]
        if metadata.get("deletionTimestamp"):
            grace = metadata.get("deletionGracePeriodSeconds")
            self._post(messages.DeletionAsked(float(0 if grace is None else grace)))
        conditions = (body.get("status") or {}).get("conditions") or ()
        own = {c["type"] for c in self._conditions}
        if foreign := tuple(c for c in conditions if c["type"] not in own):
            self._conditions += foreign
            self._status.changed()

    def gone(self) -> None:
        """The Pod object does not exist any more: end at once."""
        self._in_api = False
        self._post(messages.DeletionAsked(0.0))

    def evict(self, message: str) -> None:
        """End the pod, which holds more than it may."""
        self._post(messages.Evicted(message))

    def exited(self, process: Process) -> None:
        """A container's process ended."""
        _, name, attempt = protocol.parse_handle(process.handle)
        with contextlib.suppress(KeyError):
            words = self.files.last_words(name, attempt, failed=process.code != 0)
            how = (process.code, process.signal, process.finished / _NANO, words, process.reason)
            self._post(messages.Exited(name, attempt, *how))

    def material_changed(self, kind: str, namespace: str, name: str) -> None:
        """A ConfigMap or Secret changed."""
        own = self.files.body["metadata"]["namespace"] == namespace
        if own and self.files.uses(kind, name):
            self._post(messages.MaterialChanged())
            if self._state.ip:
                self._tasks.start(self._refresh(), "refresh")

    async def run(self) -> None:
        """Run the pod until it is torn down."""
        async with self._tasks:
            self._tasks.start(self._status.run(), "status")
            if self.files.has_tokens:
                self._tasks.start(self._renew_tokens(), "tokens")
            self._resume()
            for reason, words in self.files.without_effect().items() if not self._known else ():
                self._note(reason, words, warning=True, container="")
            self.update(self.files.body)
            self._take(messages.Tick())
            while not self._state.torn:
                self._take(await self._queue.get())
            await self._tear_down()

    def _wall(self) -> float:
        return self._kit.clock.now().timestamp()

    def _post(self, event: Event) -> None:
        self._queue.put_nowait(event)

    def _resume(self) -> None:
        """Take over what an earlier agent left running."""
        if not self._known:
            return
        ip = (self.files.body.get("status") or {}).get("podIP", "")
        if ip:
            self._kit.network.address(self.uid, ip)
            self._state = replace(self._state, network=NetworkState.READY, ip=ip)
        for process in self._known:
            if process.state == "exited":
                self.exited(process)
        for name, container in self._state.containers.items():
            if container.life is Life.RUNNING:
                self._watch_health(name, container.attempt)
                self._serve_metrics(name)

    def _take(self, event: Event) -> None:
        before = self._state
        self._state, commands = machine.step(
            self._plan, before, event, self._time.now(), self._time.skew()
        )
        for command in commands:
            self._do(command)
        if self._state is not before:
            self._status.changed()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake = machine.next_wake(self._state)
        if wake is not None:
            self._timer = self._tasks.start(self._tick(wake - self._time.now()), "timer")

    async def _tick(self, seconds: float) -> None:
        # A moment past the due time, lest rounding makes it come early.
        await self._kit.clock.sleep(max(0.001, seconds + 0.0005))
        self._post(messages.Tick())

    # --- commands ---

    def _do(self, command: Command) -> None:
        start = self._tasks.start
        match command:
            case messages.SetUpNetwork():
                start(self._set_up_network(), "network")
            case messages.CaptureTraffic(name, attempt):
                at = self._wall()
                self._post(messages.Started(name, attempt, at))
                self._post(messages.Exited(name, attempt, 0, 0, at))
            case messages.Prepare(name):
                start(self._prepare(name), f"prepare/{name}")
            case messages.Start(name, attempt):
                start(self._start(name, attempt), f"start/{name}")
            case messages.Signal(name, attempt, word):
                start(self._signal(name, attempt, word), f"signal/{name}")
            case messages.RunHook(name, attempt, hook):
                start(self._run_hook(name, attempt, hook), f"hook/{name}")
            case messages.WatchHealth(name, attempt):
                self._watch_health(name, attempt)
            case messages.UnwatchHealth(name):
                self._health.end(name)
            case messages.Drain():
                start(self._drain(), "drain")
            case messages.TearDown():
                pass  # `run` sees that the state is torn
            case messages.Note(reason, message, warning, name):
                self._note(reason, message, warning, name)

    def _note(self, reason: str, message: str, warning: bool, container: str) -> None:
        role = self._plan.container(container).role if container else None
        field = f"spec.{_FIELDS[role]}{{{container}}}" if role else ""
        pod = {"apiVersion": "v1", "kind": "Pod", **self.files.body}
        record = events.EventRecord(events.reference(pod, field), reason, message, warning)
        source = events.EventSource("kubelet", self._kit.lab.node_name)
        self._kit.events.record(source, record)

    async def _set_up_network(self) -> None:
        kit = self._kit
        try:
            fd = await kit.shim.make_pod(self.uid)
            try:
                wanted = (self.files.body.get("status") or {}).get("podIP", "")
                ip = kit.network.address(self.uid, wanted)
                kit.network.attach(self.uid, ip, fd)
                if self._captured():
                    annotations = self.files.fields(ip, kit.network.node_ip).annotations
                    options = sidecar.capture_options(annotations)
                    if options.mode != "NONE":
                        kit.network.capture(self.uid, fd, options)
            finally:
                os.close(fd)
            if self.files.spec.share_process_namespace and not self._known:
                spec = launch.first_process(kit.lab, self.files.spec)
                await kit.shim.run(self._shared, spec)
        except OSError as error:
            why = f"Failed to create pod sandbox: {error}"
            self._post(messages.NetworkFailed(why))
            return
        self._post(messages.NetworkReady(ip))

    def _captured(self) -> bool:
        """Whether the pod's traffic goes through its proxy: with a sidecar, not in a gateway."""
        names = {c.name for c in self._plan.containers}
        if CAPTURE in names:
            return True
        return PROXY in names and not sidecar.is_router(self.files.container(PROXY).args)

    async def _prepare(self, name: str) -> None:
        if name == CAPTURE:
            self._post(messages.Prepared(name))
            return
        try:
            fields = self.files.fields(self._state.ip, self._kit.network.node_ip)
            spec, taken = await self.files.prepare(
                name, fields, lambda: self._post(messages.Pulling(name))
            )
        except MountFailed as error:
            words = str(error)
            self._post(messages.PrepareFailed(name, "ContainerCreating", words, "FailedMount"))
        except Missing as error:
            words = str(error)
            self._post(messages.PrepareFailed(name, "CreateContainerConfigError", words))
        except ImageUnknownError as error:
            told = _IMAGE_EVENTS.get(error.reason, "Failed")
            self._post(messages.PrepareFailed(name, error.reason, str(error), told))
        except OSError as error:
            self._post(messages.PrepareFailed(name, "CreateContainerError", str(error)))
        else:
            self._specs[name] = spec
            if taken.image is not None:
                self._images[name] = taken.image
            image_id = taken.image.id if taken.image else ""
            self._post(messages.Prepared(name, image_id, taken.pulled))

    async def _start(self, name: str, attempt: int) -> None:
        handle = protocol.handle(self.uid, name, attempt)
        if name == PROXY:
            await self._await_discovery()
        prepared = self._specs[name]
        try:
            spec = self.files.with_outputs(prepared, name, attempt)
            spec = spec._replace(joins=self._joined(name))
            process = await self._kit.shim.run(handle, spec)
        except OSError as error:
            words = starterror.words(error, prepared.argv[0])
            self._post(messages.StartFailed(name, attempt, starterror.CODE, words))
            return
        self._post(messages.Started(name, attempt, process.started / _NANO))
        self._serve_metrics(name)
        if attempt:
            await self._forget_before(name, attempt)

    def _serve_metrics(self, name: str) -> None:
        """Serve the pod's metrics from when its proxy runs."""
        if name != PROXY or self._metrics is not None:
            return
        mesh = self._kit.lab.mesh
        version = mesh.features.version
        target = metrics.ScrapedPod(self.uid, self.files.body, mesh.cluster_id, version)
        serving = metrics.kept(self._kit.shim, target, self._kit.pods)
        self._metrics = self._tasks.start(serving, "metrics")

    def _joined(self, name: str) -> str:
        """Return the handle of the process in whose namespace a container's are, or nothing."""
        if self.files.spec.share_process_namespace:
            return self._shared
        target = self._plan.container(name).target
        attempt = self._state.containers[target].attempt if target else 0
        return protocol.handle(self.uid, target, attempt) if target else ""

    async def _await_discovery(self) -> None:
        """Wait for the pod's discovery socket: an Envoy that finds none waits half a second."""
        path, waited = self.files.xds_socket(), 0.0
        while not path.exists() and waited < _SOCKET_PATIENCE:
            await self._kit.clock.sleep(_SOCKET_POLL)
            waited += _SOCKET_POLL

    async def _forget_before(self, name: str, attempt: int) -> None:
        """Drop the shim's records of earlier runs."""
        with contextlib.suppress(OSError):
            await self._kit.shim.forget(protocol.handle(self.uid, name, attempt - 1))

    async def _signal(self, name: str, attempt: int, word: str) -> None:
        if word == "SIGTERM":
            own, image = self._kit.lab.images, self._images.get(name)
            word = launch.stop_signal(self.files.container(name), own, image)
        number = getattr(signal, word, signal.SIGTERM)
        with contextlib.suppress(ShimError):
            await self._kit.shim.kill(protocol.handle(self.uid, name, attempt), number)

    async def _run_hook(self, name: str, attempt: int, hook: messages.Hook) -> None:
        planned = self._plan.container(name)
        post = hook is messages.Hook.POST_START
        action = planned.post_start if post else planned.pre_stop
        outcome = ProbeOutcome(True)
        if action is not None:
            handle = protocol.handle(self.uid, name, attempt)
            container = self.files.container(name)
            patience = probes.FIRST_FAILURE if post else 0.0
            outcome = await self._prober.hook(self._target(), container, handle, action, patience)
        if not outcome.ok:
            log.info("%s of %s in pod %s: %s", hook.value, name, self._named, outcome.message)
        self._post(messages.HookDone(name, attempt, hook, outcome.ok))

    def _target(self) -> prober.ProbeTarget:
        env = next((s.env for n, s in self._specs.items() if n == PROXY), ())
        prefix = f"{prober.PROBERS}="
        text = next((item.removeprefix(prefix) for item in env if item.startswith(prefix)), "")
        if not text:
            text = self._probers_in_spec()
        return prober.ProbeTarget(self.uid, self._state.ip, prober.rewritten(text))

    def _probers_in_spec(self) -> str:
        with contextlib.suppress(KeyError):
            for variable in self.files.container(PROXY).env:
                if variable.name == prober.PROBERS:
                    return variable.value
        return ""

    def _watch_health(self, name: str, attempt: int) -> None:
        def healthy(kind: ProbeKind, ok: bool) -> None:
            self._take(messages.Probed(name, attempt, kind, ok))

        def failed(words: str) -> None:
            self._note("Unhealthy", words, warning=True, container=name)

        handle = protocol.handle(self.uid, name, attempt)
        container, target = self.files.container(name), self._target()

        async def ask(asked: ProbePlan) -> ProbeOutcome:
            return await self._prober.ask(target, container, handle, asked)

        state = self._state.containers[name]
        watched = health.Watched(
            self._plan.container(name), ask, healthy, failed, state.started, state.ready
        )
        self._health.watch(watched)

    # --- the end ---

    async def _drain(self) -> None:
        router = sidecar.is_router(self.files.container(PROXY).args)
        attempt = self._state.containers[PROXY].attempt
        drained = drain.ProxyDrain(
            self._kit.shim, self._kit.clock, self.uid, attempt, router=router
        )
        await drained.run(self._plan.drain)
        self._post(messages.Drained())

    async def _tear_down(self) -> None:
        kit, metadata = self._kit, self.files.body["metadata"]
        self._conditions = tuple(self._render()["conditions"])
        with contextlib.suppress(ShimError):
            await kit.shim.remove_pod(self.uid)
        kit.network.detach(self.uid)
        self.files.remove()
        if not self._in_api:
            return
        await self._status.write()
        try:
            await kit.client.delete(
                "pods", metadata["namespace"], metadata["name"], grace_seconds=0, uid=self.uid
            )
        except (ApiError, OSError) as error:
            log.info("deleting pod %s: %s", metadata["name"], error)

    # --- status and material ---

    def _render(self) -> Json:
        metadata, status = self.files.body["metadata"], self.files.body.get("status") or {}
        facts = PodFacts(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=self.uid,
            host_ip=self._kit.network.node_ip,
            qos_class=status.get("qosClass") or qos_class(self.files.spec),
            conditions=self._conditions,
            gates=tuple(gate.condition_type for gate in self.files.spec.readiness_gates),
            generation=metadata.get("generation"),
        )
        rendered = podstatus.render(self._plan, self._state, facts, self._wall())
        self._conditions = tuple(rendered["conditions"])
        return rendered

    async def _refresh(self) -> None:
        with contextlib.suppress(OSError, Missing):
            fields = self.files.fields(self._state.ip, self._kit.network.node_ip)
            await self.files.refresh(fields)

    async def _renew_tokens(self) -> None:
        """Write tokens anew at four fifths of their life, as kubelet does."""
        while True:
            await self._kit.clock.sleep(TOKEN_SECONDS * 0.8)
            await self._refresh()
