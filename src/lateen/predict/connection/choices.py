"""Every way that lots can fall: a walk is taken again for each. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from lateen.predict.envoy.routes import Draw

T = TypeVar("T")
MOST = 64
"""Walks that are taken; what lies beyond is said to be left open."""


class Option(msgspec.Struct, frozen=True):
    """One way a lot can fall: in words, and for how many requests; None where it is a fact that is
    not known, the same for all requests."""

    text: str
    share: float | None = None


class ChoicePoint(msgspec.Struct):
    """A lot of one walk: how many ways it had, which was taken."""

    options: tuple[Option, ...]
    index: int


class Choices(Draw):
    """What one walk asks. It falls as `plan` says, beyond that the first way."""

    def __init__(self, plan: Sequence[int] = ()) -> None:
        self._plan = plan
        self.taken: list[ChoicePoint] = []

    def choose(self, options: Sequence[Option]) -> int:
        """Return the way a lot falls; one way alone is no lot."""
        if len(options) == 1:
            return 0
        position = len(self.taken)
        index = self._plan[position] if position < len(self._plan) else 0
        self.taken.append(ChoicePoint(tuple(options), index))
        return index

    def happens(self, share: float, what: str) -> bool:
        """Tell whether something that happens to a share of requests happens in this walk."""
        if share >= 1 or share <= 0:
            return share >= 1
        options = (Option(f"{what} ({share:.4g})", share), Option(f"no {what}", 1 - share))
        return self.choose(options) == 0

    @property
    def conditions(self) -> tuple[str, ...]:
        """In words, how all lots fell."""
        return tuple(each.options[each.index].text for each in self.taken)

    @property
    def share(self) -> float | None:
        """For how many requests they fall so; None where a fact is among them."""
        share = 1.0
        for each in self.taken:
            part = each.options[each.index].share
            if part is None:
                return None
            share *= part
        return share

    def following(self) -> list[int] | None:
        """Return the plan of the next walk: the last lot that has a way left takes it."""
        for position in range(len(self.taken) - 1, -1, -1):
            each = self.taken[position]
            if each.index + 1 < len(each.options):
                return [*(t.index for t in self.taken[:position]), each.index + 1]
        return None


def every(walk: Callable[[Choices], T], most: int = MOST) -> tuple[list[tuple[Choices, T]], bool]:
    """Take a walk for each way that its lots can fall, and tell whether all were taken."""
    found: list[tuple[Choices, T]] = []
    plan: list[int] | None = []
    while plan is not None and len(found) < most:
        choices = Choices(plan)
        found.append((choices, walk(choices)))
        plan = choices.following()
    return found, plan is None
