"""What every user of the API server needs of it: implemented in process and over HTTP. Pure."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

from lateen.base.jsonvalue import Json

APPLY = "application/apply-patch+yaml"
"""The media type of a server-side apply."""


class ApiError(Exception):
    """An error Status from the API server."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ):
        super().__init__(message)
        self.code = code
        """HTTP status: 404, 409, 410, 422 …"""
        self.reason = reason
        """Kubernetes' reason word: NotFound, AlreadyExists, Conflict, Expired, Invalid …"""
        self.message = message
        self.details = dict(details or {})


class WatchEvent(msgspec.Struct, frozen=True):
    """`type` is ADDED, MODIFIED, DELETED, BOOKMARK."""

    type: str
    object: Json


class ApiClient(Protocol):
    """Typed by resource (`pods`, `deployments.apps`, `gateways.networking.istio.io`: plural.group,
    always the storage version). Every method raises ApiError with the server's own words.

    Objects returned may be changed by the caller; they are copies.
    """

    async def get(self, resource: str, namespace: str, name: str) -> Json:
        """Return one object."""
        ...

    async def list(
        self, resource: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[list[Json], str]:
        """Return the objects and the list's resourceVersion."""
        ...

    async def create(self, resource: str, namespace: str, body: Json) -> Json:
        """POST."""
        ...

    async def update(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """PUT; conflicts if metadata.resourceVersion is set and old."""
        ...

    async def update_status(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """PUT on /status: only `status` is taken."""
        ...

    async def patch(
        self,
        resource: str,
        namespace: str,
        name: str,
        patch: Any,
        *,
        content_type: str = "application/merge-patch+json",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Json:
        """PATCH, with one of Kubernetes' four patch content types."""
        ...

    async def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        propagation: str = "",
        uid: str = "",
    ) -> Json:
        """DELETE; `propagation` is Background, Foreground, Orphan or the kind's default."""
        ...

    def watch(
        self,
        resource: str,
        namespace: str = "",
        *,
        after: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Follow changes; without `after`, existing objects come first as ADDED.
        Raises ApiError 410 when `after` is too old: list again."""
        ...
