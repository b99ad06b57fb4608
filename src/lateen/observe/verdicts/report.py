"""A journey and its verdict as one JSON document: what `lateen curl -o json` prints. Pure."""

from collections.abc import Callable

from lateen.base.jsonvalue import Json
from lateen.causes.remedies import Remedy
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import Location, Source
from lateen.model.snapshot import Snapshot
from lateen.observe import redact
from lateen.observe.requests import journey, logline
from lateen.observe.requests.directory import Party
from lateen.observe.requests.journey import Call, Journey
from lateen.observe.requests.ledger import LogEntry
from lateen.observe.requests.legs import Leg
from lateen.observe.verdicts import verdict
from lateen.observe.verdicts.verdict import RequestVerdict
from lateen.observe.wire.classify import Reading, WireKind

_TLS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS", "": "not sent"}


def legs(found: Journey, *, secrets: bool = False) -> list[Json]:
    """Return the legs in order; what may be secret in them is hidden unless `secrets`."""
    return [_leg(leg, secrets=secrets) for leg in found.legs]


def judgement(found: RequestVerdict, snapshot: Snapshot) -> Json:
    """Return a verdict, its sources with file and line where those are known."""
    return {
        "sentence": found.sentence,
        "code": found.code,
        "sources": [
            {"text": str(source), "location": str(snapshot.locate(source) or "")}
            for source in found.sources
        ],
        "remedies": [remedy(each, snapshot.locate) for each in found.advice.remedies],
        "hints": list(found.advice.hints),
    }


def calls(found: tuple[Call, ...], *, secrets: bool = False) -> list[Json]:
    """Return what applications called meanwhile, each call with its legs and its own calls."""
    return [
        {
            "caller": call.caller.name,
            "request": call.request if secrets else redact.path(call.request),
            "status": call.status,
            "legs": [_leg(leg, secrets=secrets) for leg in call.legs],
            "calls": calls(call.calls, secrets=secrets),
        }
        for call in found
    ]


def finding(found: Diagnostic, snapshot: Snapshot) -> Json:
    """Return a finding with its place."""
    return {
        "code": found.code,
        "level": found.level.value,
        "object": str(found.source),
        "location": str(snapshot.locate(found.source) or ""),
        "message": found.message,
        "remedy": found.remedy,
    }


def remedy(found: Remedy, locate: Callable[[Source], Location | None]) -> Json:
    """Return a remedy in words and as edits, each with its place."""
    return {
        "text": found.words,
        "weakens": found.weakens,
        "edits": [
            {
                "object": str(edit.ref),
                "path": list(edit.path),
                "value": edit.value,
                "remove": edit.remove,
                "location": str(locate(edit.source) or ""),
            }
            for edit in found.edits
        ],
    }


def _leg(leg: Leg, *, secrets: bool) -> Json:
    said = verdict.reasons(leg)
    wire = _wire(leg, secrets=secrets)
    return {
        "name": journey.name(leg),
        "from": _party(leg.client, leg.client_address),
        "to": _party(leg.server, leg.server_address),
        "tls": leg.tls,
        "wire": wire,
        "client_log": _log(leg.client_entry, secrets=secrets),
        "server_log": _log(leg.server_entry, secrets=secrets),
        "client_identity": client_identity(leg),
        "server_identity": server_identity(leg),
        "failed": leg.failed,
        "reasons": [{"side": side, "text": text} for side, text in said],
        "line": _line(leg, wire, said),
    }


def _party(party: Party, address: str) -> Json:
    return {"role": party.role, "name": party.name, "address": address}


def _log(entry: LogEntry | None, *, secrets: bool) -> Json | None:
    if entry is None:
        return None
    made = entry.entry
    return {
        "proxy": entry.proxy,
        "kind": made.log,
        "line": logline.line(entry, secrets=secrets),
        "status": made.http.status if made.http is not None else None,
        "flags": made.flags or "-",
        "details": made.http.details if made.http is not None else made.termination,
        "upstream_failure": made.upstream_failure,
        "downstream_failure": made.downstream_failure,
        "request_id": made.http.request_id if made.http is not None else "",
        "start": made.start.isoformat(),
        "seconds": made.duration,
    }


def client_identity(leg: Leg) -> str:
    """Return the SPIFFE id that the client proved, as the server (or the client's log) names it."""
    if leg.tls != "mtls":
        return ""
    server = leg.server_entry.entry.downstream if leg.server_entry else None
    if server is not None and (server.peer_sans or server.peer_subject):
        return (*server.peer_sans, server.peer_subject)[0]
    client = leg.client_entry.entry.upstream if leg.client_entry else None
    return client.local_sans[0] if client is not None and client.local_sans else ""


