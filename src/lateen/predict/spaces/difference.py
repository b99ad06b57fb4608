"""What a change changes for a class of requests, and whether that is less secure. Pure."""

import msgspec

from lateen.predict.spaces import effects
from lateen.predict.spaces.effects import Course, Effect

_RANKS = {"none": 0, "tls": 1, "mtls": 2}
_INSIDE = 2
"""What stays in a pod is as good as what only its ends can read."""
LESS_SECURE, BROKEN, REPAIRED, MOVED, SECURER, OTHER, UNKNOWN = KINDS = (
    "less-secure",
    "broken",
    "repaired",
    "moved",
    "more-secure",
    "other",
    "unknown",
)
"""In the order in which they are told."""
_GUARDS = frozenset({"plaintext-to-strict", "no-mesh-certificate", "tls-to-http-port", "blocked"})
"""Failures that keep out who does not show who it is, or keep in what may not leave."""


class Difference(msgspec.Struct, frozen=True):
    """How a class of requests changes: a kind, and why it is of that kind."""

    kind: str
    why: str


def judged(before: Effect, after: Effect) -> Difference | None:
    """Return what differs between two effects; None for nothing."""
    if before == after:
        return None
    weaker = _less_secure(before, after)
    if weaker:
        return Difference(LESS_SECURE, weaker)
    if after.unknown and after.unknown != before.unknown:
        return Difference(UNKNOWN, "what it comes to cannot be said any more")
    lost = _failing(after) - _failing(before)
    if not before.reached and not after.reached:
        if _failures(before) == _failures(after):
            return None
        return Difference(OTHER, "it fails otherwise")
    if lost:
        stricter = all(_guarded(way) for way in after.ways if way.code in lost)
        word = "is kept out" if stricter else "fails"
        return Difference(SECURER if stricter and before.reached else BROKEN, f"it {word} now")
    if _failing(before) - _failing(after) and after.reached:
        return Difference(REPAIRED, "it reached nothing before")
    if _less_secure(after, before):
        return Difference(SECURER, "it is better protected")
    if _destinations(before) != _destinations(after):
        return Difference(MOVED, "it goes elsewhere")
    return Difference(OTHER, _what_else(before, after))


def _less_secure(before: Effect, after: Effect) -> str:
    """Return why a change lets in, or exposes, what was not before; empty if it does not."""
    were = [way for way in before.ways if way.reached and way.destination]
    are = [way for way in after.ways if way.reached and way.destination]
    if are and before.ways and all(_guarded(way) for way in before.ways):
        return "it was refused before"
    if were and are and _lowest(are) < _lowest(were):
        return "a connection is less protected"
    kept_out = any(_guarded(way) for way in before.ways)
    if are and kept_out and not any(_guarded(way) for way in after.ways):
        return "some of it was refused before"
    if were and are and _strangers(are) > _strangers(were):
        return "a server does not know the client any more"
    return ""


def _guarded(way: Course) -> bool:
    return effects.refused(way) or way.code in _GUARDS


def _lowest(ways: list[Course]) -> int:
    return min(_RANKS.get(way.weakest, _INSIDE) for way in ways)


def _strangers(ways: list[Course]) -> int:
    """Return how many connections, of the way with most, have a client that is not known."""
    return max(sum(not hop.client for hop in way.hops) for way in ways)


def _failing(effect: Effect) -> set[str]:
    return {way.code for way in effect.ways if not way.reached and not way.unknown}


def _failures(effect: Effect) -> set[tuple[str, int | None, float | None]]:
    """Return how it fails, as a client sees it and by the cause."""
    return {(way.code, way.status, way.share) for way in effect.ways}


def _destinations(effect: Effect) -> set[tuple[str, float | None]]:
    return {(way.destination, way.share) for way in effect.ways}


def _what_else(before: Effect, after: Effect) -> str:
    statuses = ({w.status for w in before.ways}, {w.status for w in after.ways})
    if statuses[0] != statuses[1]:
        return "its status differs"
    hops = ({w.hops for w in before.ways}, {w.hops for w in after.ways})
    return "identities or TLS differ" if hops[0] != hops[1] else "it fails otherwise"
