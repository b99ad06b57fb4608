"""Who has which configuration, and what each proxy said of it.

No I/O: streams attach themselves and are told of changes that concern them.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from lateen.base.clock import Clock
from lateen.compiler.output import Resource, ResourceSet, ResourceType
from lateen.xds import explain, resources
from lateen.xds.status import ProxyStatus, SyncState, TypeStatus


class ProxyStream(Protocol):
    """An attached client stream."""

    def publish(
        self, config: resources.Config, touched: Mapping[ResourceType, Iterable[str]]
    ) -> None:
        """Send what changed."""
        ...

    def waiting(self, kind: ResourceType) -> bool:
        """Whether something of the type is unsent or unanswered."""
        ...

    def subscribed(self, kind: ResourceType) -> bool:
        """Whether the client asked for the type."""
        ...


class _Kind(msgspec.Struct):
    """One type of one proxy."""

    version: int = 0
    acknowledged: int = 0
    error: str = ""
    explanation: str = ""
    rejected: set[str] = msgspec.field(default_factory=set)
    """What the client blamed, and was not told anew since: it runs on without that."""
    changed_at: datetime | None = None
    settled_at: datetime | None = None


class _Proxy(msgspec.Struct):
    layers: dict[str, ResourceSet] = msgspec.field(default_factory=dict)
    config: dict[ResourceType, Mapping[str, Resource]] = msgspec.field(default_factory=dict)
    kinds: dict[ResourceType, _Kind] = msgspec.field(
        default_factory=lambda: {kind: _Kind() for kind in ResourceType}
    )
    stream: ProxyStream | None = None
    connected_at: datetime | None = None


class Hub:
    """The configuration of every proxy, in layers, and its acknowledgement."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._subscribers: list[Callable[[str], None]] = []
        self._proxies: dict[str, _Proxy] = {}

    # For those who make configuration

    def subscribe(self, heard: Callable[[str], None]) -> None:
        """Call with a proxy's name whenever it came, answered something, or left."""
        self._subscribers.append(heard)

    def add_proxy(self, proxy: str) -> None:
        """Make a proxy known (`namespace/pod`); harmless if it is."""
        self._proxies.setdefault(proxy, _Proxy())

    def remove_proxy(self, proxy: str) -> None:
        """Forget a proxy and its configuration."""
        self._proxies.pop(proxy, None)

    def publish(self, proxy: str, layer: str, content: ResourceSet) -> bool:
        """Replace one layer of a proxy's configuration; layers are merged by type.

        Returns whether anything changed for the proxy. Nothing else wakes its stream. Raises
        KeyError for a proxy that was not added.
        """
        state = self._proxies[proxy]
        before = state.layers.get(layer)
        if before is content:
            return False
        state.layers[layer] = content
        touched: dict[ResourceType, frozenset[str]] = {}
        config = dict(state.config)
        for kind in ResourceType:
            if before is not None and before.of(kind) is content.of(kind):
                continue
            merged = self._merged(state, kind)
            names = resources.changed(config.get(kind, {}), merged)
            config[kind] = merged
            if names:
                touched[kind] = names
                if state.kinds[kind].rejected:
                    self._accepted(state.kinds[kind], names - merged.keys())
        state.config = config
        if not touched:
            return False
        self._changed(state, touched)
        if state.stream is not None:
            state.stream.publish(config, touched)
        return True

    def _merged(self, state: _Proxy, kind: ResourceType) -> Mapping[str, Resource]:
        parts = [part for layer in state.layers.values() if (part := layer.of(kind))]
        if len(parts) == 1:
            return parts[0]
        return {name: resource for part in parts for name, resource in part.items()}

    def _changed(self, state: _Proxy, touched: Iterable[ResourceType]) -> None:
        now = self._clock.now()
        for kind in touched:
            state.kinds[kind].version += 1
            state.kinds[kind].changed_at = now

    def configured(self) -> tuple[str, ...]:
        """Return the names of all proxies that something was published to."""
        return tuple(proxy for proxy, state in self._proxies.items() if state.config)

    def config(self, proxy: str) -> resources.Config:
        """Return all that a proxy should have. Raises KeyError for an unknown proxy."""
        return self._proxies[proxy].config

    # For streams

    def attach(self, proxy: str, stream: ProxyStream) -> None:
        """Connect a stream; a later one replaces an earlier one (a proxy that reconnected).

        Raises KeyError for an unknown proxy.
        """
        state = self._proxies[proxy]
        state.stream = stream
        state.connected_at = self._clock.now()
        for kind in state.kinds.values():
            kind.error = kind.explanation = ""
            kind.rejected.clear()
            kind.acknowledged = 0
        self._heard(proxy)

    def detach(self, proxy: str, stream: ProxyStream) -> None:
        """Disconnect a stream, unless another has taken its place."""
        state = self._proxies.get(proxy)
        if state is not None and state.stream is stream:
            state.stream = None
            self._heard(proxy)

    def settled(
        self, proxy: str, kind: ResourceType, names: Iterable[str], error: str | None
    ) -> None:
        """Take note of an acknowledgement (error None) or a rejection."""
        state = self._proxies.get(proxy)
        if state is None:
            return
        entry = state.kinds[kind]
        entry.settled_at = self._clock.now()
        if error is None:
            self._accepted(entry, names)
            if state.stream is not None and not state.stream.waiting(kind):
                entry.acknowledged = entry.version
        else:
            entry.error = error
            names = tuple(names)
            entry.rejected.update(explain.blamed(error, names))
            known = state.config.get(kind, {})
            entry.explanation = explain.rejected(kind, error, names, known)
        self._heard(proxy)

    def _accepted(self, entry: _Kind, names: Iterable[str]) -> None:
        """Forget a rejection once all that was blamed was accepted, or is gone."""
        entry.rejected.difference_update(names)
        if not entry.rejected:
            entry.error = entry.explanation = ""

    def _heard(self, proxy: str) -> None:
        for heard in self._subscribers:
            heard(proxy)

    # For those who ask

    def status(self, proxy: str) -> ProxyStatus:
        """Return one proxy's status. Raises KeyError for an unknown proxy."""
        state = self._proxies[proxy]
        return ProxyStatus(
            proxy=proxy,
            connected=state.stream is not None,
            connected_at=state.connected_at if state.stream is not None else None,
            types={kind: self._type_status(state, kind) for kind in ResourceType},
        )

    def busy(self, proxy: str) -> bool:
        """Whether a connected proxy has not answered all that it was published; to reject is to
        answer. False for an unknown proxy."""
        state = self._proxies.get(proxy)
        stream = state.stream if state is not None else None
        return stream is not None and any(
            stream.subscribed(kind) and stream.waiting(kind) for kind in ResourceType
        )

    def statuses(self) -> tuple[ProxyStatus, ...]:
        """Return every proxy's status, by name."""
        return tuple(self.status(proxy) for proxy in sorted(self._proxies))

    def waiting(self, kind: ResourceType) -> bool:
        """Whether a proxy that is connected has something of a type unsent or unanswered."""
        streams = (state.stream for state in self._proxies.values())
        return any(stream is not None and stream.waiting(kind) for stream in streams)

    def _type_status(self, state: _Proxy, kind: ResourceType) -> TypeStatus:
        entry = state.kinds[kind]
        status = TypeStatus(
            state=SyncState.NOT_SENT,
            version=entry.version,
            acknowledged=entry.acknowledged,
            resources=len(state.config.get(kind, {})),
            changed_at=entry.changed_at,
            settled_at=entry.settled_at,
        )
        stream = state.stream
        if stream is None or not stream.subscribed(kind):
            return status
        if entry.error:
            return replace(
                status,
                state=SyncState.NACK,
                error=entry.error,
                explanation=entry.explanation,
            )
        if stream.waiting(kind):
            return replace(status, state=SyncState.STALE)
        return replace(status, state=SyncState.SYNCED, acknowledged=entry.version)
