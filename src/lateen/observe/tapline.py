"""Finished requests across the mesh, one hop a line: both proxies' entries joined. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lateen.observe import accesslog, redact
from lateen.observe.facts import Directory, Party
from lateen.observe.ledger import LogEntry

WAIT = 1.0
"""Seconds to wait for the other side's entry: proxies send theirs every 0.1 s."""
_LIMIT = 4096
_NO_FLAGS = ("", "-")


class Hop(msgspec.Struct, frozen=True):
    """One step of a request or connection: what the client's proxy logged of it and what the
    server's did; one of them may be missing."""

    client: LogEntry | None
    server: LogEntry | None

    @property
    def entry(self) -> LogEntry:
        """The entry that tells most of how it ended for the client."""
        found = self.client or self.server
        assert found is not None
        return found

    @property
    def tls(self) -> str:
        """`none`, `tls` or `mtls`: by the server's log, else by the client's."""
        if self.server is not None:
            seen = self.server.entry.downstream
            if seen.version or self.client is None:
                # Without a version of its own the proxy passes through what its inspector saw.
                return _word(seen.version or seen.sni, seen.peer_sans)
        assert self.client is not None
        made = self.client.entry.upstream
        return _word(made.version, made.local_sans)


def _word(version: str, sans: tuple[str, ...]) -> str:
    if not version:
        return "none"
    return "mtls" if sans else "tls"


_Key = tuple[str, str, bool]


class Joiner:
    """Pairs the entries of both sides of a hop as they come in.

    A connection joins them: the client's proxy logs the address that it came from, and so does
    the server's. Where the other side logs nothing, or too late, the hop is told alone.
    """

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._waiting: OrderedDict[tuple[_Key, bool], tuple[LogEntry, float]] = OrderedDict()

    def take(self, entry: LogEntry, now: float) -> list[Hop]:
        """Add an entry; returns the hops that are complete with it."""
        found = self.due(now)
        who = self._directory()
        made = entry.entry
        if entry.inbound or made.log == "listener":
            expected = who.party(entry.client).name in who.proxies
            return found + self._pair(entry, entry.client, now, server=True, expected=expected)
        if who.pod(entry.proxy).role == "gateway":
            found.append(Hop(None, entry))
        if made.upstream_remote or made.upstream_cluster:
            expected = bool(made.upstream_local) and who.logs(made.upstream_remote)
            found += self._pair(entry, made.upstream_local, now, server=False, expected=expected)
        elif who.pod(entry.proxy).role != "gateway":
            found.append(Hop(entry, None))
        return found

    def due(self, now: float) -> list[Hop]:
        """Return the hops whose other side did not come in time."""
        found = []
        while self._waiting:
            (key, (entry, deadline)) = next(iter(self._waiting.items()))
            if deadline > now and len(self._waiting) <= _LIMIT:
                break
            del self._waiting[key]
            found.append(_hop(entry, self._same_connection(key), server=key[1]))
        return found

    def _same_connection(self, key: tuple[_Key, bool]) -> LogEntry | None:
        """Take the other side's entry about a connection that it did not read: a request for one
        proxy is only a connection for another, if it passes TLS through."""
        (_, address, _), server = key
        for other, (entry, _) in self._waiting.items():
            if other[1] is not server and other[0][1] == address and other[0] != key[0]:
                del self._waiting[other]
                return entry
        return None

    def _pair(
        self, entry: LogEntry, address: str, now: float, *, server: bool, expected: bool
    ) -> list[Hop]:
        http = entry.entry.http
        key = (http.request_id if http is not None else "", address, entry.entry.open)
        other = self._waiting.pop((key, not server), None) if address else None
        if other is not None:
            return [_hop(entry, other[0], server=server)]
        if not expected:
            return [_hop(entry, None, server=server)]
        self._waiting[key, server] = (entry, now + WAIT)
        return []


def _hop(entry: LogEntry, other: LogEntry | None, *, server: bool) -> Hop:
    return Hop(other, entry) if server else Hop(entry, other)


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
        "src_addr": entry.upstream_local if hop.client else hop.entry.client,
        "dst_addr": entry.upstream_remote if hop.client else entry.downstream_local,
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
        "reason": accesslog.plain_reason(
            entry.upstream_failure if hop.client else entry.downstream_failure
        ),
        "server_reason": accesslog.plain_reason(server.downstream_failure) if server else "",
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
