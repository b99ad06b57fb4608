"""What filters of the Gateway API do, in the terms of a VirtualService's rule. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from lateen.compiler.frontend.gatewayapi import backends
from lateen.compiler.frontend.gatewayapi.conditions import Denial
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Referrer
from lateen.model.gatewayapi import filters, routes
from lateen.model.istio import networking_route, types

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled"
_ATTEMPTS = 2
_WHOLE_PATH = "/.*"
_ORIGIN = r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/]+"
_HEADERS = ("RequestHeaderModifier", "ResponseHeaderModifier")


class RuleParts:
    """The fields of an HTTPRoute of Istio's that filters set, and what is wrong with them."""

    def __init__(self, who: Referrer, objects: GatewayObjects, *, checked: bool) -> None:
        self.fields: dict[str, Any] = {}
        self.problems: list[Denial] = []
        self._who, self._objects, self._checked = who, objects, checked

    def take(self, given: Iterable[filters.HTTPRouteFilter], prefix: str) -> None:
        """Take over a rule's filters; `prefix` is what its match cuts off where it is one."""
        for each in given:
            if each.type in _HEADERS:
                self.fields["headers"] = with_headers(self.fields.get("headers"), each)
            elif each.request_redirect is not None:
                self.fields["redirect"] = redirect(each.request_redirect)
            elif each.url_rewrite is not None:
                self.fields["rewrite"] = rewrite(each.url_rewrite, prefix)
            elif each.request_mirror is not None:
                self._mirror(each.request_mirror)
            elif each.cors is not None:
                self.fields["cors_policy"] = cors(each.cors)
            else:
                self.problems.append(unsupported(each.type))

    def _mirror(self, block: filters.HTTPRequestMirrorFilter) -> None:
        found = backends.resolve(block.backend_ref, self._who, self._objects, checked=self._checked)
        if found.problem is not None:
            self.problems.append(found.problem)
            if found.problem.hard:
                return
        share = 100.0
        if block.percent is not None:
            share = float(block.percent)
        elif block.fraction is not None:
            share = 100.0 * block.fraction.numerator / (block.fraction.denominator or 100)
        made = networking_route.HTTPMirrorPolicy(
            destination=found.destination, percentage=types.Percent(value=share)
        )
        self.fields["mirrors"] = (*self.fields.get("mirrors", ()), made)


def unsupported(kind: str) -> Denial:
    """Return what is said of a filter that Istio does not do."""
    return Denial("InvalidFilter", f'unsupported filter type "{kind}"', True)


def with_headers(
    before: networking_route.Headers | None, block: filters.HTTPRouteFilter
) -> networking_route.Headers:
    """Return header changes with those of a filter."""
    found = before or networking_route.Headers()
    request, response = found.request, found.response
    if block.request_header_modifier is not None:
        request = _operations(block.request_header_modifier)
    if block.response_header_modifier is not None:
        response = _operations(block.response_header_modifier)
    return networking_route.Headers(request=request, response=response)


def _operations(block: filters.HTTPHeaderFilter) -> networking_route.HeaderOperations:
    return networking_route.HeaderOperations(
        set=_pairs(block.set),
        add=_pairs(block.add),
        remove=tuple(name.lower() for name in block.remove),
    )


def _pairs(given: Sequence[filters.HTTPHeader]) -> dict[str, str]:
    """Return headers by name; of equal names the first counts."""
    found: dict[str, str] = {}
    for header in given:
        found.setdefault(header.name.lower(), header.value)
    return found


def redirect(block: filters.HTTPRequestRedirectFilter) -> networking_route.HTTPRedirect:
    """Return a redirect. Without a port it keeps that of the listener, or with a scheme the
    scheme's own."""
    path = block.path
    derive = "FROM_PROTOCOL_DEFAULT" if block.scheme else "FROM_REQUEST_PORT"
    return networking_route.HTTPRedirect(
        uri=(path.replace_full_path or "") if path is not None else "",
        prefix_rewrite=(path.replace_prefix_match or "") if path is not None else "",
        authority=block.hostname,
        scheme=block.scheme,
        port=block.port,
        derive_port=None if block.port is not None else derive,
        redirect_code=block.status_code,
    )


def rewrite(block: filters.HTTPURLRewriteFilter, prefix: str) -> networking_route.HTTPRewrite:
    """Return a rewrite. A prefix that is taken away whole leaves one slash, whatever follows."""
    path = block.path
    if path is None:
        return networking_route.HTTPRewrite(authority=block.hostname)
    if path.replace_full_path is not None:
        whole = networking_route.RegexRewrite(match=_WHOLE_PATH, rewrite=path.replace_full_path)
        return networking_route.HTTPRewrite(authority=block.hostname, uri_regex_rewrite=whole)
    wanted = (path.replace_prefix_match or "").rstrip("/")
    if wanted:
        return networking_route.HTTPRewrite(authority=block.hostname, uri=wanted)
    cut = networking_route.RegexRewrite(
        match=f"^{re.escape(prefix.rstrip('/'))}(/?)(.*)", rewrite=r"/\2"
    )
    return networking_route.HTTPRewrite(authority=block.hostname, uri_regex_rewrite=cut)


def cors(block: filters.HTTPCORSFilter) -> networking_route.CorsPolicy:
    """Return cross-origin rules; preflights of other origins do not reach the application."""
    return networking_route.CorsPolicy(
        allow_origins=tuple(_origin(text) for text in block.allow_origins),
        allow_methods=tuple(block.allow_methods),
        allow_headers=tuple(block.allow_headers),
        expose_headers=tuple(block.expose_headers),
        max_age=f"{block.max_age}s" if block.max_age > 0 else "",
        allow_credentials=block.allow_credentials,
        unmatched_preflights="IGNORE",
    )


def _origin(text: str) -> types.StringMatch:
    if text == "*":
        return types.StringMatch(regex=_ORIGIN)
    if "*" not in text:
        return types.StringMatch(exact=text)
    if text.index("*") == len(text) - 1:
        return types.StringMatch(prefix=text[:-1])
    return types.StringMatch(regex=".*".join(re.escape(part) for part in text.split("*")))


def timing(rule: routes.HTTPRouteRule) -> dict[str, Any]:
    """Return the fields of timeouts and retries. A time of 0 s is none; that of one try is the
    whole's where nothing is tried again."""
    whole = _time(rule.timeouts.request) if rule.timeouts is not None else ""
    one = _time(rule.timeouts.backend_request) if rule.timeouts is not None else ""
    if rule.retry is None:
        return {"timeout": one or whole}
    attempts = rule.retry.attempts
    codes = [str(code) for code in rule.retry.codes]
    made = networking_route.HTTPRetry(
        attempts=_ATTEMPTS if attempts is None else attempts,
        retry_on=",".join([RETRY_ON, *codes]),
        backoff=rule.retry.backoff,
        per_try_timeout=one,
    )
    return {"timeout": whole, "retries": made}


def _time(text: str) -> str:
    return "" if re.fullmatch(r"(0(ms|s|m|h))+", text) else text
