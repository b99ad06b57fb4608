"""Verdicts: the class, the words, and both sides' reasons, from logs alone."""

import pytest

from lateen.causes.cause import SendFailure
from lateen.model.snapshot import Snapshot
from lateen.observe.requests import journey, logline
from lateen.observe.requests.ledger import Ledger, LogEntry
from lateen.observe.verdicts import verdict
from lateen.observe.verdicts.failures import Received
from lateen.observe.verdicts.verdict import RequestVerdict
from lateen.xds.als import AccessEntry, TlsFacts
from tests.observe import entries as e

SERVER_AT, ONWARD = f"{e.BACK}:80", f"{e.GATE}:2000"
SSL = "TLS_error:|268435581:SSL routines:OPENSSL_internal:"


def judged(
    rows: list[tuple[str, AccessEntry]], status: int | None, failure: SendFailure | None = None
) -> RequestVerdict:
    ledger = Ledger()
    for proxy, made in rows:
        ledger.add(proxy, [made])
    asked = e.sent(failure=failure)
    found = journey.build(asked, ledger, e.DIRECTORY, lambda _c, _s: None)
    return verdict.judge(found, Received(status, "words", failure), {}, Snapshot())


def gate(flags: str = "", status: int = 503, details: str = "", **changes: object):
    given = {"flags": flags, "http": e.http(status=status, details=details), **changes}
    return e.GATEWAY, e.entry(f"{e.HOST}:1000", SERVER_AT, ONWARD, **given)


def refused(failure: str = "", **changes: object):
    given = {"log": "listener", "downstream_local": SERVER_AT, "downstream_failure": failure}
    return e.SERVER, e.entry(ONWARD, **{**given, **changes})


ALIKE = gate("UC", details="upstream_reset_before_response_started{connection_termination}")
"""What a client's proxy logs in three different cases, word for word the same."""


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (refused(flags="NR"), "plaintext-to-strict"),
        (refused(f"{SSL}PEER_DID_NOT_RETURN_A_CERTIFICATE:TLS_error_end"), "no-mesh-certificate"),
        (
            refused(f"{SSL}CERTIFICATE_VERIFY_FAILED:unable to get local issuer:TLS_error_end"),
            "client-certificate-untrusted",
        ),
        (
            refused(f"{SSL}CERTIFICATE_VERIFY_FAILED:certificate has expired:TLS_error_end"),
            "client-certificate-expired",
        ),
    ],
)
def test_the_same_line_at_the_client_is_told_apart_by_the_server(
    server: tuple[str, AccessEntry], code: str
) -> None:
    found = judged([ALIKE, server], 503)
    assert found.code == code
    assert found.sentence.startswith("503: it failed on gateway -> sidecar: ")
    assert found.advice.hints


@pytest.mark.parametrize(
    ("flags", "failure", "code"),
    [
        ("UF", f"{SSL}WRONG_VERSION_NUMBER:TLS_error_end", "tls-to-plaintext"),
        ("URX,UF", f"{SSL}CERTIFICATE_VERIFY_FAILED:self signed", "server-certificate-untrusted"),
        ("UF", f"{SSL}CERTIFICATE_VERIFY_FAILED:SAN matcher, x", "san-mismatch"),
        (
            "UF",
            f"{SSL}CERTIFICATE_VERIFY_FAILED:certificate has expired",
            "server-certificate-expired",
        ),
        ("UF", f"{SSL}SSLV3_ALERT_HANDSHAKE_FAILURE", "no-mesh-certificate"),
        ("UF", f"{SSL}TLSV1_ALERT_UNKNOWN_CA", "client-certificate-untrusted"),
        ("URX,UF", "delayed connect error: Connection refused", "connection-refused"),
        ("UT", "", "upstream-timeout"),
        ("UO", "", "overflow"),
        ("UC", "", "connection-terminated"),
        ("UPE", "", "upstream-protocol"),
        ("UMSDR", "", "proxy-error"),
    ],
)
def test_what_the_clients_proxy_says(flags: str, failure: str, code: str) -> None:
    assert judged([gate(flags, upstream_failure=failure)], 503).code == code


@pytest.mark.parametrize(
    ("flags", "status", "details", "code"),
    [
        ("NC", 503, "cluster_not_found", "no-such-destination"),
        ("UH", 503, "no_healthy_upstream", "no-healthy-endpoints"),
        ("NR", 404, "route_not_found", "no-route"),
        ("FI", 500, "fault_filter_abort", "fault-injected"),
        ("", 403, "rbac_access_denied_matched_policy[none]", "rbac-not-allowed"),
        ("", 418, "direct_response", "direct-response"),
        ("", 200, "cors_response", "ok"),
        ("DPE", 426, "low_version", "http-1.0"),
        ("DPE", 400, "http1.codec_error", "not-http"),
    ],
)
def test_what_a_proxy_answered_by_itself(flags: str, status: int, details: str, code: str) -> None:
    made = e.entry(f"{e.HOST}:1000", flags=flags, http=e.http(status=status, details=details))
    assert judged([(e.GATEWAY, made)], status).code == code


