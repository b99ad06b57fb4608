"""The HTTP filters that may answer or change a request, in their order. Pure."""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from lateen.predict.connection import authorizers, peer
from lateen.predict.envoy import any_messages, config, metadata, rbac, routes, strings
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.http import tokens, weights
from lateen.predict.http.exchange import Exchange, Local
from lateen.predict.values.request import Http
from lateen.predict.values.trail import PRESENT, Test

_RBAC = "envoy.filters.http.rbac"
"""The name under which rules note what they found."""
_ALPN_STATE = "envoy.network.application_protocols"
_OF_GRPC = 200
"""What HTTP says of a fault that is a gRPC status, whoever asks."""
_QUIET = (
    "http.grpc_stats.v3.FilterConfig",
    "http.grpc_web.v3.GrpcWeb",
    "http.router.v3.Router",
    "http.compressor.v3.Compressor",
    "http.dynamic_forward_proxy.v3.FilterConfig",
    "common.matching.v3.ExtensionWithMatcher",
    "io.istio.http.peer_metadata.Config",
    "stats.PluginConfig",
)
"""Filters that neither answer nor decide where a request goes; the last two are Istio's own, which
note who speaks to whom and count it."""


def run_through(exchange: Exchange) -> Local | None:
    """Run all filters; return the answer of one that gave one."""
    for each in exchange.manager.http_filters:
        if each.disabled:
            continue
        answer = _one(exchange, each)
        if answer is not None:
            return answer
    return None


def _one(exchange: Exchange, each: Any) -> Local | None:
    if each.WhichOneof("config_type") == "config_discovery":
        kind, opened = exchange.hop.proxy.extension(each.name)
    else:
        kind = any_messages.type_of(each.typed_config)
        opened = any_messages.opened(each.typed_config)
    own = _of_route(exchange, each.name)
    if own is not None and any_messages.type_of(own).endswith("route.v3.FilterConfig"):
        override: Any = any_messages.opened(own)
        if override.disabled:
            return None
        own = override.config
    if kind.endswith(_QUIET):
        return None
    for ending, run in _FILTERS.items():
        if kind.endswith(ending) and _is_read(opened, own):
            return run(exchange, opened, own)
    raise UnknownError(f"the HTTP filter {each.name} of {exchange.hop.name}")


def _is_read(opened: Any | None, own: Any | None) -> bool:
    """Whether both settings of a filter, its own and the route's for it, are of known types."""
    return opened is not None and (own is None or any_messages.known(own))


def _of_route(exchange: Exchange, name: str) -> Any | None:
    """Return what a route, else its virtual host, says to a filter, as the Any that it is."""
    routed = exchange.routed
    if routed is None or routed.needs_tls:
        return None  # the redirect to https is a route of its own, which says nothing to filters
    for level in (routed.route, routed.host):
        if level is not None and name in level.typed_per_filter_config:
            return level.typed_per_filter_config[name]
    return None


