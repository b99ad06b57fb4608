"""Journeys: legs joined from both proxies' logs, and the kind of TLS on each."""

import msgspec
import pytest

from lateen.model.snapshot import Snapshot
from lateen.observe.requests import journey
from lateen.observe.requests.directory import Party
from lateen.observe.requests.journey import Journey
from lateen.observe.requests.ledger import Ledger
from lateen.observe.verdicts import report, verdict
from lateen.observe.verdicts.failures import Received
from lateen.observe.wire.classify import Reading, WireKind
from lateen.xds.als import AccessEntry, TlsFacts
from tests.observe import entries as e

SERVER_AT = f"{e.BACK}:80"
ONWARD = f"{e.GATE}:2000"


def unseen(_client: str, _server: str) -> Reading | None:
    return None


def build(
    rows: list[tuple[str, AccessEntry]], asked: journey.Sent | None = None, seen=unseen
) -> Journey:
    ledger = Ledger()
    for proxy, made in rows:
        ledger.add(proxy, [made])
    return journey.build(asked or e.sent(), ledger, e.DIRECTORY, seen)


def shape(found: Journey) -> list[tuple[str, str, bool]]:
    return [(journey.name(leg), leg.tls, leg.failed) for leg in found.legs]


def at_gate(**changes: object) -> tuple[str, AccessEntry]:
    given = {"http": e.http(), **changes}
    return e.GATEWAY, e.entry(f"{e.HOST}:1000", SERVER_AT, ONWARD, **given)


def test_three_legs_are_joined_by_address_and_request() -> None:
    other = (e.SERVER, e.inbound(f"{e.GATE}:3000", SERVER_AT, http=e.http(request_id="r2")))
    mutual = (e.SERVER, e.inbound(ONWARD, SERVER_AT, downstream=e.MUTUAL_SERVER))
    found = build([other, mutual, at_gate(upstream=e.MUTUAL_CLIENT)])
    assert found.complete
    assert shape(found) == [
        ("client -> gateway", "none", False),
        ("gateway -> sidecar", "mtls", False),
        ("sidecar -> app", "none", False),
    ]
    wire = found.legs[1]
    assert (wire.client_address, wire.server_address) == (ONWARD, SERVER_AT)
    assert report.client_identity(wire) == "spiffe://t/ns/a/sa/c"


def test_an_id_that_is_sent_again_on_one_connection_is_told_apart_by_time() -> None:
    """A client that repeats its x-request-id: each request has its own line of the server's log."""
    own = (e.SERVER, e.inbound(ONWARD, SERVER_AT, http=e.http(path="/mine"), after=0.002))
    later = (e.SERVER, e.inbound(ONWARD, SERVER_AT, http=e.http(path="/later"), after=5.0))
    for rows in ([own, later], [later, own]):
        found = build([at_gate(), *rows])
        assert found.legs[1].server_entry is not None
        assert found.legs[1].server_entry.entry.http == e.http(path="/mine")


@pytest.mark.parametrize("missing", [0, 1])
def test_it_is_incomplete_until_every_proxy_has_logged(missing: int) -> None:
    rows = [at_gate(), (e.SERVER, e.inbound(ONWARD, SERVER_AT))]
    del rows[missing]
    assert not build(rows).complete
    assert build([at_gate(), (e.SERVER, e.inbound(ONWARD, SERVER_AT))]).complete


def test_entries_from_before_the_request_are_not_its_own() -> None:
    asked = e.sent(mark=2)
    rows = [at_gate(), (e.SERVER, e.inbound(ONWARD, SERVER_AT))]
    found = build(rows, asked)
    assert not found.complete
    assert shape(found) == [("client -> gateway", "none", False)]


def test_tls_that_a_sidecar_only_passes_on_is_the_same_on_both_sides() -> None:
    through = e.inbound(ONWARD, SERVER_AT, log="tcp", http=None, open=True)
    found = build([at_gate(upstream=TlsFacts("TLSv1.3")), (e.SERVER, through)])
    assert [leg.tls for leg in found.legs] == ["none", "tls", "tls"]


