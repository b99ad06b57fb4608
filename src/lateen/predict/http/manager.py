"""Envoy's HTTP connection manager: from bytes to a request, its filters, its route. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Run, WireReply, party_of
from lateen.predict.envoy import config, paths, routes
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.http import filters, grpc, router
from lateen.predict.http.exchange import Exchange, Local
from lateen.predict.values.outcome import Candidate, Log
from lateen.predict.values.request import Content, Http, Raw, Tls


def handle(run: Run, hop: Hop, manager: Any) -> WireReply:
    """Return what an HTTP connection manager answers on a connection."""
    content = hop.taken.content
    if not isinstance(content, Http):
        return _garbage(run, hop, content)
    refused = _unacceptable(content, manager)
    if refused is not None:
        run.step("HTTP", f"refused: {refused.details}", at=hop.name, ok=False)
        run.fail(refused.code, (), len(run.legs) - 1)
        return _local(hop, refused, content)
    request = _prepared(content, manager)
    if request is None:
        run.step("HTTP", "the path cannot be normalized", at=hop.name, ok=False)
        refused = Local(400, "path_normalization_failed", code="proxy-error")
        return router.stopped(run, hop, refused, content)
    exchange = Exchange(run=run, hop=hop, manager=manager, request=request, routed=None)
    exchange.choose_route = lambda changed: _route(run, hop, manager, changed)
    exchange.reroute()
    local = filters.run_through(exchange)
    if local is not None:
        if local.onward:
            return router.stopped(run, hop, local, request, exchange.flags)
        return _local(hop, local, request, exchange.flags)
    return router.send(exchange)


def _local(hop: Hop, local: Local, request: Http, flags: tuple[str, ...] = ()) -> WireReply:
    status, words = grpc.answer(request, local.status)
    log = Log(
        proxy=hop.name,
        kind="http",
        status=status,
        flags=(*flags, *local.flags),
        details=local.details,
    )
    server = party_of(hop.pod, port=hop.taken.port)
    return WireReply(
        kind="answer", server=server, status=status, grpc=words, log=log, seconds=local.seconds
    )


def _garbage(run: Run, hop: Hop, content: Content) -> WireReply:
    """Bytes that are no HTTP are answered with 400 in plaintext, and the connection ends."""
    server = party_of(hop.pod, port=hop.taken.port)
    log = Log(proxy=hop.name, kind="http", status=400, flags=("DPE",), details="http1.codec_error")
    if isinstance(content, Raw) and not content.first:
        run.step("HTTP", "waits for the client to begin", at=hop.name, ok=False)
        run.fail("server-first", leg=len(run.legs) - 1)
        return WireReply(kind="silent", server=server)
    if isinstance(content, Tls):
        code = "double-tls" if hop.layer is not None else "tls-to-http-port"
        code = "tls-to-plaintext" if content.by else code
        run.step("HTTP", "TLS came where HTTP is spoken", at=hop.name, ok=False)
        run.fail(code, hop.chain_sources("source"), len(run.legs) - 1)
        return WireReply(kind="tls", server=server, reason="WRONG_VERSION_NUMBER", log=log)
    run.step("HTTP", "what came is no HTTP", at=hop.name, ok=False)
    run.fail("not-http", hop.chain_sources("source"), len(run.legs) - 1)
    return WireReply(kind="closed", server=server, log=log)


def _unacceptable(request: Http, manager: Any) -> Local | None:
    """Return why a codec or the manager refuses a request before anything is asked."""
    options = manager.http_protocol_options
    if request.version == "1.0" and not options.accept_http_10:
        return Local(426, "low_version", flags=("DPE",), code="http-1.0")
    names = {name for name, _ in request.headers}
    if request.version != "2" and {"content-length", "transfer-encoding"} <= names:
        details = "http1.content_length_and_chunked_not_allowed"
        return Local(400, details, flags=("DPE",), code="not-http")
    if not request.authority:
        return Local(400, "missing_host_header", code="proxy-error")
    return None


def _prepared(request: Http, manager: Any) -> Http | None:
    """Return the request as filters and routes see it; None for a path that is refused."""
    path: str | None = request.path.partition("#")[0]
    if manager.normalize_path.value:
        path = paths.normalized(path or "/")
    if path is None:
        return None
    if manager.merge_slashes:
        path = paths.merged(path)
    action = manager.PathWithEscapedSlashesAction.Name(manager.path_with_escaped_slashes_action)
    if action not in ("KEEP_UNCHANGED", "IMPLEMENTATION_SPECIFIC_DEFAULT"):
        raise UnknownError(f"escaped slashes are treated by {action}")
    if manager.strip_any_host_port or manager.strip_matching_host_port:
        raise UnknownError("the port is taken off the Host")
    return msgspec.structs.replace(request, path=path, metadata=())  # no proxy tells another's


def _route(run: Run, hop: Hop, manager: Any, request: Http) -> routes.Routed:
    kind = manager.WhichOneof("route_specifier")
    if kind == "route_config":
        table = manager.route_config
    elif kind == "rds":
        table = hop.proxy.table(manager.rds.route_config_name)
    else:
        raise UnknownError(f"routes by {kind}")
    if table is None:
        return routes.Routed(None, None)
    found = routes.find(table, request, run.choices)
    if not hop.inbound:
        _note(run, hop, request, found)
    return found


def _note(run: Run, hop: Hop, request: Http, found: routes.Routed) -> None:
    """Say which route it is, and which were passed."""
    if found.host is None:
        run.step("route", f"no virtual host is for {request.authority}", at=hop.name, ok=False)
        return
    host = config.known(config.written(found.host.metadata, "source"))
    if found.needs_tls:
        run.step("route", "plaintext is sent to https", at=hop.name, sources=host)
        return
    if found.route is None:
        lost = _passed(found, lambda each: each.why)
        words = f"no route of {found.host.name} is for {request.path}"
        run.step("route", words, at=hop.name, ok=False, sources=host, lost=lost)
        return
    route, number = found.route, len(found.passed) + 1
    sources = config.known(
        config.written(route.metadata, "match"), config.written(route.metadata, "source"), *host
    )
    words = f"{route.name or 'route'}, {number} of {len(found.host.routes)} of {found.host.name}"
    run.step("route", words, at=hop.name, sources=sources, lost=_passed(found, lambda e: e.why))


def _passed(
    found: routes.Routed, why: Callable[[routes.UnmatchedRoute], str]
) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            f"route {each.route.name}" if each.route.name else "a route",
            why(each),
            config.written(each.route.metadata, "match")
            or config.written(each.route.metadata, "source"),
        )
        for each in found.passed
    )
