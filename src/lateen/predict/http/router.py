"""The router: where a route sends a request, how often, and what is answered in the end. Pure."""

from typing import Any

import msgspec

from lateen.predict.connection import upstream
from lateen.predict.connection.choices import Option
from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Run, WireReply, party_of
from lateen.predict.envoy import clusters, config, retries, routes
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.http import grpc, weights
from lateen.predict.http.exchange import Exchange, Local
from lateen.predict.values.outcome import Leg, Log, Party
from lateen.predict.values.request import Http

_DEFAULT_TIMEOUT = 15.0
"""Of a route that names none, in seconds."""
_BEFORE = "upstream_reset_before_response_started"
_DELAYED = "remote_connection_failure|delayed_connect_error:"
_REASONS = {
    "refused": f"{_DELAYED}_Connection_refused",
    "unreachable": f"{_DELAYED}_Network_is_unreachable",
    "timeout": "connection_timeout",
    "handshake": "remote_connection_failure|TLS_error",
    "closed": "connection_termination",
    "tls": "connection_termination",
    "protocol": "protocol_error",
}


_FLAGS = {"closed": "UC", "tls": "UC", "protocol": "UPE"}
_BLOCKING_ROUTE = "block_all"
"""Where a mesh sends what it does not know, if nothing unknown may leave."""


def send(exchange: Exchange) -> WireReply:
    """Return what a request gets, once no filter has answered it."""
    run, hop, routed = exchange.run, exchange.hop, exchange.routed
    if routed is None or (routed.route is None and not routed.needs_tls):
        sources = _looked_at(routed)
        local = Local(404, "route_not_found", ("NR",), "no-route", onward=True, sources=sources)
        return stopped(run, hop, local, exchange.request, exchange.flags)
    if routed.needs_tls:
        return _answered(exchange, Local(301, "direct_response"))
    route: Any = routed.route
    kind = route.WhichOneof("action")
    sources = config.known(config.written(route.metadata, "source"))
    if kind == "direct_response":
        status = route.direct_response.status
        run.step("route", f"answers {status} itself", at=hop.name, sources=sources)
        code = "blocked" if route.name == _BLOCKING_ROUTE else "direct-response"
        return _answered(exchange, Local(status, "direct_response", code=code))
    if kind == "redirect":
        status = _redirects(route.redirect)
        run.step("route", f"redirects with {status}", at=hop.name, sources=sources)
        return _answered(exchange, Local(status, "direct_response", code="direct-response"))
    if kind != "route":
        raise UnknownError(f"a route that does {kind}")
    return _forward(exchange, route)


def _looked_at(routed: routes.Routed | None) -> tuple[Any, ...]:
    """Return what a request that no route is for was compared with."""
    if routed is None or routed.host is None:
        return ()
    passed = (config.written(each.route.metadata, "source") for each in routed.passed)
    return config.known(config.written(routed.host.metadata, "source"), *passed)


def _redirects(action: Any) -> int:
    return {0: 301, 1: 302, 2: 303, 3: 307, 4: 308}[action.response_code]


def _answered(exchange: Exchange, local: Local) -> WireReply:
    hop = exchange.hop
    flags = (*exchange.flags, *local.flags)
    status, words = grpc.answer(exchange.request, local.status)
    log = Log(proxy=hop.name, kind="http", status=status, flags=flags, details=local.details)
    if status >= 400 or local.code == "blocked":
        exchange.run.fail(local.code, local.sources)
    return WireReply(
        kind="answer",
        server=party_of(hop.pod, port=hop.taken.port),
        status=status,
        grpc=words,
        log=log,
        seconds=exchange.seconds,
    )


def stopped(
    run: Run, hop: Hop, local: Local, request: Http, flags: tuple[str, ...] = ()
) -> WireReply:
    """Answer for a step that is not taken: there is a leg to nowhere, or, at a
    server's sidecar, to its application, on which nothing is sent. `flags`: what filters have
    noted before."""
    status, words = grpc.answer(request, local.status)
    log = Log(
        proxy=hop.name,
        kind="http",
        status=status,
        flags=(*flags, *local.flags),
        details=local.details,
    )
    place = run.reserve()
    onward = Party("app", hop.pod.name) if hop.inbound else upstream.NOWHERE
    leg = Leg(client=party_of(hop.pod), server=onward, client_log=log, failed=True)
    run.put(place, leg)
    run.fail(local.code, local.sources, place)
    server = party_of(hop.pod, port=hop.taken.port)
    return WireReply(
        kind="answer", server=server, status=status, grpc=words, log=log, seconds=local.seconds
    )


