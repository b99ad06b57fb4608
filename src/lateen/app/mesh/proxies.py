"""One discovery socket per proxy, opened before the proxy starts and closed when it is gone."""

import asyncio
from collections.abc import Callable

from lateen.app.lab.paths import LabPaths
from lateen.app.lab.settings import LabSettings
from lateen.base.clock import Clock
from lateen.base.tasks import TaskGroup
from lateen.model import wellknown
from lateen.store.api import Event, EventType, JsonObject, Store
from lateen.xds.als import LogBatch
from lateen.xds.hub import Hub
from lateen.xds.service import AccessLogSink, XdsServer

PROXY = wellknown.PROXY


def has_proxy(pod: JsonObject) -> bool:
    """Whether a Pod runs a proxy that is to be served, as a container or as a native sidecar. A
    pod at its end, such as a Job's, runs none any more."""
    if wellknown.has_ended(pod):
        return False
    spec = pod.get("spec") or {}
    every = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return any(container.get("name") == PROXY for container in every)


class Proxies:
    """The hub and the discovery service, with a socket open for each pod that runs a proxy.

    Follows Pods rather than compiled proxies: the socket must be there before the agent starts
    Envoy, and that is before the pod has an address.
    """

    def __init__(
        self, paths: LabPaths, chosen: LabSettings, clock: Clock, tasks: TaskGroup
    ) -> None:
        self.hub = Hub(clock)
        self._renewed: list[Callable[[str], None]] = []
        self._logged: list[AccessLogSink] = []
        self._xds = XdsServer(self.hub, self._take_log, clock)
        self._key_logs = chosen.key_log
        self._paths = paths
        self._tasks = tasks
        self._open: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        self._lock = asyncio.Lock()

    def follow(self, store: Store) -> None:
        """Keep the open sockets equal to the set of pods with a proxy from now on."""
        store.subscribe("pods", self.note)
        for entry in store.list("pods").entries:
            self.note(Event(EventType.ADDED, entry))

    def subscribe(self, renewed: Callable[[str], None], logged: AccessLogSink) -> None:
        """Call `renewed` with a proxy whose pod was replaced by another of the same name: what was
        published to the old one is to be forgotten. Call `logged` with proxies' access logs."""
        self._renewed.append(renewed)
        self._logged.append(logged)

    def _take_log(self, proxy: str, batch: LogBatch) -> None:
        for logged in self._logged:
            logged(proxy, batch)

    async def stop(self) -> None:
        """End the discovery service."""
        await self._xds.stop()

    def note(self, event: Event) -> None:
        """Take a change of a Pod; called by the store within the write."""
        key, pod = event.entry.key, event.entry.value
        if key.resource != "pods":
            return
        proxy = f"{key.namespace}/{key.name}"
        if event.type is EventType.DELETED or not has_proxy(pod):
            gone = self._wanted.pop(proxy, None)
        elif self._wanted.get(proxy) != pod["metadata"]["uid"]:
            self._wanted[proxy] = gone = pod["metadata"]["uid"]
            self.hub.add_proxy(proxy)  # the pipeline may have something for it before it is served
        else:
            return
        if gone is not None:
            self._tasks.start(self._adjust(proxy), f"discovery socket of {proxy}")

    async def _adjust(self, proxy: str) -> None:
        async with self._lock:
            wanted, found = self._wanted.get(proxy), self._open.get(proxy)
            if found is not None and found != wanted:
                del self._open[proxy]
                await self._xds.close(proxy)
                self._paths.key_log(found).unlink(missing_ok=True)
            if wanted is not None and proxy not in self._open:
                await self._serve(proxy, wanted)
                if found is not None:
                    for renewed in self._renewed:
                        renewed(proxy)

    async def _serve(self, proxy: str, uid: str) -> None:
        path = self._paths.xds_socket(uid)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._key_logs:
            # Made before Envoy opens it, so that nobody else may ever read it.
            self._paths.key_log(uid).touch(mode=0o600)
        namespace, _, pod = proxy.partition("/")
        await self._xds.open(proxy, f"{pod}.{namespace}", path)
        self._open[proxy] = uid
