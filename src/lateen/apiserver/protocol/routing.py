"""Paths beside Kubernetes' own: which function answers which. Pure."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.protocol import exchange

Names = Mapping[str, str]
Serve = Callable[[exchange.Call, Names], Awaitable[exchange.Response]]
"""Answers a call; the names are those of the route's path. May raise ApiError."""


class Route(msgspec.Struct, frozen=True):
    """One path. A segment in braces (`/config/{pod}`) is anything, and handed on by that name."""

    path: str
    serve: Serve
    method: str = "GET"
    limit: int = exchange.MAX_BODY
    """Bytes of the body at most."""


class Found(NamedTuple):
    """The route of a request, and what its names stand for."""

    route: Route
    names: Names


def find(routes: Sequence[Route], method: str, path: str) -> Found | None:
    """Return the route of a decoded path, None when it is not one of these.

    Raises ApiError 405 when the path is there and not for this method.
    """
    known = False
    for route in routes:
        names = _names(route.path.split("/"), path.split("/"))
        if names is None:
            continue
        if method == route.method or (method, route.method) == ("HEAD", "GET"):
            return Found(route, names)
        known = True
    if known:
        raise errors.method_not_allowed()
    return None


def _names(pattern: list[str], path: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(path):
        return None
    names: dict[str, str] = {}
    for wanted, given in zip(pattern, path, strict=True):
        if wanted.startswith("{") and given:
            names[wanted[1:-1]] = given
        elif wanted != given:
            return None
    return names
