"""One walk: the world it goes through, and what it notes on the way. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from lateen.model.meta import Source
from lateen.predict.connection.choices import Choices, Option
from lateen.predict.envoy.config import Proxy
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.facts import NetworkFacts, PodFacts
from lateen.predict.values.outcome import Candidate, Leg, Log, Party, Step
from lateen.predict.values.request import Content, Credential, Tls


class Secrets(Protocol):
    """What proxies are told by SDS."""

    def certificate(self, proxy: str, name: str) -> Credential | None:
        """Return the certificate that a proxy has under a name; None if it was told none."""
        ...

    def roots(self, proxy: str, name: str) -> frozenset[str] | None:
        """Return the names of the roots under a name; None if it was told none."""
        ...


class World(msgspec.Struct, frozen=True):
    """Everything that a request may meet."""

    network: NetworkFacts
    proxies: Mapping[str, Proxy]
    """By `namespace/pod`."""
    secrets: Secrets


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """How the handshake of one layer of TLS went."""

    done: bool = True
    mutual: bool = False
    client: str = ""
    """The client's identity, where the server knows it."""
    server: str = ""
    alpn: str = ""
    at: str = ""
    """The proxy where it ended; empty for an application."""
    deep: int = 0
    """How many proxies' connections away from the client that is: a pod that calls itself is met
    twice."""


class WireReply(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever opened a connection gets.

    `kind` is `answer` (with `status`, None where the application's status is not known),
    `refused`, `unreachable`, `timeout` (no connection), `closed` (ended before an answer), `tls`
    (the handshake failed at the client), `protocol` (what came is not what was asked in),
    `silent` (no answer ever).
    """

    kind: str
    server: Party
    status: int | None = None
    grpc: str = ""
    """The gRPC status of an answer that a proxy made, in the words of retry policies."""
    reason: str = ""
    log: Log | None = None
    layers: tuple[Layer, ...] = ()
    """Of the TLS that the connection carried, the outermost first."""
    seconds: float = 0.0
    pod: str = ""
    """The pod whose application answered."""

    @property
    def answered(self) -> bool:
        """Whether there was an answer."""
        return self.kind == "answer"


def ended(content: Content, server: Party, log: Log | None) -> WireReply:
    """Return what a client gets whose connection ends at its first bytes: one that began with TLS
    has a handshake that failed."""
    kind = "tls" if isinstance(content, Tls) else "closed"
    return WireReply(kind=kind, server=server, reason="closed" if kind == "tls" else "", log=log)


class OpenedConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that somebody opens."""

    client: Party
    pod: PodFacts | None
    """Where it is opened; None for outside."""
    address: str
    port: int
    content: Content
    by_proxy: bool = False
    inward: bool = False
    """From a proxy to its own application."""

    @property
    def source(self) -> str:
        """The client's IP."""
        return self.client.address


class Failure(msgspec.Struct, frozen=True):
    """What went wrong: the class of docs/failures.md, the fields that decided, and the leg (by its
    number) that it was on; -1 for a step that was not taken."""

    code: str
    sources: tuple[Source, ...] = ()
    leg: int = -1


_DEEPEST = 12


class Run:
    """What one walk notes."""

    def __init__(self, world: World, choices: Choices, onward: "Onward") -> None:
        self.world, self.choices = world, choices
        self._onward = onward
        self._facts: dict[str, int] = {}
        self.steps: list[Step] = []
        self.legs: list[Leg | None] = []
        self._streams: set[int] = set()
        """Legs that carry the request as a stream of HTTP/2."""
        self.failure: Failure | None = None
        self.decided: list[Source] = []
        """Fields that decided something on the way, in order."""
        self.cluster = ""
        self.depth = 0

    def step(
        self,
        kind: str,
        text: str,
        *,
        at: str = "",
        ok: bool = True,
        sources: tuple[Source, ...] = (),
        lost: tuple[Candidate, ...] = (),
    ) -> None:
        """Note a decision."""
        self.steps.append(Step(kind=kind, text=text, ok=ok, sources=sources, lost=lost, at=at))
        self.decided += sources

    def fact(self, key: str, options: Sequence[Option]) -> int:
        """Return which of some facts holds in this walk: the same whenever it is asked."""
        if key not in self._facts:
            self._facts[key] = self.choices.choose(options)
        return self._facts[key]

    def fail(self, code: str, sources: tuple[Source, ...] = (), leg: int = -1) -> None:
        """Note what went wrong, unless something deeper did already."""
        if self.failure is None:
            self.failure = Failure(code, sources, leg)

    def arrive(self, wanted: OpenedConnection) -> WireReply:
        """Return what a connection that a proxy opens leads to. Raises UnknownError where the way
        never ends."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UnknownError(f"the way goes through more than {_DEEPEST} proxies")
        try:
            return self._onward(self, wanted)
        finally:
            self.depth -= 1

    def reserve(self) -> int:
        """Keep a place for a leg that is about to be walked."""
        self.legs.append(None)
        return len(self.legs) - 1

    def put(self, place: int, leg: Leg) -> None:
        """Note a leg at its place."""
        self.legs[place] = leg

    def note_protocol(self, place: int, version: str) -> None:
        """Note the HTTP version of a leg between proxies: over HTTP/2 a request is a stream."""
        (self._streams.add if version == "2" else self._streams.discard)(place)

    def left_alone(self, place: int) -> None:
        """Note that who waited at a leg went away: the proxies beyond log it."""
        for number in range(place, len(self.legs)):
            leg = self.legs[number]
            if leg is None:
                continue
            before, here = number - 1 in self._streams, number in self._streams
            own = leg.client_log if number == place else _gone(leg.client_log, stream=before)
            server = _gone(leg.server_log, stream=here)
            changed = msgspec.structs.replace(leg, client_log=own, server_log=server)
            self.legs[number] = changed

    def mark(self) -> tuple[int, int]:
        """Return where the walk is, to come back to for another attempt."""
        return len(self.legs), len(self.steps)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget an attempt."""
        del self.legs[mark[0] :]
        del self.steps[mark[1] :]
        self.failure = None


def _gone(log: Log | None, *, stream: bool) -> Log | None:
    """Return what a proxy logs of a request that who asked took back: a stream of its own over
    HTTP/2, else the whole connection."""
    if log is None or log.kind != "http":
        return log
    flag, details = "DC", "downstream_remote_disconnect"
    if stream:
        flag, details = "DR", "http2.remote_reset"
    return msgspec.structs.replace(
        log, status=0, flags=(flag,), details=details, upstream_failure=""
    )


Onward = Callable[[Run, OpenedConnection], WireReply]
"""From an opened connection to what it leads to."""


def party_of(pod: PodFacts, role: str = "", port: int = 0) -> Party:
    """Return a pod as one end of a leg: its proxy, or with `app` its application."""
    address = f"{pod.address}:{port}" if port else pod.address
    return Party(role or pod.proxy or "app", pod.name, address)
