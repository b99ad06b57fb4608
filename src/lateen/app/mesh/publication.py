"""What is published to proxies, turn by turn, as a state machine. Pure.

| state      | what counts                   | event             | next state             |
|------------|-------------------------------|-------------------|------------------------|
| RESTING    | everybody has what is wanted  | wish              | DUE, RESTING           |
| DUE        | a turn may be begun           | begin             | PUBLISHING, WAITING    |
|            |                               | wish              | DUE, RESTING           |
| PUBLISHING | some of a turn are published  | published, failed | PUBLISHING             |
|            |                               | end, if none left | DUE, WAITING, RESTING  |
| WAITING    | the next turn needs an answer | wish              | DUE, RESTING           |
|            |                               | give_up           | DUE, WAITING           |
| any        |                               | answered, forget  | the same, DUE, RESTING |

Any other pair is refused by `Refused`. What a turn holds is decided by `turns.next_turn`.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from lateen.app.mesh import turns
from lateen.compiler.ir.proxy import ProxyView

Value = TypeVar("Value")
Views = Mapping[str, ProxyView]
_NONE: Final[Views] = {}
_NOBODY: Final[Mapping[str, float]] = {}


class Stage(enum.Enum):
    """Where a publication stands."""

    RESTING = "resting"
    DUE = "due"
    PUBLISHING = "publishing"
    WAITING = "waiting"


class Refused(RuntimeError):
    """An event came in a state that it does not belong to."""


_TAKES: Final = {
    "wish": frozenset({Stage.RESTING, Stage.DUE, Stage.WAITING}),
    "begin": frozenset({Stage.DUE}),
    "published": frozenset({Stage.PUBLISHING}),
    "failed": frozenset({Stage.PUBLISHING}),
    "end": frozenset({Stage.PUBLISHING}),
    "give_up": frozenset({Stage.WAITING}),
}


class Publication(msgspec.Struct, frozen=True):
    """Who was sent what, who is to be sent what, and who must answer before.

    Each event returns the publication after it. Moments are monotonic seconds.
    """

    stage: Stage = Stage.RESTING
    sent: Views = _NONE
    """The view that was last published to each proxy."""
    wanted: Views = _NONE
    """The newest view of each proxy that was sent another."""
    turn: Views = _NONE
    """What is left to publish of the turn that was begun."""
    opens: frozenset[str] = frozenset()
    """Servers of that turn that accept more than before."""
    chooses: frozenset[str] = frozenset()
    """Clients of that turn that send something else than before."""
    opening: Mapping[str, float] = _NOBODY
    """Servers of turns before that have not answered, and since when."""
    choosing: Mapping[str, float] = _NOBODY
    """Clients of turns before that have not answered, and since when."""
    hasty: bool = False
    """Whether somebody did not answer in time: then all other clients have one turn, or each
    silent pair of a hundred would be waited for anew."""

    def wish(self, views: Views) -> "Publication":
        """Want these views, and no others that were wanted before."""
        self._check("wish")
        wanted = {name: view for name, view in views.items() if self.sent.get(name) is not view}
        return replace(self, wanted=wanted, stage=Stage.DUE).settled()

    def begin(self) -> "Publication":
        """Begin the next turn. Nobody's turn means that an answer must come first."""
        self._check("begin")
        waited = self.opening.keys(), self.choosing.keys()
        abreast = len(self.wanted) if self.hasty else turns.ABREAST
        made = turns.next_turn(self.sent, self.wanted, *waited, abreast)
        if not made.views:
            return replace(self, stage=Stage.WAITING)
        return replace(
            self,
            stage=Stage.PUBLISHING,
            turn=made.views,
            opens=made.opening,
            chooses=made.choosing,
        )

    def published(self, proxy: str) -> "Publication":
        """Take note that a proxy was published its view of the turn."""
        self._check("published", proxy)
        view = self.turn[proxy]
        wanted = _without(self.wanted, proxy) if self.wanted.get(proxy) is view else self.wanted
        return replace(
            self,
            sent={**self.sent, proxy: view},
            wanted=wanted,
            turn=_without(self.turn, proxy),
        )

    def failed(self, proxy: str) -> "Publication":
        """Leave a proxy out until it is wished another view."""
        self._check("failed", proxy)
        return replace(self, wanted=_without(self.wanted, proxy), turn=_without(self.turn, proxy))

    def end(self, busy: frozenset[str], now: float) -> "Publication":
        """End a turn of which all is published. `busy` are those that have not answered yet."""
        self._check("end")
        if self.turn:
            raise Refused(f"the turn is not over: {', '.join(sorted(self.turn))}")
        return replace(
            self,
            stage=Stage.WAITING,
            opens=frozenset(),
            chooses=frozenset(),
            opening={name: self.opening.get(name, now) for name in self.opens & busy},
            choosing={name: self.choosing.get(name, now) for name in self.chooses & busy},
        ).settled()

    def answered(self, proxy: str) -> "Publication":
        """Wait for a proxy no longer: it has answered all that it was published, or left."""
        if proxy not in self.opening and proxy not in self.choosing:
            return self
        opening, choosing = _without(self.opening, proxy), _without(self.choosing, proxy)
        after = replace(self, opening=opening, choosing=choosing)
        return after if self.stage is Stage.PUBLISHING else after.settled()

    def forget(self, proxies: Iterable[str]) -> "Publication":
        """Forget proxies that are gone, with all that was sent and wanted of them."""
        gone = frozenset(proxies)
        after = replace(
            self,
            sent=_less(self.sent, gone),
            wanted=_less(self.wanted, gone),
            turn=_less(self.turn, gone),
            opens=self.opens - gone,
            chooses=self.chooses - gone,
            opening=_less(self.opening, gone),
            choosing=_less(self.choosing, gone),
        )
        return after if self.stage is Stage.PUBLISHING else after.settled()

    def late(self, before: float) -> tuple[str, ...]:
        """Return who was sent its turn before a moment and has not answered, by name."""
        waiting = {**self.choosing, **self.opening}
        return tuple(sorted(name for name, since in waiting.items() if since <= before))

    def give_up(self, proxies: Iterable[str]) -> "Publication":
        """Go on without proxies that do not answer, and be hasty from then on."""
        self._check("give_up")
        gone = frozenset(proxies)
        opening, choosing = _less(self.opening, gone), _less(self.choosing, gone)
        return replace(self, opening=opening, choosing=choosing, hasty=True).settled()

    def settled(self) -> "Publication":
        """Return it in the state that its parts ask for, outside a turn."""
        if not self.wanted:
            return replace(self, stage=Stage.RESTING, hasty=False)
        if self.stage is Stage.WAITING and not self.opening:
            return replace(self, stage=Stage.DUE)
        return self

    def _check(self, event: str, proxy: str | None = None) -> None:
        if self.stage not in _TAKES[event]:
            raise Refused(f"{event} in state {self.stage.value}")
        if proxy is not None and proxy not in self.turn:
            raise Refused(f"{event} of {proxy}, whose turn it is not")


def _without(values: Mapping[str, Value], name: str) -> dict[str, Value]:
    return _less(values, (name,))


def _less(values: Mapping[str, Value], gone: Iterable[str]) -> dict[str, Value]:
    left = dict(values)
    for name in gone:
        left.pop(name, None)
    return left
