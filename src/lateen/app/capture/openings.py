"""Serving how connections opened, of all pods, back to a moment."""

from collections.abc import Callable, Mapping

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Serve
from lateen.app.api import routes
from lateen.app.capture.taps import Taps
from lateen.model.client import ApiError
from lateen.model.labapi.traffic import KeptOpenings
from lateen.observe.packets import flowlines


def capture(taps: Taps, names: Callable[[], Mapping[str, str]]) -> Serve:
    """Return what serves the openings since `?since=SECONDS` (of the epoch).

    `names` maps a pod's uid to `namespace/pod`; pods that are gone keep their uid.
    """

    async def serve(call: exchange.Call, _names: Names) -> exchange.Response:
        since = _number(call.info.query.text("since", "0"))
        known = names()
        told = (
            flowlines.opening(known.get(seen.pod, seen.pod), seen.leg, seen.conversation)
            for seen in taps.openings.since(since)
        )
        flows = tuple(flow for flow in told if flow is not None)
        return routes.answer(KeptOpenings(flows, taps.dropped()))

    return serve


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ApiError(400, "BadRequest", f"since={text}: use seconds since 1970") from error
