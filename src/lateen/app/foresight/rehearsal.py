"""A lab that is not run: manifests in, the objects that a lab would hold of them, compiled.

Defaults, injection, controllers and compiler are the lab's own, asked over memory. What a node
would do is taken for done: every pod has an address and is ready.
"""

import copy
import hashlib
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lateen.apiserver.kinds.strategy import addresses, registry
from lateen.app.lab import externalobjects, meshsettings
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json, clone
from lateen.compiler.frontend.assemble import Frontend, Mesh
from lateen.compiler.ir.proxy import MeshSettings
from lateen.controllers.cluster import namespaces, scheduling
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.injection import injector, sidecar, webhooks
from lateen.controllers.jobs import job
from lateen.controllers.network import balancer, endpoints, ingress
from lateen.controllers.workloads import daemonset, deployment, replicaset, statefulset
from lateen.model import wellknown
from lateen.model.meta import Location, Source
from lateen.model.schema import decode, kinds
from lateen.model.snapshot import Change, Snapshot

Locate = Callable[[str], Location]

NODE = "lateen"
NODE_IP = "10.244.0.1"
BALANCERS = tuple(f"192.168.1.{number}" for number in range(50, 100))
"""Addresses for Services of type LoadBalancer; the ingress gateway takes the first."""
_POD_NETWORK = "10.244"
_SERVICES = "10.96"
_PROXY_CONFIGS = "proxyconfigs.networking.istio.io"
_MOST_STEPS = 100_000


class Item(msgspec.Struct, frozen=True):
    """A manifest: its body with the namespace that it goes to, and where its fields stand."""

    body: Mapping[str, Any]
    locate: Locate | None = None
    file: str = ""
    line: int = 0


