"""A leg: one connection between two parties, with what both proxies logged of it and what packets
showed; which entries belong together, and what TLS it had. Pure.

`follows` and `tls_of` are the only places where either is decided: `curl`, `tap`, `edges` and
`capture` all read their answers.
"""

from collections.abc import Callable
from enum import IntEnum

import msgspec

from lateen.observe.requests import hops
from lateen.observe.requests.directory import Directory, Party
from lateen.observe.requests.ledger import LogEntry
from lateen.observe.wire.classify import Reading, WireKind
from lateen.xds.als import AccessEntry

Readings = Callable[[str, str], "Reading | None"]
"""What the packets between two `IP:port` showed, client first; None where nothing was seen. A
client's port may be missing (`IP:`): then it is the newest connection from there."""


class OwnTls(msgspec.Struct, frozen=True):
    """What a client that Lateen itself is knows of its TLS."""

    secure: bool = False
    with_certificate: bool = False
    failed: bool = False


class Leg(msgspec.Struct, frozen=True):
    """One connection on the way, or one request on it."""

    client: Party
    server: Party
    client_address: str = ""
    server_address: str = ""
    client_entry: LogEntry | None = None
    server_entry: LogEntry | None = None
    reading: Reading | None = None
    own: OwnTls | None = None
    """For the leg that Lateen's own client opened."""
    reused: bool = False
    """Whether the connection had carried an earlier request."""
    sent: bool = True
    """False for the step that a proxy did not take."""
    failed: bool = False
    carried: str = ""
    """`tls` where what is carried is TLS already, the application's own, before any of a proxy;
    `none` where it is clear; empty where nobody knows."""
    inside: bool = False
    """Whether it stays within a pod, between the application and its own sidecar."""

    @property
    def entry(self) -> LogEntry:
        """The entry that tells most of how it ended for the client; for a leg that has one."""
        found = self.client_entry or self.server_entry
        assert found is not None
        return found

    @property
    def stands_for(self) -> int:
        """How many legs like it there were: more than one where only a share was reported."""
        return self.entry.stands_for

    @property
    def tls(self) -> str:
        """`none`, `tls`, `mtls`, or empty where nothing was sent."""
        return tls_of(self)


class How(IntEnum):
    """By what a server's entry is known to follow a client's; the surest is the greatest."""

    NOT = 0
    TIME = 1
    """The client's proxy logged no address, as of handshakes that failed: it is a connection of its
    host to that server, begun while the request was worked on."""
    CONNECTION = 2
    """The address that it came from."""
    REQUEST = 3
    """That, and the request's id."""


def follows(client: LogEntry, server: LogEntry, who: Directory) -> How:
    """Say whether what `server` logged came of what `client` logged it sent.

    A connection is known by both its ends. The request's id alone says nothing: an application
    sends it on with its own calls.
    """
    made, there = client.entry, server.entry
    if client.number == server.number or not _arrives(made.upstream_remote, there, who):
        return How.NOT
    if not made.upstream_local:
        host = who.address(client.proxy)
        came_then = server.client.startswith(f"{host}:") and hops.during(server, client)
        return How.TIME if came_then and there.http is None else How.NOT
    if server.client != made.upstream_local:
        return How.NOT
    if made.http is None or there.http is None:
        return How.CONNECTION
    if who.pod(server.proxy).role == "gateway":  # it gives what comes in an id of its own
        return How.CONNECTION if hops.during(server, client) else How.NOT
    return How.REQUEST if made.http.request_id == there.http.request_id else How.NOT


def _arrives(remote: str, there: AccessEntry, who: Directory) -> bool:
    """Whether a connection to an address comes in where a proxy says that one did: a Service's
    address is exchanged for a pod's on the way."""
    return there.downstream_local in ("", remote) or who.party(remote).role == "service"


def between(
    client: LogEntry | None, server: LogEntry | None, who: Directory, carried: str = ""
) -> Leg:
    """Return the leg that two entries tell of; one of them may be missing."""
    if client is None:
        assert server is not None
        there = server.entry
        sender = who.party(server.client)
        if sender.name == server.proxy:
            sender = sender.as_app()
        return Leg(
            client=sender,
            server=who.pod(server.proxy),
            client_address=server.client,
            server_address=there.downstream_local,
            server_entry=server,
            carried=carried,
            inside=sender.name == server.proxy,
        )
    made = client.entry
    inside = client.inbound
    target = who.pod(server.proxy) if server is not None else who.party(made.upstream_remote)
    if inside:
        target = who.pod(client.proxy).as_app()
    elif server is None and not made.upstream_remote:
        name = made.upstream_cluster
        target = Party("service", name) if name else Party("outside", "")
    seen = server.client if server is not None else ""
    return Leg(
        client=who.pod(client.proxy),
        server=target,
        client_address=made.upstream_local or seen,
        server_address=made.upstream_remote,
        client_entry=client,
        server_entry=server,
        reused=client.reused,
        sent=bool(made.upstream_remote),
        carried=carried,
        inside=inside,
    )