def test_an_application_that_answers_with_an_error_is_named() -> None:
    rows = [gate(status=500, details="via_upstream"), (e.SERVER, e.inbound(ONWARD, SERVER_AT))]
    found = judged(rows, 500)
    assert found.code == "application-status"
    assert e.SERVER in found.sentence


def test_a_plaintext_request_on_a_permissive_port_is_not_blamed() -> None:
    inspected = "TLS_error|error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end"
    rows = [
        gate(status=200, details="via_upstream"),
        (e.SERVER, e.inbound(ONWARD, SERVER_AT, downstream_failure=inspected)),
    ]
    assert judged(rows, 200).code == "ok"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (SendFailure.CERTIFICATE, "client-tls"),
        (SendFailure.TLS, "client-tls"),
        (SendFailure.ENDED, "connection-terminated"),
        (SendFailure.NO_ANSWER, "client-left"),
        (SendFailure.NO_HANDSHAKE, "tls-unanswered"),
        (SendFailure.NO_CONNECTION, "connect-timeout"),
        (SendFailure.REFUSED, "connection-refused"),
        (SendFailure.UNREACHABLE, "unreachable"),
        (SendFailure.NO_NETWORK, "unreachable"),
        (SendFailure.PROTOCOL, "not-http"),
    ],
)
def test_a_failure_of_the_clients_own(failure: SendFailure, code: str) -> None:
    """By its kind alone: the words are for people."""
    assert judged([], None, failure).code == code


def test_every_kind_of_failure_is_told() -> None:
    assert all(judged([], None, failure).code != "ok" for failure in SendFailure)


def test_both_sides_reasons_stand_beside_each_other() -> None:
    ledger = Ledger()
    for proxy, made in (ALIKE, refused(f"{SSL}PEER_DID_NOT_RETURN_A_CERTIFICATE:x:TLS_error_end")):
        ledger.add(proxy, [made])
    found = journey.build(e.sent(), ledger, e.DIRECTORY, lambda _c, _s: None)
    assert dict(verdict.reasons(found.legs[1])) == {
        "client": "UC upstream_reset_before_response_started{connection_termination}",
        "server": "PEER_DID_NOT_RETURN_A_CERTIFICATE:x",
    }


def test_a_log_line_has_what_says_something() -> None:
    made = e.entry(
        "10.0.0.1:1",
        SERVER_AT,
        ONWARD,
        http=e.http(original_path="/a", path="/"),
        downstream=TlsFacts("TLSv1.3", sni="name"),
        attempts=3,
    )
    assert logline.line(LogEntry(1, e.GATEWAY, made)) == (
        '"GET /a HTTP/1.1" 200 - via_upstream '
        "cluster=outbound|80||back.default.svc.cluster.local to=10.0.0.4:80 sni=name attempts=3 "
        "10.0ms"
    )


def test_an_answer_of_the_application_after_all_attempts_is_the_applications() -> None:
    """URX says that attempts were used up, not that the last had no answer."""
    answered = (e.SERVER, e.inbound(ONWARD, SERVER_AT))
    rows = [gate(status=503, details="via_upstream", flags="URX"), answered]
    assert judged(rows, 503).code == "application-status"


@pytest.mark.parametrize("word", ["HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER"])
def test_plaintext_on_a_gateways_tls_port_is_called_so(word: str) -> None:
    failure = f"TLS_error:|268435612:SSL routines:OPENSSL_internal:{word}:TLS_error_end"
    refused = e.entry(f"{e.HOST}:1000", log="listener", downstream_failure=failure)
    found = judged([(e.GATEWAY, refused)], None, SendFailure.ENDED)
    assert found.code == "plaintext-to-tls-port"
    unmatched = e.entry(f"{e.HOST}:1000", log="listener", flags="NR")
    found = judged([(e.GATEWAY, unmatched)], None, SendFailure.ENDED)
    assert found.code == "plaintext-to-tls-port"


def test_an_answer_that_was_held_back_names_the_delay() -> None:
    tags = {"source": "VirtualService/shop/slow#spec.http[0]"}
    found = judged([gate("DI", 200, "via_upstream", tags=tags)], 200)
    assert "held back by an injected delay of VirtualService/shop/slow" in found.sentence
    assert str(found.sources[0]).endswith("slow#spec.http[0].fault.delay")
    assert "held back" not in judged([gate("-", 200, "via_upstream", tags=tags)], 200).sentence


def test_what_an_upstream_answered_is_its_own_though_it_was_tried_again_and_too_often() -> None:
    """Envoy's flags tell of the tries, its details of who made the answer."""
    for flags in ("URX", "UC", "UF,URX"):
        rows = [gate(flags, 503, "via_upstream"), (e.SERVER, e.inbound(ONWARD, SERVER_AT))]
        assert judged(rows, 503).code == "application-status"
