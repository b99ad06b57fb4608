"""The lab's own part of the API: `/lateen/v1/...`, beside Kubernetes' paths."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lateen.apiserver import auth
from lateen.apiserver.exchange import refusal
from lateen.model.client import ApiError

Json = dict[str, Any]


def answer(document: Any, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def refused(error: ApiError) -> Response:
    """Return an error as a Kubernetes Status."""
    found = refusal(error)
    return Response(found.body, found.status, media_type=found.content_type)


def require_owner(request: Request) -> None:
    """Raise ApiError 403 unless the lab's owner (or its agent) is asking."""
    user: auth.User = request.scope["user"]
    if not user.is_admin:
        raise ApiError(403, "Forbidden", f"{user.name} may not use {request.url.path}")


def status_route(document: Callable[[], Json]) -> BaseRoute:
    """Serve the lab's status document."""

    async def serve(request: Request) -> Response:
        try:
            require_owner(request)
        except ApiError as error:
            return refused(error)
        return answer(document())

    return Route("/lateen/v1/status", serve)


def config_route(dump: Callable[[str], Json | None]) -> BaseRoute:
    """Serve what a proxy was given: `/lateen/v1/config/NAMESPACE/POD`."""

    async def serve(request: Request) -> Response:
        proxy = f"{request.path_params['namespace']}/{request.path_params['pod']}"
        try:
            require_owner(request)
            found = dump(proxy)
            if found is None:
                raise ApiError(404, "NotFound", f"no proxy {proxy}: see `lateen status`")
        except ApiError as error:
            return refused(error)
        return answer(found)

    return Route("/lateen/v1/config/{namespace}/{pod}", serve)


def lab_routes(
    status: Callable[[], Json],
    dump: Callable[[str], Json | None],
    more: Sequence[BaseRoute] = (),
) -> list[BaseRoute]:
    """Return all of the lab's own routes."""
    return [status_route(status), config_route(dump), *more]
