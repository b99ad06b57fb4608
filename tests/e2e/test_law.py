"""A few random meshes and requests: foretold, sent, compared. `./run law` sends more."""

from collections.abc import Callable
from random import Random

import pytest

from lateen.base.clock import SystemClock
from tests.e2e.labs import Lab
from tests.law import court, meshes

pytestmark = pytest.mark.e2e

MESHES, FLOWS = 5, 20


def test_requests_do_what_was_foretold(
    make_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab("law")
    monkeypatch.setenv("LATEEN_HOME", str(lab.home))
    total = court.Tally()
    with court.Court(lab.name, "1.32") as held:
        for number in range(MESHES):
            total.add(held.try_mesh(f"{_today()}/{number}", FLOWS))
    assert [each.short() for each in total.differing] == []
    assert total.flows >= MESHES * FLOWS * 0.8
    assert total.unknown == 0
    assert len(total.codes) > 3, "the flows are not all alike"


def _today() -> int:
    """A seed: other flows every day, the same when a day's failure is looked at again."""
    return SystemClock().now().date().toordinal()


def test_a_seed_always_gives_the_same_mesh() -> None:
    assert meshes.mesh(Random("1/2")) == meshes.mesh(Random("1/2"))