def _choose_cluster(exchange: Exchange, route: Any) -> tuple[str, Any]:
    """Return the cluster's name, and what tells the filters of it: route or destination."""
    action = route.route
    kind = action.WhichOneof("cluster_specifier")
    if kind == "cluster":
        return action.cluster, route
    if kind != "weighted_clusters":
        raise UnknownError(f"a cluster chosen by {kind}")
    rows = clusters.weighted(action.weighted_clusters.clusters)
    options = [Option(f"the draw falls on {each.name}", share) for each, share in rows]
    each = rows[exchange.run.choices.choose(options)][0]
    return each.name, each


def _forward(exchange: Exchange, route: Any) -> WireReply:
    run, hop = exchange.run, exchange.hop
    name, chosen = _choose_cluster(exchange, route)
    run.cluster = run.cluster or ("" if hop.inbound else name)
    request = routes.rewritten(route, exchange.request)
    if chosen is not route:
        request = weights.edited(chosen, request)
        exchange.alpn = weights.alpn(chosen, exchange.alpn, exchange.request.version)
    cluster = hop.proxy.cluster(name)
    sources = config.known(config.written(route.metadata, "source"))
    if cluster is None:
        run.step("destination", f"{name} does not exist", at=hop.name, ok=False, sources=sources)
        status = {0: 503, 1: 404, 2: 500}[route.route.cluster_not_found_response_code]
        missing = Local(
            status, "cluster_not_found", ("NC",), "no-such-destination", sources=sources
        )
        return stopped(run, hop, missing, exchange.request, exchange.flags)
    own = config.known(
        config.written(cluster.metadata, "source"), config.written(cluster.metadata, "rule")
    )
    if not hop.inbound:
        run.step("destination", name, at=hop.name, sources=own)
    if clusters.full(cluster):
        pool = config.known(config.written(cluster.metadata, "connectionPool"))
        details = f"{_BEFORE}{{overflow}}"
        full = Local(503, details, ("UO",), "overflow", sources=pool)
        return stopped(run, hop, full, exchange.request, exchange.flags)
    return _attempts(exchange, route, cluster, request, (*own, *sources))


def _timeout(action: Any) -> float:
    if not action.HasField("timeout"):
        return _DEFAULT_TIMEOUT
    return float(action.timeout.ToTimedelta().total_seconds())


def _attempts(
    exchange: Exchange, route: Any, cluster: Any, request: Http, sources: tuple[Any, ...]
) -> WireReply:
    """Try as often as the route's policy says; the last attempt is what is told of."""
    run, hop = exchange.run, exchange.hop
    policy = retries.policy_of(route.route)
    version = clusters.version_upstream(clusters.http_options(cluster), request.version)
    way = upstream.UpstreamOptions(
        cluster=cluster,
        alpn=exchange.alpn or weights.by_protocol(exchange.alpn_by_protocol, cluster, version),
        otherwise=("h2",) if version == "2" else ("http/1.1",),
        authority=request.authority,
    )
    content = msgspec.structs.replace(request, version=version, scheme="http")
    tried: set[tuple[str, int]] = set()
    attempt, mark = 1, run.mark()
    while True:
        endpoint = upstream.choose(run, hop, cluster, tried, request.authority)
        if endpoint is None:
            run.step("endpoints", "there are none", at=hop.name, ok=False, sources=sources)
            none = Local(
                503, "no_healthy_upstream", ("UH",), "no-healthy-endpoints", sources=sources
            )
            return stopped(run, hop, none, exchange.request, exchange.flags)
        tried.add((endpoint.address, endpoint.port))
        if not hop.inbound:
            run.step("endpoints", upstream.endpoint_words(run, cluster, endpoint), at=hop.name)
        dialed = _in_time(upstream.dial(run, hop, way, endpoint, content), policy.seconds)
        run.note_protocol(dialed.place, version)
        again = _again(policy, dialed.reply)
        if not again or attempt > policy.times:
            break
        attempt += 1
        run.rewind(mark)
    spent = again and policy.times > 0
    return _told(exchange, route, way, dialed, attempt, spent=spent)