class Rehearsal:
    """The objects of a lab that would be started with some manifests."""

    def __init__(
        self,
        items: Sequence[Item],
        settings: LabSettings,
        standing: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._given, self._standing = settings, standing
        self.settings: MeshSettings = meshsettings.mesh_settings(settings)
        self._frontend: Frontend | None = None
        version = settings.istio if settings.istio.count(".") == 2 else f"{settings.istio}.0"
        self._inject = injector.InjectionSettings(
            mesh=sidecar.InjectedMesh(istio_version=version, revision=settings.revision),
            tags=tuple(settings.revision_tags),
            inject_unlabelled=settings.inject_unlabelled,
            native_sidecars=None,
        )
        self._world = cache.Cache()
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._version = 0
        self._pods = 1
        self._places: dict[tuple[str, str, str], Locate] = {}
        self._used = addresses.InUse()
        self._waiting: deque[tuple[controller.Controller, controller.Name]] = deque()
        self._queued: set[tuple[str, controller.Name]] = set()
        self._controllers = _controllers()
        self._fill(items, standing)

    def _fill(self, items: Sequence[Item], standing: Sequence[Mapping[str, Any]]) -> None:
        for body in standing:
            self._keep(body)
        for name in namespaces.SYSTEM:
            if self._world.get("namespaces", "", name) is None:
                self._create("namespaces", dict(namespaces.namespace(name)))
        if not any(body["metadata"].get("uid") for body in standing):
            for resource, body in ingress.istio_system(
                self._inject, egress=self._given.egress_gateway
            ):
                self._create(resource, body)
            for resource, body in externalobjects.objects(self._given, None):
                self._create(resource, body)
        for item in sorted(items, key=lambda each: each.body.get("kind") != "Namespace"):
            self._take(item)
        self._settle()

    def _keep(self, body: Mapping[str, Any]) -> None:
        """Take an object as a cluster holds it: with its defaults, status and identity. One that
        has none yet (it was read from a file) is created like any other."""
        info = kinds.find(str(body.get("apiVersion")), str(body.get("kind")))
        if info is None:
            return
        if not body["metadata"].get("uid"):
            self._take(Item(body))
            return
        if info.resource == "services":
            held = addresses.in_use([dict(body)])
            self._used = addresses.InUse(
                self._used.addresses | held.addresses, self._used.node_ports | held.node_ports
            )
        self._put(info.resource, {**body, "apiVersion": info.api_versions[0]})

    def _take(self, item: Item) -> None:
        """Store a manifest as the API server would, over what the lab itself began with."""
        body = clone(dict(item.body))
        info = kinds.find(str(body.get("apiVersion")), str(body.get("kind")))
        if info is None:
            return  # an object of a kind that somebody defined: nothing here reads it
        metadata = body.setdefault("metadata", {})
        if info.namespaced:
            space = metadata.setdefault("namespace", "default")
            if self._world.get("namespaces", "", space) is None:
                self._create("namespaces", dict(namespaces.namespace(space)))
        body["apiVersion"] = info.api_versions[0]
        self._create(info.resource, body)
        if item.locate is not None:
            space = str(metadata.get("namespace", "")) if info.namespaced else ""
            self._places[info.kind, space, str(metadata["name"])] = item.locate

    def _create(self, resource: str, body: Json) -> Json:
        strategy = registry.strategy_for(resource)
        metadata = body.setdefault("metadata", {})
        if not metadata.get("name"):
            metadata["name"] = f"{metadata.get('generateName', '')}{self._suffix(metadata)}"
        space, name = str(metadata.get("namespace") or ""), str(metadata["name"])
        before = self._world.get(resource, space, name)
        metadata["uid"] = fields.uid(before) if before else f"uid-{resource}-{space}-{name}"
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
        made = strategy.prepare_create(strategy.default(body))
        home = self._world.get("namespaces", "", space)
        if resource == "pods" and home is not None and injector.wanted(made, home, self._inject):
            made = strategy.default(injector.inject(made, home, self._injection()))
        if resource == "services":
            made = self._addressed(made, before)
        return self._put(resource, made)

    def _injection(self) -> injector.InjectionSettings:
        written = tuple(dict(each) for each in self._world.all(_PROXY_CONFIGS))
        said = webhooks.tags(self._world.all(webhooks.RESOURCE), self._inject.mesh.revision)
        if not written and not said:
            return self._inject
        tags = (*self._inject.tags, *said)
        return msgspec.structs.replace(self._inject, proxy_configs=written, tags=tags)

    def _addressed(self, service: Json, before: Mapping[str, Any] | None) -> Json:
        old = dict(before) if before is not None else None
        given = addresses.allocate(service, self._used, addresses.Ranges(), old)
        made = service if given.causes else given.service
        held = addresses.in_use([made])
        self._used = addresses.InUse(
            self._used.addresses | held.addresses, self._used.node_ports | held.node_ports
        )
        return made

    def _suffix(self, metadata: Mapping[str, Any]) -> str:
        """Five letters that follow from the order of making alone."""
        text = f"{metadata.get('namespace')}/{metadata.get('generateName')}{self._version}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        letters = "bcdfghjklmnpqrstvwxz2456789"
        return "".join(letters[byte % len(letters)] for byte in digest[:5])

    def _put(self, resource: str, obj: Json) -> Json:
        self._version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self._version)}
        stored = {**obj, "metadata": metadata}
        change = self._world.put(resource, stored)
        if change is not None:
            self._tell(change)
        return stored

    def _tell(self, change: cache.ObjectChange) -> None:
        for one in self._controllers:
            keys = one.watches.get(change.key.resource)
            for key in keys(change, self._world) if keys is not None else ():
                if (one.name, key) not in self._queued:
                    self._queued.add((one.name, key))
                    self._waiting.append((one, key))

    def _settle(self) -> None:
        """Let the controllers work until nothing is left to do."""
        for _ in range(_MOST_STEPS):
            if not self._waiting and not self._run_pods():
                return
            if self._waiting:
                one, key = self._waiting.popleft()
                self._queued.discard((one.name, key))
                for action in one.reconcile(key, self._world, self._now).actions:
                    self._act(action)

    def _act(self, action: actions.Action) -> None:
        match action:
            case actions.Create(resource, body):
                self._create(resource, clone(dict(body)))
            case actions.Update(resource, body):
                self._put(resource, clone(dict(body)))
            case actions.SetStatus(resource, body):
                self._put(resource, clone(dict(body)))
            case actions.Delete(resource, space, name):
                found = self._world.get(resource, space, name)
                change = self._world.drop(resource, found, seen=True) if found else None
                if change is not None:
                    self._tell(change)
            case _:
                pass  # Events, and what is done with objects that end

    def _run_pods(self) -> bool:
        """Give each pod that waits an address, and call it ready; tell whether there was one."""
        waiting = [p for p in self._world.all("pods") if not fields.status(p).get("podIP")]
        taken = {fields.status(p).get("podIP") for p in self._world.all("pods")} if waiting else ()
        for pod in waiting:
            ip = self._free_address(taken)
            ready = [
                {"type": kind, "status": "True"} for kind in (wellknown.READY, "ContainersReady")
            ]
            status = {
                **fields.status(pod),
                "phase": "Running",
                "podIP": ip,
                "podIPs": [{"ip": ip}],
                "hostIP": NODE_IP,
                "conditions": ready,
            }
            self._put("pods", {**pod, "status": status})
        return bool(waiting)

    def _free_address(self, taken: Container[object]) -> str:
        """Return an address that no pod has: those of a cluster keep theirs."""
        while True:
            self._pods += 1
            ip = f"{_POD_NETWORK}.{self._pods // 256}.{self._pods % 256}"
            if ip not in taken:
                return ip

    def all(self, resource: str) -> Iterable[Mapping[str, Any]]:
        """Return the objects of a resource, as JSON."""
        return self._world.all(resource)

    def snapshot(self) -> Snapshot:
        """Return the objects as the compiler reads them."""
        return Snapshot().with_changes(self._changes())

    def _changes(self) -> Iterable[Change]:
        for info in kinds.KINDS.values():
            if not info.compiled:
                continue
            for obj in self._world.all(info.resource):
                found = decode.decode_stored(info, obj)
                yield Change(info.resource, fields.namespace(obj), fields.name(obj), found)

    def locate(self, source: Source) -> Location | None:
        """Return where a field was written; None for what no manifest holds."""
        ref = source.ref
        found = self._places.get((ref.kind, ref.namespace, ref.name))
        return found(source.path) if found is not None else None

    def mesh(self, snapshot: Snapshot) -> Mesh:
        """Compile. What an earlier mesh had too is kept; that one can be asked no more."""
        if self._frontend is None:
            self._frontend = Frontend(self.settings)
        return self._frontend.build(snapshot)

    def defaulted(self, resource: str, body: Json) -> Json:
        """Return a manifest as it would be stored, beside what the server owns."""
        strategy = registry.strategy_for(resource)
        space, name = str(body["metadata"].get("namespace") or ""), str(body["metadata"]["name"])
        before = self._world.get(resource, space, name)
        made = strategy.prepare_create(strategy.default(clone(body)))
        if before is not None:
            kept = {key: before["metadata"][key] for key in ("uid", "creationTimestamp")}
            made = {**made, "metadata": {**made["metadata"], **kept}}
        return made

    def under(self, settings: MeshSettings) -> "Rehearsal":
        """Return the same objects under other mesh settings."""
        other = copy.copy(self)
        other.settings, other._frontend = settings, None
        return other

    def again(self, items: Sequence[Item]) -> "Rehearsal":
        """Return the same lab with other manifests."""
        return Rehearsal(items, self._given, self._standing)


def _controllers() -> list[controller.Controller]:
    return [
        deployment.CONTROLLER,
        replicaset.CONTROLLER,
        statefulset.CONTROLLER,
        daemonset.CONTROLLER,
        job.CONTROLLER,
        scheduling.Scheduler(NODE).controller(),
        endpoints.CONTROLLER,
        balancer.Balancer(BALANCERS).controller(),
    ]
