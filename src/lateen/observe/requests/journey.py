"""One request's way through the mesh, leg by leg, joined from the proxies' logs. Pure.

A leg is a TCP connection between two parties. The address a proxy connects from is the address
the next proxy sees; where a connection is shared, the request id says which request it was.
"""

from collections.abc import Callable

import msgspec

from lateen.observe.requests import hops
from lateen.observe.requests.directory import Directory, Party
from lateen.observe.requests.ledger import Ledger, LogEntry
from lateen.observe.wire.classify import Kind, Reading
from lateen.xds.als import AccessEntry

Readings = Callable[[str, str], "Reading | None"]
"""What the packets between two `IP:port` showed, client first; None where nothing was seen."""

_MOST_LEGS = 12


class Sent(msgspec.Struct, frozen=True):
    """What the client itself knows of its request."""

    party: Party
    local: str
    """`IP:port` of its socket; empty if it never connected."""
    remote: str
    """Where it connected to."""
    tls: str = ""
    """TLS version the client negotiated itself, for `https`."""
    secure: bool = False
    """Whether the client speaks TLS itself."""
    with_certificate: bool = False
    error: str = ""
    mark: int = 0
    """The ledger's position before it was sent."""


class Leg(msgspec.Struct, frozen=True):
    """One connection on the way."""

    client: Party
    server: Party
    client_address: str
    server_address: str
    tls: str
    """`none`, `tls`, `mtls`, or empty where nothing was sent."""
    client_entry: LogEntry | None = None
    server_entry: LogEntry | None = None
    reading: Reading | None = None
    reused: bool = False
    """Whether the connection had carried an earlier request."""
    sent: bool = True
    """False for the step that a proxy did not take."""
    failed: bool = False
    carried: str = "none"
    """`tls` where what is carried is TLS already, the application's own, before any of a proxy."""
    inside: bool = False
    """Whether it stays within a pod, between the application and its own sidecar."""


class Journey(msgspec.Struct, frozen=True):
    """All legs in order. `complete` is False while an entry that must come has not come."""

    legs: tuple[Leg, ...]
    complete: bool


class _Walk:
    """Follows one request from entry to entry."""

    def __init__(
        self, sent: Sent, ledger: Ledger, directory: Directory, readings: Readings
    ) -> None:
        self.sent, self.ledger = sent, ledger
        self.directory, self.readings = directory, readings
        self.legs: list[Leg] = []
        self.complete = True
        self.payload = "tls" if sent.secure else "none"
        """What the last party that made the bytes put on its connection."""

    def run(self) -> Journey:
        """Build all legs."""
        entry = self._first()
        while entry is not None and len(self.legs) < _MOST_LEGS:
            entry = self._next(entry)
        return Journey(_failing(self.legs, self.sent), self.complete)

    def _first(self) -> LogEntry | None:
        """Add the client's own leg; return what the first proxy logged of it."""
        sent = self.sent
        entry = None
        own = sent.party.name if self.directory.proxies.get(sent.party.name) else ""
        if sent.local:
            found = [e for e in self.ledger.from_client(sent.local) if e.number > sent.mark]
            entry = hops.best([e for e in found if e.proxy == own] or found)
            expected = own or self.directory.logs(sent.remote)
            self.complete = not (expected if entry is None else self._goes_on(entry))
        server = self.directory.party(sent.remote) if sent.remote else Party("outside", "?")
        address = sent.remote
        if entry is not None:
            server = self.directory.pod(entry.proxy)
            if own != entry.proxy:
                address = entry.entry.downstream_local or address
        self._add(
            Leg(
                client=sent.party,
                server=server,
                client_address=sent.local,
                server_address=address,
                tls="",
                server_entry=entry,
                sent=bool(sent.local),
                inside=bool(own) and entry is not None and entry.proxy == own,
            )
        )
        return entry

    def _next(self, entry: LogEntry) -> LogEntry | None:
        """Add the leg that a proxy made onward; return what the next proxy logged of it."""
        made = entry.entry
        self.payload = self._carried(made)
        client = self.directory.pod(entry.proxy)
        if hops.refusing_rule(entry):
            return None
        if not made.upstream_remote:
            if not hops.refused(entry) and not hops.chosen(entry):
                self._stopped(client, entry)
            return None
        if entry.inbound:
            self._to_app(client, entry)
            return None
        server = self.directory.party(made.upstream_remote)
        following = self._logged_by(server, entry)
        if following is not None:
            server = self.directory.pod(following.proxy)
        self._add(
            Leg(
                client=client,
                server=server,
                client_address=made.upstream_local or (following.client if following else ""),
                server_address=made.upstream_remote,
                tls="",
                client_entry=entry,
                server_entry=following,
                reused=entry.reused,
            )
        )
        return following

    def _carried(self, made: AccessEntry) -> str:
        """Return what a proxy puts on its connection onward before TLS of its own.

        A request is clear text to it; a connection's bytes are as they came, or, if its TLS ended
        here, as they were put in.
        """
        if made.http is not None:
            return "none"
        if made.downstream.version:
            return self.payload
        return "tls" if self.legs[-1].tls in ("tls", "mtls") else "none"

    def _stopped(self, client: Party, entry: LogEntry) -> None:
        target = client.as_app() if entry.inbound else Party("outside", "")
        if entry.entry.upstream_cluster and not entry.inbound:
            target = Party("service", entry.entry.upstream_cluster)
        self.legs.append(Leg(client, target, "", "", tls="", client_entry=entry, sent=False))

    def _to_app(self, sidecar: Party, entry: LogEntry) -> None:
        made = entry.entry
        self._add(
            Leg(
                client=sidecar,
                server=sidecar.as_app(),
                client_address=made.upstream_local,
                server_address=made.upstream_remote,
                tls="",
                client_entry=entry,
                reused=entry.reused,
                inside=True,
            )
        )

    def _logged_by(self, server: Party, entry: LogEntry) -> LogEntry | None:
        """Return the next proxy's entry about what this one sent."""
        local = entry.entry.upstream_local
        if server.role == "service" and local:
            others = self.ledger.from_client(local)
            return hops.best([e for e in others if e.proxy != entry.proxy])
        if server.name not in self.directory.proxies:
            return None
        host = self.directory.address(entry.proxy)
        found = hops.following(entry, server.name, self.ledger, self.sent.mark, host)
        unfinished = found is None or (
            found.entry.open and (hops.failed(entry) or self._goes_on(found))
        )
        if unfinished and hops.reached(entry):
            self.complete = False
        return found

    def _goes_on(self, entry: LogEntry) -> bool:
        """Whether a connection is still to be logged as ended: the client says that it did."""
        return entry.entry.open and bool(self.sent.error)

    def _add(self, leg: Leg) -> None:
        """Add a leg, with what the packets showed and the kind of TLS on it."""
        reading = None
        if leg.client_address and leg.server_address:
            reading = self.readings(leg.client_address, leg.server_address)
        leg = msgspec.structs.replace(leg, reading=reading, carried=self.payload)
        own = self.sent if not self.legs else None
        self.legs.append(msgspec.structs.replace(leg, tls=kind_of(leg, self.payload, own)))


