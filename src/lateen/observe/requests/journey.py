"""One request's way through the mesh, leg by leg, joined from the proxies' logs. Pure.

The address a proxy connects from is the address the next proxy sees; where a connection is shared,
the request's id says which request it was (`legs.follows`). What an application asks others for
while it works on the request, under the same id, is told as its calls.
"""

import msgspec

from lateen.causes.cause import SendFailure
from lateen.observe.requests import hops, legs
from lateen.observe.requests.directory import Directory, Party
from lateen.observe.requests.ledger import Ledger, LogEntry
from lateen.observe.requests.legs import How, Leg, OwnTls, Readings
from lateen.xds.als import AccessEntry

_MOST_LEGS = 12
_MOST_CALLS = 64


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
    failure: SendFailure | None = None
    mark: int = 0
    """The ledger's position before it was sent."""


class Call(msgspec.Struct, frozen=True):
    """One request that an application made while it worked on another, and its own calls."""

    caller: Party
    request: str
    """`GET /details/0`."""
    status: int
    legs: tuple[Leg, ...]
    calls: "tuple[Call, ...]" = ()


class Journey(msgspec.Struct, frozen=True):
    """All legs in order, and what the applications on the way called. `complete` is False while an
    entry that must come has not come."""

    legs: tuple[Leg, ...]
    complete: bool
    calls: tuple[Call, ...] = ()


class _Walk:
    """Follows one request from entry to entry."""

    def __init__(
        self, sent: Sent, ledger: Ledger, directory: Directory, readings: Readings
    ) -> None:
        self.sent, self.ledger = sent, ledger
        self.directory, self.readings = directory, readings
        self.legs: list[Leg] = []
        self.complete = True
        self.seen: set[int] = set()
        """Numbers of the entries that have their place already."""

    def run(self) -> Journey:
        """Build all legs, then the calls of the application that the request came to."""
        entry = self._first()
        last = self._onward(entry, "tls" if self.sent.secure else "none")
        made = _failing(self.legs, failed=self.sent.failure is not None)
        calls = self._calls(last) if last is not None else ()
        return Journey(made, self.complete, calls)

    def _onward(self, entry: LogEntry | None, carried: str) -> LogEntry | None:
        """Add every leg that follows an entry; returns the last entry.

        `carried` is what the party that made the bytes put on its connection.
        """
        last = entry
        while entry is not None and len(self.legs) < _MOST_LEGS:
            last = entry
            self.seen.add(entry.number)
            carried = _carried(entry.entry, self.legs[-1], carried)
            entry = self._next(entry, carried)
        return last

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
        leg = Leg(
            client=sent.party,
            server=server,
            client_address=sent.local,
            server_address=address,
            server_entry=entry,
            own=OwnTls(sent.secure, sent.with_certificate, sent.failure is not None),
            sent=bool(sent.local),
            carried="tls" if sent.secure else "none",
            inside=bool(own) and entry is not None and entry.proxy == own,
        )
        self.legs.append(legs.seen_by(leg, self.readings))
        return entry

    def _next(self, entry: LogEntry, carried: str) -> LogEntry | None:
        """Add the leg that a proxy made onward; return what the next proxy logged of it."""
        if hops.refusing_rule(entry):
            return None
        if not entry.entry.upstream_remote:
            if not hops.refused(entry) and not hops.chosen(entry):
                self.legs.append(legs.between(entry, None, self.directory, carried))
            return None
        following = None if entry.inbound else self._logged_of(entry)
        leg = legs.between(entry, following, self.directory, carried)
        host = self.directory.address(entry.proxy)
        self.legs.append(legs.seen_by(leg, self.readings, host))
        return following

    def _logged_of(self, entry: LogEntry) -> LogEntry | None:
        """Return the next proxy's entry about what this one sent; note whether it is missing."""
        found = following(entry, self.ledger, self.directory, self.sent.mark)
        expected = self.directory.logs(entry.entry.upstream_remote)
        unfinished = (
            expected
            if found is None
            else (found.entry.open and (hops.failed(entry) or self._goes_on(found)))
        )
        if unfinished and hops.reached(entry):
            self.complete = False
        return found

    def _goes_on(self, entry: LogEntry) -> bool:
        """Whether a connection is still to be logged as ended: the client says that it did."""
        return entry.entry.open and self.sent.failure is not None

    def _calls(self, entry: LogEntry) -> tuple[Call, ...]:
        """Return what the application behind an entry asked others for, under the same id and
        while the request was worked on, in the order in which it did."""
        http = entry.entry.http
        if http is None or not entry.inbound or not hops.handed_on(entry):
            return ()
        host = self.directory.address(entry.proxy)
        found = [
            each
            for each in self.ledger.of_request(http.request_id)
            if each.number not in self.seen
            and each.client.rpartition(":")[0] == host
            and hops.during(each, entry)
            and self._begins(each, entry.proxy)
        ]
        calls = []
        for each in sorted(found, key=lambda e: e.entry.start):
            if each.number not in self.seen and len(self.seen) < _MOST_CALLS:
                calls.append(self._call(each))
        return tuple(calls)

    def _begins(self, entry: LogEntry, caller: str) -> bool:
        """Whether an entry is the first that any proxy makes of what a pod's application sent: its
        own proxy's, of what goes out, or, without one, the server's."""
        if entry.proxy == caller:
            return not entry.inbound
        return caller not in self.directory.proxies

    def _call(self, entry: LogEntry) -> Call:
        """Return one call and those that came of it. The legs of each call are walked alone."""
        outer, self.legs = self.legs, []
        first = legs.between(None, entry, self.directory, "none")
        if entry.proxy == first.client.name:
            # The application's socket to its own proxy has the address that it asked for.
            first = msgspec.structs.replace(first, inside=True)
        self.legs.append(legs.seen_by(first, self.readings))
        last = self._onward(entry, "none")
        own, self.legs = _failing(self.legs, failed=False), outer
        http = entry.entry.http
        assert http is not None
        inner = self._calls(last) if last is not None else ()
        asked = f"{http.method} {http.original_path or http.path}"
        return Call(first.client, asked, http.status, own, inner)


