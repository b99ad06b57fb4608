from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from lateen.pki import rotation

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(hours=24)


def test_without_jitter_at_half_the_lifetime() -> None:
    assert rotation.renew_at(START, END, jitter=0) == START + timedelta(hours=12)
    now = START + timedelta(hours=11)
    assert rotation.renew_after(START, END, now, jitter=0) == 3600.0


def test_due_and_overdue() -> None:
    for hours in (13, 24, 100):
        now = START + timedelta(hours=hours)
        assert rotation.renew_after(START, END, now, key="default/web") == 0.0


@pytest.mark.parametrize(("ratio", "hours"), [(0.0, 24), (1.0, 0), (0.25, 18)])
def test_ratio(ratio: float, hours: int) -> None:
    moment = rotation.renew_at(START, END, ratio=ratio, jitter=0)
    assert moment == START + timedelta(hours=hours)


@given(st.text(), st.floats(1, 10**7))
def test_jitter_stays_within_its_share(key: str, seconds: float) -> None:
    end = START + timedelta(seconds=seconds)
    first = rotation.renew_after(START, end, START, key=key)
    assert first == rotation.renew_after(START, end, START, key=key)
    assert 0.489 * seconds <= first <= 0.511 * seconds


def test_jitter_spreads_a_mesh() -> None:
    moments = {rotation.renew_at(START, END, key=f"default/web-{n}") for n in range(100)}
    assert len(moments) == 100
    assert max(moments) - min(moments) > timedelta(minutes=20)
