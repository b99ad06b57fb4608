"""Dynamic metadata of a request, and Envoy's matchers of it (envoy.type.matcher.v3). Pure."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lateen.predict.envoy import strings
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Http
from lateen.predict.values.trail import PRESENT

TOKENS = "envoy.filters.http.jwt_authn"
"""The filter that writes down the claims of tokens."""


def matches(matcher: Any, request: Http | None) -> bool:
    """Tell whether a MetadataMatcher takes a request; what is not there fits nothing. Of a class of
    requests it is noted what is asked of their token, where one was verified."""
    known = written(request, matcher.filter)
    if request is None or request.trail is None or matcher.filter != TOKENS or not known:
        return fits(matcher, known)
    keys = [segment.key for segment in matcher.path]
    name = ".".join(keys[1:])
    payload = known.get(keys[0], {})
    value = payload.get(name)
    request.noted(f"claim {name}", PRESENT, value is not None)
    found = _value(matcher.value, value, Asked(request, f"claim {name}"))
    return bool(found != matcher.invert)


def fits(matcher: Any, known: Mapping[str, Any]) -> bool:
    """Tell whether a MetadataMatcher takes what one filter wrote."""
    found: Any = known
    for segment in matcher.path:
        found = found.get(segment.key) if isinstance(found, Mapping) else None
    return bool(_value(matcher.value, found) != matcher.invert)


def written(request: Http | None, name: str) -> Mapping[str, Any]:
    """Return what filters wrote under a name; what only Envoy's other filters write is not known
    to be there."""
    known = dict(request.metadata) if request is not None else {}
    found: Mapping[str, Any] = json.loads(known.get(name, "{}"))
    return found


class Asked(NamedTuple):
    """A field of a request, about which it is noted what is asked."""

    request: Http
    field: str


def _value(matcher: Any, value: Any, asked: Asked | None = None) -> bool:
    kind = matcher.WhichOneof("match_pattern")
    if kind == "or_match":
        return any(_value(each, value, asked) for each in matcher.or_match.value_matchers)
    if kind == "list_match":
        one_of = matcher.list_match.one_of
        return isinstance(value, list) and any(_value(one_of, each, asked) for each in value)
    if kind == "string_match":
        if not isinstance(value, str):
            return False
        found = strings.matches(matcher.string_match, value)
        if asked is not None:
            asked.request.noted(asked.field, strings.test_of(matcher.string_match), found)
        return found
    if kind == "bool_match":
        return isinstance(value, bool) and value == matcher.bool_match
    if kind == "present_match":
        return (value is not None) == bool(matcher.present_match)
    if kind == "null_match":
        return value is None
    if kind == "double_match" and matcher.double_match.HasField("exact"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and float(value) == matcher.double_match.exact
    raise UnknownError(f"metadata is matched by {kind}")
