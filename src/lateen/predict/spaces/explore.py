"""All classes of requests from one client to one destination. Pure.

A walk takes one request and notes what was asked of it. All requests that answer alike go the same
way: they are a class. For each answer there is the class of those that answer alike up to there and
otherwise here; a shortest request of it is walked next. So classes are disjoint and leave nothing
out, and they are no more than the configuration tells apart.
"""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from lateen.model.meta import Source
from lateen.predict.classes.regions import OpenError, Regions, Witness
from lateen.predict.connection.run import World
from lateen.predict.spaces import effects
from lateen.predict.spaces.effects import Effect
from lateen.predict.values.outcome import Prediction
from lateen.predict.values.request import Content, Http, Raw, Tls, innermost
from lateen.predict.values.trail import Note, Trail
from lateen.predict.walk import way
from lateen.predict.walk.way import Sending

MOST = 256
"""Classes of one client and destination; what lies beyond is said to be left open."""
CLIENTS = frozenset({"identity", "address"})
"""Fields of notes that are about the client, not about the request."""

Answer = Callable[[Sending], Prediction]


class RequestClass(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that go one way: the tests that they answer alike, one of them, what it comes to."""

    notes: tuple[Note, ...]
    """About the request. The first ones tell it from the classes before it."""
    client: tuple[Note, ...]
    """What was asked of the client."""
    witness: Witness
    effect: Effect
    sources: tuple[Source, ...] = ()


class Space(msgspec.Struct, frozen=True):
    """All classes of a client and a destination; `open` says what was not looked into."""

    classes: tuple[RequestClass, ...]
    open: tuple[str, ...] = ()


def explore(
    world: World,
    asked: Sending,
    regions: Regions,
    workloads: Mapping[str, str],
    identity: str = "",
    most: int = MOST,
) -> Space:
    """Return the classes of requests like one: from its client, to its destination."""
    found: list[RequestClass] = []
    left: dict[str, None] = {}
    waiting: list[tuple[Note, ...]] = [()]
    base = innermost(asked.content)
    while waiting:
        if len(found) >= most:
            left[f"more than {most} classes"] = None
            break
        given = waiting.pop()
        try:
            witness = regions.witness(given, base) if isinstance(base, Http) else Witness()
        except OpenError as error:
            left[str(error)] = None
            continue
        if witness is None:
            continue
        one = _walked(world, asked, witness, identity)
        client, notes = _told(one.notes)
        if notes[: len(given)] != given:
            left[f"{witness.path} is seen by proxies in another way than it is sent"] = None
            continue
        for note in notes:
            if note.test.kind == "other":
                left[note.test.value] = None
        waiting += _others(notes, len(given))
        made = RequestClass(
            notes=notes,
            client=client,
            witness=witness,
            effect=effects.of(one.found, identity, workloads),
            sources=effects.sources(one.found),
        )
        found.append(made)
    return Space(tuple(found), tuple(left))


class _Walked(msgspec.Struct, frozen=True):
    found: Prediction
    notes: list[Note]


def _walked(world: World, asked: Sending, witness: Witness, identity: str) -> _Walked:
    address = asked.pod.address if asked.pod is not None else world.network.node
    trail = Trail(notes=[], identity=identity, address=address)
    sent = sending(asked, witness, trail)
    return _Walked(way.predict(world, sent), trail.notes)


def sending(asked: Sending, witness: Witness, trail: Trail | None = None) -> Sending:
    """Return a request of a class, sent as another was."""
    return msgspec.structs.replace(asked, content=_with(asked.content, witness, trail))


def _with(content: Content, witness: Witness, trail: Trail | None) -> Content:
    if isinstance(content, Tls):
        return msgspec.structs.replace(content, inner=_with(content.inner, witness, trail))
    if isinstance(content, Raw):
        return msgspec.structs.replace(content, trail=trail)
    return msgspec.structs.replace(witness.applied(content), trail=trail)


def _told(notes: list[Note]) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
    """Return what was asked of the client and of the request, each once."""
    once = dict.fromkeys(notes)
    client = tuple(note for note in once if note.field in CLIENTS)
    return client, tuple(note for note in once if note.field not in CLIENTS)


def _others(notes: tuple[Note, ...], known: int) -> Iterator[tuple[Note, ...]]:
    """Yield the beginnings of the classes that answer one test otherwise; the first is taken
    last, so that it is looked into before what lies deeper elsewhere."""
    for place in range(len(notes) - 1, known - 1, -1):
        note = notes[place]
        if note.test.kind != "other":
            other = Note(note.field, note.test, not note.answer)
            yield (*notes[:place], other)
