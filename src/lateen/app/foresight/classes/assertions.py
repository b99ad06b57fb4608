"""Statements about all requests, and the request that one fails by."""

from collections.abc import Iterator, Sequence

import msgspec

from lateen.analysis.expectations.values import Assertion
from lateen.app.foresight.classes import posture, requests
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.model.labapi.explain import ExplainRequest
from lateen.predict.classes.regions import OpenError, Regions, Witness
from lateen.predict.spaces import cells, effects
from lateen.predict.spaces.cells import Cell, Client, Target
from lateen.predict.spaces.effects import Course, Effect
from lateen.predict.spaces.explore import RequestClass
from lateen.predict.values.request import Http, innermost
from lateen.predict.values.trail import Literal, Test

_TLS = {"plaintext": "none", "tls": "tls", "mtls": "mtls"}


class CounterExample(msgspec.Struct, frozen=True, kw_only=True):
    """Why a statement does not hold: in words, and a request that shows it, if one does."""

    problem: str
    client: Client | None = None
    target: Target | None = None
    witness: Witness = Witness()


def first(standing: CompiledState, asserted: Assertion) -> CounterExample | None:
    """Return what a statement fails by; None if it holds for every request. What was left open is a
    failure, unless it is allowed; so is a statement about nobody or to nowhere."""
    regions = Regions()
    clients = _clients(standing, asserted)
    meant = [t for t in standing.targets.values() if _any(_target(t, p) for p in asserted.to)]
    if not clients or not meant:
        what = "no client" if not clients else "no destination"
        words = ", ".join(asserted.start if not clients else asserted.to)
        return CounterExample(problem=f"{what} is meant by {words or 'it'}")
    # What may not be reached may not be reached by another name either.
    ways = meant if asserted.kind in ("all", "equal") else list(standing.targets.values())
    found = list(cells.every(clients, ways, standing.place, regions))
    if not found and asserted.kind in ("all", "equal"):
        return CounterExample(problem="nobody of these sends there: who is outside asks gateways")
    if asserted.kind == "equal":
        return _unequal(found)
    goal = Goal(
        frozenset(target.name for target in meant),
        frozenset(name for target in meant for name in target.ends),
    )
    return next(_failures(standing, asserted, found, goal), None)


class Goal(msgspec.Struct, frozen=True):
    """What a statement speaks of: destinations by name, and the workloads behind them."""

    targets: frozenset[str]
    workloads: frozenset[str]

    def reached(self, cell: Cell, course: Course) -> bool:
        """Tell whether a request got there: to a workload of a Service that is meant, or by a
        gateway's host that is meant to anything."""
        if not (course.reached and course.destination):
            return False
        by_host = cell.target.outside and cell.target.name in self.targets
        return by_host or course.destination in self.workloads


def _any(found: Iterator[bool]) -> bool:
    every = list(found)
    return any(every) or not every


def _clients(standing: CompiledState, asserted: Assertion) -> list[Client]:
    """Return the clients that are spoken of; with `only`, those that are not named."""
    every = standing.clients.values()
    named = [c for c in every if _any(_client(c, pattern) for pattern in asserted.start)]
    if asserted.kind != "only":
        return named
    if not named:
        return []
    return [client for client in every if client not in named]


def _client(client: Client, pattern: str) -> bool:
    if pattern == client.origin:
        return True
    kind, slash, name = pattern.partition("/")
    if slash and kind == "sa":
        namespace, _, account = name.rpartition("/")
        own = client.identity.rpartition("/ns/")[2].split("/")
        return len(own) == 3 and own[2] == account and namespace in ("", own[0])
    if slash and kind in ("deploy", "pod", "workload"):
        return posture.named(client.name, name)
    return posture.named(client.name, pattern)


def _target(target: Target, pattern: str) -> bool:
    kind, slash, name = pattern.partition("/")
    if slash and kind in ("svc", "service", "host"):
        return posture.named(target.name, name)
    return posture.named(target.name, pattern)


