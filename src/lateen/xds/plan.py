"""What to send one client next, and what must wait. Pure: no I/O, no clock.

The rules, for both protocol variants:

- make before break: clusters and their endpoints, then listeners, then routes; what disappears
  goes last, when everything else was acknowledged;
- listeners and routes wait until new clusters are usable, that is until their endpoints were
  acknowledged: a route that arrived earlier would answer 503 for a moment;
- after a cluster changed, its endpoints are sent again even if they did not: Envoy keeps the
  changed cluster warming, and the acknowledgement back, until they come;
- a rejected resource counts as sent, so that it is not sent again before it changes.

What becomes of one name is in the table of `delivery`; this is the order among names and types.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from lateen.compiler.output import Resource, ResourceType
from lateen.xds import resources
from lateen.xds.delivery import TABLES, Action, Delivery, DeliveryEvent, Table

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
    """One type's subscription and what the client was told.

    Of the names that are neither held nor denied nothing is kept: a mesh has very many.
    """

    kind: ResourceType
    table: Table
    wildcard: bool = False
    names: set[str] = msgspec.field(default_factory=set)
    """Names that the client asked for one by one."""
    held: dict[str, str] = msgspec.field(default_factory=dict)
    """The version that the client holds or rejected; empty where it is not known."""
    leaving: set[str] = msgspec.field(default_factory=set)
    """Those of the held that are published no longer."""
    denied: set[str] = msgspec.field(default_factory=set)
    todo: set[str] = msgspec.field(default_factory=set)
    """Names to look at."""
    again: set[str] = msgspec.field(default_factory=set)
    """Names to send although the client holds them."""
    unanswered: bool = False
    """Whether the client asked for everything and was told nothing yet."""
    pending: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Names of each response that was not answered yet, by nonce."""

    def wants(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def state(self, name: str) -> Delivery:
        if name in self.held:
            return Delivery.LEAVING if name in self.leaving else Delivery.HELD
        return Delivery.DENIED if name in self.denied else Delivery.UNTOLD

    def event(self, name: str, published: Resource | None) -> DeliveryEvent:
        """Return what a look at a name finds."""
        held = self.held.get(name)
        if published is not None:
            same = held == published.version and name not in self.again
            return DeliveryEvent.SAME if same else DeliveryEvent.CHANGED
        if name in self.again or (name in self.names and self.state(name) is Delivery.UNTOLD):
            return DeliveryEvent.ASKED
        return (
            DeliveryEvent.SAME
            if held and _is_empty(self.kind, name, held)
            else DeliveryEvent.MISSING
        )

    def follow(self, name: str, event: DeliveryEvent, published: Resource | None) -> Action:
        """Take a step of the table for a name, and return what is to be sent of it."""
        state, action = self.table[self.state(name), event]
        held = published.version if published is not None else self.held.get(name, "")
        if action is Action.EMPTY:
            held = resources.placeholder(self.kind, name).version
        self.again.discard(name)
        if state is Delivery.HELD:
            self.held[name] = held
            self.leaving.discard(name)
            self.denied.discard(name)
            return action
        self.forget(name)
        if state is Delivery.LEAVING:
            self.held[name] = held
            self.leaving.add(name)
        elif state is Delivery.DENIED and name in self.names:
            self.denied.add(name)
        return action

    def forget(self, name: str) -> None:
        self.held.pop(name, None)
        for names in (self.leaving, self.denied, self.todo, self.again):
            names.discard(name)


class Plan:
    """The state of one client's stream: subscriptions in, batches out."""

    def __init__(self, config: resources.Config) -> None:
        self._config = config
        self._types = {kind: _Type(kind, TABLES[kind]) for kind in ResourceType}
        self._warming: set[str] = set()
        self._released = False

    # What the client says

    def subscribe(self, kind: ResourceType, names: Iterable[str]) -> None:
        """Add names to a subscription. One that was there already is sent again."""
        state = self._types[kind]
        for name in names:
            if name in state.names:
                state.again.add(name)
            state.names.add(name)
            state.todo.add(name)

    def subscribe_all(self, kind: ResourceType) -> None:
        """Subscribe to every resource of the type, present and future. Asked for a second time,
        all are sent again."""
        state = self._types[kind]
        if state.wildcard:
            state.again.update(state.held)
        state.wildcard = state.unanswered = True
        state.todo.update(self._config.get(kind, {}))

    def unsubscribe(self, kind: ResourceType, names: Iterable[str]) -> None:
        """Take names back; the client forgot them, so a later subscription starts anew."""
        state = self._types[kind]
        for name in names:
            if name == "*":
                state.wildcard = False
                for other in state.held.keys() - state.names:
                    self._forget(kind, other)
                continue
            state.names.discard(name)
            if not state.wildcard:
                self._forget(kind, name)

    def _forget(self, kind: ResourceType, name: str) -> None:
        self._types[kind].forget(name)
        if kind in (ResourceType.CLUSTER, ResourceType.ENDPOINT):
            self._warming.discard(name)

    def has(self, kind: ResourceType, versions: Mapping[str, str]) -> None:
        """Take note of what the client kept from an earlier stream, by name and version.

        Whatever its clusters warm with is sent again, since nothing says how far they had come.
        """
        state = self._types[kind]
        for name, version in versions.items():
            # Before the first publication nobody knows how far clusters had come that warm.
            state.held[name] = version if self._config else ""
            state.todo.add(name)
        if kind is ResourceType.CLUSTER:
            self._types[ResourceType.ENDPOINT].again.update(
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
        # A cluster that comes back without endpoints leads no longer where it led.
        known, ends = config.get(ResourceType.ENDPOINT, {}), self._types[ResourceType.ENDPOINT]
        back = touched.get(ResourceType.CLUSTER, ())
        ends.todo.update(name for name in back if name in ends.held and name not in known)

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
        return bool(state.pending or state.todo or state.leaving)

    def subscribed(self, kind: ResourceType) -> bool:
        """Whether the client asked for anything of the type."""
        state = self._types[kind]
        return state.wildcard or bool(state.names)

    def names(self, kind: ResourceType) -> frozenset[str]:
        """Return the names the client asked for one by one."""
        return frozenset(self._types[kind].names)

    def _quiet(self) -> bool:
        return not self._warming and not any(
            self._types[kind].pending or self._types[kind].todo for kind in _ORDERED
        )

    def _take(self, kind: ResourceType) -> list[Batch]:
        """Look at what may be new, changed or gone of one type, and take what can travel now."""
        state = self._types[kind]
        if not state.todo and not state.again and not state.unanswered:
            return []
        # A client that asked for everything waits for an answer even if there is nothing: Envoy
        # would stay in its initialization for ever.
        empty, state.unanswered = state.unanswered, False
        target = self._config.get(kind, {})
        wanted = (n for n in _sorted_like(state.todo | state.again, target) if state.wants(n))
        batch = self._follow(kind, [(n, state.event(n, target.get(n))) for n in wanted])
        state.todo.clear()
        if kind is ResourceType.CLUSTER:
            self._warm(batch.resources)
        return [batch] if empty or batch.names else []

    def _follow(self, kind: ResourceType, events: Iterable[tuple[str, DeliveryEvent]]) -> Batch:
        """Take a step of the table for each name, and gather what is to be sent."""
        state, target = self._types[kind], self._config.get(kind, {})
        sent: list[Resource] = []
        gone: list[str] = []
        for name, event in events:
            action = state.follow(name, event, target.get(name))
            if action is Action.SEND:
                sent.append(target[name])
            elif action is Action.EMPTY:
                sent.append(resources.placeholder(kind, name))
            elif action in (Action.DENY, Action.REMOVE):
                gone.append(name)
        return Batch(kind, tuple(sent), tuple(gone))

    def _warm(self, clusters: Iterable[Resource]) -> None:
        """Have endpoints follow their clusters, though they did not change."""
        known = self._config.get(ResourceType.ENDPOINT, {})
        names = [cluster.name for cluster in clusters if cluster.name in known]
        self._types[ResourceType.ENDPOINT].again.update(names)
        self._warming.update(names)

    def _removals(self) -> list[Batch]:
        """Take what disappeared: what refers before what is referred to."""
        batches = [
            self._follow(kind, [(name, DeliveryEvent.SETTLED) for name in self._leaving(kind)])
            for kind in (ResourceType.LISTENER, ResourceType.CLUSTER)
        ]
        for name in batches[1].removed:
            self._types[ResourceType.ENDPOINT].again.discard(name)
            self._warming.discard(name)
        clusters = self._config.get(ResourceType.CLUSTER, {})
        if not any(batch.names for batch in batches):
            endpoints, runtime = ResourceType.ENDPOINT, ResourceType.RUNTIME
            left = [
                (name, DeliveryEvent.SETTLED if name in clusters else DeliveryEvent.ORPHANED)
                for name in self._leaving(endpoints)
            ]
            batches = [
                self._follow(endpoints, left),
                self._follow(
                    runtime, [(name, DeliveryEvent.SETTLED) for name in self._leaving(runtime)]
                ),
            ]
        return [batch for batch in batches if batch.names]

    def _leaving(self, kind: ResourceType) -> list[str]:
        return sorted(self._types[kind].leaving)


def _is_empty(kind: ResourceType, name: str, version: str) -> bool:
    """Whether a version is of what stands for a resource that nobody published."""
    return kind in resources.ANSWERED_TYPES and version == resources.placeholder(kind, name).version


def _sorted_like(names: set[str], order: Mapping[str, Resource]) -> Iterable[str]:
    """Return names in the order they were rendered in, unknown ones last."""
    if len(names) == 1:
        return names
    if len(names) * 4 >= len(order):
        known = [name for name in order if name in names]
    else:
        known = sorted(name for name in names if name in order)
    return (*known, *sorted(names - order.keys()))
