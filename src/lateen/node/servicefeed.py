"""Keeps the rules of Services and the cluster's DNS up with the API server.

Follows Services, EndpointSlices, Pods and ServiceEntries. Changes that arrive together reach the
kernel together, and the server is told how far the kernel's rules have come: who waits for a change
waits for them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from lateen.base.clock import Clock
from lateen.base.jsonvalue import Json
from lateen.base.tasks import TaskGroup
from lateen.kube.informer import Informer, Key, key_of
from lateen.model import entryaddresses, external, wellknown
from lateen.model.client import ApiClient, ApiError
from lateen.model.istio import networking_entry
from lateen.model.kube import discovery
from lateen.model.kube.core import objects
from lateen.model.schema import decode, kinds
from lateen.node.dns import zone as dnszone
from lateen.node.net import network

log = logging.getLogger(__name__)

"""The label that tells whose endpoints a slice has."""

ENTRIES = "serviceentries.networking.istio.io"
RULED = ("services", "endpointslices.discovery.k8s.io")
"""The resources that rules are made of."""
_RETRY = 0.2

Tell = Callable[[Mapping[str, int]], Awaitable[None]]
"""Tells the server up to which revision of each resource that rules are made of they have come.
Raises ApiError, OSError."""


class ServiceFeed:
    """Call `run`; `synced` is set once the kernel and the zone know what the server knows.

    Until all is listed nothing is changed: the rules that an earlier agent left keep working.
    """

    def __init__(self, net: network.LabNetwork, zone: dnszone.Zone, tell: Tell) -> None:
        self._network = net
        self._zone = zone
        self._tell = tell
        self._ruled: dict[str, Informer] = {}
        self._reached: dict[str, int] = {}
        """By resource, the revision up to which its changes are in the kernel."""
        self._news = asyncio.Event()
        self._services: dict[Key, objects.Service] = {}
        self._slices: dict[Key, dict[str, discovery.EndpointSlice]] = {}
        self._changed: dict[Key, None] = {}
        self._due = False
        self.synced = asyncio.Event()

    async def run(self, client: ApiClient, clock: Clock) -> None:
        """Follow the API server until cancelled."""
        callbacks = (self.service_changed, self.slice_changed)
        self._ruled = {
            resource: Informer(client, clock, resource, callback, self._hasten)
            for resource, callback in zip(RULED, callbacks, strict=True)
        }
        informers = [
            *self._ruled.values(),
            Informer(client, clock, "pods", self.pod_changed),
            Informer(client, clock, ENTRIES, self.entry_changed),
        ]
        async with TaskGroup("services") as tasks:
            running = [tasks.start(each.run(), "watch") for each in informers]
            for each in informers:
                await each.synced.wait()
            self.ready()
            tasks.start(self._report(clock), "report")
            await asyncio.gather(*running)

    def ready(self) -> None:
        """Everything is listed: from now on changes reach the kernel."""
        self.synced.set()
        self._flush()

    def service_changed(self, old: Json | None, new: Json | None) -> None:
        """Take a Service's change; None is absence."""
        key = key_of(new or old or {})
        service = _decoded(new, "services") if new else None
        if isinstance(service, objects.Service):
            self._services[key] = service
        else:
            self._services.pop(key, None)
        self._note(key)

    def slice_changed(self, old: Json | None, new: Json | None) -> None:
        """Take an EndpointSlice's change; None is absence. A slice may move to another Service."""
        for body in (old, new):
            if body is None:
                continue
            namespace, name = key_of(body)
            owner = (namespace, body["metadata"].get("labels", {}).get(wellknown.SERVICE_NAME, ""))
            if body is old:
                self._slices.get(owner, {}).pop(name, None)
            else:
                decoded = _decoded(body, "endpointslices.discovery.k8s.io")
                if isinstance(decoded, discovery.EndpointSlice):
                    self._slices.setdefault(owner, {})[name] = decoded
            self._note(owner)

    def pod_changed(self, old: Json | None, new: Json | None) -> None:
        """Take a Pod's change; None is absence."""
        namespace, name = key_of(new or old or {})
        ip = str((new or {}).get("status", {}).get("podIP", ""))
        self._zone.set_pod(namespace, name, ip)
        had = str((old or {}).get("status", {}).get("podIP", ""))
        if had and had != ip:
            self._zone.set_client(had, "")
        self._zone.set_client(ip, namespace if new and _captures(new) else "")
        for host, address in _external(old):
            self._zone.remove_external(host, address)
        for host, address in _external(new):
            self._zone.add_external(host, address)

    def entry_changed(self, old: Json | None, new: Json | None) -> None:
        """Take a ServiceEntry's change; None is absence."""
        namespace, name = key_of(new or old or {})
        hosts = {}
        entry = _decoded(new, ENTRIES) if new else None
        if isinstance(entry, networking_entry.ServiceEntry):
            hosts = {
                host: dnszone.MeshHost(found, tuple(entry.spec.export_to))
                for host, found in entryaddresses.names(entry)
            }
        self._zone.set_entry(namespace, name, hosts)

    def _slices_of(self, key: Key) -> Iterable[discovery.EndpointSlice]:
        return tuple(self._slices.get(key, {}).values())

    def _note(self, key: Key) -> None:
        """Zone at once; kernel at the end of this turn of the event loop."""
        service = self._services.get(key)
        if service is None:
            self._zone.remove_service(*key)
        else:
            self._zone.set_service(service, self._slices_of(key))
        self._changed[key] = None
        self._hasten()

    def _hasten(self) -> None:
        """Have what is known reach the kernel, and the server hear of that."""
        if self.synced.is_set() and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._due = False
        for key in self._changed:
            service = self._services.get(key)
            if service is None:
                self._network.remove_service(*key)
            else:
                self._network.set_service(service, self._slices_of(key))
        if self._changed:
            self._changed.clear()
            try:
                self._network.commit()
            except OSError as error:
                log.error("Services are not reachable as they should be: %s", error)
        self._reached = {name: informer.version for name, informer in self._ruled.items()}
        self._news.set()

    async def _report(self, clock: Clock) -> None:
        """Tell how far the rules are, for ever; again after each list, since a server that was
        started anew does not know."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._tell(self._reached)
            except (ApiError, OSError) as error:
                log.info("telling of the rules of Services: %s", error)
                self._news.set()
                await clock.sleep(_RETRY)


def _external(pod: Json | None) -> list[tuple[str, str]]:
    """Return the hosts outside the mesh that a pod answers for, each with its address."""
    metadata, address = (pod or {}).get("metadata", {}), (pod or {}).get("status", {}).get("podIP")
    if not address or metadata.get("deletionTimestamp"):
        return []
    annotations = metadata.get("annotations") or {}
    hosts = external.hosts_of(metadata.get("namespace", ""), annotations)
    return [(host, address) for host in hosts]


def _captures(pod: Json) -> bool:
    """Whether the proxy of a pod answers the pod's DNS."""
    spec = pod.get("spec", {})
    every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return any(
        entryaddresses.captures((v["name"], v.get("value", "")) for v in one.get("env") or ())
        for one in every
        if one.get("name") == wellknown.PROXY
    )


def _decoded(body: Json, resource: str) -> object:
    return decode.decode(kinds.KINDS[resource], body, strict=False).object
