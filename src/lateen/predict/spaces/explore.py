"""All classes of requests from one client to one destination. Pure.

A walk takes one request and notes what was asked of it. All requests that answer alike go the same
way: they are a class. For each answer there is the class of those that answer alike up to there and
otherwise here; a shortest request of it is walked next. So classes are disjoint and leave nothing
out, and they are no more than the configuration tells apart.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lateen.model.meta import Source
from lateen.predict.classes.regions import OpenError, Regions, Witness
from lateen.predict.connection.run import World
from lateen.predict.spaces import effects
from lateen.predict.spaces.effects import Effect
from lateen.predict.values.outcome import Prediction
from lateen.predict.values.request import Content, Http, Raw, Tls, innermost
from lateen.predict.values.trail import Literal, Trail
from lateen.predict.walk import way
from lateen.predict.walk.way import Sending

MOST = 256
"""Classes of one client and destination; what lies beyond is said to be left open."""
CLIENTS = frozenset({"identity", "address"})
"""Fields of notes that are about the client, not about the request."""


class Vantage(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the mesh, a request as it is sent there, and what its effect is told by."""

    world: World
    asked: Sending
    workloads: Mapping[str, str]
    """Of pods, by their names."""
    identity: str = ""
    """The client's."""


class RequestClass(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that go one way: the tests that they answer alike, one of them, what it comes to."""

    notes: tuple[Literal, ...]
    """About the request. The first ones tell it from the classes before it."""
    client: tuple[Literal, ...]
    """What was asked of the client."""
    witness: Witness
    effects: tuple[Effect, ...]
    """In each of the states."""
    sources: tuple[tuple[Source, ...], ...] = ()
    met: frozenset[str] = frozenset()
    """Workloads that it comes by after it has left its own pod."""

    @property
    def effect(self) -> Effect:
        """In the first state."""
        return self.effects[0]


class Space(msgspec.Struct, frozen=True):
    """All classes of a client and a destination; `open` says what was not looked into."""

    classes: tuple[RequestClass, ...]
    open: tuple[str, ...] = ()


def explore(states: Sequence[Vantage], regions: Regions, most: int = MOST) -> Space:
    """Return the classes of requests like one: from its client, to its destination. Those of
    several states are told apart where any of them tells them apart."""
    found: list[RequestClass] = []
    left: dict[str, None] = {}
    waiting: list[tuple[Literal, ...]] = [()]
    base = innermost(states[0].asked.content)
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
        one = _walked(states, witness)
        if one.notes[: len(given)] != given:
            left[f"{witness.path} is seen by proxies in another way than it is sent"] = None
            continue
        left.update((note.test.value, None) for note in one.notes if note.test.kind == "other")
        waiting += _others(one.notes, len(given))
        found.append(one)
    return Space(tuple(found), tuple(left))


def _walked(states: Sequence[Vantage], witness: Witness) -> RequestClass:
    notes: list[Literal] = []
    found: list[Prediction] = []
    for state in states:
        asked, here = state.asked, state.world.network.node
        address = asked.pod.address if asked.pod is not None else here
        trail = Trail(notes=notes, identity=state.identity, address=address)
        found.append(way.predict(state.world, sending(asked, witness, trail)))
    once = dict.fromkeys(notes)
    return RequestClass(
        notes=tuple(note for note in once if note.field not in CLIENTS),
        client=tuple(note for note in once if note.field in CLIENTS),
        witness=witness,
        effects=tuple(
            effects.of(each, state.identity, state.workloads)
            for each, state in zip(found, states, strict=True)
        ),
        sources=tuple(effects.sources(each) for each in found),
        met=frozenset(
            state.workloads.get(name, name)
            for each, state in zip(found, states, strict=True)
            for name in _met(each)
        ),
    )


def _met(found: Prediction) -> Iterator[str]:
    """Yield the pods at the far ends of connections, but for a client's own sidecar."""
    for branch in found.branches:
        for number, leg in enumerate(branch.outcome.legs):
            own = leg.client.name == leg.server.name and leg.server.role == "sidecar"
            if number or not own:
                yield leg.server.name


def sending(asked: Sending, witness: Witness, trail: Trail | None = None) -> Sending:
    """Return a request of a class, sent as another was."""
    return msgspec.structs.replace(asked, content=_with(asked.content, witness, trail))


def _with(content: Content, witness: Witness, trail: Trail | None) -> Content:
    if isinstance(content, Tls):
        return msgspec.structs.replace(content, inner=_with(content.inner, witness, trail))
    if isinstance(content, Raw):
        return msgspec.structs.replace(content, trail=trail)
    return msgspec.structs.replace(witness.applied(content), trail=trail)


def _others(notes: tuple[Literal, ...], known: int) -> Iterator[tuple[Literal, ...]]:
    """Yield the beginnings of the classes that answer one test otherwise; the first is taken
    last, so that it is looked into before what lies deeper elsewhere."""
    for place in range(len(notes) - 1, known - 1, -1):
        note = notes[place]
        if note.test.kind != "other":
            other = Literal(note.field, note.test, not note.answer)
            yield (*notes[:place], other)
