"""What is known of traffic: edges, openings of connections, hops as they happen. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

TapLine = Mapping[str, Any]
"""One line of a tap. `event` is `req`, `conn`, `end` or `refused` for a hop; `lost` says how many
`entries` a slow reader missed, `sampled` that one request in `one_in` is reported."""


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Who talked to whom. `requests` counts connections where the proxies saw no HTTP.

    `sampled` says that it is an estimate, made from the share that was reported while there were
    very many. Errors are always counted one by one.
    """

    source: str
    target: str
    port: str
    protocol: str
    tls: str
    client_id: str = ""
    server_id: str = ""
    requests: int = 0
    errors: int = 0
    sampled: bool = False
    no_tls_reason: str = ""


class EdgeTable(msgspec.Struct, frozen=True):
    """The edges of all log entries since a moment (RFC 3339, empty if there are none)."""

    edges: tuple[Edge, ...]
    since: str


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `event` is `handshake`, `request`, `response`, `trailers`, `data` or `end`; `tls`
    is `none`, `tls` or `mtls`; `time` is in seconds since the epoch; `stream` is HTTP/2's number of
    an exchange. JSON leaves out what is empty."""

    time: float
    pod: str
    leg: str
    client: str
    server: str
    event: str
    tls: str
    kind: str
    version: str = ""
    sni: str = ""
    alpn: tuple[str, ...] = ()
    method: str = ""
    path: str = ""
    host: str = ""
    status: int = 0
    stream: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    detail: str = ""

    @property
    def text(self) -> str:
        """What happened, after the addresses."""
        numbered = [f"stream={self.stream}"] * bool(self.stream)
        if self.event == "request":
            return " ".join(filter(None, (self.method, self.path, self.host, *numbered)))
        if self.event in ("response", "trailers"):
            came = f"-> {self.status}" if self.event == "response" else "-> trailers"
            return " ".join(filter(None, (came, self.detail, *numbered)))
        if self.event == "handshake":
            parts = [self.version or "ClientHello, no answer"]
            parts += [f"sni={self.sni}"] * bool(self.sni)
            parts += [f"alpn={','.join(self.alpn)}"] * bool(self.alpn)
            parts += [self.detail] * bool(self.detail)
            return " ".join(parts)
        return self.detail


class KeptOpenings(msgspec.Struct, frozen=True):
    """Openings of connections, oldest first, and how many packets the taps lost."""

    flows: tuple[Flow, ...]
    dropped: int
