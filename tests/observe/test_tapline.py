"""Entries of both sides joined into hops, and hops counted as edges."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, strategies as st

from lateen.cli.traffic import tap
from lateen.observe.requests import edges, joining, legs, tapline
from lateen.observe.requests.directory import Directory
from lateen.observe.requests.edgebook import EdgeBook
from lateen.observe.requests.joining import Joiner
from lateen.observe.requests.ledger import Ledger, LogEntry
from lateen.observe.requests.legs import Leg
from lateen.observe.wire.classify import Reading, WireKind
from lateen.xds.als import AccessEntry, HttpFacts, TlsFacts

GATEWAY, WEB, DB = "10.244.0.2", "10.244.0.3", "10.244.0.4"
WHO = Directory(
    pods={GATEWAY: "istio-system/gw", WEB: "default/web", DB: "shop/db"},
    proxies={"istio-system/gw": "gateway", "default/web": "sidecar"},
    identities={},
    services={},
    backed={},
)
CLIENT_ID, SERVER_ID = "spiffe://td/ns/istio-system/sa/gw", "spiffe://td/ns/default/sa/web"


def http(request_id: str = "r1", status: int = 200, path: str = "/a") -> HttpFacts:
    return HttpFacts(
        method="GET",
        scheme="http",
        authority="web",
        path=path,
        original_path="",
        protocol="HTTP/1.1",
        status=status,
        details="",
        request_id=request_id,
        user_agent="",
        forwarded_for="",
        request_headers={},
        response_headers={},
        request_bytes=0,
        response_bytes=0,
    )


def entry(**more: object) -> AccessEntry:
    given: dict[str, object] = {
        "log": "http",
        "start": datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        "duration": 0.002,
        "downstream_remote": "",
        "downstream_local": "",
        "downstream_direct_remote": "",
        "upstream_remote": "",
        "upstream_local": "",
        "upstream_cluster": "",
        "route_name": "",
        "flags": "-",
        "downstream": TlsFacts(),
        "upstream": TlsFacts(),
        "downstream_failure": "",
        "upstream_failure": "",
        "termination": "",
        "connection_id": "1",
        "upstream_connection_id": "",
        "attempts": 1,
        "bytes_received": 0,
        "bytes_sent": 0,
        "tags": {},
        "http": http(),
    }
    return AccessEntry(**{**given, **more})


def from_gateway(**more: object) -> AccessEntry:
    given: dict[str, object] = {
        "downstream_direct_remote": "192.0.2.1:5000",
        "downstream_local": f"{GATEWAY}:8080",
        "upstream_local": f"{GATEWAY}:40000",
        "upstream_remote": f"{WEB}:80",
        "upstream_cluster": "outbound|80||web",
        "upstream": TlsFacts(version="TLSv1.3", local_sans=(CLIENT_ID,), peer_sans=(SERVER_ID,)),
    }
    return entry(**{**given, **more})


def at_web(**more: object) -> AccessEntry:
    given: dict[str, object] = {
        "downstream_direct_remote": f"{GATEWAY}:40000",
        "downstream_local": f"{WEB}:80",
        "upstream_cluster": "inbound|80||",
        "downstream": TlsFacts(version="TLSv1.3", local_sans=(SERVER_ID,), peer_sans=(CLIENT_ID,)),
    }
    return entry(**{**given, **more})


def logged(*made: tuple[str, AccessEntry], one_in: int = 1) -> list[LogEntry]:
    ledger = Ledger(shares=lambda _: one_in)
    for proxy, one in made:
        ledger.add(proxy, [one])
    return list(ledger.since(0))


def joined(*made: tuple[str, AccessEntry], one_in: int = 1) -> list[Leg]:
    joiner = Joiner(lambda: WHO)
    found: list[Leg] = []
    for number, one in enumerate(logged(*made, one_in=one_in)):
        found += joiner.take(one, number / 100)
    return found + joiner.due(float("inf"))


@pytest.mark.parametrize("server_first", [False, True])
def test_both_sides_of_a_request_are_one_hop(server_first: bool) -> None:
    sides = [("istio-system/gw", from_gateway()), ("default/web", at_web())]
    hops = joined(*(reversed(sides) if server_first else sides))
    assert [(bool(h.client_entry), bool(h.server_entry)) for h in hops].count((True, True)) == 1
    assert len(hops) == 2  # the other is what the gateway's own client sent
    both = next(h for h in hops if h.client_entry and h.server_entry)
    told = tapline.fields(both)
    assert (told["src"], told["dst"], told["tls"]) == ("istio-system/gw", "default/web", "mtls")
    assert (told["client_id"], told["server_id"]) == (CLIENT_ID, SERVER_ID)


def test_two_requests_on_one_connection_are_not_confused() -> None:
    sides = [
        ("istio-system/gw", from_gateway(http=http("r1", path="/1"))),
        ("istio-system/gw", from_gateway(http=http("r2", path="/2"))),
        ("default/web", at_web(http=http("r2", path="/2"))),
        ("default/web", at_web(http=http("r1", path="/1"))),
    ]
    both = [h for h in joined(*sides) if h.client_entry and h.server_entry]
    for hop in both:
        assert hop.client_entry is not None
        assert hop.server_entry is not None
        assert hop.client_entry.entry.http == hop.server_entry.entry.http
    assert len(both) == 2


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from("cbs")), max_size=30),
    st.randoms(use_true_random=False),
)
def test_no_request_is_joined_with_another(asked: list[tuple[int, int, str]], random) -> None:
    """Several connections, each with many requests, some under one id again (retries, clients that
    repeat themselves), some of which one side never logs (attempts, mirrored requests)."""
    sides: dict[str, list[tuple[str, AccessEntry]]] = {"c": [], "s": []}
    once: dict[tuple[int, int], str] = {}
    for number, (connection, name, logged_by) in enumerate(asked):
        address = f"{GATEWAY}:4000{connection}"
        facts = http(f"r{name}", path=f"/{number}")
        # Of one id on one connection, who logs at all logs every time: else none could tell.
        logged_by = once.setdefault((connection, name), logged_by)
        if logged_by in "cb":
            sides["c"].append(("istio-system/gw", from_gateway(http=facts, upstream_local=address)))
        if logged_by in "bs":
            sides["s"].append(("default/web", at_web(http=facts, downstream_direct_remote=address)))
    order = ["c"] * len(sides["c"]) + ["s"] * len(sides["s"])
    random.shuffle(order)
    hops = [
        h
        for h in joined(*(sides[side].pop(0) for side in order))
        if h.client_entry or h.server_entry
    ]
    onward = [
        h
        for h in hops
        if h.client_entry or (h.server_entry and h.server_entry.proxy == "default/web")
    ]
    pairs = [(h.client_entry, h.server_entry) for h in onward]
    for client, server in pairs:
        if client and server:
            assert client.entry.http == server.entry.http
    both = sum(1 for client, server in pairs if client and server)
    by = [once[connection, name] for connection, name, _ in asked]
    assert both == by.count("b")
    assert len(pairs) == len(asked)


REFUSED = {
    "http": None,
    "log": "listener",
    "downstream": TlsFacts(version="TLSv1.3"),
    "downstream_failure": "PEER_DID_NOT_RETURN_A_CERTIFICATE",
}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_a_request_is_told_with_why_the_server_refused_its_connection(
    order: tuple[int, ...],
) -> None:
    """Also where the server's proxy had connected onward before it knew: that is not told."""
    made = [
        ("istio-system/gw", from_gateway(http=http(status=503), flags="UC")),
        ("default/web", at_web(http=None, log="tcp", open=True, upstream_remote=f"{WEB}:80")),
        ("default/web", at_web(**REFUSED)),
    ]
    hops = joined(*(made[number] for number in order))
    (hop,) = [h for h in hops if h.client_entry is not None]
    assert len(hops) == 2  # the other is what the gateway's own client sent
    told = tapline.fields(hop)
    assert (told["proxy"], told["flags"]) == ("both", "UC")
    assert told["server_reason"] == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    (edge,) = [e for e in edges.edges(hops) if e.target == "default/web"]
    assert (edge.requests, edge.errors) == (1, 1)


