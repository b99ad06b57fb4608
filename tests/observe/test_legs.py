"""Which entry follows which, and what TLS a leg had: the one place of either."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lateen.observe.requests import hops, legs
from lateen.observe.requests.ledger import Ledger, LogEntry
from lateen.observe.requests.legs import How, Leg, OwnTls
from lateen.observe.wire.classify import Reading, WireKind
from lateen.xds.als import AccessEntry, TlsFacts
from tests.observe import entries as e

SERVER_AT, ONWARD = f"{e.BACK}:80", f"{e.GATE}:2000"
GATE_SENDS = e.entry(f"{e.HOST}:1000", SERVER_AT, ONWARD, http=e.http(), duration=0.1)


def logged(*rows: tuple[str, AccessEntry]) -> list[LogEntry]:
    ledger = Ledger()
    for proxy, made in rows:
        ledger.add(proxy, [made])
    return list(ledger.since(0))


def how(sent: AccessEntry, came: AccessEntry, proxy: str = e.SERVER) -> How:
    client, server = logged((e.GATEWAY, sent), (proxy, came))
    return legs.follows(client, server, e.DIRECTORY)


def changed(entry: AccessEntry, **changes: Any) -> AccessEntry:
    return msgspec.structs.replace(entry, **changes)


CAME = e.inbound(ONWARD, SERVER_AT)
CONNECTION = changed(CAME, http=None, log="tcp")
UNADDRESSED = changed(GATE_SENDS, upstream_local="", flags="UF")


@pytest.mark.parametrize(
    ("sent", "came", "known"),
    [
        (GATE_SENDS, CAME, How.REQUEST),
        (GATE_SENDS, changed(CAME, http=e.http(request_id="r2")), How.NOT),
        (GATE_SENDS, CONNECTION, How.CONNECTION),
        (changed(GATE_SENDS, http=None), CAME, How.CONNECTION),
        (GATE_SENDS, changed(CONNECTION, downstream_local=f"{e.FRONT}:80"), How.NOT),
        (GATE_SENDS, e.inbound(f"{e.GATE}:2001", SERVER_AT), How.NOT),
        (UNADDRESSED, e.entry(f"{e.GATE}:7", downstream_local=SERVER_AT, after=0.05), How.TIME),
        (UNADDRESSED, e.entry(f"{e.GATE}:7", downstream_local=SERVER_AT, after=0.2), How.NOT),
        (UNADDRESSED, e.entry(f"{e.FRONT}:7", downstream_local=SERVER_AT, after=0.05), How.NOT),
        (UNADDRESSED, changed(CAME, downstream_remote=f"{e.GATE}:7"), How.NOT),
    ],
)
def test_an_entry_follows_by_both_ends_and_the_id(
    sent: AccessEntry, came: AccessEntry, known: How
) -> None:
    assert how(sent, came) is known


def test_an_applications_own_call_is_not_what_came_of_the_request() -> None:
    """It has the same id; nothing else is the same (Bookinfo's productpage asks details)."""
    own = e.entry(
        f"{e.BACK}:5000", f"{e.BARE}:9080", f"{e.BACK}:5001", http=e.http(path="/details")
    )
    assert how(GATE_SENDS, own) is How.NOT


def test_a_services_address_is_exchanged_for_a_pods_on_the_way() -> None:
    sent = changed(GATE_SENDS, upstream_remote="10.96.0.1:80")
    assert how(sent, CAME) is How.REQUEST


def test_a_gateway_that_is_asked_gives_the_request_an_id_of_its_own() -> None:
    """So it does when a gateway's route leads to a gateway: one connection then, and the time."""
    sent = changed(GATE_SENDS, upstream_remote=f"{e.GATE}:8443")
    own = changed(CAME, downstream_local=f"{e.GATE}:8443", http=e.http(request_id="r2"))
    assert how(sent, own, e.GATEWAY) is How.CONNECTION
    late = changed(own, start=own.start + timedelta(seconds=5))
    assert how(sent, late, e.GATEWAY) is How.NOT


def leg(**changes: Any) -> Leg:
    client, server = logged((e.GATEWAY, GATE_SENDS), (e.SERVER, CAME))
    made = legs.between(client, server, e.DIRECTORY)
    for side, facts in changes.items():
        if side in ("client_entry", "server_entry"):
            entry = getattr(made, side)
            if facts is None:
                made = msgspec.structs.replace(made, **{side: None})
                continue
            entry = msgspec.structs.replace(entry, entry=changed(entry.entry, **facts))
            made = msgspec.structs.replace(made, **{side: entry})
        else:
            made = msgspec.structs.replace(made, **{side: facts})
    return made


NO_TLS = "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
INSPECTED = "TLS_error|error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:x"
PROVED = {"upstream": e.MUTUAL_CLIENT}
OPENING = {"http": None, "log": "tcp", "open": True, "downstream": TlsFacts("TLSv1.3")}


@pytest.mark.parametrize(
    ("changes", "tls"),
    [
        ({}, "none"),
        ({"sent": False}, ""),
        ({"server_entry": {"downstream": e.MUTUAL_SERVER}}, "mtls"),
        ({"client_entry": PROVED, "server_entry": None}, "mtls"),
        # What a server logs while the handshake goes on does not name the client yet.
        ({"client_entry": PROVED, "server_entry": OPENING}, "mtls"),
        ({"client_entry": PROVED, "server_entry": {**OPENING, "open": False}}, "tls"),
        ({"client_entry": PROVED, "server_entry": {"downstream_failure": "TLS_error:x"}}, "tls"),
        ({"client_entry": {"upstream": TlsFacts("TLSv1.3")}, "server_entry": None}, "tls"),
        ({"client_entry": {"upstream_failure": "TLS_error:x", "flags": "UF"}}, "tls"),
        # Of bytes that are no TLS at all.
        ({"server_entry": {"http": None, "downstream_failure": NO_TLS}}, "none"),
        (
            {
                "server_entry": {"http": None, "downstream_failure": NO_TLS},
                "reading": Reading(WireKind.TLS),
            },
            "tls",
        ),
        # A proxy that passes TLS on names what its inspector saw.
        ({"server_entry": {"http": None, "downstream": TlsFacts(sni="a")}}, "tls"),
        ({"client_entry": None, "server_entry": None, "own": OwnTls(secure=True)}, "tls"),
        (
            {
                "client_entry": None,
                "server_entry": None,
                "reading": Reading(WireKind.TLS, istio_mtls=True, sni="outbound_.80_._.web"),
            },
            "mtls",
        ),
        ({"client_entry": PROVED, "reading": Reading(WireKind.HTTP1)}, "none"),
    ],
)
def test_what_tls_a_leg_had(changes: dict[str, Any], tls: str) -> None:
    assert legs.tls_of(leg(**changes)) == tls


def test_what_the_inspector_says_of_plaintext_is_no_failed_handshake() -> None:
    """It looks at every connection, also where both are taken: HTTP/2, or a method that the TLS
    library does not know, is told so too."""
    plain = leg(server_entry={"downstream_failure": INSPECTED})
    assert (plain.tls, hops.refused(plain.server_entry)) == ("none", False)


def test_packets_tell_what_a_log_cannot_know_yet() -> None:
    """A server's proxy logs a connection as it is made, before it has the client's certificate."""
    early = leg(client_entry=None, server_entry=OPENING)
    assert early.tls == "tls"
    certified = Reading(WireKind.TLS, mutual=True)
    assert legs.told_by_packets(early, lambda *_: certified).tls == "mtls"
    done = leg(client_entry=None, server_entry={**OPENING, "open": False})
    assert legs.told_by_packets(done, lambda *_: certified) is done