def seen_by(leg: Leg, readings: Readings, host: str = "") -> Leg:
    """Return the leg with what the packets of its connection showed. `host` is the IP of the
    client, which counts where its proxy did not log an address."""
    client = leg.client_address or (f"{host}:" if host else "")
    if not client or not leg.server_address:
        return leg
    reading = readings(client, leg.server_address)
    return msgspec.structs.replace(leg, reading=reading)


def told_by_packets(leg: Leg, readings: Readings) -> Leg:
    """Ask the packets where the logs do not say all. Proxies pass on TLS that is not theirs without
    a word, and of a connection that was just made they do not know the client's certificate yet.
    What a server's proxy read as a request was clear text to it."""
    there = leg.server_entry.entry if leg.server_entry is not None else None
    read = there is not None and there.http is not None
    early = there is not None and there.open and leg.tls == "tls"
    return seen_by(leg, readings) if early or (leg.tls == "none" and not read) else leg


def tls_of(leg: Leg) -> str:
    """Return `none`, `tls` or `mtls`; empty where nothing was sent.

    Whether there was TLS is what the packets show, or what either log says. It is mutual only if a
    client certificate was used: the server's log names the client, or, where the server did not
    end the handshake or has not told of it yet, the client's log or the packets say that one was
    sent, and nothing failed.
    """
    if not leg.sent or _unconnected(leg):
        return ""
    server = leg.server_entry.entry if leg.server_entry is not None else None
    if leg.reading is not None and leg.reading.kind.plain:
        return "none"  # whatever was expected there
    if leg.server_entry is not None and hops.handshake_failure(leg.server_entry):
        return "none" if _was_plaintext(leg, leg.server_entry) else "tls"
    if server is not None and (server.downstream.peer_sans or server.downstream.peer_subject):
        return "mtls"
    if not _encrypted(leg, server):
        return "none"
    if leg.own is not None:
        return "mtls" if leg.own.with_certificate and not leg.own.failed else "tls"
    # A connection's first entry is made while its handshake may still go on.
    ended_here = server is not None and bool(server.downstream.version) and not server.open
    if ended_here or (server is not None and server.http is not None):
        return "tls"
    return "mtls" if _showed_certificate(leg) else "tls"


def _was_plaintext(leg: Leg, server: LogEntry) -> bool:
    """Whether a handshake failed for want of a handshake; what the packets show comes first."""
    if leg.reading is not None and leg.reading.kind is not WireKind.NOTHING:
        return not leg.reading.kind.encrypted
    return hops.met_plaintext(server)


def _showed_certificate(leg: Leg) -> bool:
    """Whether the client's side or the packets say that it used a certificate."""
    client = leg.client_entry.entry if leg.client_entry is not None else None
    if leg.reading is not None and leg.reading.mutual is False:
        return False
    if client is None:
        return leg.reading is not None and leg.reading.certified
    # A response that did not come in time was asked for, so the handshake had been accepted.
    late = "UT" in client.flags.split(",")
    offered = bool(client.upstream.local_sans) and not client.upstream_failure
    return offered and (late or not hops.failed(leg.client_entry))


def _unconnected(leg: Leg) -> bool:
    """Whether the client's proxy could not even connect."""
    silent = leg.reading is None or leg.reading.kind is WireKind.NOTHING
    failed = leg.client_entry is not None and hops.failed(leg.client_entry)
    return silent and failed and leg.client_entry is not None and not hops.reached(leg.client_entry)


def _encrypted(leg: Leg, server: AccessEntry | None) -> bool:
    if leg.reading is not None and leg.reading.kind is not WireKind.NOTHING:
        return leg.reading.kind.encrypted
    client = leg.client_entry.entry if leg.client_entry is not None else None
    if client is not None and (client.upstream.version or "TLS_error" in client.upstream_failure):
        return True
    if server is not None and (server.downstream.version or server.downstream.sni):
        return True  # without a version of its own a proxy passes on what its inspector saw
    return leg.carried == "tls" or (leg.own is not None and leg.own.secure)
