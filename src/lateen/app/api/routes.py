"""Routes of the lab's own API: paths of `model.labapi.contract`, for the lab's owner only."""

from typing import Any

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route, Serve
from lateen.model.client import ApiError
from lateen.model.labapi.contract import LabPath

MOST_SENT = 64 << 20
"""Bytes of a request to send for `lateen curl`, as JSON."""


def answer(document: Any) -> exchange.Response:
    """Return a JSON response."""
    return exchange.Response(body=msgspec.json.encode(document))


def owned(endpoint: LabPath, serve: Serve, *, limit: int = exchange.MAX_BODY) -> Route:
    """Return a route that answers 403 to all but the lab's owner and its agent."""

    async def allowed(call: exchange.Call, names: Names) -> exchange.Response:
        if not call.user.is_admin:
            raise ApiError(403, "Forbidden", f"{call.user.name} may not use {call.info.path}")
        return await serve(call, names)

    return Route(endpoint.path, allowed, endpoint.method, limit)


def decoded(call: exchange.Call, kind: Any) -> Any:
    """Return the body of a call as a value of a type. Raises ApiError 400."""
    try:
        return msgspec.json.decode(call.body, type=kind)
    except msgspec.DecodeError as error:
        raise ApiError(400, "BadRequest", f"{call.info.path}: {error}") from error
