"""The ledger: bounded, indexed by connection and request, in step with a plain list."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from hypothesis import given, strategies as st

from lateen.observe.requests.ledger import WAITING_LIMIT, Ledger, LogEntry
from lateen.xds import als
from tests.observe import entries

PROXIES = ("a/x", "a/y")
CLIENTS = ("10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1")
REQUESTS = ("", "r1", "r2")

made = st.tuples(st.sampled_from(PROXIES), st.sampled_from(CLIENTS), st.sampled_from(REQUESTS))


@given(st.lists(made, max_size=40), st.integers(1, 12))
def test_it_holds_the_newest_and_finds_them_by_every_key(
    rows: list[tuple[str, str, str]], limit: int
) -> None:
    ledger = Ledger(limit)
    heard: list[LogEntry] = []
    ledger.subscribe(heard.append)
    for proxy, client, request in rows:
        http = entries.http(request_id=request) if request else None
        ledger.add(proxy, [entries.entry(client, http=http)])
    kept = heard[-limit:]
    assert len(ledger) == len(kept)
    assert ledger.position == len(rows)
    assert list(ledger.since(0)) == kept
    for client in CLIENTS:
        same = [e for e in kept if e.client == client]
        assert list(ledger.from_client(client)) == same
        for proxy in PROXIES:
            assert list(ledger.from_client(client, proxy)) == [e for e in same if e.proxy == proxy]
    for request in REQUESTS[1:]:
        wanted = [e for e in kept if e.entry.http and e.entry.http.request_id == request]
        assert list(ledger.of_request(request)) == wanted
    assert ledger.of_request("") == ()


def test_a_listener_that_stopped_hears_nothing() -> None:
    ledger, heard = Ledger(), []
    stop = ledger.subscribe(heard.append)
    ledger.add("a/x", [entries.entry("10.0.0.1:1")])
    stop()
    stop()
    ledger.add("a/x", [entries.entry("10.0.0.1:1")])
    assert [each.number for each in heard] == [1]


def test_a_connection_is_reused_when_it_carried_a_request_before() -> None:
    ledger = Ledger()
    request = {"http": entries.http()}
    ledger.add("a/x", [entries.entry("c:1", "s:80", "l:1", **request)])
    ledger.add("a/x", [entries.entry("c:2", "s:80", "l:1", **request)])
    ledger.add("a/y", [entries.entry("c:3", "s:80", "l:1", **request)])
    # A proxy that was started again counts from the beginning: the address tells.
    ledger.add("a/x", [entries.entry("c:4", "s:80", "l:9", **request)])
    assert [each.reused for each in ledger.since(0)] == [False, True, False, False]


def test_batches_are_read_when_somebody_asks() -> None:
    read: list[str] = []

    def batch(client: str) -> Iterator[als.AccessEntry]:
        read.append(client)
        yield entries.entry(client)

    ledger = Ledger()
    ledger.take("a/x", batch("10.0.0.1:1"), 10)
    assert not read
    assert ledger.position == 1
    assert read == ["10.0.0.1:1"]
    heard: list[str] = []
    ledger.subscribe(lambda made: heard.append(made.client))
    ledger.take("a/x", batch("10.0.0.1:2"), 10)
    assert heard == ["10.0.0.1:2"]


def test_what_waits_is_bounded() -> None:
    ledger = Ledger()
    for number in range(1, 5):
        ledger.take("a/x", [entries.entry(f"10.0.0.1:{number}")], WAITING_LIMIT // 2)
    assert [each.client for each in ledger.since(0)] == ["10.0.0.1:3", "10.0.0.1:4"]


def test_a_request_stands_for_those_that_were_not_reported_when_it_ended() -> None:
    def shares(moment: datetime) -> int:
        return 8 if moment >= entries.START + timedelta(seconds=1) else 1

    ledger = Ledger(shares=shares)
    for after, sampled in ((0.0, True), (0.98, True), (0.995, True), (2.0, True), (2.0, False)):
        ledger.add("a/x", [entries.entry("c:1", after=after, http=entries.http(), sampled=sampled)])
    assert [each.stands_for for each in ledger.since(0)] == [1, 1, 8, 8, 1]
    assert [each.one_in for each in ledger.since(0)] == [1, 1, 8, 8, 8]
