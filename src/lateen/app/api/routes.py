"""The lab's own part of the API: `/lateen/v1/...`, beside Kubernetes' paths, for its owner only."""

from typing import Any

import msgspec

from lateen import __version__
from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route, Serve
from lateen.model.client import VERSION_HEADER, ApiError

STATUS = "/lateen/v1/status"
CONFIG = "/lateen/v1/config/{namespace}/{pod}"
CAPTURE = "/lateen/v1/capture"
TAP = "/lateen/v1/tap"
EDGES = "/lateen/v1/edges"
REQUEST = "/lateen/v1/request"
EXPLAIN = "/lateen/v1/explain"
ANALYZE = "/lateen/v1/analyze"
MOST_SENT = 64 << 20
"""Bytes of a request to send for `lateen curl`, as JSON."""


def answer(document: Any) -> exchange.Response:
    """Return a JSON response."""
    return exchange.Response(body=msgspec.json.encode(document))


def owned(path: str, serve: Serve, method: str = "GET", *, limit: int = exchange.MAX_BODY) -> Route:
    """Return a route that answers 403 to all but the lab's owner and its agent. Every answer, an
    error too, says which version gives it."""

    async def allowed(call: exchange.Call, names: Names) -> exchange.Response:
        if not call.user.is_admin:
            raise ApiError(403, "Forbidden", f"{call.user.name} may not use {call.info.path}")
        return await serve(call, names)

    async def checked(call: exchange.Call, names: Names) -> exchange.Response:
        try:
            made = await allowed(call, names)
        except ApiError as error:
            made = exchange.refusal(error)
        told = (*made.headers, (VERSION_HEADER, __version__))
        return msgspec.structs.replace(made, headers=told)

    return Route(path, checked, method, limit)


def decoded(call: exchange.Call, kind: Any) -> Any:
    """Return the body of a call as a value of a type. Raises ApiError 400."""
    try:
        return msgspec.json.decode(call.body, type=kind)
    except msgspec.DecodeError as error:
        raise ApiError(400, "BadRequest", f"{call.info.path}: {error}") from error
