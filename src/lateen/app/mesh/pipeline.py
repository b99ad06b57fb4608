"""Store to proxies: each change becomes a snapshot, a mesh, views, resources, and is published.

Between two rounds nothing is computed twice: objects that did not change keep their identity
through snapshot, mesh, view and rendering. A round compiles in a thread, since it may take seconds,
and publishes in the event loop, in slices: nobody who asks the plane something waits for it
(decision 022). The compiler is one and keeps what it computed, so all that uses it goes one by one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from lateen.app.mesh.churn import Backlog
from lateen.app.mesh.identities import Identities
from lateen.app.mesh.publication import Publication, Stage
from lateen.base.clock import Clock
from lateen.base.debounce import Coalescer
from lateen.base.exclusive import Exclusive
from lateen.compiler.backend import secrets
from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend.assemble import Frontend, Mesh, Superseded
from lateen.compiler.frontend.diagnostics import patch_checks
from lateen.compiler.frontend.graph.collections import FetchedKeys
from lateen.compiler.frontend.security import credentials
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.schema import decode, kinds
from lateen.model.snapshot import Change, Snapshot
from lateen.observe.requests.past import Past
from lateen.store.api import Event, EventType, Key, Store
from lateen.xds.hub import Hub

log = logging.getLogger(__name__)

_FAULT = "%s cannot be configured and keeps what it has"

PATIENCE_SECONDS = 1.0
"""How long a change of what servers accept waits for a proxy that does not answer."""

Answer = TypeVar("Answer")


class Round(msgspec.Struct, frozen=True):
    """The newest compiled state."""

    revision: int
    snapshot: Snapshot
    mesh: Mesh | None


class _Compiled(msgspec.Struct, frozen=True):
    """What a round found: its state, all proxies, and the views that can be published."""

    round: Round
    proxies: frozenset[str]
    views: Mapping[str, ProxyView]


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
        self._work = Exclusive(clock)
        self._coalescer = Coalescer(clock, self.round)
        self._backlog = Backlog()
        self._gathering = asyncio.Event()
        self._compiling = False
        self._publication = Publication()
        self._held = asyncio.Event()
        self._asking = credentials.Asking()
        self._credentials: dict[str, credentials.Credentials] = {}
        self._patching: dict[str, patch_checks.Tried] = {}
        """What came of the patches of proxies that have any."""
        self._fetched: dict[str, FetchedKeys] = {}
        self._learned: dict[str, FetchedKeys] = {}
        """Key sets as they came, and as the round that runs (in a thread) has them."""
        self._past = Past()
        self.current = Round(0, Snapshot(), None)
        self._noticed: tuple[Round, tuple[Diagnostic, ...]] = (self.current, ())
        self.changed_at = clock.monotonic()
        """When something that is compiled changed last, by the clock's monotonic time."""
        hub.subscribe(self._answered)

    @property
    def pending(self) -> bool:
        """Whether something written is not compiled and published yet."""
        waiting = self._backlog.due or self._backlog.gathered or self._compiling
        waiting = waiting or self._fetched != self._learned
        return bool(waiting or self._publication.stage is not Stage.RESTING)

    def note(self, event: Event) -> None:
        """Remember a change; called by the store within the write."""
        info = kinds.KINDS.get(event.entry.key.resource)
        if info is None or not info.compiled:
            return
        self.changed_at = self._clock.monotonic()
        if event.entry.key.resource == "pods" and event.type is EventType.DELETED:
            self._leave(event)
        if self._backlog.note(event, self.changed_at):
            self._coalescer.notify()
        else:
            self._gathering.set()

    def learn_keys(self, address: str, text: str, problem: str) -> None:
        """Take over a token issuer's key set (empty: none yet), or why it did not come."""
        fetched = FetchedKeys(text, problem)
        if self._fetched.get(address) != fetched:
            self._fetched[address] = fetched
            self._coalescer.notify()

    def _leave(self, event: Event) -> None:
        """Remember whose address a deleted pod's was."""
        status = event.entry.value.get("status") or {}
        if address := status.get("podIP"):
            self._past.leave(address, f"{event.entry.key.namespace}/{event.entry.key.name}")

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
            await self._clock.sleep(max(0.0, self._backlog.rested_at - self._clock.monotonic()))
            if self._backlog.rouse():
                self._coalescer.notify()

    async def hurry(self) -> None:
        """Stop waiting for proxies that do not answer, for ever."""
        while True:
            await self._held.wait()
            self._held.clear()
            while self._publication.wanted:
                await self._clock.sleep(PATIENCE_SECONDS / 2)
                self._give_up(self._clock.monotonic() - PATIENCE_SECONDS)

    def _give_up(self, before: float) -> None:
        """Go on without those that were sent their turn before a moment and have not answered."""
        late = self._publication.late(before)
        if late and self._publication.stage is Stage.WAITING:
            log.warning("%s: no answer; changed modes of mutual TLS go on without", ", ".join(late))
            self._publication = self._publication.give_up(late)
            self._work.in_steps(self._take_turns())

    async def round(self) -> None:
        """Compile and publish what changed, as far as no answer must come first. After a fault,
        which is logged, what was taken waits for the next change."""
        taken = self._begin()
        try:
            await self._work.beside(lambda: self._compile(taken), self._publish)
        except Exception:
            log.exception("the mesh could not be compiled; proxies keep what they have")
            self._backlog.give_back(taken)
        finally:
            self._compiling = False

    def compile(self) -> None:
        """One round on the spot: everything that changed since the last one reaches the hub, as
        far as no answer must come first. Raises what a fault of the compiler raises."""
        try:
            self._work.in_steps(self._publish(self._compile(self._begin())))
        finally:
            self._compiling = False

    def _begin(self) -> dict[Key, Event]:
        self._compiling, self._learned = True, dict(self._fetched)
        return self._backlog.take()

    def _compile(self, taken: Mapping[Key, Event]) -> _Compiled:
        """Compile and render, without publishing anything. A proxy that a fault of ours concerns is
        left out, and looked at again with the next round."""
        revision = self._store.revision
        snapshot = self.current.snapshot.with_changes(list(_changes(taken.values())))
        for address, fetched in self._learned.items():
            self._frontend.learn_keys(address, fetched)
        mesh = self._frontend.build(snapshot)
        sent, views, names = self._publication.sent, {}, set()
        for ref in mesh.proxies():
            proxy = f"{ref.namespace}/{ref.name}"
            names.add(proxy)
            try:
                view = mesh.view(ref)
                # A pod without an address cannot run yet, and what it is told depends on it.
                if view.node.ip:
                    if view is not sent.get(proxy):
                        self._renderer.render(view)
                    views[proxy] = view
            except Exception:
                log.exception(_FAULT, proxy)
        return _Compiled(Round(revision, snapshot, mesh), frozenset(names), views)

    def _publish(self, made: _Compiled) -> Iterator[None]:
        """Publish what was compiled, in steps."""
        self.current = made.round
        for proxy in self._publication.sent.keys() - made.proxies:
            self._forget(proxy)
        self._publication = self._publication.wish(made.views)
        told = len(self._publication.wanted)
        yield from self._take_turns()
        self._backlog.rest(told, self._clock.monotonic())
        for proxy, view in self._publication.sent.items():
            if self._publication.sent.get(proxy) is view:
                self._publish_credentials(proxy, view)
            yield

    def _forget(self, proxy: str) -> None:
        self._publication = self._publication.forget((proxy,))
        self._credentials.pop(proxy, None)
        self._patching.pop(proxy, None)
        self._identities.forget(proxy)

    def _take_turns(self) -> Iterator[None]:
        """Publish what is wanted in steps, as far as it can be without an answer."""
        while self._publication.stage is Stage.DUE:
            self._publication = self._publication.begin()
            while self._publication.turn:
                proxy, view = next(iter(self._publication.turn.items()))
                try:
                    self._tell(proxy, view)
                except Exception:
                    log.exception(_FAULT, proxy)
                    self._publication = self._publication.failed(proxy)
                else:
                    self._publication = self._publication.published(proxy)
                yield
            if self._publication.stage is Stage.PUBLISHING:
                asked = self._publication.opens | self._publication.chooses
                busy = frozenset(proxy for proxy in asked if self._hub.busy(proxy))
                self._publication = self._publication.end(busy, self._clock.monotonic())
        if self._publication.wanted:
            self._held.set()

    def _answered(self, proxy: str) -> None:
        if not self._hub.busy(proxy):
            self._publication = self._publication.answered(proxy)
            if self._publication.stage is Stage.DUE:
                self._work.in_steps(self._take_turns())

    def _tell(self, proxy: str, view: ProxyView) -> None:
        known = self._publication.sent.get(proxy)
        # The mesh goes first: a proxy that is told its secrets alone would take the rest for
        # empty, and call itself ready.
        if known != view:
            rendered = self._renderer.render(view)
            self._hub.publish(proxy, "mesh", rendered)
            self._patching.pop(proxy, None)
            if view.patches is not None:
                tried = (view.patches, rendered.applied, rendered.problems)
                self._patching[proxy] = tried
        self._identities.ensure(proxy, view.node.identity)
        self._past.publish(proxy, view, self._clock.now())
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

    async def beside(self, call: Callable[[Round], Answer]) -> Answer:
        """Return what a call makes of the newest state, which may be asked for views meanwhile. It
        is made in a thread, between rounds. Raises what the call raises."""
        return await self._work.beside(lambda: call(self.current))

    async def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What compiling noticed: found when it is asked for, so that no proxy waits for it. After
        a round that failed, what was noticed last."""
        if self._noticed[0] is not self.current:
            with contextlib.suppress(Superseded):
                self._noticed = await self.beside(_noticed)
        return self._noticed[1]

    @property
    def missing(self) -> tuple[Diagnostic, ...]:
        """What is said of credentials that proxies ask for and that are not there, each once."""
        found = (each for held in self._credentials.values() for each in held.missing)
        return tuple(dict.fromkeys(found))

    @property
    def patched(self) -> tuple[Diagnostic, ...]:
        """What is said of patches that could not be tried, or changed nothing."""
        return tuple(patch_checks.of_trials(list(self._patching.values())))

    @property
    def past(self) -> Past:
        """Which views proxies had before, and which pods there were."""
        return self._past

    @property
    def views(self) -> Mapping[str, ProxyView]:
        """The view that was last published to each proxy."""
        return self._publication.sent


def _noticed(newest: Round) -> tuple[Round, tuple[Diagnostic, ...]]:
    return newest, newest.mesh.diagnostics if newest.mesh is not None else ()


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
