"""A hop in one line: what both proxies logged of a step of a request or connection. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.observe import redact
from lateen.observe.requests import logline
from lateen.observe.requests.directory import Directory, Party
from lateen.observe.requests.joining import Hop
from lateen.observe.requests.ledger import LogEntry

_NO_FLAGS = ("", "-")


def fields(hop: Hop, who: Directory, *, secrets: bool = False) -> dict[str, Any]:
    """Return what is known of a hop, by the names that the line has; nothing that is empty."""
    entry = hop.entry.entry
    source, target = ends(hop, who)
    found: dict[str, Any] = {
        "id": entry.http.request_id if entry.http is not None else entry.connection_id,
        "time": entry.start.isoformat(timespec="microseconds"),
        "proxy": "both" if hop.client and hop.server else ("out" if hop.client else "in"),
        "src": source.name or source.role,
        "dst": target.name or target.role,
        "src_addr": hop.connection[0],
        "dst_addr": hop.connection[1],
        "tls": hop.tls,
        **_http_fields(hop.entry, secrets=secrets),
        **_identities(hop),
        **_endings(hop),
    }
    return {name: value for name, value in found.items() if value not in ("", None)}


def ends(hop: Hop, who: Directory) -> tuple[Party, Party]:
    """Return who sent and who was to receive."""
    if hop.client is None:
        assert hop.server is not None
        return who.party(hop.server.client), who.pod(hop.server.proxy)
    address = hop.client.entry.upstream_remote
    target = who.pod(hop.server.proxy) if hop.server is not None else who.party(address)
    if not address and hop.server is None:
        target = Party("cluster", hop.client.entry.upstream_cluster or "nowhere")
    return who.pod(hop.client.proxy), target


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


def _identities(hop: Hop) -> Mapping[str, str]:
    client = server = sni = ""
    if hop.server is not None:
        seen = hop.server.entry.downstream
        client, server, sni = ",".join(seen.peer_sans), ",".join(seen.local_sans), seen.sni
    if hop.client is not None:
        made = hop.client.entry.upstream
        client = client or ",".join(made.local_sans)
        server, sni = server or ",".join(made.peer_sans), sni or made.sni
    return {"client_id": client, "server_id": server, "sni": sni}


def _endings(hop: Hop) -> Mapping[str, Any]:
    entry = hop.entry.entry
    server = hop.server.entry if hop.client is not None and hop.server is not None else None
    flags = "" if entry.flags in _NO_FLAGS else entry.flags
    return {
        "flags": flags,
        "server_flags": server.flags if server and server.flags not in _NO_FLAGS else "",
        "reason": logline.plain_reason(
            entry.upstream_failure if hop.client else entry.downstream_failure
        ),
        "server_reason": logline.plain_reason(server.downstream_failure) if server else "",
        "bytes_in": entry.bytes_received,
        "bytes_out": entry.bytes_sent,
        "latency": f"{entry.duration * 1000:.1f}ms" if not entry.open else "",
        "server_latency": f"{server.duration * 1000:.1f}ms" if server and not server.open else "",
        "attempts": entry.attempts if entry.attempts > 1 else "",
        "route": entry.tags.get("source", ""),
    }


def word(hop: Hop) -> str:
    """Return what a line begins with: `req` for a request, `conn` for a connection that was
    made, `end` for one that ended, `refused` for a handshake that a proxy did not accept."""
    entry = hop.entry.entry
    if entry.http is not None:
        return "req"
    if entry.log == "listener" or (hop.client is None and entry.downstream_failure):
        return "refused"
    return "conn" if entry.open else "end"
