"""What a prediction says: steps with their sources, legs, outcomes, branches. Pure."""

import msgspec

from lateen.model.meta import Source


class Candidate(msgspec.Struct, frozen=True):
    """What might have decided a step and did not, and why not."""

    text: str
    why: str
    source: Source | None = None
    meant: bool = False
    """Whether it is for such requests as this one, so that its loss may be a surprise."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One decision on the way. `kind` is a word such as `listener`, `route`, `client's TLS`."""

    kind: str
    text: str
    ok: bool = True
    sources: tuple[Source, ...] = ()
    """The fields that decided it, the most telling first."""
    lost: tuple[Candidate, ...] = ()
    at: str = ""
    """Who decides: `namespace/pod` of a proxy, or `client`, `network`, `application`."""


class Party(msgspec.Struct, frozen=True):
    """One end of a leg; roles are those of evidence: `host`, `app`, `sidecar`, `gateway`,
    `service`, `outside`, `nowhere`."""

    role: str
    name: str
    address: str = ""

    @property
    def word(self) -> str:
        """What its role is called in a leg's name."""
        return "client" if self.role == "host" else self.role


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy's access log will say. `kind` is `http`, `tcp` or `listener`; `flags` are
    Envoy's short ones, `-` for none."""

    proxy: str
    kind: str
    status: int | None = None
    flags: tuple[str, ...] = ()
    details: str = ""
    upstream_failure: str = ""
    downstream_failure: str = ""
    cluster: str = ""
    attempts: int = 1


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of the way."""

    client: Party
    server: Party
    tls: str = ""
    """`none`, `tls`, `mtls`; empty where nothing was sent."""
    sni: str = ""
    alpn: tuple[str, ...] = ()
    client_identity: str = ""
    server_identity: str = ""
    client_log: Log | None = None
    server_log: Log | None = None
    failed: bool = False
    inside: bool = False

    @property
    def name(self) -> str:
        """Its ends by role."""
        return f"{self.client.word} -> {self.server.word}"


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """What one way of drawing all lots leads to."""

    status: int | None = None
    error: str = ""
    """The client's own words where it gets no status."""
    code: str = "ok"
    """The failure class (docs/failures.md); `ok` when it was answered."""
    sources: tuple[Source, ...] = ()
    """The fields that decided, the most telling first."""
    destination: str = ""
    """`namespace/pod` of the application that answers; empty if none does."""
    cluster: str = ""
    """The first proxy's choice of destination."""
    legs: tuple[Leg, ...] = ()
    steps: tuple[Step, ...] = ()
    unknown: str = ""
    """Why it cannot be said, if it cannot: then the rest tells how far it is known."""


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome, and what it depends on."""

    outcome: Foretold
    conditions: tuple[str, ...] = ()
    share: float | None = 1.0
    """Of how many requests; None where it is no draw but a fact that is not known."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """All that can happen. `open` says what was not looked into, empty if nothing."""

    branches: tuple[Branch, ...]
    open: str = ""

    @property
    def sole(self) -> Foretold | None:
        """The outcome, where it can be no other."""
        if len(self.branches) == 1 and not self.open:
            return self.branches[0].outcome
        return None
