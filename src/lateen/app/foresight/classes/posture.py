"""`lateen posture`: who can reach what, how protected, decided by whom."""

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from lateen.app.foresight.classes import requests
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.app.foresight.explanation import Locate
from lateen.base.jsonvalue import Json
from lateen.model.meta import Source
from lateen.predict.classes.regions import Regions
from lateen.predict.spaces import cells, effects
from lateen.predict.spaces.cells import Cell, Client, Target
from lateen.predict.spaces.effects import Course, Effect
from lateen.predict.spaces.explore import RequestClass

_MOST_SOURCES = 3


class PostureFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What to tell of: patterns of clients and destinations, and a kind of effect."""

    start: str = ""
    to: str = ""
    only: str = ""
    """`plaintext`, `denied`, `broken`, `unknown`; empty for all."""

    def takes(self, effect: Effect) -> bool:
        """Tell whether an effect is of the kind that is asked for."""
        return not self.only or ONLY[self.only](effect)


ONLY: Mapping[str, Callable[[Effect], bool]] = {
    "plaintext": lambda effect: effect.plaintext,
    "denied": lambda effect: effect.denied,
    "broken": lambda effect: effect.broken and not effect.unrouted,
    "unknown": lambda effect: bool(effect.unknown),
    "reached": lambda effect: effect.reached,
}


def named(name: str, pattern: str) -> bool:
    """Tell whether a name is meant: as a whole, without its port, by its last part, or as a
    pattern; `ns/NAME` means all of a namespace."""
    if not pattern:
        return True
    if pattern.startswith("ns/"):
        return name.startswith(f"{pattern[3:]}/")
    bare = name.rpartition(":")[0] or name
    forms = {name, bare, name.rpartition("/")[2], bare.rpartition("/")[2], *name.split(" ")}
    return any(fnmatch.fnmatchcase(form, pattern) for form in forms)


def found(
    standing: CompiledState, asked: PostureFilter, regions: Regions | None = None
) -> Iterator[Cell]:
    """Yield the cells of a state, as far as they are asked for."""
    clients = [c for c in standing.clients.values() if named(c.name, asked.start)]
    targets = [t for t in standing.targets.values() if named(t.name, asked.to)]
    yield from cells.every(clients, targets, standing.place, regions or Regions())


def document(standing: CompiledState, asked: PostureFilter) -> Json:
    """Return who can reach what. Clients that fare alike with a destination stand together."""
    rows: dict[object, tuple[list[Client], Cell]] = {}
    for cell in found(standing, asked):
        fare = tuple((each.notes, each.effects) for each in cell.space.classes)
        key = (cell.target.name, fare, cell.space.open)
        rows.setdefault(key, ([], cell))[0].extend(cell.clients)
    made = [_row(clients, cell, asked, standing.locate) for clients, cell in rows.values()]
    return {"cells": [row for row in made if row["classes"] or (row["open"] and not asked.only)]}


def _row(clients: Sequence[Client], cell: Cell, asked: PostureFilter, locate: Locate) -> Json:
    kept = [each for each in cell.space.classes if asked.takes(each.effect)]
    told = alike(kept).values()
    return {
        "clients": [client.name for client in clients],
        "to": cell.target.name,
        "open": list(cell.space.open),
        "classes": [_classes(clients[0], cell.target, each, locate) for each in told],
    }


def alike(classes: Iterable[RequestClass]) -> dict[object, list[RequestClass]]:
    """Return classes of one effect together, the one with the simplest request first."""
    found: dict[object, list[RequestClass]] = {}
    for each in sorted(classes, key=_size):
        found.setdefault(each.effects, []).append(each)
    return found


def _size(one: RequestClass) -> tuple[int, bool, int]:
    shown = one.witness
    return len(shown.fields), shown.method != "GET", len(shown.path)


def _classes(client: Client, target: Target, every: Sequence[RequestClass], locate: Locate) -> Json:
    one = every[0]
    return {
        "requests": [requests.words(each.notes) for each in every],
        "witness": {
            **requests.document(one.witness),
            "options": requests.options(client, target, one.witness),
        },
        **effect(one.effect),
        "sources": written(one.sources[0][:_MOST_SOURCES], locate),
    }


def effect(found: Effect) -> Json:
    """Return an effect as documents have it."""
    return {
        "words": effects.words(found),
        "reached": found.reached,
        "plaintext": found.plaintext,
        "unknown": found.unknown,
        "ways": [_way(way) for way in found.ways],
    }


def _way(way: Course) -> Json:
    return {
        "code": way.code,
        "status": way.status,
        "share": way.share,
        "destination": way.destination,
        "reached": way.reached,
        "unknown": way.unknown,
        "hops": [
            {"name": h.name, "tls": h.tls, "client": h.client, "server": h.server} for h in way.hops
        ],
    }


def written(sources: Iterable[Source], locate: Locate) -> list[Json]:
    """Return the fields that decided, with their places."""
    return [{"text": str(each), "location": str(locate(each) or "")} for each in sources]
