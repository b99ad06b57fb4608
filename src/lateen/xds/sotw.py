"""One client's state-of-the-world stream. Pure."""

from collections.abc import Callable

from lateen.compiler.output import Resource, ResourceType
from lateen.xds import frames, resources
from lateen.xds.plan import Batch
from lateen.xds.session import Base, Output


class SotwSession(Base):
    """State of the world: each request lists all names, a response for clusters or listeners
    holds all of them."""

    def __init__(self, node_id: str, config: resources.Config) -> None:
        super().__init__(node_id, config)
        self._last: dict[ResourceType, str] = {}
        self._sent: dict[ResourceType, dict[str, Resource]] = {
            kind: {} for kind in resources.WILDCARD_TYPES
        }

    def receive(self, data: bytes) -> list[Output]:
        """Take a DiscoveryRequest. One that answers an older response than the last
        says nothing about what is wanted now."""
        claimed, request = frames.read_sotw(data)
        self._identify(claimed)
        if request is None:
            return []
        last = self._last.get(request.kind, "")
        if request.nonce and request.nonce != last:
            return self._settle(request.kind, request.nonce, request.error)
        settled = self._settle(request.kind, request.nonce, request.error)
        self._subscribe(request)
        return [*settled, *self._advance()]

    def _subscribe(self, request: frames.SotwRequest) -> None:
        kind = request.kind
        if kind in resources.WILDCARD_TYPES and not request.names:
            if not self.plan.subscribed(kind):
                self.plan.subscribe_all(kind)
            return
        names = set(request.names)
        known = self.plan.names(kind)
        self.plan.subscribe(kind, sorted(names - known))
        self.plan.unsubscribe(kind, sorted(known - names))
        for name in known - names:
            self._sent.get(kind, {}).pop(name, None)

    def _encoder(self, batch: Batch, nonce: str) -> tuple[Callable[[], bytes], int] | None:
        """Removed clusters and listeners are left out of the whole; other types have no way to
        say that a name is gone."""
        whole = batch.kind in resources.WILDCARD_TYPES
        if not whole and not batch.resources:
            return None
        content = self._whole(batch) if whole else batch.resources
        self._last[batch.kind] = nonce
        return (lambda: frames.sotw_response(batch.kind, content, nonce, nonce)), len(content)

    def _whole(self, batch: Batch) -> tuple[Resource, ...]:
        """Return what the client has of a type with a batch, were it to accept all it was sent."""
        sent = self._sent[batch.kind]
        sent.update({resource.name: resource for resource in batch.resources})
        for name in batch.removed:
            sent.pop(name, None)
        return tuple(sent.values())
