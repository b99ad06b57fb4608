"""A leg in one line: what both proxies logged of a request or connection on it. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.observe import redact
from lateen.observe.requests import logline
from lateen.observe.requests.ledger import LogEntry
from lateen.observe.requests.legs import Leg

_NO_FLAGS = ("", "-")


def fields(leg: Leg, *, secrets: bool = False) -> dict[str, Any]:
    """Return what is known of a leg, by the names that the line has; nothing that is empty."""
    entry = leg.entry.entry
    source, target = leg.client, leg.server
    found: dict[str, Any] = {
        "id": entry.http.request_id if entry.http is not None else entry.connection_id,
        "time": entry.start.isoformat(timespec="microseconds"),
        "proxy": _reporting(leg),
        "src": source.name or source.role,
        "dst": target.name or target.role,
        "src_addr": leg.client_address,
        "dst_addr": leg.server_address,
        "tls": leg.tls or "none",
        **_http_fields(leg.entry, secrets=secrets),
        **identities(leg),
        **_endings(leg),
    }
    return {name: value for name, value in found.items() if value not in ("", None)}


def _reporting(leg: Leg) -> str:
    if leg.client_entry is not None and leg.server_entry is not None:
        return "both"
    return "in" if leg.client_entry is None else "out"


def _http_fields(entry: LogEntry, *, secrets: bool) -> Mapping[str, Any]:
    http = entry.entry.http
    if http is None:
        return {}
    path = http.original_path or http.path
    return {
        ":method": http.method,
        ":authority": http.authority,
        ":path": path if secrets else redact.path(path),
        ":status": http.status,
        "grpc-status": http.response_headers.get("grpc-status", ""),
        "protocol": http.protocol,
    }


def identities(leg: Leg) -> Mapping[str, str]:
    """Return `client_id` and `server_id` as certificates proved them, and `sni`; empty if not."""
    client = server = sni = ""
    if leg.server_entry is not None:
        seen = leg.server_entry.entry.downstream
        client, server, sni = ",".join(seen.peer_sans), ",".join(seen.local_sans), seen.sni
    if leg.client_entry is not None:
        made = leg.client_entry.entry.upstream
        client = client or ",".join(made.local_sans)
        server, sni = server or ",".join(made.peer_sans), sni or made.sni
    return {"client_id": client, "server_id": server, "sni": sni}


def _endings(leg: Leg) -> Mapping[str, Any]:
    entry = leg.entry.entry
    server = (
        leg.server_entry.entry
        if leg.client_entry is not None and leg.server_entry is not None
        else None
    )
    flags = "" if entry.flags in _NO_FLAGS else entry.flags
    return {
        "flags": flags,
        "server_flags": server.flags if server and server.flags not in _NO_FLAGS else "",
        "reason": logline.plain_reason(
            entry.upstream_failure if leg.client_entry else entry.downstream_failure
        ),
        "server_reason": logline.plain_reason(server.downstream_failure) if server else "",
        "bytes_in": entry.bytes_received,
        "bytes_out": entry.bytes_sent,
        "latency": f"{entry.duration * 1000:.1f}ms" if not entry.open else "",
        "server_latency": f"{server.duration * 1000:.1f}ms" if server and not server.open else "",
        "attempts": entry.attempts if entry.attempts > 1 else "",
        "route": entry.tags.get("source", ""),
    }


def word(leg: Leg) -> str:
    """Return what a line begins with: `req` for a request, `conn` for a connection that was
    made, `end` for one that ended, `refused` for a handshake that a proxy did not accept."""
    entry = leg.entry.entry
    if entry.http is not None:
        return "req"
    if entry.log == "listener" or (leg.client_entry is None and entry.downstream_failure):
        return "refused"
    return "conn" if entry.open else "end"