def server_identity(leg: Leg) -> str:
    """Return who the server's certificate says it is, as the client's (or its own) log names it."""
    if leg.tls not in ("tls", "mtls"):
        return ""
    client = leg.client_entry.entry.upstream if leg.client_entry else None
    if client is not None and (client.peer_sans or client.peer_subject):
        return (*client.peer_sans, client.peer_subject)[0]
    server = leg.server_entry.entry.downstream if leg.server_entry else None
    return server.local_sans[0] if server is not None and server.local_sans else ""


def _wire(leg: Leg, *, secrets: bool) -> Json:
    """What travelled: from packets where they were seen, else from what both logs say."""
    reading = leg.reading
    if reading is not None and reading.kind is not WireKind.NOTHING:
        return _from_packets(leg, reading, secrets=secrets)
    client = leg.client_entry.entry if leg.client_entry else None
    server = leg.server_entry.entry if leg.server_entry else None
    tls = client.upstream if client is not None and client.upstream.version else None
    tls = tls or (server.downstream if server is not None and server.downstream.version else None)
    offered = client.tags.get("alpn_offered", "") if client is not None and tls else ""
    alpn = [part for part in offered.split(",") if part]
    kind = _kind(leg)
    version = tls.version if tls is not None else ""
    sni = (server.downstream.sni if server is not None else "") or (tls.sni if tls else "")
    parts = [version or ("TLS" if kind == "TLS" else ""), f"SNI {sni}" if sni else ""]
    shown = f"plaintext {kind}".strip() if leg.tls == "none" else ", ".join(p for p in parts if p)
    return {
        "seen": "logs",
        "kind": kind,
        "version": version,
        "sni": sni,
        "alpn": alpn,
        "istio_mtls": leg.tls == "mtls" and "istio" in alpn,
        "reused": leg.reused,
        "request": "",
        "response": "",
        "line": shown if leg.sent else "nothing was sent",
    }


def _from_packets(leg: Leg, reading: Reading, *, secrets: bool) -> Json:
    request, response = _messages(leg, reading)
    request = request if secrets else redact.path(request)
    said = ": ".join(part for part in (reading.line, request) if part)
    return {
        "seen": "packets",
        "kind": reading.kind.value,
        "version": reading.version,
        "sni": reading.sni,
        "alpn": list(reading.alpn),
        "istio_mtls": reading.istio_mtls,
        "reused": leg.reused,
        "request": request,
        "response": response,
        "line": said,
    }


def _messages(leg: Leg, reading: Reading) -> tuple[str, str]:
    """Return the first lines of the leg's own request and its response, as they travelled.

    On a shared connection the request id tells which they are; a lone request needs none.
    """
    entries = [e.entry.http for e in (leg.client_entry, leg.server_entry) if e is not None]
    ids = {http.request_id for http in entries if http is not None and http.request_id}
    mine = [n for n, m in enumerate(reading.requests) if m.header("x-request-id") in ids]
    if not mine and len(reading.requests) == 1 and not reading.requests[0].header("x-request-id"):
        mine = [0]
    if not mine:
        return "", ""
    asked = reading.requests[mine[-1]]
    if asked.stream:
        answers = [m for m in reading.responses if m.stream == asked.stream]
    else:
        final = [m for m in reading.responses if not m.start.startswith("HTTP/1.1 1")]
        answers = final[mine[-1] : mine[-1] + 1]
    return asked.start, answers[-1].start if answers else ""


def _kind(leg: Leg) -> str:
    if leg.tls in ("tls", "mtls"):
        return "TLS"
    if leg.tls == "":
        return "nothing"
    entry = leg.server_entry if leg.server_entry is not None else leg.client_entry
    http = entry.entry.http if entry is not None else None
    if http is None:
        return ""
    return "HTTP/2" if http.protocol == "HTTP/2" and entry is leg.server_entry else "HTTP/1"


def _line(leg: Leg, wire: Json, said: list[tuple[str, str]]) -> str:
    """Return the leg in one line."""
    if not leg.tls:
        return "nothing was sent" + "".join(f"; {side}: {words}" for side, words in said)
    text = _TLS[leg.tls]
    if leg.tls == "none":
        text = wire["line"] or text
    elif wire["line"] not in ("", "TLS"):
        text += f" ({wire['line']})"
    client, server = client_identity(leg), server_identity(leg)
    if client:
        text += f", {short(client)} to {short(server) or 'a server without a name'}"
    elif server:
        text += f", server {short(server)}"
    text += ", on a connection made earlier" * leg.reused
    return text + "".join(f"; {side}: {words}" for side, words in said)


def short(identity: str) -> str:
    """Return a SPIFFE id as `namespace/serviceaccount`; other names unchanged."""
    parts = identity.removeprefix("spiffe://").split("/")
    ours = identity.startswith("spiffe://") and len(parts) == 5
    return f"{parts[2]}/{parts[4]}" if ours else identity
