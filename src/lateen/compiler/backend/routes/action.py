"""What a route does: forward, redirect, answer; retries, faults, CORS, headers, mirrors. Pure."""

from collections.abc import Iterable

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.common.fault.v3 import fault_pb2 as common_fault_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2
from envoy.type.v3 import percent_pb2

from lateen.compiler.backend import pack
from lateen.compiler.backend.routes import match
from lateen.compiler.ir.policy import HashKey
from lateen.compiler.ir.routing import (
    Cors,
    DirectResponse,
    Fault,
    HeaderOps,
    Mirror,
    Redirect,
    RetryPolicy,
    Rewrite,
)

_NONE = HeaderOps()
_Append = base_pb2.HeaderValueOption.HeaderAppendAction
_Redirect = route_components_pb2.RedirectAction
_REDIRECT_CODES = {
    301: _Redirect.MOVED_PERMANENTLY,
    302: _Redirect.FOUND,
    303: _Redirect.SEE_OTHER,
    307: _Redirect.TEMPORARY_REDIRECT,
    308: _Redirect.PERMANENT_REDIRECT,
}


def _millionths(ppm: int) -> percent_pb2.FractionalPercent:
    return percent_pb2.FractionalPercent(
        numerator=ppm, denominator=percent_pb2.FractionalPercent.DenominatorType.MILLION
    )


def header_options(
    operations: HeaderOps,
) -> Iterable[base_pb2.HeaderValueOption]:
    """Yield what is set (overwrite or add), then what is added (append), keys sorted."""
    for pairs, action in (
        (operations.set, _Append.OVERWRITE_IF_EXISTS_OR_ADD),
        (operations.add, _Append.APPEND_IF_EXISTS_OR_ADD),
    ):
        for key, value in sorted(pairs):
            yield base_pb2.HeaderValueOption(
                header=base_pb2.HeaderValue(key=key, value=value),
                append_action=action,
            )


def write_headers(
    out: route_components_pb2.Route | route_components_pb2.WeightedCluster.ClusterWeight,
    request: HeaderOps,
    response: HeaderOps,
) -> None:
    """Write header edits into a route or one weighted destination."""
    if request == _NONE and response == _NONE:
        return
    out.request_headers_to_add.extend(header_options(request))
    out.request_headers_to_remove.extend(request.remove)
    out.response_headers_to_add.extend(header_options(response))
    out.response_headers_to_remove.extend(response.remove)


def retry_policy(policy: RetryPolicy) -> route_components_pb2.RetryPolicy:
    """Return a retry policy; `attempts` must be above 0. Tries another host than the last."""
    out = route_components_pb2.RetryPolicy(
        retry_on=policy.retry_on, host_selection_retry_max_attempts=5
    )
    out.num_retries.value = policy.attempts
    out.retriable_status_codes.extend(policy.status_codes)
    if policy.avoid_previous_hosts:
        predicate = out.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts")
        predicate.typed_config.CopyFrom(pack.any_of(previous_hosts_pb2.PreviousHostsPredicate()))
    if policy.remote_localities:
        out.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        out.retry_priority.typed_config.CopyFrom(
            pack.any_of(previous_priorities_config_pb2.PreviousPrioritiesConfig(update_frequency=2))
        )
    if policy.per_try_timeout is not None:
        out.per_try_timeout.CopyFrom(pack.duration(policy.per_try_timeout))
    if policy.backoff is not None:
        out.retry_back_off.base_interval.CopyFrom(pack.duration(policy.backoff))
    return out


def fault(policy: Fault) -> fault_pb2.HTTPFault:
    """Return the fault filter's setting for one route."""
    out = fault_pb2.HTTPFault()
    if policy.delay is not None and policy.delay_ppm:
        out.delay.CopyFrom(
            common_fault_pb2.FaultDelay(
                fixed_delay=pack.duration(policy.delay), percentage=_millionths(policy.delay_ppm)
            )
        )
    if policy.abort_ppm and policy.abort_status is not None:
        out.abort.http_status = policy.abort_status
        out.abort.percentage.CopyFrom(_millionths(policy.abort_ppm))
    elif policy.abort_ppm and policy.abort_grpc is not None:
        out.abort.grpc_status = policy.abort_grpc
        out.abort.percentage.CopyFrom(_millionths(policy.abort_ppm))
    return out


def cors(policy: Cors) -> cors_pb2.CorsPolicy:
    """Return the CORS filter's setting for one route."""
    out = cors_pb2.CorsPolicy()
    out.allow_origin_string_match.extend(match.string(o) for o in policy.origins)
    out.allow_methods = ",".join(policy.methods)
    out.allow_headers = ",".join(policy.headers)
    out.expose_headers = ",".join(policy.expose)
    if policy.max_age is not None:
        out.max_age = str(int(policy.max_age))
    if policy.credentials is not None:
        out.allow_credentials.value = policy.credentials
    out.filter_enabled.default_value.numerator = 100
    out.forward_not_matching_preflights.value = policy.forward_unmatched_preflights
    return out


def mirror(policy: Mirror) -> route_components_pb2.RouteAction.RequestMirrorPolicy:
    """Return a mirror; the copy keeps its Host unless the Istio version appends `-shadow`."""
    out = route_components_pb2.RouteAction.RequestMirrorPolicy(
        cluster=policy.cluster, disable_shadow_host_suffix_append=not policy.host_suffix
    )
    out.runtime_fraction.default_value.CopyFrom(_millionths(policy.ppm))
    out.trace_sampled.value = False
    return out


def hash_policy(key: HashKey) -> route_components_pb2.RouteAction.HashPolicy:
    """Return what consistent hashing hashes."""
    out = route_components_pb2.RouteAction.HashPolicy()
    if key.kind == "header":
        out.header.header_name = key.name
    elif key.kind == "cookie":
        out.cookie.name = key.name
        out.cookie.path = key.path
        if key.ttl is not None:
            out.cookie.ttl.CopyFrom(pack.duration(key.ttl))
        for name, value in key.attributes:
            out.cookie.attributes.add(name=name, value=value)
    elif key.kind == "query":
        out.query_parameter.name = key.name
    else:
        out.connection_properties.source_ip = True
    return out


def rewrite(out: route_components_pb2.RouteAction, policy: Rewrite) -> None:
    """Write a rewrite. `uri` replaces the matched prefix; after an exact or regex match, the whole
    path. The query is kept."""
    if policy.regex:
        out.regex_rewrite.pattern.CopyFrom(match.regex(policy.regex))
        out.regex_rewrite.substitution = policy.substitution
    elif policy.uri:
        out.prefix_rewrite = policy.uri
    if policy.authority:
        out.host_rewrite_literal = policy.authority


def redirect(policy: Redirect) -> route_components_pb2.RedirectAction:
    """Return a redirect."""
    out = _Redirect(
        host_redirect=policy.authority, response_code=_REDIRECT_CODES.get(policy.code, 0)
    )
    if policy.scheme:
        out.scheme_redirect = policy.scheme
    if policy.prefix:
        out.prefix_rewrite = policy.prefix
    elif policy.uri:
        out.path_redirect = policy.uri
    if policy.port is not None:
        out.port_redirect = policy.port
    return out


def direct_response(policy: DirectResponse) -> route_components_pb2.DirectResponseAction:
    """Return a fixed answer."""
    out = route_components_pb2.DirectResponseAction(status=policy.status)
    if policy.body is not None:
        out.body.inline_bytes = policy.body
    return out
