"""Rules for what an HTTP route does beside routing: headers, CORS, faults, copies, retries.

Pure.
"""

import re
from collections.abc import Mapping

from lateen.model import grpcstatus
from lateen.model.istio.networking_route import (
    CorsPolicy,
    FaultAbort,
    FaultDelay,
    Headers,
    HTTPFaultInjection,
    HTTPRetry,
    HTTPRoute,
)
from lateen.model.schema import durations, fieldpath
from lateen.model.validation import syntax
from lateen.model.validation.istio import destinations, shared
from lateen.model.validation.report import Report

_HOST_HEADERS = frozenset(("host", ":authority"))
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*")
)
_RETRY_ON = frozenset(
    (
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    )
)
_KNOWN_STATUS = frozenset(
    (
        *range(100, 104),
        *range(200, 209),
        226,
        *range(300, 306),
        307,
        308,
        *range(400, 419),
        *range(421, 427),
        428,
        429,
        431,
        451,
        *range(500, 509),
        510,
        511,
    )
)


def headers(report: Report, value: Headers | None, path: str) -> None:
    """Check header changes. Only a request's Host may be replaced, none may be removed."""
    if value is None:
        return
    if value.request is not None:
        _written(report, value.request.set, f"{path}.request.set", host=True)
        _written(report, value.request.add, f"{path}.request.add", host=True)
        _removed(report, value.request.remove, f"{path}.request.remove")
    if value.response is not None:
        _written(report, value.response.set, f"{path}.response.set", host=False)
        _written(report, value.response.add, f"{path}.response.add", host=False)
        _removed(report, value.response.remove, f"{path}.response.remove")


def _written(report: Report, values: Mapping[str, str], path: str, *, host: bool) -> None:
    for name, text in values.items():
        at = fieldpath.join(path, name)
        if not (host and name.lower() in _HOST_HEADERS):
            report.check(at, _plain_header(name))
        report.check(at, syntax.header_value(text))


def _removed(report: Report, names: tuple[str, ...], path: str) -> None:
    for index, name in enumerate(names):
        report.check(f"{path}[{index}]", _plain_header(name))


def _plain_header(name: str) -> str:
    if name.startswith(":") or name.lower() == "host":
        return f"invalid header {name!r}: header cannot have ':' prefix or be Host"
    return syntax.header_name(name)


def authority_once(report: Report, rule: HTTPRoute, path: str) -> None:
    """Check that the Host header is replaced in one place only."""
    request = rule.headers.request if rule.headers is not None else None
    ways = [rule.rewrite is not None and bool(rule.rewrite.authority)]
    for operations in (request.set, request.add) if request is not None else ():
        ways.append(any(name.lower() in _HOST_HEADERS for name in operations))
    if sum(ways) > 1:
        report.error(path, "authority may be set only once: by rewrite, headers set or headers add")


def cors(report: Report, policy: CorsPolicy | None, path: str) -> None:
    """Check a CORS policy."""
    if policy is None:
        return
    for index, origin in enumerate(policy.allow_origins):
        if origin.exact is None and origin.prefix is None and origin.regex is None:
            report.error(
                f"{path}.allowOrigins[{index}]",
                "'' is not a valid match type for CORS allow origins",
            )
        shared.string_match(report, origin, f"{path}.allowOrigins[{index}]")
        if origin.exact == "":
            report.error(f"{path}.allowOrigins[{index}].exact", "origin cannot be empty")
    for index, method in enumerate(policy.allow_methods):
        if method not in _METHODS:
            report.error(
                f"{path}.allowMethods[{index}]", f"{method!r} is not a supported HTTP method"
            )
    for names, field in (
        (policy.allow_headers, "allowHeaders"),
        (policy.expose_headers, "exposeHeaders"),
    ):
        for index, name in enumerate(names):
            if name != "*":
                report.check(f"{path}.{field}[{index}]", syntax.header_name(name))
    if policy.max_age:
        problem = syntax.duration(policy.max_age)
        if not problem and durations.nanoseconds(policy.max_age) % 1_000_000_000:
            problem = "max_age duration is accurate only to seconds precision"
        report.check(f"{path}.maxAge", problem)