def build(sent: Sent, ledger: Ledger, directory: Directory, readings: Readings) -> Journey:
    """Join a request's legs from what is known now."""
    return _Walk(sent, ledger, directory, readings).run()


def kind_of(leg: Leg, payload: str, own: Sent | None) -> str:
    """Return `none`, `tls` or `mtls` for a leg; empty where nothing was sent.

    Whether there was TLS is what the packets show, or what either log says. It is mutual only if a
    client certificate was used: the server's log names the client, or (where the server has no
    proxy) the packets or the client's log say that one was sent and the handshake did not fail.
    """
    if not leg.sent or _unconnected(leg):
        return ""
    if hops.handshake_failure(leg.server_entry):
        return "tls"
    server = leg.server_entry.entry if leg.server_entry else None
    if server is not None and (server.downstream.peer_sans or server.downstream.peer_subject):
        return "mtls"
    if not _encrypted(leg, payload, own):
        return "none"
    terminated = server is not None and (server.http is not None or server.downstream.version)
    if own is not None:
        return "mtls" if own.with_certificate and not own.error else "tls"
    if terminated:
        return "tls"
    client = leg.client_entry.entry if leg.client_entry else None
    offered = client is not None and client.upstream.local_sans and not client.upstream_failure
    if leg.reading is not None and leg.reading.mutual is False:
        return "tls"
    # A response that did not come in time was asked for, so the handshake had been accepted.
    late = client is not None and "UT" in client.flags.split(",")
    return "mtls" if offered and (late or not hops.failed(leg.client_entry)) else "tls"


def _unconnected(leg: Leg) -> bool:
    """Whether the client's proxy could not even connect."""
    silent = leg.reading is None or leg.reading.kind is Kind.NOTHING
    failed = leg.client_entry is not None and hops.failed(leg.client_entry)
    return silent and failed and leg.client_entry is not None and not hops.reached(leg.client_entry)


def _encrypted(leg: Leg, payload: str, own: Sent | None) -> bool:
    if leg.reading is not None and leg.reading.kind is not Kind.NOTHING:
        return leg.reading.kind.encrypted
    client = leg.client_entry.entry if leg.client_entry else None
    server = leg.server_entry.entry if leg.server_entry else None
    if client is not None and (client.upstream.version or "TLS_error" in client.upstream_failure):
        return True
    if server is not None and server.downstream.version:
        return True
    return payload == "tls" or (own is not None and own.secure)


def _failing(legs: list[Leg], sent: Sent) -> tuple[Leg, ...]:
    """Mark the leg where it failed: the last one that anything says failed."""
    marked = None
    for number, leg in enumerate(legs):
        if not leg.sent or hops.failed(leg.client_entry) or hops.refused(leg.server_entry):
            marked = number
    if marked is None and sent.error and legs:
        marked = 0
    return tuple(
        msgspec.structs.replace(leg, failed=True) if number == marked else leg
        for number, leg in enumerate(legs)
    )


def name(leg: Leg) -> str:
    """Return a leg's short name, `gateway -> sidecar`."""
    return f"{_role(leg.client)} -> {_role(leg.server) if leg.server.name else 'nowhere'}"


def _role(party: Party) -> str:
    return "client" if party.role == "host" else party.role
