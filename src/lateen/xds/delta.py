"""One client's incremental stream. Pure."""

from collections.abc import Callable

from lateen.xds import frames
from lateen.xds.plan import Batch
from lateen.xds.resources import WILDCARD_TYPES
from lateen.xds.session import Base, Output


class DeltaSession(Base):
    """Incremental xDS: subscriptions come and go by name, responses hold what changed."""

    def receive(self, data: bytes) -> list[Output]:
        """Take a DeltaDiscoveryRequest: acknowledgement and subscription changes in one."""
        claimed, request = frames.read_delta(data)
        self._identify(claimed)
        if request is None:
            return []
        return [*self._apply(request), *self._advance()]

    def _apply(self, request: frames.DeltaRequest) -> list[Output]:
        """Apply one request. A first one for a wildcard type that names nothing wants all."""
        kind = request.kind
        settled = self._settle(kind, request.nonce, request.error)
        if request.versions:
            self.plan.has(kind, dict(request.versions))
        names = [name for name in request.subscribe if name != "*"]
        first = not request.nonce and not self.plan.subscribed(kind)
        if "*" in request.subscribe or (first and not names and kind in WILDCARD_TYPES):
            self.plan.subscribe_all(kind)
        self.plan.subscribe(kind, names)
        if request.versions and kind not in WILDCARD_TYPES:
            known = self.plan.names(kind)
            self.plan.subscribe(kind, [n for n, _ in request.versions if n not in known])
        self.plan.unsubscribe(kind, request.unsubscribe)
        return settled

    def _encoder(self, batch: Batch, nonce: str) -> tuple[Callable[[], bytes], int]:
        content = batch.kind, batch.resources, batch.removed, nonce
        return (lambda: frames.delta_response(*content)), len(batch.resources)