def test_what_is_inside_mutual_tls_is_what_was_put_in() -> None:
    asked = e.sent(
        "10.96.0.1:80", party=Party("app", e.CLIENT), local=f"{e.FRONT}:1000", secure=True
    )
    rows = [
        (
            e.CLIENT,
            e.entry(asked.local, SERVER_AT, f"{e.FRONT}:2000", log="tcp", upstream=e.MUTUAL_CLIENT),
        ),
        (
            e.SERVER,
            e.inbound(
                f"{e.FRONT}:2000", SERVER_AT, log="tcp", http=None, downstream=e.MUTUAL_SERVER
            ),
        ),
    ]
    found = build(rows, asked)
    assert shape(found) == [
        ("app -> sidecar", "tls", False),
        ("sidecar -> sidecar", "mtls", False),
        ("sidecar -> app", "tls", False),
    ]


REFUSED = (
    "TLS_error:|1:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:TLS_error_end"
)


def refusal(client: str, **changes: object) -> AccessEntry:
    given = {
        "log": "listener",
        "downstream_local": SERVER_AT,
        "downstream": TlsFacts("TLSv1.3"),
        "downstream_failure": REFUSED,
        "after": 0.002,
        **changes,
    }
    return e.entry(client, **given)


def test_a_refused_handshake_ends_the_journey_on_its_leg() -> None:
    """Even where the sidecar had connected to the application before it was finished."""
    early = e.inbound(ONWARD, SERVER_AT, log="tcp", http=None, open=True)
    failing = at_gate(flags="UC", http=e.http(status=503), upstream=TlsFacts("TLSv1.3"))
    assert not build([failing, (e.SERVER, early)]).complete
    found = build([failing, (e.SERVER, early), (e.SERVER, refusal(ONWARD))])
    assert found.complete
    assert shape(found)[1:] == [("gateway -> sidecar", "tls", True)]


def test_a_refusal_of_unknown_origin_is_found_by_time_and_ip() -> None:
    gate = e.entry(
        f"{e.HOST}:1000",
        SERVER_AT,
        "",
        flags="UF",
        http=e.http(status=503),
        upstream_failure="TLS_error:|1:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
    )
    rows = [
        (e.SERVER, refusal(f"{e.GATE}:7", connection_id="7", after=-1)),
        (e.SERVER, refusal(f"{e.GATE}:8", connection_id="8")),
        (e.SERVER, refusal(f"{e.FRONT}:9", connection_id="9", after=0.003)),
        (e.GATEWAY, gate),
    ]
    leg = build(rows).legs[1]
    assert (leg.client_address, leg.tls, leg.failed) == (f"{e.GATE}:8", "tls", True)


def test_a_step_that_a_proxy_did_not_take_is_a_leg_that_failed() -> None:
    gate = e.entry(
        f"{e.HOST}:1000",
        flags="NR",
        upstream_cluster="",
        http=e.http(status=404, details="route_not_found"),
    )
    found = build([(e.GATEWAY, gate)])
    assert shape(found)[1:] == [("gateway -> nowhere", "", True)]
    assert not found.legs[1].sent


def test_a_fixed_answer_is_no_failure() -> None:
    gate = e.entry(f"{e.HOST}:1000", http=e.http(status=418, details="direct_response"))
    assert shape(build([(e.GATEWAY, gate)])) == [("client -> gateway", "none", False)]


def test_nobody_logs_between_two_workloads_without_proxies() -> None:
    asked = e.sent("10.96.0.2:80", party=Party("app", e.NAKED), local=f"{e.BARE}:1")
    found = build([], asked)
    assert found.complete
    assert shape(found) == [("app -> service", "none", False)]


def test_packets_decide_between_tls_and_none() -> None:
    def seen(client: str, _server: str) -> Reading | None:
        return Reading(WireKind.HTTP1) if client == ONWARD else None

    found = build([at_gate(), (e.SERVER, e.inbound(ONWARD, SERVER_AT))], seen=seen)
    assert found.legs[1].tls == "none"

    def encrypted(client: str, _server: str) -> Reading | None:
        return Reading(WireKind.TLS, mutual=False) if client == ONWARD else None

    bare = at_gate(upstream=msgspec.structs.replace(e.MUTUAL_CLIENT, peer_sans=()))
    bare = (bare[0], msgspec.structs.replace(bare[1], upstream_remote=f"{e.BARE}:80"))
    assert build([bare], seen=encrypted).legs[1].tls == "tls"


