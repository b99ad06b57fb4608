"""Virtual hosts and routes: first match, in Envoy's order (config.route.v3). Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from lateen.predict.envoy import metadata, paths, strings
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Http
from lateen.predict.values.trail import PRESENT, Test, Trail


class UnmatchedRoute(msgspec.Struct, frozen=True):
    """A route that did not match, and the condition that failed."""

    route: Any
    why: str


class Routed(msgspec.Struct, frozen=True):
    """The virtual host and route of a request; None where there is none. `needs_tls` is set where
    the host answers plaintext with a redirect to https."""

    host: Any | None
    route: Any | None
    passed: tuple[UnmatchedRoute, ...] = ()
    needs_tls: bool = False


def find(table: Any, request: Http, draw: "Draw") -> Routed:
    """Return the route of a request. `draw` decides what depends on a fraction."""
    host = virtual_host(table, request.authority)
    if host is None:
        return Routed(None, None)
    if _tls_required(host) and request.scheme != "https":
        return Routed(host, None, (), needs_tls=True)
    passed: list[UnmatchedRoute] = []
    for route in host.routes:
        why = mismatch(route.match, request, draw)
        if not why:
            return Routed(host, route, tuple(passed))
        passed.append(UnmatchedRoute(route, why))
    return Routed(host, None, tuple(passed))


_COMPARED = ("prefix", "path_separated_prefix", "path", "safe_regex")


def narrower(match: Any, other: Any) -> bool:
    """Whether a RouteMatch asks for more than another: more headers, parameters and claims, or a
    longer path."""
    more = [
        len(each.headers) + len(each.query_parameters) + len(each.dynamic_metadata)
        for each in (match, other)
    ]
    if more[0] != more[1]:
        return more[0] > more[1]
    kinds = [each.WhichOneof("path_specifier") for each in (match, other)]
    if "safe_regex" in kinds or not set(kinds) <= set(_COMPARED):
        return False
    mine, theirs = (getattr(e, kind) for e, kind in zip((match, other), kinds, strict=True))
    return len(mine) > len(theirs) or (mine == theirs and kinds == ["path", "prefix"])


def _tls_required(host: Any) -> bool:
    kind = host.TlsRequirementType.Name(host.require_tls)
    if kind == "EXTERNAL_ONLY":
        raise UnknownError("a virtual host asks TLS of external clients only")
    return bool(kind == "ALL")


def bare(authority: str) -> str:
    """Return a host without its port."""
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.endswith("]")):
        return authority
    return host


def virtual_host(table: Any, authority: str) -> Any | None:
    """Return the virtual host of an authority: exact, the longest `*.suffix`, the longest
    `prefix.*`, then `*`. Case does not count."""
    name = (bare(authority) if table.ignore_port_in_host_matching else authority).lower()
    domains = _domains(table)
    found = domains.exact.get(name)
    if found is not None:
        return found
    for suffix, host in domains.suffixes:
        if name.endswith(suffix) and len(name) > len(suffix):
            return host
    for prefix, host in domains.prefixes:
        if name.startswith(prefix) and len(name) > len(prefix):
            return host
    return domains.rest


class _Domains:
    """The virtual hosts of a table by their domains; of two with the same the first."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.exact: dict[str, Any] = {}
        self.rest: Any | None = None
        suffixes: dict[str, Any] = {}
        prefixes: dict[str, Any] = {}
        for host in table.virtual_hosts:
            for domain in (each.lower() for each in host.domains):
                if domain == "*":
                    self.rest = self.rest or host
                elif domain.startswith("*"):
                    suffixes.setdefault(domain[1:], host)
                elif domain.endswith("*"):
                    prefixes.setdefault(domain[:-1], host)
                else:
                    self.exact.setdefault(domain, host)
        self.suffixes = sorted(suffixes.items(), key=lambda pair: -len(pair[0]))
        self.prefixes = sorted(prefixes.items(), key=lambda pair: -len(pair[0]))


_MOST_TABLES = 256
_read: dict[int, _Domains] = {}
"""By the identity of their tables, which they hold."""


def _domains(table: Any) -> _Domains:
    found = _read.get(id(table))
    if found is None or found.table is not table:
        if len(_read) >= _MOST_TABLES:
            _read.clear()
        found = _read[id(table)] = _Domains(table)
    return found


class Draw:
    """What decides where a share of requests is meant: asked in the order of the way."""

    def happens(self, share: float, what: str) -> bool:
        """Tell whether something that happens to a share of requests (0 to 1) happens."""
        if share >= 1:
            return True
        if share <= 0:
            return False
        raise UnknownError(f"{what}: a share of {share:g}")


def mismatch(match: Any, request: Http, draw: Draw) -> str:
    """Return why a RouteMatch does not take a request; empty if it does."""
    why = _path_mismatch(match, request) or next(_header_mismatches(match, request), "")
    if why:
        return why
    values = paths.query(request.path)
    for wanted in match.query_parameters:
        if not _parameter_matches(wanted, request, values.get(wanted.name)):
            return f"query parameter {wanted.name} differs"
    if match.HasField("grpc") and not _is_grpc(request):
        return "it is for gRPC"
    for asked in match.dynamic_metadata:
        if not metadata.matches(asked, request):
            names = ".".join(segment.key for segment in asked.path[1:])
            return f"claim {names} differs"
    for unread in ("tls_context", "filter_state", "cookies"):
        if _is_set(match, unread):
            raise UnknownError(f"a route is matched by {unread}")
    if match.HasField("runtime_fraction"):
        share = fraction(match.runtime_fraction.default_value)
        if not draw.happens(share, "a route for a share of requests"):
            return "it is for another share of requests"
    return ""