def _in_time(dialed: upstream.Dialed, limit: float) -> upstream.Dialed:
    """Return an attempt, cut off where it takes longer than one may."""
    reply = dialed.reply
    slow = reply.kind == "silent" or (reply.kind == "answer" and reply.seconds > limit)
    if not (limit and slow):
        return dialed
    cut = msgspec.structs.replace(reply, kind="overdue", status=None, seconds=limit)
    return msgspec.structs.replace(dialed, reply=cut)


def _again(policy: retries.Policy, reply: WireReply) -> bool:
    if reply.kind == "answer":
        known = reply.status is not None
        return known and retries.again_after_status(policy, reply.status or 0, reply.grpc)
    if reply.kind == "silent":
        return False
    connected = reply.kind in ("closed", "tls", "protocol", "overdue")
    return retries.again_after_reset(policy, connected=connected)


class _End(msgspec.Struct, kw_only=True):
    """What came of the last attempt, as the log has it."""

    status: int | None
    details: str = "via_upstream"
    flags: tuple[str, ...] = ()
    reason: str = ""
    seconds: float
    left: bool = False
    """Whether the proxy went away from a server that took too long."""


def _end(
    exchange: Exchange,
    route: Any,
    way: upstream.UpstreamOptions,
    dialed: upstream.Dialed,
    *,
    spent: bool,
) -> _End:
    """Say what came of the last attempt: a timeout, a reset, an answer."""
    run, hop, reply = exchange.run, exchange.hop, dialed.reply
    before = (*exchange.flags, "URX") if spent else exchange.flags
    limit = _timeout(route.route)
    late = bool(limit) and (reply.kind == "silent" or reply.seconds > limit)
    if not late and reply.kind in ("answer", "silent"):
        return _End(status=reply.status, flags=before, seconds=reply.seconds)
    if late or reply.kind == "overdue":
        sources = config.known(config.written(route.metadata, "source"))
        run.failure = None
        if late:
            words = f"the route's {limit:g} s pass"
            run.step("timeout", words, at=hop.name, ok=False, sources=sources)
        run.fail("upstream-timeout" if late else "per-try-timeout", sources, dialed.place)
        details = "response_timeout" if late else "upstream_per_try_timeout"
        seconds = limit if late else reply.seconds
        flags = (*before, "UT")
        return _End(status=504, details=details, flags=flags, seconds=seconds, left=True)
    return _End(
        status=502 if reply.kind == "protocol" else 503,
        details=f"{_BEFORE}{{{_REASONS[reply.kind]}}}",
        flags=(*before, _FLAGS.get(reply.kind, "UF")),
        reason=upstream.blame(run, hop, way, dialed),
        seconds=reply.seconds,
    )


def _told(
    exchange: Exchange,
    route: Any,
    way: upstream.UpstreamOptions,
    dialed: upstream.Dialed,
    attempt: int,
    *,
    spent: bool,
) -> WireReply:
    """Note the last attempt: the log, the leg, the answer."""
    run, hop, reply = exchange.run, exchange.hop, dialed.reply
    end = _end(exchange, route, way, dialed, spent=spent)
    server = party_of(hop.pod, port=hop.taken.port)
    if reply.kind == "silent" and not end.left:
        return msgspec.structs.replace(reply, server=server)
    status, words = end.status, reply.grpc
    if end.left or reply.kind != "answer":
        status, words = grpc.answer(exchange.request, status or 0)
    log = Log(
        proxy=hop.name,
        kind="http",
        status=status,
        flags=end.flags,
        details=end.details,
        upstream_failure=end.reason,
        cluster=way.cluster.name,
        attempts=attempt,
    )
    failed = end.left or reply.kind != "answer" or _refused_there(run, dialed.place)
    run.put(dialed.place, msgspec.structs.replace(dialed.leg, client_log=log, failed=failed))
    if end.left:
        run.left_alone(dialed.place)
    return WireReply(
        kind="answer",
        server=server,
        status=status,
        grpc=words,
        log=log,
        seconds=end.seconds + exchange.seconds,
        pod=reply.pod,
    )


def _refused_there(run: Run, place: int) -> bool:
    return run.failure is not None and run.failure.leg == place
