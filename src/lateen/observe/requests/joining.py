"""Both proxies' entries about one leg of a request or connection, joined as they come in. Pure.

`legs.follows` says what belongs together; the indexes here only find what it is asked about.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

from lateen.observe.requests import hops, legs
from lateen.observe.requests.directory import Directory
from lateen.observe.requests.ledger import LogEntry
from lateen.observe.requests.legs import How, Leg

WAIT = 1.0
"""Seconds to wait for the other side's entry: proxies send theirs every 0.1 s."""
_LIMIT = 4096
_SEARCHED = 64
"""Entries that are looked at where only time or a connection says what belongs together."""


class _Key(NamedTuple):
    """What both sides' entries have in common. `address` is the client's end of the connection."""

    request: str
    address: str
    open: bool


class _Held(NamedTuple):
    """An entry whose other side has not come."""

    entry: LogEntry
    key: _Key
    server: bool
    deadline: float


class _Waiting:
    """Entries in the order they came, found by key or by address and side."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._by_key: dict[tuple[_Key, bool], deque[int]] = {}
        self._by_address: dict[tuple[str, bool], OrderedDict[int, None]] = {}
        self._by_host: dict[str, OrderedDict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def oldest(self) -> _Held | None:
        """The entry that has waited longest."""
        return next(iter(self._held.values()), None)

    def add(self, held: _Held) -> None:
        """Keep an entry."""
        number = held.entry.number
        self._held[number] = held
        self._by_key.setdefault((held.key, held.server), deque()).append(number)
        of_address = self._by_address.setdefault((held.key.address, held.server), OrderedDict())
        of_address[number] = None
        if held.server:
            self._by_host.setdefault(_host(held), OrderedDict())[number] = None

    def same(self, key: _Key, *, server: bool) -> _Held | None:
        """Return the oldest entry of a side with a key: what a connection carries one after the
        other under one request id (a retry, a client that repeats itself) is paired in order."""
        numbers = self._by_key.get((key, server))
        return self._held[numbers[0]] if numbers else None

    def of_address(self, address: str, *, server: bool) -> list[_Held]:
        """Return a side's entries about a connection, the oldest first, `_SEARCHED` at most."""
        numbers = islice(self._by_address.get((address, server), ()), _SEARCHED)
        return [self._held[number] for number in numbers]

    def from_host(self, host: str) -> list[_Held]:
        """Return servers' entries about connections from a host, the oldest first."""
        numbers = islice(self._by_host.get(host, ()), _SEARCHED)
        return [self._held[number] for number in numbers]

    def remove(self, held: _Held) -> None:
        """Forget an entry."""
        number = held.entry.number
        del self._held[number]
        numbers = self._by_key[held.key, held.server]
        numbers.remove(number)
        if not numbers:
            del self._by_key[held.key, held.server]
        of_address = self._by_address[held.key.address, held.server]
        del of_address[number]
        if not of_address:
            del self._by_address[held.key.address, held.server]
        if held.server:
            of_host = self._by_host[_host(held)]
            del of_host[number]
            if not of_host:
                del self._by_host[_host(held)]