def _authorize(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    hop = exchange.hop
    of_route: Any = any_messages.opened(own) if own is not None else None
    if of_route is not None:
        opened = of_route.rbac  # a route's rules stand in place of the filter's
    subject = msgspec.structs.replace(peer.subject(hop), request=exchange.request)
    if told := rbac.noted(opened, subject):
        exchange.request = exchange.request.with_metadata(_RBAC, json.dumps(told))
    if not opened.HasField("rules"):
        return None
    ruling = rbac.judge(opened.rules, subject)
    if ruling.allowed:
        peer.note_allowed(exchange.run, hop, ruling)
        return None
    sources = config.known(hop.policy_source(ruling.policy)) or hop.policy_sources()
    exchange.run.step(
        "authorization", f"refused: {ruling.policy}", at=hop.name, ok=False, sources=sources
    )
    code = "rbac-denied" if ruling.policy != "none" else "rbac-not-allowed"
    if code == "rbac-not-allowed":
        code = _unknown_client(exchange, opened.rules)
    exchange.run.fail(code, sources, len(exchange.run.legs) - 1)
    details = f"rbac_access_denied_matched_policy[{ruling.policy}]"
    return Local(403, details, code=code, sources=sources)


def _ask(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    """Ask an authorizer, where the rules before have noted that it is to be asked."""
    known = metadata.written(exchange.request, _RBAC)
    asked = authorizers.ask(exchange.run, exchange.hop, opened, known)
    if asked.code == "ok":
        return None
    status = opened.status_on_error.code if asked.code == authorizers.UNREACHABLE else 0
    details = "ext_authz_error" if asked.code == authorizers.UNREACHABLE else "ext_authz_denied"
    return Local(status or 403, details, flags=("UAEX",), code=asked.code, sources=asked.sources)


def _unknown_client(exchange: Exchange, rules: Any) -> str:
    """Return the class of a request that no rule allows: rules may ask for what it does not
    have."""
    if rbac.asks_token(rules):
        return "rbac-no-token"
    if exchange.hop.certificate is None and rbac.asks_identity(rules):
        return "rbac-no-identity"
    return "rbac-not-allowed"


def _filter_state(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    """Take the ALPN that the upstream handshake is to offer."""
    setting: Any = any_messages.opened(own) if own is not None else opened
    for value in setting.on_request_headers:
        if value.object_key != _ALPN_STATE:
            continue
        text = value.format_string.text_format_source.inline_string
        exchange.alpn = weights.offered(text, exchange.request.version)
    return None


def _istio_alpn(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    """Istio's filter: what is offered upstream goes by the protocol that is spoken there."""
    for each in opened.get("alpn_override", ()):
        spoken = str(each.get("upstream_protocol") or "HTTP10")
        exchange.alpn_by_protocol[spoken] = tuple(each.get("alpn_override", ()))
    return None


def _fault(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    setting: Any = any_messages.opened(own) if own is not None else opened
    routed = exchange.routed
    where = routed.route.metadata if routed is not None and routed.route is not None else None
    sources = config.known(config.written(where, "fault")) if where is not None else ()
    if setting.HasField("delay") and setting.delay.HasField("fixed_delay"):
        share = routes.fraction(setting.delay.percentage)
        seconds = setting.delay.fixed_delay.ToTimedelta().total_seconds()
        if exchange.run.choices.happens(share, "a delay is injected"):
            exchange.run.step(
                "fault", f"a delay of {seconds:g} s", at=exchange.hop.name, sources=sources
            )
            exchange.seconds += seconds
            exchange.flags = (*exchange.flags, "DI")
    if setting.HasField("abort"):
        share = routes.fraction(setting.abort.percentage)
        status = _OF_GRPC
        if setting.abort.WhichOneof("error_type") == "http_status":
            status = setting.abort.http_status
        if exchange.run.choices.happens(share, "a fault is injected"):
            return _abort(exchange, status, sources)
    return None


def _abort(exchange: Exchange, status: int, sources: tuple[Any, ...]) -> Local:
    exchange.run.step("fault", f"answers {status}", at=exchange.hop.name, ok=False, sources=sources)
    return Local(
        status,
        "fault_filter_abort",
        flags=("FI",),
        code="fault-injected",
        seconds=exchange.seconds,
        onward=True,
        sources=sources,
    )


def _cors(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    """Answer a preflight whose origin is allowed."""
    if own is None:
        return None
    policy: Any = any_messages.opened(own)
    request = exchange.request
    if not request.noted("method", _PREFLIGHT, request.method == "OPTIONS"):
        return None
    origin = _filled(request, "origin")
    if not origin or not _filled(request, "access-control-request-method"):
        return None
    if any(_is_origin(each, request, origin) for each in policy.allow_origin_string_match):
        exchange.run.step("CORS", "answers the preflight", at=exchange.hop.name)
        return Local(200, "cors_response", code="direct-response")
    onward = policy.forward_not_matching_preflights
    if policy.HasField("forward_not_matching_preflights") and not onward.value:
        return Local(200, "cors_response", code="direct-response")
    return None


_PREFLIGHT = Test(kind="exact", value="OPTIONS")


def _filled(request: Http, name: str) -> str:
    """Return a header's value; empty where there is none."""
    value, field = request.header(name), f"header {name}"
    if not request.noted(field, PRESENT, value is not None):
        return ""
    request.noted(field, Test(kind="exact"), value == "")
    return value or ""


def _is_origin(matcher: Any, request: Http, origin: str) -> bool:
    found = strings.matches(matcher, origin)
    return request.noted("header origin", strings.test_of(matcher), found)


def _header_mutation(exchange: Exchange, opened: Any, own: Any | None) -> Local | None:
    """Set and remove headers; a header that the proxy fills in is there, with whatever value."""
    for each in opened.mutations.request_mutations:
        kind = each.WhichOneof("action")
        if kind == "remove":
            exchange.request = exchange.request.without_header(each.remove.lower())
        elif kind == "append":
            header = each.append.header
            exchange.request = exchange.request.with_header(header.key.lower(), header.value)
    return None


_Filter = Callable[[Exchange, Any, Any | None], Local | None]
_FILTERS: dict[str, _Filter] = {
    "http.jwt_authn.v3.JwtAuthentication": tokens.authenticate,
    "http.rbac.v3.RBAC": _authorize,
    "http.ext_authz.v3.ExtAuthz": _ask,
    "http.set_filter_state.v3.Config": _filter_state,
    any_messages.ISTIO_ALPN: _istio_alpn,
    "http.fault.v3.HTTPFault": _fault,
    "http.cors.v3.Cors": _cors,
    "http.header_mutation.v3.HeaderMutation": _header_mutation,
}
