"""A request that is only spoken of, and what it would do. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.model.labapi.request import CurlRequest, EditFacts, HttpVersion, LegEnd, SourcePlace


class ExplainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request in the words of the command line."""

    url: str
    origin: str = msgspec.field(default="", name="from")
    """`deploy/NAME`, `pod/NAME`, `sa/NAME`; empty, `host` or `outside` for a client outside."""
    namespace: str = "default"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    http: HttpVersion = "1.1"
    insecure: bool = False
    sni: str = ""
    body: int = 0
    """Size in bytes."""
    timeout: float = 15.0
    """In seconds."""
    resolve: Mapping[str, str] = {}
    remedies: bool = True
    """Whether to try what may mend it, if it fails."""


def of_curl(request: CurlRequest) -> ExplainRequest:
    """Return the question what a request would do; its remedies are for its verdict to try."""
    return ExplainRequest(
        url=request.url,
        origin=request.origin,
        namespace=request.namespace,
        method=request.method,
        headers=request.headers,
        http=request.http,
        insecure=request.insecure,
        body=len(request.body.encode() + request.body_base64),
        timeout=request.timeout,
        resolve=request.resolve,
        remedies=False,
    )


def to_curl(question: ExplainRequest) -> CurlRequest:
    """Return the request that a question is about; any body of its size will do."""
    return CurlRequest(
        url=question.url,
        origin=question.origin,
        namespace=question.namespace,
        method=question.method,
        headers=question.headers,
        body="x" * question.body,
        http=question.http,
        insecure=question.insecure,
        timeout=question.timeout,
        resolve=dict(question.resolve),
    )


class CandidateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What might have decided a step and did not, and why not; `meant`: it is for such requests."""

    text: str
    why: str
    meant: bool
    source: str
    location: str


class StepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One decision on the way."""

    kind: str
    text: str
    ok: bool
    at: str
    sources: tuple[SourcePlace, ...]
    lost: tuple[CandidateFacts, ...]


class ExpectedLog(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy will log."""

    proxy: str
    kind: str
    status: int | None
    flags: str
    details: str
    upstream_failure: str
    downstream_failure: str
    attempts: int


class ExpectedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of the way. `tls` is none, tls or mtls; empty where nothing is sent."""

    name: str
    client: LegEnd = msgspec.field(name="from")
    server: LegEnd = msgspec.field(name="to")
    tls: str
    sni: str
    alpn: tuple[str, ...]
    client_identity: str
    server_identity: str
    client_log: ExpectedLog | None
    server_log: ExpectedLog | None
    failed: bool


class OutcomeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one way of drawing all lots leads to. `unknown` says why it cannot be said."""

    status: int | None
    error: str
    code: str
    reached: bool
    words: str
    hints: tuple[str, ...]
    unknown: str
    destination: str
    cluster: str
    sources: tuple[SourcePlace, ...]
    steps: tuple[StepFacts, ...]
    legs: tuple[ExpectedLeg, ...]


class BranchFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome, its share of requests (None where that is no draw) and what it depends on."""

    share: float | None
    conditions: tuple[str, ...]
    outcome: OutcomeFacts


class LegTls(msgspec.Struct, frozen=True):
    """What TLS a leg has."""

    name: str
    tls: str


class OutcomeThen(msgspec.Struct, frozen=True):
    """What the request does once a change is made."""

    status: int | None
    code: str
    legs: tuple[LegTls, ...]


class TriedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was tried: its edits, as a `diff` of files where there are any, and what the
    request does `then`."""

    title: str
    text: str
    weakens: bool
    edits: tuple[EditFacts, ...]
    diff: str
    then: OutcomeThen


class ExplainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All that can happen. `exit` is what `lateen explain` ends with, `open` what was not looked
    into."""

    exit: int
    open: str
    branches: tuple[BranchFacts, ...]
    remedies: tuple[TriedFacts, ...] = ()