class Joiner:
    """Pairs the entries of both sides of a leg as they come in. Where the other side logs nothing,
    or too late, the leg is told alone."""

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._waiting = _Waiting()

    def take(self, entry: LogEntry, now: float) -> list[Leg]:
        """Add an entry; returns the legs that are complete with it."""
        found = self.due(now)
        who = self._directory()
        made = entry.entry
        if entry.inbound or made.log == "listener":
            expected = who.party(entry.client).name in who.proxies
            if made.http is None:
                if self._is_told_better(entry):
                    return found
                expected = True  # whether its handshake failed may be said by another entry
            return found + self._pair(entry, entry.client, now, server=True, expected=expected)
        gateway = who.pod(entry.proxy).role == "gateway"
        if gateway:
            found.append(legs.between(None, entry, who))
        if made.upstream_remote or made.upstream_cluster:
            expected = who.logs(made.upstream_remote)
            found += self._pair(entry, made.upstream_local, now, server=False, expected=expected)
        elif not gateway:
            found.append(legs.between(entry, None, who))
        return found

    def _is_told_better(self, entry: LogEntry) -> bool:
        """Forget what says less about a server's connection than this entry; whether another one
        says more.

        A handshake that failed is logged by the listener and by the TCP proxy, which may have been
        connected onward before: that carried nothing.
        """
        for held in self._waiting.of_address(entry.client, server=True):
            same = held.entry.entry.connection_id == entry.entry.connection_id
            if not same or held.entry.entry.http is not None:
                continue
            if _turned_away(held.entry) and (_turned_away(entry) or entry.entry.open):
                return True
            if _turned_away(entry) and held.entry.entry.open:
                self._waiting.remove(held)
        return False

    def due(self, now: float) -> list[Leg]:
        """Return the legs whose other side did not come in time."""
        found: list[Leg] = []
        while (held := self._waiting.oldest) is not None:
            if held.deadline > now and len(self._waiting) <= _LIMIT:
                break
            self._waiting.remove(held)
            found += self._across(held) or [self._unaddressed(held) or self._alone(held)]
        return found

    def _alone(self, held: _Held) -> Leg:
        """The leg as it is without the other side."""
        return self._leg(held.entry, None, server=held.server)

    def _leg(self, entry: LogEntry, other: LogEntry | None, *, server: bool) -> Leg:
        client, there = (other, entry) if server else (entry, other)
        return legs.between(client, there, self._directory())

    def _follows(self, one: _Held, other: _Held) -> How:
        client, server = (other, one) if one.server else (one, other)
        return legs.follows(client.entry, server.entry, self._directory())

    def _unaddressed(self, held: _Held) -> Leg | None:
        """Join a client's request with the last connection that came of it, where only the time
        says so (`How.TIME`). `held` is either of the two."""
        if not held.server:
            found = [] if held.key.address else self._connections(held)
            if not found:
                return None
            self._waiting.remove(found[-1])
            return self._leg(held.entry, found[-1].entry, server=False)
        for request in self._waiting.of_address("", server=False):
            # The one that is due waits no longer: it is the last, if none there is newer.
            late = self._follows(request, held) is How.TIME
            if late and self._connections(request, held)[-1] is held:
                self._waiting.remove(request)
                return self._leg(request.entry, held.entry, server=False)
        return None

    def _connections(self, request: _Held, *more: _Held) -> list[_Held]:
        """Return what servers logged of the connections that a request made, one entry of each."""
        host = self._directory().address(request.entry.proxy)
        found: dict[str, _Held] = {}
        for other in (*self._waiting.from_host(host), *more):
            if self._follows(request, other) is How.TIME:
                found.setdefault(other.entry.entry.connection_id, other)
        return sorted(found.values(), key=lambda each: each.entry.entry.start)

    def _across(self, held: _Held) -> list[Leg]:
        """Join a request with what the other side knows as a connection only, since it passes TLS
        through or never got as far as a request; nothing if there is no such pair.

        Of the entries about a connection that a handshake failed says more than that it had been
        connected onward: that carried nothing, and is not told.
        """
        address, requests = held.key.address, held.entry.entry.http is not None
        if not address:
            return []
        same = [held, *self._waiting.of_address(address, server=held.server)]
        others = self._waiting.of_address(address, server=not held.server)
        asked = [h for h in (same[:1] if requests else others) if h.entry.entry.http is not None]
        carrying = [h for h in (others if requests else same) if h.entry.entry.http is None]
        asked = [h for h in asked if any(self._follows(h, c) for c in carrying)]
        carrying = [c for c in carrying if any(self._follows(h, c) for h in asked[:1])]
        if not asked or not carrying:
            return []
        refusal = next((h for h in carrying if _turned_away(h.entry)), None)
        chosen = refusal or carrying[0]
        onward = [h for h in carrying if refusal and h.entry.entry.open and h is not chosen]
        for each in (asked[0], chosen, *onward):
            if each is not held:
                self._waiting.remove(each)
        pair = self._leg(asked[0].entry, chosen.entry, server=asked[0].server)
        told = held in (asked[0], chosen) or held.entry.entry.open
        return [pair] if told else [self._alone(held), pair]

    def _pair(
        self, entry: LogEntry, address: str, now: float, *, server: bool, expected: bool
    ) -> list[Leg]:
        http = entry.entry.http
        key = _Key(http.request_id if http is not None else "", address, entry.entry.open)
        held = _Held(entry, key, server, now + WAIT)
        other = self._waiting.same(key, server=not server) if address else None
        if other is not None and self._follows(held, other):
            self._waiting.remove(other)
            return [self._leg(entry, other.entry, server=server)]
        if not expected:
            return [self._leg(entry, None, server=server)]
        self._waiting.add(held)
        return []


def joined(entries: Iterable[LogEntry], who: Directory) -> list[Leg]:
    """Join entries that are all there already."""
    joiner = Joiner(lambda: who)
    found: list[Leg] = []
    for entry in entries:
        found += joiner.take(entry, entry.entry.start.timestamp() + entry.entry.duration)
    return found + joiner.due(float("inf"))


def _turned_away(entry: LogEntry) -> bool:
    return hops.refused(entry) or bool(hops.handshake_failure(entry))


def _host(held: _Held) -> str:
    return held.key.address.rpartition(":")[0]
