"""A few random meshes and requests: foretold, sent, compared. `./run law` sends more."""

from collections.abc import Callable
from random import Random

import pytest

from tests.e2e.labs import Lab
from tests.law import court, meshes

pytestmark = pytest.mark.e2e

SEEDS = ("41/0", "41/1", "41/2")
FLOWS = 12


def test_requests_do_what_was_foretold(
    make_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab("law")
    monkeypatch.setenv("LATEEN_HOME", str(lab.home))
    total = court.Tally()
    with court.Court(lab.name, "1.32") as held:
        for seed in SEEDS:
            total.add(held.try_mesh(seed, FLOWS))
    assert [each.short() for each in total.differing] == []
    assert total.flows >= len(SEEDS) * FLOWS * 0.8
    assert total.unknown == 0
    assert len(total.codes) > 3, "the flows are not all alike"


def test_a_seed_always_gives_the_same_mesh() -> None:
    assert meshes.mesh(Random("1/2")) == meshes.mesh(Random("1/2"))
