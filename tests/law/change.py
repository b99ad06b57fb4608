"""`./run law --diff`: random edits of random meshes, one state in each of two labs.

Real requests go to both. What changes must be in the diff that is foretold from the manifests, and
the witness of every change must do otherwise in the second lab. What an application says of a path
is no matter of a diff; where lots are drawn, both sides are sent to several times, and a change is
one whose outcomes have none in common.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

from lateen.app.foresight.classes import posture_diff
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.app.foresight.classes.requests import document
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError
from lateen.predict.classes.regions import OpenError, Regions
from lateen.predict.spaces import difference
from lateen.predict.spaces.cells import Cell, Client, Target
from lateen.predict.spaces.explore import RequestClass
from lateen.predict.values.request import Content, Http, innermost
from lateen.predict.values.trail import ISSUER, PRESENT, Literal, Test
from tests.law import foretold, meshes, replay, tokens
from tests.law.court import AT_ONCE, Court

_SENT = 6
"""How often a request goes to each lab whose outcomes are compared."""
_WITNESSES = 8
"""Changes of an edit whose witnesses are sent."""
_ANSWERED = frozenset({"ok", "application-status"})
_KINDS = ("authentication", "destination", "routes", "authorization", "gateway", "verification")


@dataclass
class Compared:
    """What was sent, and what was not as the diff says."""

    edits: int = 0
    requests: int = 0
    changed: int = 0
    witnesses: int = 0
    missed: list[Json] = field(default_factory=list)
    """Changes that were seen and are not in the diff."""
    idle: list[Json] = field(default_factory=list)
    """Changes of the diff whose witness did the same in both labs."""

    def add(self, other: "Compared") -> None:
        """Take in what was seen of another edit."""
        self.edits += other.edits
        self.requests += other.requests
        self.changed += other.changed
        self.witnesses += other.witnesses
        self.missed += other.missed
        self.idle += other.idle

    def line(self) -> str:
        """Return the counts in words."""
        return (
            f"{self.edits} edits, {self.requests} requests, {self.changed} changed, "
            f"{len(self.missed)} of them not in the diff; {self.witnesses} witnesses sent, "
            f"{len(self.idle)} change nothing"
        )


def edited(random: Random, objects: list[Json]) -> list[Json]:
    """Return objects with one taken away, made anew, or added."""
    kept = list(objects)
    if kept and random.random() < 0.6:
        kept.pop(random.randrange(len(kept)))
    if len(kept) == len(objects) or random.random() < 0.5:
        kind = random.choice(_KINDS)
        made: Any = getattr(meshes, kind)
        kept += made(random) if kind == "gateway" else [made(random, 0)]
    named = {(e["kind"], e["metadata"]["namespace"], e["metadata"]["name"]): e for e in kept}
    return list(named.values())


def tried(old: Court, new: Court, seed: str, count: int) -> Compared:
    """Compare two labs under a mesh and its edit; send `count` requests."""
    random = Random(seed)
    before = meshes.mesh(random)
    after = edited(random, before)
    pair = posture_diff.Pair(_standing(before, old.istio), _standing(after, new.istio))
    cells = list(pair.cells())
    found = Compared(edits=1)
    with old.holding(before) as there, new.holding(after) as here:
        if not (there and here):
            return Compared()
        for number in range(count):
            cell = random.choice(cells)
            client = random.choice(cell.clients)
            request = _request(random, client, cell.target)
            if request is not None:
                base = innermost(pair.place(client, cell.target)[0].asked.content)
                _send((old, new), cell, base, f"{seed}/{number}", request, found)
        told = [(cell, one) for cell in cells for one in cell.space.classes if _changes(one)]
        random.shuffle(told)
        for cell, one in told[:_WITNESSES]:
            _witness(old, new, cell, one, seed, found)
    return found


def _standing(objects: list[Json], istio: str) -> CompiledState:
    made, known = replay.compiled(objects, istio)
    return CompiledState(known, made.locate)


def _request(random: Random, client: Client, target: Target) -> Json | None:
    """Return a request of a client to a target, as a lab takes it; None for one that cannot be sent
    there: by a pod that does not exist."""
    if client.origin not in ("outside", "") and not client.origin.startswith("deploy/"):
        return None
    tier = [["x-tier", random.choice(("gold", "golden", "iron"))]]
    path = random.choice((*meshes.PATHS, "/a?v=2", "/api/v1"))
    url = target.url if target.url.startswith("tcp:") else target.url[:-1] + path
    return {
        "url": url,
        "from": "" if client.origin == "outside" else client.origin,
        "namespace": client.namespace or "default",
        "method": random.choice(("GET", "GET", "POST")),
        "headers": tier if random.random() < 0.4 else [],
        "insecure": True,
        "timeout": 5.0,
        "remedies": False,
    }


def _outcomes(lab: Court, request: Json, times: int, of: Callable[[Json], str]) -> set[str]:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return {of(each) for each in threads.map(lab.sent, [request] * times)}


def _outcome(answer: Json) -> str:
    """Return what a diff speaks of: where a request came to, how its connections were protected, or
    how it failed."""
    code, hops = answer["verdict"]["code"], _hops(answer)
    if code not in _ANSWERED:
        return str((code, answer["response"]["status"]))
    by_proxy = answer["legs"][-1]["to"]["role"] != "app"
    return str((hops, answer["response"]["status"] if by_proxy else None))


def _hops(answer: Json) -> list[tuple[str, ...]]:
    """Return the legs between pods: what stays in one is nobody's to read."""
    return [
        (leg["name"], leg["tls"], leg["client_identity"], foretold.workload(leg["to"]["name"]))
        for leg in answer["legs"]
        if leg["from"]["name"] != leg["to"]["name"]
    ]