PAGE, DETAILS, REVIEWS, RATINGS = "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4"
BOOKS = {PAGE: "b/page", DETAILS: "b/details", REVIEWS: "b/reviews", RATINGS: "b/ratings"}
LIBRARY = msgspec.structs.replace(
    e.DIRECTORY,
    pods={e.GATE: e.GATEWAY, **BOOKS},
    proxies={e.GATEWAY: "gateway", **dict.fromkeys(BOOKS.values(), "sidecar")},
)


def hop(asker: str, port: int, asked: str, path: str, after: float, **changes: object):
    """What both proxies log of a call: the asker's sidecar (or gateway), then the asked one's."""
    onward, at = f"{asker}:{port}", f"{asked}:9080"
    http = e.http(path=path, **changes)
    from_app = f"{asker}:{port + 1}" if asker in BOOKS else f"{e.HOST}:1000"
    client = e.entry(
        from_app, at, onward, http=http, after=after, duration=0.5 - after, upstream=e.MUTUAL_CLIENT
    )
    server = e.inbound(
        onward, at, http=http, after=after + 0.01, duration=0.4 - after, downstream=e.MUTUAL_SERVER
    )
    return (LIBRARY.pods[asker], client), (LIBRARY.pods[asked], server)


def bookinfo(**last: object) -> list[tuple[str, AccessEntry]]:
    """Inner calls end, and so are logged, before those that made them."""
    calls = [
        hop(e.GATE, 2000, PAGE, "/productpage", 0.0),
        hop(PAGE, 3000, DETAILS, "/details/0", 0.05),
        hop(PAGE, 3010, REVIEWS, "/reviews/0", 0.1),
        hop(REVIEWS, 4000, RATINGS, "/ratings/0", 0.2, **last),
    ]
    return [row for pair in reversed(calls) for row in reversed(pair)]


def told(rows: list[tuple[str, AccessEntry]]) -> Journey:
    ledger = Ledger()
    for proxy, made in rows:
        ledger.add(proxy, [made])
    return journey.build(e.sent(), ledger, LIBRARY, unseen)


WAY = ["app -> sidecar", "sidecar -> sidecar", "sidecar -> app"]


def test_the_whole_tree_of_calls_is_told() -> None:
    found = told(bookinfo())
    assert found.complete
    assert [(journey.name(leg), leg.tls) for leg in found.legs] == [
        ("client -> gateway", "none"),
        ("gateway -> sidecar", "mtls"),
        ("sidecar -> app", "none"),
    ]
    details, reviews = found.calls
    (ratings,) = reviews.calls
    assert [call.request for call in (details, reviews, ratings)] == [
        "GET /details/0",
        "GET /reviews/0",
        "GET /ratings/0",
    ]
    for call in (details, reviews, ratings):
        assert [journey.name(leg) for leg in call.legs] == WAY
        assert [leg.tls for leg in call.legs] == ["none", "mtls", "none"]
    assert details.calls == ratings.calls == ()


@pytest.mark.parametrize("count", range(8))
def test_an_applications_own_call_is_never_the_gateways_leg(count: int) -> None:
    """While entries still come, in whatever order: what is there is right, and is waited for."""
    found = told(bookinfo()[:count])
    assert not found.complete
    for leg in found.legs:
        server = leg.server_entry
        if leg.client.role == "gateway" and server is not None:
            assert server.entry.http == e.http(path="/productpage")


def test_a_call_under_another_id_is_not_told() -> None:
    rows = bookinfo(request_id="other")
    assert [call.calls for call in told(rows).calls] == [(), ()]


def test_a_call_that_failed_says_why_the_application_answered_so() -> None:
    rows = [
        (proxy, made)
        for proxy, made in bookinfo(status=503, details="cluster_not_found")
        if (proxy, made.upstream_remote) != ("b/ratings", f"{RATINGS}:9080")
    ]
    missing = [
        (proxy, msgspec.structs.replace(made, flags="NC", upstream_remote="", upstream_local=""))
        if made.http is not None and made.http.path == "/ratings/0"
        else (proxy, made)
        for proxy, made in rows
    ]
    ledger = Ledger()
    for proxy, made in missing:
        ledger.add(proxy, [made])
    found = journey.build(e.sent(), ledger, LIBRARY, unseen)
    said = verdict.judge(found, Received(500), {}, Snapshot())
    assert said.code == "application-status"
    assert "asked for GET /ratings/0" in said.sentence
    assert "does not exist" in said.sentence
    assert said.advice.hints
