"""What each proxy said of its configuration. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

import msgspec

from lateen.compiler.output import ResourceType


class SyncState(Enum):
    """How far a proxy is with one resource type, in istioctl's words."""

    SYNCED = "SYNCED"
    STALE = "STALE"
    """Sent or about to be, not acknowledged yet."""
    NACK = "NACK"
    """Rejected; the proxy runs on with what it had."""
    NOT_SENT = "NOT SENT"
    """The proxy is not connected, or did not ask for the type."""


class TypeStatus(msgspec.Struct, frozen=True):
    """One resource type of one proxy. Versions count this proxy's changes of the type."""

    state: SyncState
    version: int
    acknowledged: int
    """The newest version that was acknowledged in full; 0 for none."""
    resources: int
    error: str = ""
    """Envoy's own words, if it rejected the last response."""
    explanation: str = ""
    changed_at: datetime | None = None
    settled_at: datetime | None = None
    """When the proxy last acknowledged or rejected something of the type."""


class ProxyStatus(msgspec.Struct, frozen=True):
    """One proxy, `namespace/pod`."""

    proxy: str
    connected: bool
    connected_at: datetime | None
    types: Mapping[ResourceType, TypeStatus]

    @property
    def synced(self) -> bool:
        """Whether the proxy is connected and has acknowledged everything it was given."""
        return (
            self.connected
            and self.types[ResourceType.CLUSTER].state is SyncState.SYNCED
            and self.types[ResourceType.LISTENER].state is SyncState.SYNCED
            and all(self._done(kind, status) for kind, status in self.types.items())
        )

    def _done(self, kind: ResourceType, status: TypeStatus) -> bool:
        """Endpoints and routes are asked for once clusters and listeners arrived: a proxy that
        was given some but has not asked yet is not done."""
        if status.state is SyncState.NOT_SENT and status.resources:
            return kind in (ResourceType.SECRET, ResourceType.RUNTIME)
        return status.state in (SyncState.SYNCED, SyncState.NOT_SENT)

    @property
    def errors(self) -> tuple[TypeStatus, ...]:
        """The types the proxy rejected."""
        return tuple(s for s in self.types.values() if s.state is SyncState.NACK)
