"""How large a share of the requests is reported: laws of what it follows, and when it changed."""

from bisect import bisect_right
from datetime import datetime, timedelta

from hypothesis import given, strategies as st

from lateen.observe.requests.sampling import Sampling, Shares
from tests.observe.entries import START

counts = st.integers(0, 1_000_000)
full_rates = st.sampled_from([1.0, 50.0, 400.0])


def ran(sampling: Sampling, *requests: int) -> Sampling:
    """Let ticks of half a second pass."""
    for many in requests:
        sampling = sampling.after(many, 0.5)
    return sampling


@given(full_rates, st.lists(counts, max_size=12), counts)
def test_a_steady_rate_is_brought_down_as_little_as_needed(
    full: float, before: list[int], many: int
) -> None:
    found = ran(ran(Sampling(full), *before), *[many] * 4)
    rate = many / 0.5
    assert rate / found.one_in <= full or found.one_in == 4096
    assert found.one_in == 1 or rate / (found.one_in // 2) > full


@given(full_rates, st.lists(counts, min_size=1, max_size=3))
def test_a_burst_is_reported_in_full(full: float, burst: list[int]) -> None:
    assert ran(Sampling(full), *burst).one_in == 1
    assert ran(Sampling(full), 0, *burst, 0, *burst).one_in == 1


@given(st.lists(counts, max_size=12))
def test_a_rate_of_zero_means_every_request(requests: list[int]) -> None:
    assert ran(Sampling(0.0), *requests).one_in == 1


@given(full_rates, st.lists(counts, max_size=12))
def test_silence_brings_every_request_back(full: float, before: list[int]) -> None:
    found = ran(ran(Sampling(full), *before), 0, 0, 0, 0)
    assert found.one_in == 1
    assert found.idle


@given(full_rates, counts, st.lists(counts, max_size=3))
def test_it_stays_while_any_of_the_last_ticks_would_have_it_there(
    full: float, many: int, after: list[int]
) -> None:
    held = ran(Sampling(full), *[many] * 4)
    assert ran(held, *after).one_in == held.one_in


moments = st.integers(0, 500)


@given(st.lists(st.tuples(moments, st.sampled_from([1, 2, 8])), max_size=20), moments)
def test_what_was_in_effect_is_known_by_the_moment(
    changes: list[tuple[int, int]], asked: int
) -> None:
    shares = Shares()
    ordered = sorted(changes, key=lambda change: change[0])
    for at, one_in in ordered:
        shares.change(_moment(at), one_in)
    index = bisect_right([at for at, _ in ordered], asked)
    assert shares.at(_moment(asked)) == [1, *(one_in for _, one_in in ordered)][index]
    assert shares.now == [1, *(one_in for _, one_in in ordered)][-1]


def test_old_changes_are_forgotten() -> None:
    shares = Shares()
    for number in range(1000):
        shares.change(_moment(number), number + 2)
    assert shares.at(_moment(998)) == 1000
    assert shares.at(_moment(0)) == shares.at(_moment(1000 - 257)) == 1000 - 256 + 1


def _moment(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)
