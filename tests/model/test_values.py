"""Durations, quantities, bytes and identities."""

import base64
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from lateen.model import identity
from lateen.model.schema import durations, octets, quantities


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


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("100.50m", "100500u"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Gi", "107374182400m"),
        ("0.5Ki", "512"),
        ("1E3", "1e3"),
        ("1e2", "100"),
        ("12e6", "12e6"),
        ("-2048Ki", "-2Mi"),
        ("+00", "0"),
        ("0.0000000001", "1n"),
        ("1e999999999999", "9223372036854775807"),
        ("1e-999999999999", "1e-9"),
    ],
)
def test_a_quantity_is_written_as_a_cluster_writes_it(text: str, written: str) -> None:
    assert quantities.written(text) == written


@given(
    number=st.decimals("-1e6", "1e6", places=3),
    suffix=st.sampled_from([*"munkMG", "Ki", "Mi", "Gi", "", "e3", "E-3"]),
)
def test_a_written_quantity_stays_as_it_is(number: Decimal, suffix: str) -> None:
    written = quantities.written(f"{number}{suffix}")
    assert quantities.written(written) == written


@pytest.mark.parametrize("text", ["", ".", "1GB", "1 Gi", "0x10", "NaN", "1e", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantities.written(text)


@given(data=st.binary(max_size=40), every=st.integers(1, 12))
def test_bytes_may_be_written_on_many_lines(data: bytes, every: int) -> None:
    text = base64.b64encode(data).decode()
    lines = [text[at : at + every] for at in range(0, len(text), every)]
    assert octets.written("\r\n".join([*lines, ""])) == text
    assert octets.size(text) == len(data)


@pytest.mark.parametrize(
    ("text", "at"),
    [("YQ", 0), ("YWIx\nY", 5), ("YQ=", 3), ("YQ=x", 2), ("YW==x", 4), ("é", 0), ("A===", 1)],
)
def test_the_place_of_a_wrong_byte_is_told(text: str, at: int) -> None:
    with pytest.raises(ValueError, match=f"illegal base64 data at input byte {at}$"):
        octets.written(text)


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