def build(sent: Sent, ledger: Ledger, directory: Directory, readings: Readings) -> Journey:
    """Join a request's legs from what is known now."""
    return _Walk(sent, ledger, directory, readings).run()


def following(entry: LogEntry, ledger: Ledger, who: Directory, mark: int) -> LogEntry | None:
    """Return what another proxy logged of what `entry` says was sent, if it has yet.

    Of the attempts of a request the last counts, of connections the newest: an address is used
    again after a while. Requests from before `mark` are others.
    """
    made = entry.entry
    if not made.upstream_local:
        listed = ledger.since(mark)
    elif made.http is not None:
        listed = (
            *ledger.of_request(made.http.request_id),
            *ledger.from_client(made.upstream_local),
        )
    else:
        listed = ledger.from_client(made.upstream_local)
    new = [e for e in listed if e.entry.http is None or e.number > mark]
    known = [(legs.follows(entry, e, who), e) for e in new]
    requests = [e for how, e in known if how is How.REQUEST]
    if requests:  # ids may be sent more than once
        return ([e for e in requests if hops.during(e, entry)] or requests)[-1]
    connections = [e for how, e in known if how is not How.NOT]
    if not connections:
        return None
    newest = max(connections, key=lambda e: e.entry.start).entry.connection_id
    return hops.best([e for e in connections if e.entry.connection_id == newest])


def _carried(made: AccessEntry, before: Leg, carried: str) -> str:
    """Return what a proxy puts on its connection onward before TLS of its own.

    A request is clear text to it; a connection's bytes are as they came, or, if its TLS ended
    here, as they were put in.
    """
    if made.http is not None:
        return "none"
    if made.downstream.version:
        return carried
    return "tls" if before.tls in ("tls", "mtls") else "none"


def _failing(made: list[Leg], *, failed: bool) -> tuple[Leg, ...]:
    """Mark the leg where it failed: the last one that anything says failed; the client's own where
    only the client says so."""
    marked = None
    for number, leg in enumerate(made):
        if not leg.sent or hops.failed(leg.client_entry) or hops.refused(leg.server_entry):
            marked = number
    if marked is None and failed and made:
        marked = 0
    return tuple(
        msgspec.structs.replace(leg, failed=True) if number == marked else leg
        for number, leg in enumerate(made)
    )


def name(leg: Leg) -> str:
    """Return a leg's short name, `gateway -> sidecar`."""
    return f"{_role(leg.client)} -> {_role(leg.server) if leg.server.name else 'nowhere'}"


def _role(party: Party) -> str:
    return "client" if party.role == "host" else party.role
