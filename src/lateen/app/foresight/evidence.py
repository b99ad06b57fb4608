"""A foretold leg as the evidence that it would leave: then what is concluded from real logs
(`observe.verdicts`) is concluded from those that are foretold, by the same rules."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from lateen.compiler.ir.proxy import ProxyView
from lateen.model.meta import Source
from lateen.observe.requests import directory, legs
from lateen.observe.requests.ledger import LogEntry
from lateen.observe.wire.classify import Reading, WireKind
from lateen.predict.values.outcome import Foretold, Leg, Log, Party
from lateen.predict.values.request import Http
from lateen.xds.als import AccessEntry, HttpFacts, TlsFacts

Views = Mapping[str, ProxyView]
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)
_UNSENT = ("nowhere",)


class SentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as its client sends it: `http` is None where it is no HTTP, `sni` what the client's
    own TLS names, `address` the `IP:port` that it connects to."""

    http: Http | None
    sni: str
    address: str


def failed(found: Foretold, sent: SentRequest, views: Views) -> legs.Leg | None:
    """Return the leg on which a request fails; None where there is none."""
    leg = next((each for each in found.legs if each.failed), None) or _chosen(found)
    leg = leg or next((each for each in reversed(found.legs) if each.server_log), None)
    if leg is None:
        return None
    source = _route(found, leg, views)
    came_to = _came_to(found, leg, sent)
    client = _entry(leg, leg.client_log, sent.http, source, came_to=came_to)
    asked = sent.address if leg.inside else ""
    server = _entry(leg, leg.server_log, sent.http, None, sni=leg.sni or sent.sni, came_to=asked)
    if leg.client.role in ("app", "host"):
        client = None
    return legs.Leg(
        client=_party(leg.client),
        server=_party(leg.server),
        client_address=leg.client.address,
        server_address=leg.server.address,
        client_entry=client,
        server_entry=server,
        reading=_reading(found),
        sent=leg.server.role not in _UNSENT,
        inside=leg.inside,
        failed=True,
    )


def _came_to(found: Foretold, leg: Leg, sent: SentRequest) -> str:
    """Return where the request came to the leg's client: for a pod's own sidecar that is what the
    application asked for."""
    place = next(number for number, each in enumerate(found.legs) if each is leg)
    if not place:
        return ""
    before = found.legs[place - 1]
    return sent.address if before.inside else before.server.address


def _chosen(found: Foretold) -> Leg | None:
    """Return the last leg that a client's proxy chose: an application's own words end no leg."""
    ours = [each for each in found.legs if _is_outbound(each.client_log)]
    return ours[-1] if ours else None


def _is_outbound(log: Log | None) -> bool:
    return log is not None and log.cluster.startswith("outbound|")


def _party(party: Party) -> directory.Party:
    role = "" if party.role in _UNSENT else party.role
    return directory.Party(role, party.name)


def _route(found: Foretold, leg: Leg, views: Views) -> Source | None:
    """Return the field that made the route which the leg's client took."""
    view = views.get(leg.client.name)
    for step in found.steps if view is not None else ():
        if step.kind == "route" and step.at == leg.client.name:
            for source in step.sources:
                if view is not None and directory.route(view, str(source)) is not None:
                    return source
    return None


def _reading(found: Foretold) -> Reading | None:
    if found.code != "upstream-protocol":
        return None
    return Reading(WireKind.HTTP2, answered_http1=True)


def _entry(
    leg: Leg,
    log: Log | None,
    asked: Http | None,
    source: Source | None,
    *,
    sni: str = "",
    came_to: str = "",
) -> LogEntry | None:
    if log is None:
        return None
    http = _facts(log, asked) if log.kind == "http" else None
    known = (leg.client_identity,) if leg.client_identity else ()
    served = (leg.server_identity,) if leg.server_identity else ()
    mine = log is leg.server_log
    downstream = TlsFacts(sni=sni, local_sans=served, peer_sans=known)
    upstream = TlsFacts(local_sans=known, peer_sans=served)
    entry = AccessEntry(
        log=log.kind,
        start=_WHEN,
        duration=0.0,
        downstream_remote="",
        downstream_local=came_to or leg.server.address if mine else came_to,
        downstream_direct_remote="",
        upstream_remote=leg.server.address,
        upstream_local="",
        upstream_cluster=log.cluster,
        route_name="",
        flags=",".join(log.flags) or "-",
        downstream=downstream if mine else TlsFacts(),
        upstream=TlsFacts() if mine else upstream,
        downstream_failure=log.downstream_failure,
        upstream_failure=log.upstream_failure,
        termination=log.details if http is None else "",
        connection_id="",
        upstream_connection_id="",
        attempts=log.attempts,
        bytes_received=0,
        bytes_sent=0,
        tags={"source": str(source)} if source is not None else {},
        http=http,
    )
    return LogEntry(0, log.proxy, entry)


def _facts(log: Log, asked: Http | None) -> HttpFacts | None:
    if asked is None:
        return None
    return HttpFacts(
        method=asked.method,
        scheme=asked.scheme,
        authority=asked.authority,
        path=asked.path.partition("?")[0],
        original_path=asked.path,
        protocol="",
        status=log.status or 0,
        details=log.details,
        request_id="",
        user_agent="",
        forwarded_for="",
        request_headers={},
        response_headers={},
        request_bytes=0,
        response_bytes=0,
    )
