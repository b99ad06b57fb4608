"""Store to proxies: each change becomes a snapshot, a mesh, views, resources, and is published.

Runs in the plane's event loop. Between two rounds nothing is computed twice: objects that did not
change keep their identity through snapshot, mesh, view and rendering.
"""

import contextlib
import logging
from collections.abc import Iterable, Mapping

import msgspec

from lateen.app.identities import Identities
from lateen.base.clock import Clock
from lateen.base.debounce import Coalescer
from lateen.compiler.backend import secrets
from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import credentials
from lateen.compiler.frontend.assemble import Frontend, Mesh, Superseded
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.model import decode, kinds
from lateen.model.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef
from lateen.model.snapshot import Change, Snapshot
from lateen.store.api import Event, EventType, Key, Store
from lateen.xds.hub import Hub

log = logging.getLogger(__name__)


class Round(msgspec.Struct, frozen=True):
    """The newest compiled state."""

    revision: int
    snapshot: Snapshot
    mesh: Mesh | None


class Pipeline:
    """Follows the store and keeps every proxy's resources current in the hub."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        identities: Identities,
        settings: MeshSettings,
        clock: Clock,
        *,
        system_roots: str,
    ) -> None:
        self._store = store
        self._hub = hub
        self._identities = identities
        self._clock = clock
        self._frontend = Frontend(settings)
        self._renderer = Renderer(system_roots=system_roots)
        self._coalescer = Coalescer(clock, self._act)
        self._changed: dict[Key, Event] = {}
        self._asking = credentials.Asking()
        self._credentials: dict[str, credentials.Credentials] = {}
        self._published: dict[str, ProxyView] = {}
        self._noticed: tuple[Diagnostic, ...] = ()
        self.current = Round(0, Snapshot(), None)
        self.changed_at = clock.monotonic()
        """When something that is compiled changed last, by the clock's monotonic time."""

    @property
    def pending(self) -> bool:
        """Whether something written is not compiled yet."""
        return bool(self._changed)

    def note(self, event: Event) -> None:
        """Remember a change; called by the store within the write."""
        info = kinds.KINDS.get(event.entry.key.resource)
        if info is None or not info.compiled:
            return
        self._changed[event.entry.key] = event
        self.changed_at = self._clock.monotonic()
        self._coalescer.notify()

    def load(self) -> None:
        """Take in everything that is in the store already."""
        for info in kinds.KINDS.values():
            if info.compiled:
                for entry in self._store.list(info.resource).entries:
                    self.note(Event(EventType.ADDED, entry))

    async def run(self) -> None:
        """Compile whenever there is something to compile, for ever."""
        await self._coalescer.run()

    async def _act(self) -> None:
        """Compile; a fault is logged, and what was to be compiled waits for the next change."""
        waiting = dict(self._changed)
        try:
            self.compile()
        except Exception:
            log.exception("the mesh could not be compiled; proxies keep what they have")
            self._changed = {**waiting, **self._changed}

    def compile(self) -> None:
        """One round: everything that changed since the last one reaches the hub. A proxy that a
        fault of ours concerns is left out, and served again when its view changes."""
        changed, self._changed = self._changed, {}
        revision = self._store.revision
        snapshot = self.current.snapshot.with_changes(list(_changes(changed.values())))
        mesh = self._frontend.build(snapshot)
        self.current = Round(revision, snapshot, mesh)
        proxies = {f"{ref.namespace}/{ref.name}": ref for ref in mesh.proxies()}
        for proxy in self._published.keys() - proxies.keys():
            self._published.pop(proxy)
            self._credentials.pop(proxy, None)
            self._identities.forget(proxy)
        for proxy, ref in proxies.items():
            try:
                self._publish(proxy, ref, mesh, snapshot)
            except Exception:
                log.exception("%s cannot be configured and keeps what it has", proxy)

    def _publish(self, proxy: str, ref: ObjectRef, mesh: Mesh, snapshot: Snapshot) -> None:
        view = mesh.view(ref)
        known = self._published.get(proxy)
        if not view.node.ip:
            return  # it cannot run yet; what it is told depends on its address
        if known is not view:
            # The mesh goes first: a proxy that is told its secrets alone would take the rest for
            # empty, and call itself ready.
            if known != view:
                self._hub.publish(proxy, "mesh", self._renderer.render(view))
            self._identities.ensure(proxy, view.node.identity)
            self._published[proxy] = view
        asked = self._asking.of(view)
        if asked or proxy in self._credentials:
            needed = credentials.credentials(asked, view.node.namespace, snapshot)
            if self._credentials.get(proxy) != needed:
                self._credentials[proxy] = needed
                self._hub.publish(proxy, "credentials", _credential_resources(needed))

    def renew(self, proxy: str) -> None:
        """Publish everything to a proxy again: another pod has taken its name."""
        self._published.pop(proxy, None)
        self._credentials.pop(proxy, None)
        self._identities.forget(proxy)
        self._coalescer.notify()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What compiling noticed: found when it is asked for, so that no proxy waits for it. After
        a round that failed, what was noticed last."""
        if self.current.mesh is not None:
            with contextlib.suppress(Superseded):
                self._noticed = self.current.mesh.diagnostics
        return self._noticed

    @property
    def missing(self) -> tuple[Diagnostic, ...]:
        """What is said of credentials that proxies ask for and that are not there, each once."""
        found = (each for held in self._credentials.values() for each in held.missing)
        return tuple(dict.fromkeys(found))

    @property
    def views(self) -> Mapping[str, ProxyView]:
        """The view that was last published to each proxy."""
        return self._published


def _changes(events: Iterable[Event]) -> Iterable[Change]:
    for event in events:
        key = event.entry.key
        if event.type is EventType.DELETED:
            yield Change(key.resource, key.namespace, key.name, None)
            continue
        info = kinds.KINDS[key.resource]
        found = decode.decode_stored(info, event.entry.value)
        if found is None:
            log.error("%s %s/%s in the store cannot be read: left out", *key)
        yield Change(key.resource, key.namespace, key.name, found)


def _credential_resources(found: credentials.Credentials) -> ResourceSet:
    made = []
    for secret in found.secrets:
        if secret.private_key:
            chain, key = secret.certificate_chain, secret.private_key
            made.append(secrets.certificate_resource(secret.name, chain, key, secret.staple))
        else:
            made.append(secrets.ca_resource(secret.name, secret.ca, secret.crl))
    return ResourceSet({ResourceType.SECRET: {resource.name: resource for resource in made}})