def _failures(
    standing: CompiledState, asserted: Assertion, found: Sequence[Cell], goal: Goal
) -> Iterator[CounterExample]:
    regions = Regions()
    for cell in found:
        (vantage,) = standing.place(cell.clients[0], cell.target)
        base = innermost(vantage.asked.content)
        for each in sorted(cell.space.classes, key=lambda one: len(one.witness.path)):
            witness = _within(each, asserted, base, regions)
            if witness is None:
                continue
            problem = _problem(each.effect, asserted, cell, goal)
            if problem:
                yield _counter(standing, cell, each, witness, problem)
        if cell.space.open and not asserted.allow_open:
            yield CounterExample(
                problem=f"{cell.target.name}: left open: {', '.join(cell.space.open)}"
            )


def _within(
    one: RequestClass, asserted: Assertion, base: object, regions: Regions
) -> Witness | None:
    """Return a request of a class that is spoken of, too; None if there is none."""
    wanted: list[Literal] = []
    if asserted.path:
        prefix = asserted.path.endswith("*")
        test = Test(kind="prefix" if prefix else "exact", value=asserted.path.removesuffix("*"))
        wanted.append(Literal("path", test, True))
    if asserted.method:
        wanted.append(Literal("method", Test(kind="exact", value=asserted.method), True))
    if not wanted or not isinstance(base, Http):
        return one.witness
    try:
        return regions.witness((*one.notes, *wanted), base)
    except OpenError:
        return one.witness  # rather one too many than one too few


def _problem(effect: Effect, asserted: Assertion, cell: Cell, goal: Goal) -> str:
    """Return why an effect contradicts a statement; empty if it does not."""
    if effect.unknown and not asserted.allow_open:
        return f"it is not known: {effect.unknown}"
    good = [
        course
        for course in effect.ways
        if goal.reached(cell, course) and (not asserted.tls or _as(course, asserted))
    ]
    if asserted.kind == "all":
        complete = len(good) == len(effect.ways)
        return "" if complete else f"it comes to: {effects.words(effect)}"
    return f"it gets there: {effects.words(effect)}" if good else ""


def _as(course: Course, asserted: Assertion) -> bool:
    return course.weakest in [_TLS[each] for each in asserted.tls]


def _counter(
    standing: CompiledState, cell: Cell, one: RequestClass, witness: Witness, problem: str
) -> CounterExample:
    client, target = cell.clients[0], cell.target
    places = [str(standing.locate(each) or each) for each in one.sources[0][:2]]
    words = requests.document(witness)
    sent = f"{words['method']} {words['path']} from {client.name} to {target.name}"
    decided = f"   ({', '.join(places)})" if places else ""
    return CounterExample(
        problem=f"{sent}: {problem}{decided}", client=client, target=target, witness=witness
    )


def _unequal(found: Sequence[Cell]) -> CounterExample | None:
    """Return a destination where clients do not fare alike."""
    by_target: dict[str, list[Cell]] = {}
    for cell in found:
        by_target.setdefault(cell.target.name, []).append(cell)
    for name, each in by_target.items():
        fares = {tuple((c.notes, c.effects) for c in cell.space.classes) for cell in each}
        if len(fares) > 1:
            one, other = each[0], each[1]
            words = f"{one.clients[0].name} and {other.clients[0].name} do not fare alike"
            return CounterExample(
                problem=f"{name}: {words}", client=one.clients[0], target=one.target
            )
    return None


def request(found: CounterExample) -> ExplainRequest | None:
    """Return the request of a counterexample as `explain` takes it; None without one."""
    if found.client is None or found.target is None:
        return None
    target, words = found.target, requests.document(found.witness)
    plain = target.url.startswith("tcp:")
    return ExplainRequest(
        url=target.url if plain else target.url[:-1] + str(words["path"]),
        origin=found.client.origin,
        namespace=found.client.namespace or "default",
        method=words["method"],
        headers=tuple((n, v) for n, v in words["headers"].items() if v is not None),
        insecure=True,
    )
