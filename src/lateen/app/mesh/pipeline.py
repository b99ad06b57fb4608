"""Store to proxies: each change becomes a snapshot, a mesh, views, resources, and is published.

Runs in the plane's event loop. Between two rounds nothing is computed twice: objects that did not
change keep their identity through snapshot, mesh, view and rendering.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from lateen.app.mesh import churn, turns
from lateen.app.mesh.identities import Identities
from lateen.base.clock import Clock
from lateen.base.debounce import Coalescer
from lateen.compiler.backend import secrets
from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend.assemble import Frontend, Mesh, Superseded
from lateen.compiler.frontend.security import credentials
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef
from lateen.model.schema import decode, kinds
from lateen.model.snapshot import Change, Snapshot
from lateen.store.api import Event, EventType, Key, Store
from lateen.xds.hub import Hub

log = logging.getLogger(__name__)

_FAULT = "%s cannot be configured and keeps what it has"

PATIENCE_SECONDS = 1.0
"""How long a change of what servers accept waits for a proxy that does not answer."""


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
        self._gathered: dict[Key, Event] = {}
        """New endpoints that wait for others until `_rested_at`."""
        self._gathering = asyncio.Event()
        self._rested_at = 0.0
        self._asking = credentials.Asking()
        self._credentials: dict[str, credentials.Credentials] = {}
        self._published: dict[str, ProxyView] = {}
        self._published_at: dict[str, datetime] = {}
        self._noticed: tuple[Diagnostic, ...] = ()
        self._wanted: dict[str, ProxyView] = {}
        """Views that wait for their turn."""
        self._held = asyncio.Event()
        self._opening: dict[str, float] = {}
        self._choosing: dict[str, float] = {}
        """Proxies that must answer before the next turn (see `turns`), and since when."""
        self._hasty = False
        """Whether somebody did not answer in time: then all other clients have one turn, or each
        silent pair of a hundred would be waited for anew."""
        hub.on_answer = self._answered
        self.current = Round(0, Snapshot(), None)
        self.changed_at = clock.monotonic()
        """When something that is compiled changed last, by the clock's monotonic time."""

    @property
    def pending(self) -> bool:
        """Whether something written is not compiled and published yet."""
        return bool(self._changed or self._gathered or self._wanted)

    def note(self, event: Event) -> None:
        """Remember a change; called by the store within the write."""
        info = kinds.KINDS.get(event.entry.key.resource)
        if info is None or not info.compiled:
            return
        key, self.changed_at = event.entry.key, self._clock.monotonic()
        if key not in self._changed and self.changed_at < self._rested_at and churn.may_wait(event):
            self._gathered[key] = event
            self._gathering.set()
            return
        self._gathered.pop(key, None)
        self._changed[key] = event
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

    async def gather(self) -> None:
        """Compile new endpoints that waited for each other, for ever."""
        while True:
            await self._gathering.wait()
            self._gathering.clear()
            await self._clock.sleep(max(0.0, self._rested_at - self._clock.monotonic()))
            gathered, self._gathered = self._gathered, {}
            if gathered:
                self._changed = {**gathered, **self._changed}
                self._coalescer.notify()

    async def hurry(self) -> None:
        """Stop waiting for proxies that do not answer, for ever."""
        while True:
            await self._held.wait()
            self._held.clear()
            while self._wanted:
                await self._clock.sleep(PATIENCE_SECONDS / 2)
                self._give_up(self._clock.monotonic() - PATIENCE_SECONDS)

    def _give_up(self, before: float) -> None:
        """Go on without those that were sent their turn before a moment and have not answered."""
        waiting = {**self._choosing, **self._opening}
        late = sorted(proxy for proxy, since in waiting.items() if since <= before)
        if late and self._wanted:
            log.warning("%s: no answer; changed modes of mutual TLS go on without", ", ".join(late))
            self._hasty = True
            for proxy in late:
                self._dismiss(proxy)

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
            self._forget(proxy)
        self._wanted = dict(self._compiled(mesh, proxies))
        told = len(self._wanted)
        self._take_turns()
        if quiet := churn.rest(told):
            self._rested_at = self._clock.monotonic() + quiet
        for proxy, view in self._published.items():
            self._publish_credentials(proxy, view)

    def _compiled(
        self, mesh: Mesh, proxies: Mapping[str, ObjectRef]
    ) -> Iterable[tuple[str, ProxyView]]:
        """Yield each proxy whose view is another than what it was sent, and can be sent."""
        for proxy, ref in proxies.items():
            try:
                view = mesh.view(ref)
            except Exception:
                log.exception(_FAULT, proxy)
                continue
            # A pod without an address cannot run yet, and what it is told depends on it.
            if view.node.ip and view is not self._published.get(proxy):
                yield proxy, view

    def _forget(self, proxy: str) -> None:
        for kept in (
            *(self._published, self._published_at, self._credentials),
            *(self._opening, self._choosing),
        ):
            kept.pop(proxy, None)
        self._identities.forget(proxy)

    def _take_turns(self) -> None:
        """Publish what is wanted, as far as it can be without an answer."""
        while self._wanted:
            waited = self._opening.keys(), self._choosing.keys()
            abreast = len(self._wanted) if self._hasty else turns.ABREAST
            turn = turns.next_turn(self._published, self._wanted, *waited, abreast)
            for proxy, view in turn.views.items():
                try:
                    self._publish(proxy, view)
                except Exception:
                    log.exception(_FAULT, proxy)
                    del self._wanted[proxy]
            self._wanted = {
                proxy: view
                for proxy, view in self._wanted.items()
                if self._published.get(proxy) is not view
            }
            self._opening = self._waiting(turn.opening, self._opening)
            self._choosing = self._waiting(turn.choosing, self._choosing)
            if self._opening or not turn.views:
                break
        self._hasty = self._hasty and bool(self._wanted)
        if self._wanted:
            self._held.set()

    def _waiting(self, proxies: Iterable[str], since: Mapping[str, float]) -> dict[str, float]:
        now = self._clock.monotonic()
        return {proxy: since.get(proxy, now) for proxy in proxies if self._hub.busy(proxy)}

    def _answered(self, proxy: str) -> None:
        if (proxy in self._opening or proxy in self._choosing) and not self._hub.busy(proxy):
            self._dismiss(proxy)

    def _dismiss(self, proxy: str) -> None:
        """Wait for a proxy no longer, and go on if that was what held the next turn up."""
        self._opening.pop(proxy, None)
        self._choosing.pop(proxy, None)
        if self._wanted and not self._opening:
            self._take_turns()

    def _publish(self, proxy: str, view: ProxyView) -> None:
        known = self._published.get(proxy)
        # The mesh goes first: a proxy that is told its secrets alone would take the rest for
        # empty, and call itself ready.
        if known != view:
            self._hub.publish(proxy, "mesh", self._renderer.render(view))
        self._identities.ensure(proxy, view.node.identity)
        self._published[proxy] = view
        self._published_at[proxy] = self._clock.now()
        self._publish_credentials(proxy, view)

    def _publish_credentials(self, proxy: str, view: ProxyView) -> None:
        asked = self._asking.of(view)
        if asked or proxy in self._credentials:
            needed = credentials.credentials(asked, view.node.namespace, self.current.snapshot)
            if self._credentials.get(proxy) != needed:
                self._credentials[proxy] = needed
                self._hub.publish(proxy, "credentials", _credential_resources(needed))

    def renew(self, proxy: str) -> None:
        """Publish everything to a proxy again: another pod has taken its name."""
        self._forget(proxy)
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

    def published_at(self, proxy: str) -> datetime | None:
        """Return since when a proxy has its present view; None if it has none."""
        return self._published_at.get(proxy)

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
