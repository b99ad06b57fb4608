"""Dynamic metadata of a request, and Envoy's matchers of it (envoy.type.matcher.v3). Pure."""

import json
from collections.abc import Mapping
from typing import Any

from lateen.predict.envoy import strings
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Http


def matches(matcher: Any, request: Http | None) -> bool:
    """Tell whether a MetadataMatcher takes a request; what is not there fits nothing."""
    return fits(matcher, written(request, matcher.filter))


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


def _value(matcher: Any, value: Any) -> bool:
    kind = matcher.WhichOneof("match_pattern")
    if kind == "or_match":
        return any(_value(each, value) for each in matcher.or_match.value_matchers)
    if kind == "list_match":
        return isinstance(value, list) and any(_value(matcher.list_match.one_of, v) for v in value)
    if kind == "string_match":
        return isinstance(value, str) and strings.matches(matcher.string_match, value)
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
