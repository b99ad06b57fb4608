"""What a class of requests comes to: what two predictions are compared by. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.model.meta import Source
from lateen.predict.values.outcome import Foretold, Leg, Prediction

REACHED = frozenset({"ok", "application-status", "direct-response"})
"""Failure classes of requests that get where the configuration sends them."""
CLIENT = "the client"
_RANKS = {"none": 0, "tls": 1, "mtls": 2}
_WORDS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS"}


class Link(msgspec.Struct, frozen=True):
    """A connection between two pods, or from outside."""

    name: str
    tls: str
    """`none`, `tls` or `mtls`."""
    client: str = ""
    server: str = ""

    @property
    def words(self) -> str:
        """How it is protected."""
        return _WORDS.get(self.tls, "nothing sent")


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """One way that a class of requests can go."""

    code: str
    """The failure class, `ok` if it is answered."""
    status: int | None = None
    """Of an answer that no application gave."""
    destination: str = ""
    """The workload that answers."""
    hops: tuple[Link, ...] = ()
    unknown: str = ""
    share: float | None = 1.0

    @property
    def reached(self) -> bool:
        """Whether it gets where the configuration sends it."""
        return self.code in REACHED

    @property
    def weakest(self) -> str:
        """The protection of its least protected connection; empty where nothing was sent."""
        return min((hop.tls for hop in self.hops), key=lambda t: _RANKS.get(t, 3), default="")


class Effect(msgspec.Struct, frozen=True):
    """All ways that a class can go."""

    ways: tuple[Course, ...]
    open: str = ""

    @property
    def reached(self) -> bool:
        """Whether some request gets there."""
        return any(way.reached for way in self.ways)

    @property
    def broken(self) -> bool:
        """Whether some request fails for another reason than a rule's refusal."""
        return any(not way.reached and not way.unknown and not refused(way) for way in self.ways)

    @property
    def unrouted(self) -> bool:
        """Whether all that happens is that no route is for it."""
        return all(way.code == "no-route" for way in self.ways)

    @property
    def denied(self) -> bool:
        """Whether some request is refused by a rule."""
        return any(refused(way) for way in self.ways)

    @property
    def unknown(self) -> str:
        """Why it cannot be said, if it cannot."""
        return next((way.unknown for way in self.ways if way.unknown), self.open)

    @property
    def plaintext(self) -> bool:
        """Whether some request that gets there crosses a connection without TLS."""
        return any(way.reached and way.weakest == "none" for way in self.ways)


def refused(way: Course) -> bool:
    """Tell whether a rule of authorization, or what may leave the mesh, refuses it."""
    return way.code.startswith("rbac-") or way.code in ("blocked", "jwt")


def of(found: Prediction, identity: str, workloads: Mapping[str, str]) -> Effect:
    """Return what a prediction comes to. The client's own identity is said as such, so that
    clients that fare alike have one effect. `workloads` are the pods' by their names."""
    shares: dict[Course, float | None] = {}
    for each in found.branches:
        course, part = _course(each.outcome, identity, workloads), each.share
        before = shares.get(course, 0.0)
        shares[course] = None if part is None or before is None else before + part
    ways = [
        msgspec.structs.replace(course, share=None if share is None else round(share, 6))
        for course, share in shares.items()
    ]
    ordered = sorted(ways, key=lambda way: (way.code, way.destination, str(way)))
    return Effect(tuple(ordered), found.open)


def _course(outcome: Foretold, identity: str, workloads: Mapping[str, str]) -> Course:
    return Course(
        code=outcome.code,
        status=outcome.status,
        destination=workloads.get(outcome.destination, outcome.destination),
        hops=tuple(_hop(leg, identity) for leg in outcome.legs if _counts(leg)),
        unknown=outcome.unknown,
    )


def _counts(leg: Leg) -> bool:
    """Whether it is between two pods, or from outside: what stays in a pod is not counted."""
    return bool(leg.tls) and not leg.inside and leg.client.name != leg.server.name


def _hop(leg: Leg, identity: str) -> Link:
    client = CLIENT if identity and leg.client_identity == identity else leg.client_identity
    return Link(leg.name, leg.tls, client, leg.server_identity)


_ORDER = (
    "AuthorizationPolicy",
    "RequestAuthentication",
    "VirtualService",
    "HTTPRoute",
    "DestinationRule",
    "PeerAuthentication",
    "Sidecar",
    "ServiceEntry",
)
"""Kinds that tell most about a request that gets there, in this order."""


def sources(found: Prediction) -> tuple[Source, ...]:
    """Return the fields that decided any branch, the most telling first."""
    every: dict[Source, None] = {}
    for branch in found.branches:
        outcome = branch.outcome
        told = outcome.sources
        every.update(dict.fromkeys(sorted(told, key=_rank) if outcome.code in REACHED else told))
    return tuple(every)


def _rank(source: Source) -> int:
    kind = source.ref.kind
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def words(effect: Effect) -> str:
    """Return it in a few words. Ways that are told alike are one, with the share of all of them."""
    shares: dict[str, float | None] = {}
    for way in effect.ways:
        text, before = _said(way), shares.get(_said(way), 0.0)
        shares[text] = None if way.share is None or before is None else before + way.share
    if len(shares) == 1:
        return next(iter(shares))
    told = [text if part is None else f"{part:.0%} {text}" for text, part in shares.items()]
    return "; ".join(told) or "nothing"


def _said(way: Course) -> str:
    if way.unknown:
        return f"unknown: {way.unknown}"
    if not way.reached:
        return f"{way.status or 'no answer'} {way.code}"
    if not way.destination:
        return f"answered {way.status or ''}".rstrip()
    tls = ", ".join(dict.fromkeys(hop.words for hop in way.hops))
    return f"-> {way.destination} ({tls or 'in its own pod'})"
