"""The rows of failure classes: one place each, found by Envoy's own words and flags."""

import pytest

from lateen.causes import advice, catalogue
from lateen.causes.cause import Mark
from lateen.causes.situation import Situation


def test_codes_are_unique_and_every_class_says_what_it_is() -> None:
    codes = [cause.code for cause in catalogue.EVERY]
    assert len(codes) == len(set(codes)) == len(catalogue.BY_CODE)
    assert all(cause.words for cause in catalogue.EVERY if cause is not catalogue.OK)


def test_every_class_that_is_a_failure_says_what_to_do() -> None:
    """Nothing known at all: then there is no remedy, and a hint in general."""
    silent = {catalogue.OK, catalogue.FAULT_INJECTED, catalogue.DIRECT_RESPONSE}
    for cause in catalogue.EVERY:
        found = advice.of(cause, Situation())
        assert found.remedies == ()
        assert bool(found.hints) == (cause not in silent), cause.code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("CERTIFICATE_VERIFY_FAILED:SAN matcher, x", "san-mismatch"),
        ("CERTIFICATE_VERIFY_FAILED:certificate has expired", "server-certificate-expired"),
        ("CERTIFICATE_VERIFY_FAILED:self signed", "server-certificate-untrusted"),
        ("delayed connect error: Network is unreachable", "unreachable"),
        ("upstream_per_try_timeout", "per-try-timeout"),
        ("nothing that is known", None),
    ],
)
def test_the_more_telling_word_of_a_client_wins(said: str, code: str | None) -> None:
    found = catalogue.by_client(said)
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("CERTIFICATE_VERIFY_FAILED:certificate has expired", "client-certificate-expired"),
        ("CERTIFICATE_VERIFY_FAILED:unable to get local issuer", "client-certificate-untrusted"),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "san-mismatch"),
        ("", None),
    ],
)
def test_the_more_telling_word_of_a_server_wins(said: str, code: str | None) -> None:
    found = catalogue.by_server(said)
    assert (found.code if found else None) == code


def test_the_rarest_flag_wins() -> None:
    found = catalogue.by_flags(frozenset({"URX", "UPE", "UC"}))
    assert found is catalogue.UPSTREAM_PROTOCOL
    assert catalogue.by_flags(frozenset({"-", "URX"})) is None


def test_what_a_client_may_refuse_is_marked() -> None:
    """Then, if no proxy began the TLS, no DestinationRule is to blame."""
    marked = {cause.code for cause in catalogue.EVERY if Mark.CLIENTS_TLS in cause.marks}
    assert marked == {"san-mismatch", "server-certificate-expired", "server-certificate-untrusted"}
