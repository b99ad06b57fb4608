"""The kubelet's part: sees to it that the pods of the API server run, and says how they are."""

import contextlib
import logging

import msgspec

from lateen.base.clock import Clock
from lateen.base.jsonvalue import Json
from lateen.base.tasks import TaskGroup
from lateen.kube.events import Recorder
from lateen.kube.informer import Informer, key_of
from lateen.model import wellknown
from lateen.model.client import ApiClient, ApiError
from lateen.node import reporting
from lateen.node.container import logs
from lateen.node.container.files import Caches, Places, TokenSource
from lateen.node.container.imagesource import ImageService
from lateen.node.container.launch import LabFacts
from lateen.node.metrics.pods import Pods
from lateen.node.net.podnetwork import PodNetwork
from lateen.node.pod.storage import StorageWatch
from lateen.node.pod.worker import NodeServices, PodWorker
from lateen.node.reporting import NodeFacts
from lateen.node.shim import protocol
from lateen.node.shim.client import ShimClient, ShimError
from lateen.node.shim.protocol import Process

log = logging.getLogger(__name__)

_HEARTBEAT = 60.0
_RETRY = 0.5


class AgentOptions(msgspec.Struct, frozen=True):
    """What the agent is told about its lab."""

    lab: LabFacts
    places: Places
    node: NodeFacts


class Agent:
    """Runs the node until cancelled, or until the shim is gone.

    `shim` must be subscribed. Containers outlive the agent: the next one adopts them.
    """

    def __init__(
        self,
        client: ApiClient,
        shim: ShimClient,
        clock: Clock,
        network: PodNetwork,
        options: AgentOptions,
        tokens: TokenSource | None = None,
        images: ImageService | None = None,
    ) -> None:
        self._client = client
        self._shim = shim
        self._clock = clock
        self._node = options.node
        self._tasks = TaskGroup("agent")
        self._workers: dict[str, PodWorker] = {}
        self._adoptable: dict[str, list[Process]] = {}
        self._pods = Informer(client, clock, "pods", self._pod_changed)
        caches = Caches(
            self._informer("configmaps", "configmap"),
            self._informer("secrets", "secret"),
            Informer(client, clock, "services", lambda old, new: None),
        )
        self._caches = caches
        self._kit = NodeServices(
            client=client,
            shim=shim,
            clock=clock,
            network=network,
            lab=options.lab,
            places=options.places,
            caches=caches,
            events=Recorder(client, clock),
            pods=Pods(options.lab.mesh.cluster_id),
            tokens=tokens,
            images=images,
        )

    async def run(self) -> None:
        """Run until cancelled. Raises ShimGoneError when the shim ends."""
        await self._look_around()
        async with self._tasks:
            start = self._tasks.start
            start(self._kit.events.run(), "events")
            start(self._heartbeat(), "node")
            for name, cache in (
                ("configmaps", self._caches.config_maps),
                ("secrets", self._caches.secrets),
                ("services", self._caches.services),
            ):
                start(cache.run(), name)
            exits = start(self._follow_exits(), "exits")
            await self._caches.services.synced.wait()
            start(self._pods.run(), "pods")
            start(self._sweep(), "sweep")
            watch = StorageWatch(self._clock, self._workers.values)
            start(watch.run(), "storage")
            await exits

    def _informer(self, resource: str, kind: str) -> Informer:
        def changed(old: Json | None, new: Json | None) -> None:
            namespace, name = key_of(new or old or {})
            for worker in self._workers.values():
                worker.material_changed(kind, namespace, name)

        return Informer(self._client, self._clock, resource, changed)

    async def _look_around(self) -> None:
        """Learn what an earlier agent left."""
        state = await self._shim.state()
        for pod in state.pods:
            self._adoptable[pod] = []
        for process in state.processes:
            pod, _, _ = protocol.parse_handle(process.handle)
            self._adoptable.setdefault(pod, []).append(process)

    async def _sweep(self) -> None:
        """Remove pods that were deleted while no agent was there."""
        await self._pods.synced.wait()
        left, self._adoptable = list(self._adoptable), {}
        for pod in left:
            log.info("removing pod %s, which is not in the API any more", pod)
            with contextlib.suppress(ShimError):
                await self._shim.remove_pod(pod)
            self._kit.places.volumes(pod).remove()
        known = {body["metadata"]["uid"] for body in self._pods.values()}
        logs.remove_others(self._kit.places.logs, known)

    def _pod_changed(self, old: Json | None, new: Json | None) -> None:
        if new is None:
            if old is not None and (worker := self._workers.get(old["metadata"]["uid"])):
                worker.gone()
            return
        self._kit.pods.learn(new)
        uid = new["metadata"]["uid"]
        if worker := self._workers.get(uid):
            worker.update(new)
        elif self._is_ours(new):
            worker = PodWorker(new, self._kit, tuple(self._adoptable.pop(uid, ())))
            self._workers[uid] = worker
            self._tasks.start(self._run(worker), f"pod/{new['metadata']['name']}")

    def _is_ours(self, body: Json) -> bool:
        """Whether a pod is to be run: bound to this node, and either not at its end or still to
        be removed. What stands for the plane is not a node's."""
        if (body.get("spec") or {}).get("nodeName") != self._node.name:
            return False
        if wellknown.stands_for_plane(body):
            return False
        ended = wellknown.has_ended(body)
        return not ended or bool(body["metadata"].get("deletionTimestamp"))

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        finally:
            self._workers.pop(worker.uid, None)

    async def _follow_exits(self) -> None:
        async for process in self._shim.exits():
            if "#" in process.handle:
                continue
            pod, _, _ = protocol.parse_handle(process.handle)
            if worker := self._workers.get(pod):
                worker.exited(process)
            elif pod in self._adoptable:
                others = [p for p in self._adoptable[pod] if p.handle != process.handle]
                self._adoptable[pod] = [*others, process]

    async def _heartbeat(self) -> None:
        """Keep the Node object fresh."""
        while True:
            try:
                await reporting.register(self._client, self._clock, self._node)
                pause = _HEARTBEAT
            except (TimeoutError, ApiError, OSError) as error:
                log.warning("registering node %s: %s", self._node.name, error)
                pause = _RETRY
            await self._clock.sleep(pause)
