"""Memo: made once, by identity or content, and gone with the value."""

import gc

from lateen.compiler.backend.memo import Memo, Recent
from lateen.compiler.ir.value import Kept


class Thing(Kept, frozen=True, kw_only=True):
    name: str


def test_made_once_per_content_and_forgotten_with_the_value():
    made = []

    def make(thing):
        made.append(thing.name)
        return [thing.name]

    memo = Memo(make)
    one, same = Thing(name="a"), Thing(name="a")
    assert memo(one) is memo(one)
    assert memo(same) is memo(one)
    assert memo(Thing(name="b")) == ["b"]
    assert made == ["a", "b"]
    gc.collect()
    assert len(memo) == 2
    del one, same
    gc.collect()
    assert len(memo) == 0
    assert memo(Thing(name="a")) == ["a"]
    assert made == ["a", "b", "a"]


def test_the_last_few_results_are_found_by_identity():
    made = []

    def make():
        made.append(len(made))
        return made[-1]

    recent = Recent(size=2)
    one, other = (1, 2), (3,)
    assert recent(make, one, other) == 0
    assert recent(make, one, other) == 0
    assert recent(make, one, (4,)) == 1
    assert recent(make, other, one) == 2
    assert recent(make, one, other) == 3, "the oldest made room"
