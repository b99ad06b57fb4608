"""Rules for the HTTP routes of a VirtualService. Pure."""

from lateen.model.istio.networking_route import (
    HTTPDirectResponse,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRewrite,
    HTTPRoute,
)
from lateen.model.schema import fieldpath
from lateen.model.validation import syntax
from lateen.model.validation.istio import destinations, httpactions, shared
from lateen.model.validation.report import Report

CLAIM = "@request.auth.claims"


def validate(report: Report, rule: HTTPRoute, path: str, *, delegate: bool, claims: bool) -> None:
    """Check one rule; `delegate` when its VirtualService is one, `claims` when conditions on JWT
    claims are possible there, that is on gateways."""
    _kind(report, rule, path, delegate=delegate)
    for index, match in enumerate(rule.match):
        _match(report, match, f"{path}.match[{index}]", claims=claims)
    destinations.weights(report, rule.route, f"{path}.route")
    for index, route in enumerate(rule.route):
        httpactions.headers(report, route.headers, f"{path}.route[{index}].headers")
    if rule.redirect is not None:
        _redirect(report, rule.redirect, rule, f"{path}.redirect")
    if rule.direct_response is not None:
        _direct_response(report, rule.direct_response, f"{path}.directResponse")
    if rule.rewrite is not None:
        _rewrite(report, rule.rewrite, f"{path}.rewrite")
    httpactions.authority_once(report, rule, path)
    httpactions.headers(report, rule.headers, f"{path}.headers")
    httpactions.cors(report, rule.cors_policy, f"{path}.corsPolicy")
    httpactions.fault(report, rule.fault, f"{path}.fault")
    httpactions.mirrors(report, rule, path)
    httpactions.retries(report, rule.retries, f"{path}.retries")
    shared.duration(report, rule.timeout, f"{path}.timeout")


def _kind(report: Report, rule: HTTPRoute, path: str, *, delegate: bool) -> None:
    """Check that the rule does exactly one thing."""
    if rule.delegate is not None:
        if delegate:
            report.error(f"{path}.delegate", "delegate virtual service cannot delegate further")
        if rule.route or rule.redirect is not None:
            report.error(path, "root HTTP route with delegate cannot have route or redirect")
        return
    if rule.redirect is not None:
        _excludes(report, rule, path, "redirect")
        if rule.direct_response is not None:
            report.error(path, "HTTP route cannot contain both redirect and direct_response")
    elif rule.direct_response is not None:
        _excludes(report, rule, path, "direct_response")
    elif not rule.route:
        report.error(path, "HTTP route, redirect or direct_response is required")


def _excludes(report: Report, rule: HTTPRoute, path: str, action: str) -> None:
    for given, name in (
        (bool(rule.route), "route"),
        (rule.fault is not None, "fault"),
        (rule.rewrite is not None, "rewrite"),
    ):
        if given:
            report.error(f"{path}.{name}", f"HTTP route cannot contain both {name} and {action}")


def _match(report: Report, match: HTTPMatchRequest, path: str, *, claims: bool) -> None:
    shared.string_match(report, match.uri, f"{path}.uri", empty_prefix=True)
    for value, name in (
        (match.scheme, "scheme"),
        (match.method, "method"),
        (match.authority, "authority"),
    ):
        shared.string_match(report, value, f"{path}.{name}")
    for name, condition in match.headers.items():
        at = fieldpath.join(f"{path}.headers", name)
        _header_name(report, name, at, claims=claims)
        shared.string_match(report, condition, at)
    for name, condition in match.without_headers.items():
        at = fieldpath.join(f"{path}.withoutHeaders", name)
        _header_name(report, name, at, claims=claims)
        if condition.regex != "*":
            shared.string_match(report, condition, at)
    for name, condition in match.query_params.items():
        shared.string_match(report, condition, fieldpath.join(f"{path}.queryParams", name))
    if match.port:
        report.check(f"{path}.port", syntax.port(match.port))
    shared.labels(report, match.source_labels, f"{path}.sourceLabels")
    destinations.gateways(report, match.gateways, f"{path}.gateways")
    if match.source_namespace:
        report.check(f"{path}.sourceNamespace", syntax.dns_label(match.source_namespace))


def _header_name(report: Report, name: str, path: str, *, claims: bool) -> None:
    if name.startswith(CLAIM):
        if not claims:
            report.error(
                path, f"JWT claim based routing (key {name}) is only supported for gateways"
            )
    elif name not in syntax.PSEUDO_HEADERS:
        report.check(path, syntax.header_name(name))


def _redirect(report: Report, redirect: HTTPRedirect, rule: HTTPRoute, path: str) -> None:
    if redirect.uri and redirect.prefix_rewrite:
        report.error(path, "only one of uri and prefixRewrite may be set")
    if redirect.prefix_rewrite:
        paths = [match.uri for match in rule.match if match.uri is not None]
        if not paths or any(uri.prefix is None for uri in paths):
            report.error(f"{path}.prefixRewrite", "prefixRewrite needs matches by uri prefix")
    port = redirect.port is not None or redirect.derive_port is not None
    if not (
        redirect.uri or redirect.prefix_rewrite or redirect.authority or redirect.scheme or port
    ):
        report.error(path, "redirect must specify URI, authority, scheme, or port")
    if redirect.port is not None:
        report.check(f"{path}.port", syntax.port(redirect.port))
    if redirect.scheme and redirect.scheme not in ("http", "https"):
        report.error(f"{path}.scheme", "invalid redirect scheme, must be http or https")
    code = redirect.redirect_code
    if code and not 300 <= code <= 399:
        report.error(f"{path}.redirectCode", f"{code} is not a valid redirect code (300 to 399)")


_LARGE, _TOO_LARGE = 100 << 10, 1 << 20


def _direct_response(report: Report, response: HTTPDirectResponse, path: str) -> None:
    if not 200 <= response.status <= 600:
        report.error(f"{path}.status", f"HTTP status {response.status} is not in range 200-599")
    if response.body is None:
        return
    text = response.body.string
    size = len(text.encode()) if text is not None else len(response.body.bytes or "") * 3 // 4
    if size > _TOO_LARGE:
        report.error(f"{path}.body", f"response body supports max 1MB, got {size} bytes")
    elif size > _LARGE:
        report.warn(f"{path}.body", "large direct_responses may impact control plane performance")


def _rewrite(report: Report, rewrite: HTTPRewrite, path: str) -> None:
    regex = rewrite.uri_regex_rewrite
    if not (rewrite.uri or rewrite.authority or regex is not None):
        report.error(path, "rewrite must specify URI, UriRegexRewrite, or authority")
    if regex is None:
        return
    if rewrite.uri:
        report.error(path, "rewrite may only contain one of URI or UriRegexRewrite")
    if not regex.match or not regex.rewrite:
        report.error(f"{path}.uriRegexRewrite", "uriRegexRewrite requires both match and rewrite")
    if regex.match:
        report.check(f"{path}.uriRegexRewrite.match", syntax.pattern(regex.match))