def _is_set(match: Any, name: str) -> bool:
    if name not in match.DESCRIPTOR.fields_by_name:
        return False
    value = getattr(match, name)
    return match.HasField(name) if name == "tls_context" else bool(len(value))


def fraction(percent: Any) -> float:
    """Return a FractionalPercent as a share from 0 to 1."""
    of = {0: 100, 1: 10_000, 2: 1_000_000}[percent.denominator]
    return min(1.0, float(percent.numerator) / of)


def _path_mismatch(match: Any, request: Http) -> str:
    kind = str(match.WhichOneof("path_specifier"))
    found = _PATHS.get(kind)
    if found is None:
        raise UnknownError(f"a route is matched by {kind}")
    path = paths.without_query(request.path)
    if kind == "safe_regex":
        test, words = Test(kind="regex", value=match.safe_regex.regex), found
        same = strings.full_match(test.value, path)
    else:
        folded = match.HasField("case_sensitive") and not match.case_sensitive.value
        how, words = found.split(":")
        test = Test(kind=how, value=getattr(match, kind), fold=folded)
        same = _fits(test, path)
    return "" if request.noted("path", test, same) else f"path {words} {test.value}"


_PATHS = {
    "safe_regex": "is not as",
    "path": "exact:is not",
    "prefix": "prefix:does not begin with",
    "path_separated_prefix": "below:is not below",
}
"""How a route matches paths: the kind of test, and what is said of a path that fails it."""


def _fits(test: Test, path: str) -> bool:
    wanted = test.value.lower() if test.fold else test.value
    seen = path.lower() if test.fold else path
    if test.kind == "prefix":
        return seen.startswith(wanted)
    return seen == wanted or (test.kind == "below" and seen.startswith(wanted + "/"))


def _header_mismatches(match: Any, request: Http) -> Iterator[str]:
    for header in match.headers:
        if not strings.header_matches(header, request):
            yield f"header {header.name} differs"


def _parameter_matches(wanted: Any, request: Http, value: str | None) -> bool:
    kind = wanted.WhichOneof("query_parameter_match_specifier")
    field = f"query {wanted.name}"
    request.noted(field, PRESENT, value is not None)
    if kind in (None, "present_match"):
        return (value is not None) == (kind is None or wanted.present_match)
    if value is None:
        return False
    same = strings.matches(wanted.string_match, value)
    return request.noted(field, strings.test_of(wanted.string_match), same)


_GRPC = Test(kind="regex", value="application/grpc([+;].*)?")


def _is_grpc(request: Http) -> bool:
    kind = request.header("content-type")
    request.noted("header content-type", PRESENT, kind is not None)
    if kind is None:
        return False
    return request.noted("header content-type", _GRPC, strings.full_match(_GRPC.value, kind))


def rewritten(route: Any, request: Http) -> Http:
    """Return the request as a route's action sends it on: path, host and headers.

    Raises UnknownError for a host taken from a header or a path.
    """
    action = route.route
    changes: dict[str, Any] = {}
    path = _path_rewritten(route, request)
    if path != request.path or request.trail is not None:
        changes["path"], changes["trail"] = path, _trail_rewritten(route, request.trail)
    how = action.WhichOneof("host_rewrite_specifier")
    if how == "host_rewrite_literal":
        changes["authority"] = action.host_rewrite_literal
    elif how not in (None, "auto_host_rewrite"):
        raise UnknownError(f"the host is rewritten by {how}")
    moved = msgspec.structs.replace(request, **changes) if changes else request
    return _edited(route, moved)


def _path_rewritten(route: Any, request: Http) -> str:
    action, match = route.route, route.match
    alone = paths.without_query(request.path)
    tail = request.path[len(alone) :]
    if action.prefix_rewrite:
        kind = match.WhichOneof("path_specifier")
        if kind in ("prefix", "path_separated_prefix"):
            cut = len(getattr(match, kind))
            return str(action.prefix_rewrite) + alone[cut:] + tail
        return str(action.prefix_rewrite) + tail
    if action.HasField("regex_rewrite"):
        pattern = strings.expression(action.regex_rewrite.pattern.regex)
        return pattern.sub(_python(action.regex_rewrite.substitution), alone) + tail
    return request.path


def _trail_rewritten(route: Any, trail: Trail | None) -> Trail | None:
    """Return what is known of the client's path after a rewrite. What an expression makes of it
    is left open: the walk goes on with this one path."""
    action, match = route.route, route.match
    if trail is None or not (action.prefix_rewrite or action.HasField("regex_rewrite")):
        return trail
    kind = match.WhichOneof("path_specifier")
    folded = match.HasField("case_sensitive") and not match.case_sensitive.value
    if not action.prefix_rewrite or (folded and kind != "path"):
        trail.note("path", Test(kind="other", value="a path is rewritten by an expression"), True)
        return trail.without("path")
    if kind in ("prefix", "path_separated_prefix"):
        return trail.moved(getattr(match, kind), action.prefix_rewrite)
    return trail.without("path")


def _python(substitution: str) -> str:
    r"""RE2's `\0` is the whole match, which Python writes `\g<0>`."""
    return substitution.replace("\\0", "\\g<0>")


def _edited(route: Any, request: Http) -> Http:
    for name in route.request_headers_to_remove:
        request = request.without_header(name.lower())
    for each in route.request_headers_to_add:
        name, value = each.header.key.lower(), each.header.value
        if "%" in value.replace("%%", ""):
            value = ""  # filled in by the proxy; nothing here asks for it
        if name in (":authority", "host"):
            request = msgspec.structs.replace(request, authority=value)
        elif name == ":path":
            trail = request.setting("path")
            request = msgspec.structs.replace(request, path=value, trail=trail)
        else:
            request = request.with_header(name, value)
    return request
