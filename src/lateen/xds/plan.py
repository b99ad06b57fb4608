"""What to send one client next, and what must wait. Pure: no I/O, no clock.

The rules, for both protocol variants:

- make before break: clusters and their endpoints, then listeners, then routes; what disappears
  goes last, when everything else was acknowledged;
- listeners and routes wait until new clusters are usable, that is until their endpoints were
  acknowledged: a route that arrived earlier would answer 503 for a moment;
- after a cluster changed, its endpoints are sent again even if they did not: Envoy keeps the
  changed cluster warming, and the acknowledgement back, until they come;
- a rejected resource counts as sent, so that it is not sent again before it changes;
- the configuration of a filter is never said to be gone: a listener that still asks for it would
  refuse every request, and the one that takes its place no longer asks.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from lateen.compiler.output import Resource, ResourceType
from lateen.xds import resources

_GATED: Final = (ResourceType.LISTENER, ResourceType.ROUTE)
_AT_ONCE: Final = (ResourceType.SECRET, ResourceType.EXTENSION, ResourceType.RUNTIME)
_ORDERED: Final = (
    ResourceType.CLUSTER,
    ResourceType.ENDPOINT,
    ResourceType.LISTENER,
    ResourceType.ROUTE,
)


class Batch(msgspec.Struct, frozen=True):
    """One response to send: resources new or changed, and names that are gone."""

    kind: ResourceType
    resources: tuple[Resource, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names it speaks of."""
        return (*(resource.name for resource in self.resources), *self.removed)