def _all_told(answer: Json) -> str:
    """Return an outcome with its legs, though it failed: a witness may show that a request that is
    refused before and after comes over mutual TLS now."""
    return str((_outcome(answer), _hops(answer)))


def _send(
    labs: tuple[Court, Court],
    cell: Cell,
    base: Content,
    seed: str,
    request: Json,
    found: Compared,
) -> None:
    old, new = labs
    try:
        if _outcomes(old, request, 1, _outcome) == _outcomes(new, request, 1, _outcome):
            found.requests += 1
            return
        there, here = (_outcomes(each, request, _SENT, _outcome) for each in labs)
    except ApiError:
        return
    found.requests += 1
    if there & here:
        return
    found.changed += 1
    mine = [each for each in cell.space.classes if _of_class(each, request, base)]
    if not cell.space.open and not any(map(_changes, mine)):
        found.missed.append(
            {"seed": seed, "request": request, "before": sorted(there), "after": sorted(here)}
        )


def _witness(
    old: Court, new: Court, cell: Cell, one: RequestClass, seed: str, found: Compared
) -> None:
    client = cell.clients[0]
    asked = document(one.witness)
    request = _request(Random(seed), client, cell.target)
    if request is None:
        return
    if not cell.target.url.startswith("tcp:"):
        request["url"] = cell.target.url[:-1] + asked["path"]
    request["method"] = asked["method"]
    request["headers"] = [[name, text] for name, text in asked["headers"].items() if text]
    if "claims" in asked:
        request["headers"].append(["Authorization", f"Bearer {tokens.good(asked['claims'])}"])
    try:
        there, here = (_outcomes(each, request, _SENT, _all_told) for each in (old, new))
    except ApiError:
        return
    found.witnesses += 1
    if there == here:
        said = [str(effect.ways) for effect in one.effects]
        found.idle.append(
            {"seed": seed, "request": request, "outcomes": sorted(here), "said": said}
        )


def _changes(one: RequestClass) -> bool:
    return len(one.effects) == 2 and difference.judged(*one.effects) is not None


def _of_class(one: RequestClass, request: Json, base: Content) -> bool:
    """Whether a class holds a request; where it cannot be said it may."""
    if not isinstance(base, Http):
        return True
    try:
        return Regions().witness([*one.notes, *_exactly(request)], base) is not None
    except OpenError:
        return True


def _exactly(request: Json) -> list[Literal]:
    """Return the tests that of all requests this one alone answers so."""
    path, _, query = str(request["url"].split("://")[1]).partition("?")
    pairs = dict(part.partition("=")[::2] for part in query.split("&") if part)
    tier = next((value for name, value in request["headers"] if name == "x-tier"), None)
    return [
        _is("path", "/" + path.partition("/")[2]),
        _is("method", request["method"]),
        _is("header x-tier", tier),
        _is(ISSUER, None),
        _is("query v", pairs.get("v")),
    ]


def _is(field_name: str, value: str | None) -> Literal:
    if value is None:
        return Literal(field_name, PRESENT, False)
    return Literal(field_name, Test(kind="exact", value=value), True)
