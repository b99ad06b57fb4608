"""Pod addresses: stable, not reused at once, restored after a restart."""

import pytest
from hypothesis import given, strategies as st

from lateen.node.net import addressing


def test_the_same_pod_keeps_its_address() -> None:
    pool = addressing.Pool("10.244.0.0/16", reserved=("10.244.0.1",))
    assert pool.take("a") == "10.244.0.2"
    assert pool.take("b") == "10.244.0.3"
    assert pool.take("a", wanted="10.244.0.9") == "10.244.0.2"


def test_a_freed_address_comes_last() -> None:
    pool = addressing.Pool("10.0.0.0/29")
    first = [pool.take(str(number)) for number in range(3)]
    pool.release("0")
    later = [pool.take(f"later-{number}") for number in range(4)]
    assert later[-1] == first[0]
    assert len({*first, *later}) == 6
    with pytest.raises(addressing.Exhausted, match=r"10\.0\.0\.0/29"):
        pool.take("one too many")


def test_a_restart_asks_for_the_old_address() -> None:
    pool = addressing.Pool("10.244.0.0/16", reserved=("10.244.0.1",))
    assert pool.take("a", wanted="10.244.0.7") == "10.244.0.7"
    assert pool.take("b", wanted="10.244.0.7") == "10.244.0.8"


@pytest.mark.parametrize(
    "wanted", ["10.244.0.1", "10.244.0.0", "10.244.255.255", "10.96.0.1", "nonsense"]
)
def test_an_address_that_cannot_be_had_is_not_given(wanted: str) -> None:
    pool = addressing.Pool("10.244.0.0/16", reserved=("10.244.0.1",))
    assert pool.take("a", wanted=wanted) == "10.244.0.2"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_no_two_pods_share_an_address(steps: list[tuple[bool, int]]) -> None:
    pool = addressing.Pool("10.0.0.0/29")
    held: dict[int, str] = {}
    for take, owner in steps:
        if take:
            address = pool.take(str(owner))
            assert held.get(owner, address) == address
            held[owner] = address
        else:
            pool.release(str(owner))
            held.pop(owner, None)
        assert len(set(held.values())) == len(held)
