"""Log entries, parties and journeys for tests, made in one place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from lateen.observe.requests.directory import Directory, Party
from lateen.observe.requests.journey import Sent
from lateen.xds.als import AccessEntry, HttpFacts, TlsFacts

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HOST, GATE, FRONT, BACK, BARE = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"
GATEWAY, CLIENT, SERVER, NAKED = (
    "istio-system/gate",
    "default/front",
    "default/back",
    "default/bare",
)

DIRECTORY = Directory(
    pods={GATE: GATEWAY, FRONT: CLIENT, BACK: SERVER, BARE: NAKED},
    proxies={GATEWAY: "gateway", CLIENT: "sidecar", SERVER: "sidecar"},
    identities={},
    services={"10.96.0.1": "default/back", "10.96.0.2": "default/bare"},
    backed={"default/back": (SERVER,), "default/bare": (NAKED,)},
)

_HTTP = HttpFacts(
    method="GET",
    scheme="http",
    authority="back",
    path="/",
    original_path="",
    protocol="HTTP/1.1",
    status=200,
    details="via_upstream",
    request_id="r1",
    user_agent="",
    forwarded_for="",
    request_headers={},
    response_headers={},
    request_bytes=0,
    response_bytes=0,
)


def http(**changes: Any) -> HttpFacts:
    """A request's facts: 200 via_upstream of request r1, but for what is given."""
    return msgspec.structs.replace(_HTTP, **changes)


def entry(client: str, server: str = "", local: str = "", **changes: Any) -> AccessEntry:
    """An entry about a connection from `client`; onward to `server` from `local`."""
    after = changes.pop("after", 0.0)
    made = AccessEntry(
        log="http",
        start=START + timedelta(seconds=after),
        duration=0.01,
        downstream_remote=client,
        downstream_local="",
        downstream_direct_remote=client,
        upstream_remote=server,
        upstream_local=local,
        upstream_cluster="outbound|80||back.default.svc.cluster.local",
        route_name="",
        flags="",
        downstream=TlsFacts(),
        upstream=TlsFacts(),
        downstream_failure="",
        upstream_failure="",
        termination="",
        connection_id="1",
        upstream_connection_id="2",
        attempts=1,
        bytes_received=0,
        bytes_sent=0,
        tags={},
    )
    return msgspec.structs.replace(made, **changes)


def inbound(client: str, server: str, **changes: Any) -> AccessEntry:
    """A server sidecar's entry about a request that it gave to its application."""
    given = {"upstream_cluster": "inbound|80||", "downstream_local": server, "http": http()}
    return entry(client, server, "127.0.0.6:9", **{**given, **changes})


MUTUAL_CLIENT = TlsFacts("TLSv1.3", sni="s", local_sans=("spiffe://t/ns/a/sa/c",), peer_sans=("x",))
MUTUAL_SERVER = TlsFacts("TLSv1.3", sni="s", local_sans=("x",), peer_sans=("spiffe://t/ns/a/sa/c",))


def sent(remote: str = f"{GATE}:80", **changes: Any) -> Sent:
    """A request from the host."""
    made = Sent(party=Party("host", "host"), local=f"{HOST}:1000", remote=remote)
    return msgspec.structs.replace(made, **changes)
