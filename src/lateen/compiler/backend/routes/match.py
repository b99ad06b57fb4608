"""What a route matches: path, headers, query. Pure."""

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2, value_pb2

from lateen.compiler.ir.routing import ClaimMatch, HeaderMatch, RouteMatch, StringMatch

_SOMETHING = string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=".+"))


def regex(pattern: str) -> regex_pb2.RegexMatcher:
    """Return a full-match RE2 expression."""
    return regex_pb2.RegexMatcher(regex=pattern)


def string(match: StringMatch) -> string_pb2.StringMatcher:
    """Return a string matcher for exact, prefix or regex."""
    if match.kind == "regex":
        return string_pb2.StringMatcher(safe_regex=regex(match.value))
    matcher = string_pb2.StringMatcher(ignore_case=match.ignore_case)
    if match.kind == "prefix":
        matcher.prefix = match.value
    else:
        matcher.exact = match.value
    return matcher


def made(match: RouteMatch) -> route_components_pb2.RouteMatch:
    """Return the conditions of one VirtualService match as a message of their own."""
    out = route_components_pb2.RouteMatch()
    write(out, match)
    return out


def write(out: route_components_pb2.RouteMatch, match: RouteMatch) -> None:
    """Write every condition of one VirtualService match; they hold together."""
    _path(out, match.path)
    for header in match.headers:
        _header(out.headers.add(name=header.name), header)
    for name, condition in match.query:
        query = out.query_parameters.add(name=name)
        if condition.kind == "present":
            query.present_match = True
        else:
            query.string_match.CopyFrom(string(condition))
    for claim in match.claims:
        _claim(out, claim)


def _claim(out: route_components_pb2.RouteMatch, claim: ClaimMatch) -> None:
    from lateen.compiler.backend import jwt  # protobufs that most meshes never need

    wanted = string(claim.match) if claim.match.kind != "present" else _SOMETHING
    value = jwt.text_or_list(value_pb2.ValueMatcher(string_match=wanted))
    made = out.dynamic_metadata.add()
    made.CopyFrom(jwt.claim_matcher(claim.claims, value))
    made.invert = claim.invert


def _path(out: route_components_pb2.RouteMatch, path: StringMatch | None) -> None:
    """Istio's prefix is a plain string prefix: `/api` also matches `/apifoo`."""
    if path is None or path.kind == "present":
        out.prefix = "/"
        return
    if path.kind == "regex":
        out.safe_regex.CopyFrom(regex(path.value))
        return
    if path.kind == "segments":
        out.path_separated_prefix = path.value
    elif path.kind == "prefix":
        out.prefix = path.value
    else:
        out.path = path.value
    if path.ignore_case:
        out.case_sensitive.value = False


def _header(out: route_components_pb2.HeaderMatcher, header: HeaderMatch) -> None:
    """A negated value condition also holds when the header is missing (since Istio 1.22)."""
    out.invert_match = header.invert
    present = header.match.kind == "present" or (
        header.match.kind == "regex" and header.match.value == "*"
    )
    if present:
        out.present_match = True
        return
    out.string_match.CopyFrom(string(header.match))
    if header.invert and header.empty_if_missing:
        out.treat_missing_header_as_empty = True