@pytest.mark.parametrize("client_first", [False, True])
def test_a_server_that_a_client_does_not_trust_is_found_by_time(client_first: bool) -> None:
    """The client's proxy logs no address of such a connection; three attempts are one request and
    two connections more, each told once though the server's proxy logs it three times."""
    start = entry().start
    failing = from_gateway(
        upstream_local="",
        upstream=TlsFacts(),
        upstream_failure="TLS_error:|1:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
        http=http(status=503),
        flags="URX,UF",
        attempts=3,
        duration=0.05,
    )
    made = []
    for attempt in range(3):
        ends = {
            "downstream_direct_remote": f"{GATEWAY}:5000{attempt}",
            "connection_id": f"{attempt}",
            "start": start + timedelta(milliseconds=10 * attempt),
        }
        onward = {"http": None, "log": "tcp", "upstream_remote": f"{WEB}:80"}
        made += [("default/web", at_web(**ends, **onward, open=True))]
        made += [("default/web", at_web(**ends, **REFUSED))]
        made += [("default/web", at_web(**ends, **{**onward, "downstream_failure": "no"}))]
    asked = [("istio-system/gw", failing)]
    hops = joined(*(asked + made if client_first else made + asked))
    onto_web = [
        hop
        for hop in hops
        if hop.client_entry or (hop.server_entry and hop.server_entry.client[:3] == "10.")
    ]
    assert [tapline.word(hop) for hop in onto_web].count("req") == 1
    assert [tapline.word(hop) for hop in onto_web].count("refused") == 2
    assert len(onto_web) == 3
    (both,) = [hop for hop in onto_web if hop.client_entry]
    assert both.server_entry is not None
    told = tapline.fields(both)
    assert (told["src_addr"], told["tls"]) == (f"{GATEWAY}:50002", "tls")