def fault(report: Report, value: HTTPFaultInjection | None, path: str) -> None:
    """Check faults put in on purpose."""
    if value is None:
        return
    if value.delay is None and value.abort is None:
        report.error(path, "HTTP fault injection must have an abort and/or a delay")
    if value.abort is not None:
        _abort(report, value.abort, f"{path}.abort")
    if value.delay is not None:
        _delay(report, value.delay, f"{path}.delay")


def _abort(report: Report, abort: FaultAbort, path: str) -> None:
    shared.percentage(report, abort.percentage, f"{path}.percentage")
    if abort.http2_error is not None:
        report.error(f"{path}.http2Error", "HTTP/2 abort fault injection not supported yet")
    elif abort.http_status is not None:
        if not 200 <= abort.http_status <= 600:
            report.error(
                f"{path}.httpStatus", f"HTTP status {abort.http_status} is not in range 200-599"
            )
    elif abort.grpc_status is not None:
        if abort.grpc_status not in grpcstatus.CODES:
            report.error(
                f"{path}.grpcStatus", f"gRPC status {abort.grpc_status!r} is not supported"
            )
    else:
        report.warn(path, "abort without a status has no effect")


def _delay(report: Report, delay: FaultDelay, path: str) -> None:
    if delay.percent:
        report.warn(f"{path}.percent", "deprecated: use percentage")
        report.check(f"{path}.percent", syntax.percent(delay.percent))
    shared.percentage(report, delay.percentage, f"{path}.percentage")
    if delay.exponential_delay:
        report.error(f"{path}.exponentialDelay", "exponentialDelay not supported yet")
    elif not delay.fixed_delay:
        report.error(f"{path}.fixedDelay", "fixedDelay is required")
    else:
        shared.duration(report, delay.fixed_delay, f"{path}.fixedDelay")


def mirrors(report: Report, rule: HTTPRoute, path: str) -> None:
    """Check where copies go."""
    if rule.mirror is not None and rule.mirrors:
        report.error(path, "HTTP route cannot contain both mirror and mirrors")
    if rule.mirror is not None:
        destinations.destination(report, rule.mirror, f"{path}.mirror")
    if rule.mirror_percent is not None:
        report.warn(
            f"{path}.mirrorPercent", "using deprecated setting mirrorPercent; use mirrorPercentage"
        )
        if rule.mirror_percent > 100:
            report.error(
                f"{path}.mirrorPercent",
                f"mirror percent must be <= 100 (it has {rule.mirror_percent})",
            )
    shared.percentage(report, rule.mirror_percentage, f"{path}.mirrorPercentage")
    for index, mirror in enumerate(rule.mirrors):
        destinations.destination(report, mirror.destination, f"{path}.mirrors[{index}].destination")
        shared.percentage(report, mirror.percentage, f"{path}.mirrors[{index}].percentage")


def retries(report: Report, value: HTTPRetry | None, path: str) -> None:
    """Check a retry policy."""
    if value is None:
        return
    if value.attempts < 0:
        report.error(f"{path}.attempts", "attempts cannot be negative")
    given = value.per_try_timeout or value.retry_on or value.retry_remote_localities is not None
    if value.attempts == 0 and given:
        report.error(path, "http retry policy configured when attempts are set to 0 (disabled)")
    shared.duration(report, value.per_try_timeout, f"{path}.perTryTimeout")
    shared.duration(report, value.backoff, f"{path}.backoff")
    for token in filter(None, (part.strip() for part in value.retry_on.split(","))):
        known = int(token) in _KNOWN_STATUS if re.fullmatch("[0-9]+", token) else token in _RETRY_ON
        if not known:
            report.error(f"{path}.retryOn", f"{token!r} is not a valid retryOn policy")
