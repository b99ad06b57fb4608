"""Every client with every destination: clients that fare alike are walked once. Pure."""

import ipaddress
import re
from collections.abc import Callable, Hashable, Iterator, Sequence

import msgspec

from lateen.predict.classes.regions import Regions
from lateen.predict.envoy import strings
from lateen.predict.spaces.explore import Space, Vantage, explore
from lateen.predict.values.trail import Literal, Test


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends: a workload by its first pod, or a client of another kind."""

    name: str
    origin: str
    """As `explain` takes it."""
    namespace: str = ""
    identity: str = ""
    address: str = ""
    scope: Hashable = None
    """Clients of equal scopes send alike: what differs is who they are."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to: a port of a Service, or a host of a gateway."""

    name: str
    """`namespace/service:port`, or `gateway HOST:port`."""
    url: str
    ends: frozenset[str] = frozenset()
    """The workloads behind a Service."""
    outside: bool = False
    """Whether clients outside the mesh send there; else those inside do."""


class Cell(msgspec.Struct, frozen=True):
    """Clients that fare alike with a destination, and how."""

    clients: tuple[Client, ...]
    target: Target
    space: Space


Place = Callable[[Client, Target], Sequence[Vantage]]
"""The states in which a client's request to a target is walked."""


def every(
    clients: Sequence[Client], targets: Sequence[Target], place: Place, regions: Regions
) -> Iterator[Cell]:
    """Yield all cells, destinations in their order."""
    for target in targets:
        groups: dict[Hashable, list[Client]] = {}
        for client in clients:
            if target.outside == (client.scope is None):
                groups.setdefault(client.scope, []).append(client)
        for group in groups.values():
            yield from _alike(group, target, place, regions)


def _alike(
    group: Sequence[Client], target: Target, place: Place, regions: Regions
) -> Iterator[Cell]:
    left = list(group)
    while left:
        first = left[0]
        space = explore(place(first, target), regions)
        asked = tuple(dict.fromkeys(n for each in space.classes for n in each.client))
        met = frozenset(name for each in space.classes for name in each.met)
        same = [first]
        if first.name not in met:  # who comes back to its own pod fares otherwise than others
            same += [one for one in left[1:] if one.name not in met and _answers(one, asked)]
        yield Cell(tuple(same), target, space)
        left = [one for one in left if one not in same]


def _answers(client: Client, asked: Sequence[Literal]) -> bool:
    return all(_passes(client, note) == note.answer for note in asked)


def _passes(client: Client, note: Literal) -> bool:
    if note.field == "identity":
        return passes(note.test, client.identity)
    return ipaddress.ip_address(client.address) in ipaddress.ip_network(
        note.test.value, strict=False
    )


def passes(test: Test, value: str) -> bool:
    """Tell whether a value passes a test of strings."""
    wanted = test.value
    if test.kind == "regex":
        return strings.full_match(wanted, value)
    if test.fold:
        wanted, value = wanted.lower(), value.lower()
    match test.kind:
        case "exact":
            return value == wanted
        case "prefix":
            return value.startswith(wanted)
        case "suffix":
            return value.endswith(wanted)
        case "below":
            return re.match(f"{re.escape(wanted)}(/|$)", value) is not None
        case _:
            return wanted in value