def test_a_failed_handshake_was_tls_though_no_version_was_agreed() -> None:
    failed = from_gateway(upstream_local="", upstream=TlsFacts(), upstream_failure="TLS_error:|x")
    assert legs.between(logged(("istio-system/gw", failed))[0], None, WHO).tls == "tls"


def test_packets_say_what_no_log_does() -> None:
    passed = at_web(http=None, log="tcp", downstream=TlsFacts())
    (one,) = logged(("default/web", passed))
    leg = legs.between(None, one, WHO)
    assert (leg.client_address, leg.server_address) == (f"{GATEWAY}:40000", f"{WEB}:80")
    seen = legs.told_by_packets(leg, lambda _c, _s: Reading(WireKind.TLS, mutual=False))
    assert (leg.tls, seen.tls) == ("none", "tls")


def test_a_server_without_a_proxy_is_not_waited_for() -> None:
    joiner = Joiner(lambda: WHO)
    (one,) = logged(("default/web", entry(upstream_local=f"{WEB}:1", upstream_remote=f"{DB}:80")))
    (hop,) = joiner.take(one, 0.0)
    told = tapline.fields(hop)
    assert (told["dst"], told["tls"], told["proxy"]) == ("shop/db", "none", "out")


def test_what_the_other_side_never_logs_is_told_alone_after_a_while() -> None:
    joiner = Joiner(lambda: WHO)
    (one,) = logged(("istio-system/gw", from_gateway()))
    assert len(joiner.take(one, 0.0)) == 1
    assert joiner.due(joining.WAIT - 0.1) == []
    assert len(joiner.due(joining.WAIT + 0.1)) == 1


def test_a_connection_passed_through_joins_the_request_that_made_it() -> None:
    tls = TlsFacts(version="TLSv1.3", peer_sans=())
    passed = at_web(http=None, log="tcp", open=True, downstream=TlsFacts())
    hops = joined(("default/web", passed), ("istio-system/gw", from_gateway(upstream=tls)))
    (both,) = [h for h in hops if h.client_entry and h.server_entry]
    assert both.tls == "tls"


def test_lines_are_key_value_and_read_back() -> None:
    told = {"src": "a/b", "reason": "no such host", ":path": '/?q="x"', "n": 3}
    assert tap.line("req", told) == ('req src=a/b reason="no such host" :path="/?q=\\"x\\"" n=3')