class _Type(msgspec.Struct):
    """One type's subscription and what the client was told."""

    wildcard: bool = False
    names: set[str] = msgspec.field(default_factory=set)
    sent: dict[str, Resource] = msgspec.field(default_factory=dict)
    absent: set[str] = msgspec.field(default_factory=set)
    """Names answered with "does not exist"."""
    todo: set[str] = msgspec.field(default_factory=set)
    forced: set[str] = msgspec.field(default_factory=set)
    """Names to send although the client has them."""
    unanswered: bool = False
    """Whether the client asked for everything and was told nothing yet."""
    gone: set[str] = msgspec.field(default_factory=set)
    pending: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Names of each response that was not answered yet, by nonce."""

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def forget(self, name: str) -> None:
        self.sent.pop(name, None)
        for names in (self.absent, self.todo, self.forced, self.gone):
            names.discard(name)


class Plan:
    """The state of one client's stream: subscriptions in, batches out."""

    def __init__(self, config: resources.Config) -> None:
        self._config = config
        self._types = {kind: _Type() for kind in ResourceType}
        self._warming: set[str] = set()
        self._released = False

    # What the client says

    def subscribe(self, kind: ResourceType, names: Iterable[str]) -> None:
        """Add names to a subscription. One that was there already is sent again."""
        state = self._types[kind]
        for name in names:
            if name in state.names:
                state.forced.add(name)
            state.names.add(name)
            state.todo.add(name)

    def subscribe_all(self, kind: ResourceType) -> None:
        """Subscribe to every resource of the type, present and future."""
        state = self._types[kind]
        state.wildcard = state.unanswered = True
        state.todo.update(self._config.get(kind, {}))

    def unsubscribe(self, kind: ResourceType, names: Iterable[str]) -> None:
        """Take names back; the client forgot them, so a later subscription starts anew."""
        state = self._types[kind]
        for name in names:
            if name == "*":
                state.wildcard = False
                continue
            state.names.discard(name)
            if not state.wildcard:
                state.forget(name)

    def has(self, kind: ResourceType, versions: Mapping[str, str]) -> None:
        """Take note of what the client kept from an earlier stream, by name and version.

        Whatever its clusters warm with is sent again, since nothing says how far they had come.
        """
        state = self._types[kind]
        target = self._config.get(kind, {})
        for name, version in versions.items():
            resource = target.get(name)
            if resource is None:
                state.gone.add(name)
            elif resource.version == version:
                state.sent[name] = resource
        if kind is ResourceType.CLUSTER:
            self._types[ResourceType.ENDPOINT].forced.update(
                name for name in versions if name in self._config.get(ResourceType.ENDPOINT, {})
            )

    def settle(self, kind: ResourceType, nonce: str, error: str | None) -> tuple[str, ...] | None:
        """Take an acknowledgement (error None) or a rejection of one response.

        Returns the names it spoke of, or None if the nonce is not one that waits.
        """
        state = self._types[kind]
        names = state.pending.pop(nonce, None)
        if names is None:
            return None
        if kind is ResourceType.ENDPOINT or (kind is ResourceType.CLUSTER and error):
            self._warming.difference_update(names)
        return names

    # What the mesh says

    def publish(
        self, config: resources.Config, touched: Mapping[ResourceType, Iterable[str]]
    ) -> None:
        """Take a new configuration and the names in which it differs from the last."""
        self._config = config
        for kind, names in touched.items():
            self._types[kind].todo.update(names)

    def release(self) -> None:
        """Stop waiting for clusters to become usable: something takes too long."""
        self._released = True
        self._warming.clear()

    # What to do

    @property
    def holding(self) -> bool:
        """Whether listeners and routes wait for clusters."""
        if self._released:
            return False
        clusters, ends = (self._types[kind] for kind in _ORDERED[:2])
        return bool(clusters.pending or ends.pending or self._warming)

    def next(self) -> list[Batch]:
        """Return what can be sent now, in order. Each batch must be sent and then `mark`ed.

        Before the first publication that is nothing but runtime values, which a proxy asks for
        before it asks for anything else: a client that comes back to a server which was started
        again has all that it needs, and must not be told that it is gone.
        """
        if not self._config:
            return self._take(ResourceType.RUNTIME)
        batches = [*self._take(ResourceType.CLUSTER), *self._take(ResourceType.ENDPOINT)]
        for kind in _AT_ONCE:
            batches.extend(self._take(kind))
        if batches and any(b.kind not in _AT_ONCE for b in batches):
            self._released = False
            return batches
        if not self.holding:
            for kind in _GATED:
                batches.extend(self._take(kind))
        if not batches and self._quiet():
            batches.extend(self._removals())
        return batches

    def mark(self, batch: Batch, nonce: str) -> None:
        """Record that a batch went out under a nonce."""
        self._types[batch.kind].pending[nonce] = batch.names

    def waiting(self, kind: ResourceType) -> bool:
        """Whether something of the type is unsent or unanswered."""
        state = self._types[kind]
        if kind is ResourceType.ENDPOINT and self._warming:
            return True
        return bool(state.pending or state.todo or state.gone)

    def subscribed(self, kind: ResourceType) -> bool:
        """Whether the client asked for anything of the type."""
        state = self._types[kind]
        return state.wildcard or bool(state.names)

    def names(self, kind: ResourceType) -> frozenset[str]:
        """Return the names the client asked for one by one."""
        return frozenset(self._types[kind].names)

    def client_has(self, kind: ResourceType) -> tuple[Resource, ...]:
        """Return what the client has, were it to accept all it was sent."""
        return tuple(self._types[kind].sent.values())

    def _quiet(self) -> bool:
        return not self._warming and not any(
            self._types[kind].pending or self._types[kind].todo for kind in _ORDERED
        )

    def _take(self, kind: ResourceType) -> list[Batch]:
        """Take what is new or changed of one type, and note what is gone for later."""
        state = self._types[kind]
        if not state.todo and not state.forced and not state.unanswered:
            return []
        # A client that asked for everything waits for an answer even if there is nothing: Envoy
        # would stay in its initialization for ever.
        empty, state.unanswered = state.unanswered, False
        target = self._config.get(kind, {})
        fresh: list[Resource] = []
        absent: list[str] = []
        for name in _sorted_like(state.todo | state.forced, target):
            if not state.wants(name):
                continue
            resource = self._answer(kind, name, target)
            known = state.sent.get(name)
            if resource is None:
                self._miss(kind, name, absent)
            elif known is None or known.version != resource.version or name in state.forced:
                fresh.append(resource)
                state.forced.discard(name)
                state.absent.discard(name)
                state.gone.discard(name)
            else:
                state.sent[name] = resource
                state.gone.discard(name)
        state.todo.clear()
        self._took(kind, fresh)
        if not fresh and not absent and not empty:
            return []
        return [Batch(kind, tuple(fresh), tuple(absent))]

    def _answer(
        self, kind: ResourceType, name: str, target: Mapping[str, Resource]
    ) -> Resource | None:
        """Return what to answer for a name: an empty resource the first time it is missing."""
        resource = target.get(name)
        state = self._types[kind]
        if resource is None and kind in resources.ANSWERED_TYPES and name not in state.sent:
            return resources.placeholder(kind, name)
        return resource

    def _miss(self, kind: ResourceType, name: str, absent: list[str]) -> None:
        state = self._types[kind]
        state.forced.discard(name)
        if name in state.sent or name in state.gone:
            if kind is ResourceType.SECRET:
                state.sent.pop(name, None)
                state.absent.add(name)
                absent.append(name)
            else:
                state.gone.add(name)
        elif name in state.names and name not in state.absent:
            state.absent.add(name)
            if kind is not ResourceType.EXTENSION:
                absent.append(name)

    def _took(self, kind: ResourceType, fresh: Iterable[Resource]) -> None:
        state = self._types[kind]
        known_ends = self._config.get(ResourceType.ENDPOINT, {})
        for resource in fresh:
            state.sent[resource.name] = resource
            if kind is ResourceType.CLUSTER and resource.name in known_ends:
                self._types[ResourceType.ENDPOINT].forced.add(resource.name)
                self._warming.add(resource.name)

    def _removals(self) -> list[Batch]:
        """Take what disappeared: what refers before what is referred to."""
        batches = []
        for kind in (ResourceType.LISTENER, ResourceType.CLUSTER):
            state = self._types[kind]
            names = sorted(state.gone - self._config.get(kind, {}).keys())
            state.gone.clear()
            for name in names:
                state.sent.pop(name, None)
                self._types[ResourceType.ENDPOINT].forced.discard(name)
                self._warming.discard(name)
            if names:
                batches.append(Batch(kind, (), tuple(names)))
        if batches:
            return batches
        for kind in (ResourceType.ROUTE, ResourceType.EXTENSION):
            self._types[kind].gone.clear()
        return self._emptied()

    def _emptied(self) -> list[Batch]:
        """Take the endpoints that vanished while their cluster stays: it has none now.

        Those of a removed cluster the client forgets by itself, as it does the route table of a
        removed listener, which connections that are being drained still use.
        """
        state = self._types[ResourceType.ENDPOINT]
        clusters = self._config.get(ResourceType.CLUSTER, {})
        known = self._config.get(ResourceType.ENDPOINT, {})
        names = sorted(n for n in state.gone if n in clusters and n not in known)
        state.gone.clear()
        empty = tuple(
            resources.placeholder(ResourceType.ENDPOINT, n) for n in names if n in state.names
        )
        state.sent.update({resource.name: resource for resource in empty})
        return [Batch(ResourceType.ENDPOINT, empty)] if empty else []


def _sorted_like(names: set[str], order: Mapping[str, Resource]) -> Iterable[str]:
    """Return names in the order they were rendered in, unknown ones last."""
    if len(names) == 1:
        return names
    if len(names) * 4 >= len(order):
        known = [name for name in order if name in names]
    else:
        known = sorted(name for name in names if name in order)
    return (*known, *sorted(names - order.keys()))
