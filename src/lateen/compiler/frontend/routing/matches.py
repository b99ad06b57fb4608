"""A VirtualService's match conditions. Pure."""

from lateen.compiler.ir.proxy import Features
from lateen.compiler.ir.routing import HeaderMatch, RouteMatch, StringMatch
from lateen.model.istio import networking_route, types
from lateen.model.meta import Source

CLAIMS_PREFIX = "@request.auth.claims"

PRESENT = StringMatch(kind="present")
ANY = RouteMatch()


def translate(
    match: networking_route.HTTPMatchRequest, source: Source, features: Features
) -> RouteMatch | None:
    """Return the conditions of one match, or None if one of them cannot be compiled yet (a JWT
    claim): leaving it out would let more requests in than the user wrote."""
    if any(name.startswith(CLAIMS_PREFIX) for name in (*match.headers, *match.without_headers)):
        return None
    headers = [
        HeaderMatch(name=pseudo, match=_text(condition))
        for pseudo, condition in (
            (":method", match.method),
            (":authority", match.authority),
            (":scheme", match.scheme),
        )
        if condition is not None and not _empty(condition)
    ]
    headers += [
        HeaderMatch(name=name.lower(), match=_or_present(condition))
        for name, condition in sorted(match.headers.items())
    ]
    headers += [
        HeaderMatch(
            name=name.lower(),
            match=_or_present(condition),
            invert=True,
            empty_if_missing=features.without_header_missing,
        )
        for name, condition in sorted(match.without_headers.items())
    ]
    return RouteMatch(
        path=_path(match),
        headers=tuple(headers),
        query=tuple(
            (name, _or_present(condition)) for name, condition in sorted(match.query_params.items())
        ),
        source=source,
    )


def is_catch_all(match: RouteMatch, features: Features) -> bool:
    """Whether every request matches: prefix `/` or regex `.*` (before 1.21 only `*`), and
    nothing else asked for. Routes after it can never be reached."""
    if match.headers or match.query:
        return False
    path = match.path
    if path is None:
        return True
    if path.kind == "regex":
        return path.value == (".*" if features.catch_all_any_regex else "*")
    return path.kind == "prefix" and path.value == "/"


def operation_path(match: RouteMatch) -> str:
    """Return how the path is written in a span's operation name."""
    if match.path is None:
        return "/*"
    return f"{match.path.value}*" if match.path.kind == "prefix" else match.path.value


def text(condition: types.StringMatch) -> StringMatch:
    """Return a written condition on a text."""
    return _or_present(condition)


def _path(match: networking_route.HTTPMatchRequest) -> StringMatch | None:
    if match.uri is None or _empty(match.uri):
        return None
    found = _text(match.uri)
    if found.kind == "regex" or not match.ignore_uri_case:
        return found
    return StringMatch(kind=found.kind, value=found.value, ignore_case=True)


def _empty(condition: types.StringMatch) -> bool:
    return condition.exact is None and condition.prefix is None and condition.regex is None


def _or_present(condition: types.StringMatch) -> StringMatch:
    """Return the condition; an empty one, or regex `*`, asks for presence only."""
    return PRESENT if _empty(condition) or condition.regex == "*" else _text(condition)


def _text(condition: types.StringMatch) -> StringMatch:
    if condition.exact is not None:
        return StringMatch(kind="exact", value=condition.exact)
    if condition.prefix is not None:
        return StringMatch(kind="prefix", value=condition.prefix)
    return StringMatch(kind="regex", value=condition.regex or "")