def test_a_secret_in_a_path_is_hidden() -> None:
    (hop, *_) = joined(("istio-system/gw", from_gateway(http=http(path="/?token=abc"))))
    assert tapline.fields(hop)[":path"] == "/?token=(redacted)"
    assert tapline.fields(hop, secrets=True)[":path"] == "/?token=abc"


def test_edges_count_requests_and_errors_and_say_why_there_is_no_tls() -> None:
    plain = TlsFacts()
    failing = http("r2", status=503)
    hops = joined(
        ("istio-system/gw", from_gateway()),
        ("default/web", at_web()),
        ("istio-system/gw", from_gateway(http=failing)),
        ("default/web", at_web(http=failing)),
        ("default/web", at_web(downstream_direct_remote=f"{DB}:9", downstream=plain)),
    )
    found = {(e.source, e.target): e for e in edges.edges(hops)}
    secured = found["istio-system/gw", "default/web"]
    assert (secured.tls, secured.requests, secured.errors) == ("mtls", 2, 1)
    assert (secured.client_id, secured.no_tls_reason) == (CLIENT_ID, "")
    naked = found["shop/db", "default/web"]
    assert (naked.tls, naked.no_tls_reason) == ("none", "the client has no sidecar")
    assert found["192.0.2.1", "istio-system/gw"].requests == 2


@pytest.mark.parametrize(
    ("status", "errors"), [("", 0), ("0", 0), ("5", 0), ("4", 1), ("14", 1), ("99", 1)]
)
def test_what_grpc_says_of_a_call_is_told_and_counts_as_http_would(
    status: str, errors: int
) -> None:
    """NOT_FOUND is no more an error of the server than 404; DEADLINE_EXCEEDED, UNAVAILABLE and what
    gRPC does not know are."""
    called = msgspec.structs.replace(http(), response_headers={"grpc-status": status})
    hops = joined(
        ("istio-system/gw", from_gateway(http=called)), ("default/web", at_web(http=called))
    )
    found = [e for e in edges.edges(hops) if e.target == "default/web"]
    assert [(each.requests, each.errors) for each in found] == [(1, errors)]
    assert {tapline.fields(hop).get("grpc-status", "") for hop in hops} == {status}


def test_edges_count_what_a_share_stands_for_and_failures_one_by_one() -> None:
    failing, late = http("r2", status=503), http("r3", status=500)
    plain = TlsFacts()
    hops = joined(
        ("istio-system/gw", from_gateway(sampled=True)),
        ("default/web", at_web(sampled=True)),
        ("istio-system/gw", from_gateway(http=failing)),
        ("default/web", at_web(http=failing)),
        ("default/web", at_web(http=late, downstream=plain)),  # a retry then went well, unreported
        one_in=8,
    )
    found = {(e.source, e.target, e.tls): e for e in edges.edges(hops)}
    secured = found["istio-system/gw", "default/web", "mtls"]
    assert (secured.requests, secured.errors, secured.sampled) == (9, 1, True)
    alone = found["istio-system/gw", "default/web", "none"]
    assert (alone.requests, alone.errors, alone.sampled) == (1, 1, False)
    assert "one request in 8" in alone.no_tls_reason


@pytest.mark.parametrize(
    ("one", "other", "there_were"),
    [
        pytest.param("load-1", "load-2", 8, id="each end chose by itself"),
        pytest.param("0000000a-1", "0000000b-1", 16, id="both chose by the id"),
        pytest.param("load-1", "load-1", 8, id="both happened to choose it"),
    ],
)
def test_edges_count_once_what_each_end_chose_by_itself(
    one: str, other: str, there_were: int
) -> None:
    hops = joined(
        ("istio-system/gw", from_gateway(http=http(one), sampled=True)),
        ("default/web", at_web(http=http(other), sampled=True)),
        one_in=8,
    )
    found = [e for e in edges.edges(hops) if e.target == "default/web"]
    assert [each.requests for each in found] == [there_were]
    outside = [e for e in edges.edges(hops) if e.target == "istio-system/gw"]
    assert [each.requests for each in outside] == [8]


