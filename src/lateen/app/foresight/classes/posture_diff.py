"""`lateen diff`: the classes of requests that change, each with a request that shows it."""

from collections.abc import Hashable, Iterable, Iterator, Sequence

import msgspec

from lateen.app.foresight.classes import posture, requests
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.base.jsonvalue import Json
from lateen.model.meta import Source
from lateen.predict.classes.regions import Regions
from lateen.predict.spaces import cells, difference, effects
from lateen.predict.spaces.cells import Cell, Client, Target
from lateen.predict.spaces.difference import Difference
from lateen.predict.spaces.explore import RequestClass, Vantage

_MOST_SOURCES = 2


class Pair:
    """Two states, and the clients and destinations of both."""

    def __init__(self, old: CompiledState, new: CompiledState) -> None:
        self.old, self.new = old, new
        self.clients = [self._client(name) for name in _ordered(old.clients, new.clients)]
        both = {**old.targets, **new.targets}
        self.targets = [both[name] for name in _ordered(old.targets, new.targets)]

    def _client(self, name: str) -> Client:
        before, after = self.old.clients.get(name), self.new.clients.get(name)
        one = after or before
        assert one is not None
        scope: Hashable = (before.scope if before else None, after.scope if after else None)
        if one.scope is None:
            scope = None  # who is outside
        elif before is None or after is None or before.identity != after.identity:
            scope = (scope, name)
        return msgspec.structs.replace(one, scope=scope)

    def place(self, client: Client, target: Target) -> Sequence[Vantage]:
        """Return a request in both states: as far as its client is in them."""
        found = []
        for side in (self.old, self.new):
            own = side.clients.get(client.name)
            if own is not None:
                found.append(side.state(own, target))
        return found

    def cells(
        self, start: str = "", to: str = "", regions: Regions | None = None
    ) -> Iterator[Cell]:
        """Yield the cells of both states."""
        clients = [c for c in self.clients if posture.named(c.name, start)]
        targets = [t for t in self.targets if posture.named(t.name, to)]
        yield from cells.every(clients, targets, self.place, regions or Regions())


def _ordered(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*first, *second)))


def document(pair: Pair, start: str = "", to: str = "") -> Json:
    """Return what changes, less secure first, and what was left open."""
    changes: list[Json] = []
    same, left = 0, []
    for cell in pair.cells(start, to):
        if cell.space.open:
            left.append({"to": cell.target.name, "why": list(cell.space.open)})
        for every in posture.alike(cell.space.classes).values():
            found = _judged(every[0])
            if found is None:
                same += len(every)
            else:
                changes.append(_change(pair, cell, every, found))
    changes.sort(key=lambda change: difference.KINDS.index(change["kind"]))
    told = merged(changes)
    counts = {kind: sum(c["kind"] == kind for c in told) for kind in difference.KINDS}
    return {"changes": told, "counts": counts, "unchanged": same, "open": left}


def _judged(one: RequestClass) -> Difference | None:
    if len(one.effects) < 2:
        return None  # a client that is not in both
    return difference.judged(*one.effects)


def _change(pair: Pair, cell: Cell, every: Sequence[RequestClass], found: Difference) -> Json:
    client, target, one = cell.clients[0], cell.target, every[0]
    words = requests.options(client, target, one.witness)
    return {
        "kind": found.kind,
        "why": found.why,
        "clients": [each.name for each in cell.clients],
        "to": target.name,
        "requests": [requests.words(each.notes) for each in every],
        "witness": {
            **requests.document(one.witness),
            "options": words,
            "curl": f"lateen curl {words}",
        },
        "before": _side(pair.old, one, 0),
        "after": _side(pair.new, one, 1),
    }


def _side(standing: CompiledState, one: RequestClass, number: int) -> Json:
    effect = one.effects[number]
    return {
        **posture.effect(effect),
        "words": effects.words(effect),
        "sources": posture.written(_telling(one, number), standing.locate),
    }


def _telling(one: RequestClass, number: int) -> list[Source]:
    """Return the fields that decided, those first that did not on the other side."""
    other = set(one.sources[1 - number])
    mine = one.sources[number]
    return [*(s for s in mine if s not in other), *(s for s in mine if s in other)][:_MOST_SOURCES]


def merged(changes: Sequence[Json]) -> list[Json]:
    """Return changes, those that differ in their clients alone as one."""
    found: dict[str, Json] = {}
    for each in changes:
        sides = [(each[s]["words"], str(each[s]["sources"])) for s in ("before", "after")]
        key = f"{each['kind']} {each['to']} {each['requests']} {sides}"
        if key in found:
            found[key]["clients"] += each["clients"]
        else:
            found[key] = {**each, "clients": list(each["clients"])}
    return list(found.values())
