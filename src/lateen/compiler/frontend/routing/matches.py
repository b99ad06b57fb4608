"""A VirtualService's match conditions. Pure."""

from collections.abc import Iterator

from lateen.compiler.ir.proxy import Features
from lateen.compiler.ir.routing import ClaimMatch, HeaderMatch, RouteMatch, StringMatch
from lateen.model.istio import networking, networking_route, types
from lateen.model.meta import Source

CLAIMS_PREFIX = "@request.auth.claims"
"""A header's name that means a verified token's claim; its letters may be of any case."""

PRESENT = StringMatch(kind="present")
ANY = RouteMatch()


def source_labels(obj: networking.VirtualService | None) -> list[str]:
    """Return the labels of clients that a VirtualService's conditions ask for."""
    if obj is None:
        return []
    spec = obj.spec
    found = [label for rule in spec.http for match in rule.match for label in match.source_labels]
    found += [label for rule in spec.tls for match in rule.match for label in match.source_labels]
    found += [label for rule in spec.tcp for match in rule.match for label in match.source_labels]
    return found


def translate(
    match: networking_route.HTTPMatchRequest,
    source: Source,
    features: Features,
    *,
    segments: bool = False,
) -> RouteMatch:
    """Return the conditions of one match. `segments`: a prefix is one of whole segments, as in the
    Gateway API."""
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
        if not claims_of(name)
    ]
    headers += [
        HeaderMatch(
            name=name.lower(),
            match=_or_present(condition),
            invert=True,
            empty_if_missing=features.without_header_missing,
        )
        for name, condition in sorted(match.without_headers.items())
        if not claims_of(name)
    ]
    return RouteMatch(
        path=_segments(_path(match)) if segments else _path(match),
        headers=tuple(headers),
        query=tuple(
            (name, _or_present(condition)) for name, condition in sorted(match.query_params.items())
        ),
        claims=tuple(_claims(match)),
        source=source,
    )


def claims_of(name: str) -> tuple[str, ...]:
    """Return the claim that a header's name means, from the outside in; nothing for a header:
    `@request.auth.claims.a.b`, or `@request.auth.claims[a][b]` where names have dots."""
    head, rest = name[: len(CLAIMS_PREFIX)], name[len(CLAIMS_PREFIX) :]
    if head.lower() != CLAIMS_PREFIX or len(rest) < 2:
        return ()
    if rest.startswith("."):
        return tuple(rest[1:].split("."))
    if rest.startswith("[") and rest.endswith("]"):
        return tuple(rest[1:-1].split("]["))
    return ()


def _claims(match: networking_route.HTTPMatchRequest) -> Iterator[ClaimMatch]:
    for written, invert in ((match.headers, False), (match.without_headers, True)):
        for name, condition in sorted(written.items()):
            if claims := claims_of(name):
                yield ClaimMatch(claims=claims, match=_or_present(condition), invert=invert)


def is_catch_all(match: RouteMatch, features: Features) -> bool:
    """Whether every request matches: prefix `/` or regex `.*` (before 1.21 only `*`), and
    nothing else asked for. Routes after it can never be reached."""
    if match.headers or match.query or match.claims:
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
    begins = match.path.kind in ("prefix", "segments")
    return f"{match.path.value}*" if begins else match.path.value


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


def _segments(path: StringMatch | None) -> StringMatch | None:
    if path is None or path.kind != "prefix" or path.value == "/":
        return path
    return StringMatch(kind="segments", value=path.value.rstrip("/"))


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
