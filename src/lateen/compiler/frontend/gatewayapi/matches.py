"""Conditions of HTTPRoutes and GRPCRoutes as a VirtualService's, and which come first. Pure."""

import re
from collections.abc import Iterable

from lateen.model.gatewayapi import routes
from lateen.model.istio import networking_route, types

Match = networking_route.HTTPMatchRequest
_KINDS = {"exact": 3, "prefix": 2, "regex": 1}


def http(match: routes.HTTPRouteMatch) -> Match:
    """Return the conditions of an HTTPRoute's match. A prefix is one of whole segments."""
    path = match.path
    if path.type == "Exact":
        uri = types.StringMatch(exact=path.value)
    elif path.type == "RegularExpression":
        uri = types.StringMatch(regex=path.value)
    else:
        uri = types.StringMatch(prefix=path.value.rstrip("/") or "/")
    return Match(
        uri=uri,
        method=types.StringMatch(exact=match.method) if match.method else None,
        headers=_texts(match.headers, lower=True),
        query_params=_texts(match.query_params, lower=False),
    )


def grpc(match: routes.GRPCRouteMatch) -> Match:
    """Return the conditions of a GRPCRoute's match: a call is a POST to `/service/method`."""
    return Match(uri=_called(match.method), headers=_texts(match.headers, lower=True))


def _called(method: routes.GRPCMethodMatch | None) -> types.StringMatch | None:
    if method is None or not (method.service or method.method):
        return None
    if method.type == "RegularExpression":
        service, name = method.service or "[^/]+", method.method or "[^/]+"
        return types.StringMatch(regex=f"/{service}/{name}")
    if method.service and method.method:
        return types.StringMatch(exact=f"/{method.service}/{method.method}")
    if method.service:
        return types.StringMatch(prefix=f"/{method.service}/")
    return types.StringMatch(regex=f"/[^/]+/{re.escape(method.method)}")


def _texts(given: Iterable[routes.NamedValueMatch], *, lower: bool) -> dict[str, types.StringMatch]:
    """Return conditions by name; of equal names the first counts."""
    found: dict[str, types.StringMatch] = {}
    for each in given:
        regex = each.type == "RegularExpression"
        made = types.StringMatch(
            exact=None if regex else each.value, regex=each.value if regex else None
        )
        found.setdefault(each.name.lower() if lower else each.name, made)
    return found


def rank(match: Match | None) -> tuple[int, int, int, int, int]:
    """Return a sort key: the most specific first, as the Gateway API has it."""
    if match is None:
        return (1, 0, 0, 0, 0)
    kind, length = 0, 0
    if match.uri is not None:
        for word, weight in _KINDS.items():
            text = getattr(match.uri, word)
            if text is not None:
                kind, length = weight, len(text)
    return (
        -kind,
        -length,
        -int(match.method is not None),
        -len(match.headers),
        -len(match.query_params),
    )
