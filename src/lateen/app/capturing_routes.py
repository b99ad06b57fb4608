"""`/lateen/v1/capture`: how connections opened, of all pods, back to a moment."""

from collections.abc import Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lateen.app import routes
from lateen.app.capturing import Taps
from lateen.model.client import ApiError
from lateen.observe import flowlines

CAPTURE = "/lateen/v1/capture"


class Kept(msgspec.Struct, frozen=True):
    """The answer: connections' openings, oldest first, and how many packets the taps lost."""

    flows: tuple[flowlines.Flow, ...]
    dropped: int


def capture_route(taps: Taps, names: Callable[[], Mapping[str, str]]) -> BaseRoute:
    """Serve the openings since `?since=SECONDS` (of the epoch). `names` maps a pod's uid to
    `namespace/pod`; pods that are gone keep their uid."""

    async def serve(request: Request) -> Response:
        try:
            routes.require_owner(request)
            since = _number(request.query_params.get("since", "0"))
        except ApiError as error:
            return routes.refused(error)
        known = names()
        told = (
            flowlines.opening(known.get(seen.pod, seen.pod), seen.leg, seen.conversation)
            for seen in taps.openings.since(since)
        )
        kept = Kept(tuple(flow for flow in told if flow is not None), taps.dropped())
        return Response(msgspec.json.encode(kept), media_type="application/json")

    return Route(CAPTURE, serve)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ApiError(400, "BadRequest", f"since={text}: use seconds since 1970") from error
