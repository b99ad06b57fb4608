"""A real request that the lab sends, and the story of it. Pure."""

from typing import Any, Literal

import msgspec

HttpVersion = Literal["1.0", "1.1", "2"]


class CurlRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to send, and where from."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    """Headers that are not sent though every client sends them."""
    body: str = ""
    body_base64: bytes = b""
    """The body where it is not text; `body` comes before it."""
    origin: str = msgspec.field(name="from", default="")
    namespace: str = "default"
    gateway: bool = False
    """Whether a name that is no Service goes to the ingress gateway (as any does from the host)."""
    http: HttpVersion = "1.1"
    insecure: bool = False
    resolve: dict[str, str] = {}
    timeout: float = 15.0
    """In seconds."""
    show_secrets: bool = False
    remedies: bool = True
    """Whether to try what may mend it, if it fails."""


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent. `address` is where the connection went, `note` what the name was taken for."""

    method: str
    url: str
    path: str
    origin: str = msgspec.field(name="from")
    address: str
    note: str
    headers: tuple[tuple[str, str], ...]


class ResponseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What came: `status` is None and `error` says why where nothing did; `body_base64` is there
    instead of `body` where the body is not text."""

    status: int | None
    http: str
    headers: tuple[tuple[str, str], ...]
    body: str
    body_base64: str = ""
    size: int
    error: str
    tls: str
    seconds: float


class LegEnd(msgspec.Struct, frozen=True):
    """One end of a leg. Roles are host, app, sidecar, gateway, service, outside, nowhere."""

    role: str
    name: str
    address: str


class WireFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What travelled; `seen` says whether packets or only logs told it."""

    seen: str
    kind: str
    version: str
    sni: str
    alpn: tuple[str, ...]
    istio_mtls: bool
    reused: bool
    request: str
    response: str
    line: str


class LegLog(msgspec.Struct, frozen=True, kw_only=True):
    """What one proxy logged. `start` is RFC 3339."""

    proxy: str
    kind: str
    line: str
    status: int | None
    flags: str
    details: str
    upstream_failure: str
    downstream_failure: str
    request_id: str
    start: str
    seconds: float


class Reason(msgspec.Struct, frozen=True):
    """Why one side of a leg ended it."""

    side: str
    text: str


class LegFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One leg. `tls` is none, tls or mtls; empty where nothing was sent."""

    name: str
    client: LegEnd = msgspec.field(name="from")
    server: LegEnd = msgspec.field(name="to")
    tls: str
    wire: WireFacts
    client_log: LegLog | None
    server_log: LegLog | None
    client_identity: str
    server_identity: str
    failed: bool
    reasons: tuple[Reason, ...]
    line: str


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an application called meanwhile, with the calls that this led to."""

    caller: str
    request: str
    status: int | None
    legs: tuple[LegFacts, ...]
    calls: tuple["CallFacts", ...]


class SourcePlace(msgspec.Struct, frozen=True):
    """A field that decided, and the line of a manifest where it stands."""

    text: str
    location: str


class EditFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an object: set `value` at a path, or `remove` what is there."""

    object: str
    path: tuple[str | int, ...]
    value: Any
    remove: bool
    location: str


class RemedyFacts(msgspec.Struct, frozen=True):
    """Changes that were tried, in words and as edits. `weakens` marks what lets in, or sends, what
    was not before."""

    text: str
    weakens: bool
    edits: tuple[EditFacts, ...]


class RequestFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding about an object that the request has to do with."""

    code: str
    level: str
    object: str
    location: str
    message: str
    remedy: str


class RejectedPart(msgspec.Struct, frozen=True):
    """What a proxy on the way did not take of its configuration."""

    proxy: str
    text: str


class VerdictFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Why it ended so. `code` is the failure class, `ok` for none."""

    sentence: str
    code: str
    sources: tuple[SourcePlace, ...]
    remedies: tuple[RemedyFacts, ...]
    hints: tuple[str, ...]
    findings: tuple[RequestFinding, ...]
    rejected: tuple[RejectedPart, ...]


class CurlAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The story of one request."""

    request: RequestFacts
    response: ResponseFacts
    legs: tuple[LegFacts, ...]
    calls: tuple[CallFacts, ...]
    verdict: VerdictFacts
