"""One request in a connection manager, and the answers that a proxy gives by itself. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Run
from lateen.predict.envoy.routes import Routed
from lateen.predict.values.request import Http


class Local(msgspec.Struct, frozen=True):
    """An answer of the proxy's own."""

    status: int
    details: str
    flags: tuple[str, ...] = ()
    code: str = "ok"
    seconds: float = 0.0
    onward: bool = False
    """Whether it stands for a step that was not taken, and not for a refusal of the client."""
    sources: tuple[Any, ...] = ()


class Exchange(msgspec.Struct, kw_only=True):
    """What the filters know and change of a request on its way."""

    run: Run
    hop: Hop
    manager: Any
    request: Http
    routed: Routed | None
    alpn: tuple[str, ...] = ()
    """What the upstream handshake is to offer, as a filter decided."""
    alpn_by_protocol: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """The same by the protocol that the cluster is spoken to in, where that decides."""
    flags: tuple[str, ...] = ()
    seconds: float = 0.0
    """What the request was held up for."""
    choose_route: Callable[[Http], Routed] | None = None
    """Chooses the route of a request."""

    def reroute(self) -> None:
        """Choose the route again, as a filter has changed what decides it."""
        if self.choose_route is not None:
            self.routed = self.choose_route(self.request)