def test_a_refused_handshake_is_an_error_of_its_edge() -> None:
    refused = at_web(
        http=None, log="listener", downstream=TlsFacts(version="TLSv1.3"), downstream_failure="no"
    )
    hops = joined(("default/web", refused))
    assert [tapline.word(h) for h in hops] == ["refused"]
    (edge,) = edges.edges(hops)
    assert (edge.source, edge.errors, edge.protocol) == ("istio-system/gw", 1, "TCP")


def test_two_lines_that_read_the_same_are_one() -> None:
    """What one side named later, or not at all, is no other edge."""
    unnamed = TlsFacts(version="TLSv1.3", local_sans=(CLIENT_ID,))
    hops = joined(
        ("istio-system/gw", from_gateway(http=http("r1"), upstream=unnamed)),
        ("default/web", at_web(http=http("r1"))),
        ("istio-system/gw", from_gateway(http=http("r2"), upstream=unnamed)),
        ("istio-system/gw", from_gateway(http=http("r3"))),
    )
    (edge,) = [e for e in edges.edges(hops) if e.target == "default/web"]
    assert (edge.tls, edge.requests, edge.server_id) == ("mtls", 3, SERVER_ID)


def test_a_connection_is_mutual_tls_from_its_first_line_on() -> None:
    """The server's proxy logs it while the handshake goes on, and does not know the client yet."""
    made = {"http": None, "log": "tcp", "open": True}
    early = at_web(**made, upstream_remote=f"{WEB}:80", downstream=TlsFacts(version="TLSv1.3"))
    hops = joined(("istio-system/gw", from_gateway(**made)), ("default/web", early))
    (both,) = [h for h in hops if h.client_entry and h.server_entry]
    assert tapline.fields(both)["tls"] == "mtls"


def test_an_edge_is_mutual_where_only_the_end_of_the_connection_tells() -> None:
    """Nothing showed the handshake while it went on: its end has both identities."""
    opened = at_web(
        http=None,
        log="tcp",
        open=True,
        upstream_remote=f"{WEB}:80",
        downstream=TlsFacts(version="TLSv1.3"),
    )
    ended = at_web(http=None, log="tcp", upstream_remote=f"{WEB}:80")
    (edge,) = edges.edges(joined(("default/web", opened), ("default/web", ended)))
    assert (edge.tls, edge.requests, edge.server_id) == ("mtls", 1, SERVER_ID)


def booked(hops: list[Leg], now: float) -> list[object]:
    book = EdgeBook()
    for hop in hops:
        book.add(hop)
    return [row.edge for row in book.rows(now)]


@given(st.lists(st.sampled_from([200, 503]), max_size=8), st.booleans())
def test_the_book_counts_as_edges_do(statuses: list[int], whole: bool) -> None:
    """Requests one after the other, and a connection of which only the end tells all."""
    made: list[tuple[str, AccessEntry]] = []
    for number, status in enumerate(statuses):
        asked = http(f"r{number}", status)
        made.append(("istio-system/gw", from_gateway(http=asked)))
        made += [("default/web", at_web(http=asked))] * whole
    open_facts = TlsFacts(version="TLSv1.3")
    tcp = {"http": None, "log": "tcp", "upstream_remote": f"{WEB}:80"}
    made.append(("default/web", at_web(**tcp, open=True, downstream=open_facts)))
    made.append(("default/web", at_web(**tcp)))
    hops = joined(*made)
    assert booked(hops, 0.0) == edges.edges(hops)


def test_the_book_forgets_by_windows_and_tells_each_change_once() -> None:
    book = EdgeBook()
    (hop,) = [each for each in joined(("default/web", at_web())) if each.server_entry]
    book.add(hop)
    start = hop.entry.entry.start.timestamp()
    (first,) = book.changed(start + 1, aged=True)
    assert first.windows["10"].requests == 1
    assert book.changed(start + 1, aged=True) == ()
    (later,) = book.changed(start + 30, aged=True)
    assert (later.windows["10"].requests, later.windows["60"].requests) == (0, 1)
    (gone,) = book.changed(start + 700, aged=True)
    assert (gone.windows["600"].requests, gone.windows["all"].requests) == (0, 1)
    assert book.changed(start + 900, aged=True) == ()
