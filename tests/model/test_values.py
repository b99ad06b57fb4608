"""Durations and identities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.model import durations, identity


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("10s", 10),
        ("1.5s", 1.5),
        (".5m", 30),
        ("1h2m3s4ms", 3723.004),
        ("100us", 0.0001),
        ("-2s", -2),
        ("1h30m", 5400),
    ],
)
def test_durations_are_those_of_go(text: str, seconds: float) -> None:
    assert durations.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1 s", "1d", "1s1", ".s", "1s ", "--1s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        durations.seconds(text)


@given(nanoseconds=st.integers(0, 10**15))
def test_a_written_duration_is_read_back(nanoseconds: int) -> None:
    micro = nanoseconds // 1000 * 1000
    assert durations.nanoseconds(durations.written(micro / 1e9)) == micro


names = st.text("abc-", min_size=1, max_size=5)


@given(domain=names, namespace=names, account=names)
def test_an_identity_says_who_it_is(domain: str, namespace: str, account: str) -> None:
    text = identity.spiffe_id(domain, namespace, account)
    assert text.removeprefix(identity.SCHEME).split("/") == [domain, "ns", namespace, "sa", account]


def test_a_trust_domain_with_an_at_sign_has_a_dot() -> None:
    assert identity.spiffe_id("a@b", "ns", "sa") == "spiffe://a.b/ns/ns/sa/sa"


def test_aliases_multiply_an_identity_of_the_trust_domain_only() -> None:
    own = "spiffe://td/ns/a/sa/b"
    assert identity.with_aliases(own, "td", ["old", "td"]) == ("spiffe://old/ns/a/sa/b", own)
    foreign = "spiffe://other/ns/a/sa/b"
    assert identity.with_aliases(foreign, "td", ["old"]) == (foreign,)
