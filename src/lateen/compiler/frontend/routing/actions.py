"""What a VirtualService's rule does to a request, apart from where it goes. Pure."""

import base64

from lateen.compiler.frontend import quantities, rejected_by_envoy
from lateen.compiler.frontend.routing import matches
from lateen.compiler.ir.proxy import Features
from lateen.compiler.ir.routing import (
    Cors,
    DirectResponse,
    Fault,
    HeaderOps,
    Redirect,
    RetryPolicy,
    Rewrite,
    StringMatch,
)
from lateen.model import grpcstatus
from lateen.model.istio import networking_route
from lateen.model.meta import Source

_HOST_HEADERS = ("host", ":authority")
_DEFAULT_PORTS = {"http": 80, "https": 443}

NO_HEADERS = HeaderOps()

_RETRY = RetryPolicy()
_RETRY_503 = RetryPolicy(status_codes=(503,))


def headers(operations: networking_route.HeaderOperations | None) -> tuple[HeaderOps, str]:
    """Return the header edits, keys in order, and the Host they set, which is a rewrite
    (`set` wins over `add`)."""
    if operations is None:
        return NO_HEADERS, ""
    host = _host(operations.set) or _host(operations.add)
    return HeaderOps(
        set=_pairs(operations.set), add=_pairs(operations.add), remove=tuple(operations.remove)
    ), host


def join(outer: HeaderOps, inner: HeaderOps) -> HeaderOps:
    """Return both edits as one, the rule's before the destination's."""
    if inner is NO_HEADERS:
        return outer
    return HeaderOps(
        set=outer.set + inner.set, add=outer.add + inner.add, remove=outer.remove + inner.remove
    )


def rewrite(block: networking_route.HTTPRewrite | None, header_host: str) -> Rewrite | None:
    """Return path and host rewrite; `rewrite.authority` wins over a Host set by headers."""
    if block is None:
        return Rewrite(authority=header_host) if header_host else None
    regex = block.uri_regex_rewrite
    if regex is not None and regex.rewrite and not rejected_by_envoy.text(regex.rewrite):
        regex = None
    return Rewrite(
        uri=rejected_by_envoy.text(block.uri),
        authority=rejected_by_envoy.text(block.authority) or header_host,
        regex=regex.match if regex is not None else "",
        substitution=regex.rewrite if regex is not None else "",
    )


def redirect(block: networking_route.HTTPRedirect, dialed: int, *, secure: bool) -> Redirect:
    """Return a redirect; the code defaults to 301.

    `dialed` is the port that the client dialed, in TLS if `secure`: FROM_REQUEST_PORT means it, as
    routes are made per port, while FROM_PROTOCOL_DEFAULT writes none. The default port of the
    scheme that is redirected to is never written.
    """
    port = dialed if block.derive_port == "FROM_REQUEST_PORT" else block.port
    if port == _DEFAULT_PORTS.get(block.scheme or ("https" if secure else "http")):
        port = None
    return Redirect(
        uri=rejected_by_envoy.text(block.uri),
        prefix=rejected_by_envoy.text(block.prefix_rewrite),
        authority=rejected_by_envoy.text(block.authority),
        scheme=block.scheme,
        port=port or None,
        code=block.redirect_code or 301,
    )


def direct_response(block: networking_route.HTTPDirectResponse) -> DirectResponse:
    """Return a direct response; a body in base64 that cannot be read is left out."""
    body: bytes | None = None
    if block.body is not None and block.body.string is not None:
        body = block.body.string.encode()
    elif block.body is not None and block.body.bytes is not None:
        try:
            body = base64.b64decode(block.body.bytes, validate=True)
        except ValueError:
            body = None
    return DirectResponse(status=block.status, body=body)


def default_retries(features: Features) -> RetryPolicy:
    """Return Istio's retry policy for a route that has none of its own."""
    return _RETRY_503 if features.retry_503 else _RETRY


def retries(block: networking_route.HTTPRetry | None, features: Features) -> RetryPolicy:
    """Return the retry policy of a rule. Status codes among `retryOn` become retriable."""
    default = default_retries(features)
    if block is None:
        return default
    if block.attempts <= 0:
        return RetryPolicy(attempts=0, retry_on="", avoid_previous_hosts=False)
    conditions, codes = default.retry_on, default.status_codes
    if block.retry_on:
        conditions, codes = _retry_on(block.retry_on)
    avoid = block.retry_ignore_previous_hosts
    return RetryPolicy(
        attempts=block.attempts,
        retry_on=conditions,
        status_codes=codes,
        per_try_timeout=quantities.seconds(block.per_try_timeout),
        backoff=quantities.seconds(block.backoff),
        avoid_previous_hosts=True if avoid is None else avoid,
        remote_localities=bool(block.retry_remote_localities),
    )


def fault(block: networking_route.HTTPFaultInjection | None, source: Source) -> Fault | None:
    """Return the faults to inject. An abort without a percentage never happens, as on Istio."""
    if block is None:
        return None
    delay, abort = block.delay, block.abort
    delay_ppm = abort_ppm = 0
    if delay is not None:
        share = delay.percentage.value if delay.percentage is not None else delay.percent
        delay_ppm = quantities.parts_per_million(share)
    if abort is not None and abort.percentage is not None:
        abort_ppm = quantities.parts_per_million(abort.percentage.value)
    status = abort.http_status if abort is not None and abort_ppm else None
    grpc = abort.grpc_status if abort is not None and abort_ppm else None
    wait = quantities.seconds(delay.fixed_delay) if delay is not None else None
    if not (wait and delay_ppm) and status is None and grpc is None:
        return None
    return Fault(
        delay=wait if delay_ppm else None,
        delay_ppm=delay_ppm if wait else 0,
        abort_status=status,
        abort_grpc=_grpc_code(grpc) if grpc is not None else None,
        abort_ppm=abort_ppm,
        source=source,
    )


def cors(block: networking_route.CorsPolicy | None) -> Cors | None:
    """Return the CORS policy."""
    if block is None:
        return None
    origins = tuple(matches.text(origin) for origin in block.allow_origins)
    legacy = tuple(_legacy_origin(origin) for origin in block.allow_origin)
    return Cors(
        origins=origins or legacy,
        methods=tuple(block.allow_methods),
        headers=tuple(block.allow_headers),
        expose=tuple(block.expose_headers),
        max_age=quantities.seconds(block.max_age),
        credentials=block.allow_credentials,
        forward_unmatched_preflights=block.unmatched_preflights != "IGNORE",
    )


def _legacy_origin(origin: str) -> StringMatch:
    if origin == "*":
        return StringMatch(kind="regex", value=".*")
    return StringMatch(kind="exact", value=origin)


def _grpc_code(name: str) -> int | None:
    return int(name) if name.isascii() and name.isdigit() else grpcstatus.CODES.get(name.upper())


def _retry_on(text: str) -> tuple[str, tuple[int, ...]]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    codes = tuple(int(w) for w in words if w.isascii() and w.isdigit() and 100 <= int(w) < 600)
    conditions = [w for w in words if not (w.isascii() and w.isdigit())]
    if codes and "retriable-status-codes" not in conditions:
        conditions.append("retriable-status-codes")
    return ",".join(conditions), codes


def _host(pairs: dict[str, str]) -> str:
    return next((v for k, v in sorted(pairs.items()) if k.lower() in _HOST_HEADERS), "")


def _pairs(pairs: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((k, v) for k, v in sorted(pairs.items()) if k.lower() not in _HOST_HEADERS)
