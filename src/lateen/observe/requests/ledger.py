"""What the proxies logged, kept for a while and found by connection or request id. Pure.

Entries come in over each pod's own socket (`xds.als`), so whose they are is certain. The
oldest go when there are too many.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from lateen.xds.als import AccessEntry

LIMIT = 20_000
"""Entries kept; about 2 kB each."""
WAITING_LIMIT = 8 << 20
"""Bytes of batches kept unread: some 8,000 requests."""


class LogEntry(msgspec.Struct, frozen=True):
    """One access-log entry, whose it is and when it came in among all others."""

    number: int
    """Counts up from 1 over the life of the ledger."""
    proxy: str
    """`namespace/pod`."""
    entry: AccessEntry
    reused: bool = False
    """Whether its connection onward had carried an earlier request."""
    one_in: int = 1
    """One in so many requests that did not fail was reported then, and all that did."""

    @property
    def stands_for(self) -> int:
        """How many requests like it there were, as far as can be known."""
        return self.one_in if self.entry.sampled else 1

    @property
    def client(self) -> str:
        """The address that opened the connection to the proxy, `10.0.0.1:4711`."""
        return self.entry.downstream_direct_remote or self.entry.downstream_remote

    @property
    def inbound(self) -> bool:
        """Whether a sidecar logged what came for its own workload."""
        return (
            self.entry.upstream_cluster.startswith("inbound|")
            or self.entry.upstream_cluster == "InboundPassthroughCluster"
            or self.entry.tags.get("listener_local_address", "").endswith(":15006")
        )


Listener = Callable[[LogEntry], None]
Shares = Callable[[datetime], int]
"""One in how many requests was reported at a moment."""


class Ledger:
    """A bounded store of log entries with two indexes, and listeners for what comes in."""

    def __init__(self, limit: int = LIMIT, shares: Shares = lambda _: 1) -> None:
        self._limit = limit
        self._shares = shares
        self._entries: OrderedDict[int, LogEntry] = OrderedDict()
        self._by_client: dict[str, list[LogEntry]] = {}
        self._by_request: dict[str, list[LogEntry]] = {}
        self._upstreams: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._listeners: list[Listener] = []
        self._waiting: deque[tuple[str, Iterable[AccessEntry], int]] = deque()
        self._waiting_size = 0
        self._position = 0

    def __len__(self) -> int:
        self._read_waiting()
        return len(self._entries)

    @property
    def position(self) -> int:
        """The number of the newest entry."""
        self._read_waiting()
        return self._position

    def take(self, proxy: str, batch: Iterable[AccessEntry], size: int) -> None:
        """Take a batch of `size` bytes, to be read when somebody asks; at once if somebody listens.

        What waits is bounded: the oldest batches are forgotten unread.
        """
        if self._listeners:
            self._read_waiting()
            self.add(proxy, batch)
            return
        self._waiting.append((proxy, batch, size))
        self._waiting_size += size
        while self._waiting_size > WAITING_LIMIT:
            self._waiting_size -= self._waiting.popleft()[2]

    def _read_waiting(self) -> None:
        while self._waiting:
            proxy, batch, size = self._waiting.popleft()
            self._waiting_size -= size
            self.add(proxy, batch)

    def add(self, proxy: str, entries: Iterable[AccessEntry]) -> None:
        """Take entries that a proxy sent, and tell the listeners."""
        for entry in entries:
            self._position += 1
            one_in = self._shares(entry.start + timedelta(seconds=entry.duration))
            reused = self._onward(proxy, entry)
            made = LogEntry(self._position, proxy, entry, reused, one_in)
            self._entries[made.number] = made
            self._by_client.setdefault(made.client, []).append(made)
            if entry.http is not None and entry.http.request_id:
                self._by_request.setdefault(entry.http.request_id, []).append(made)
            if len(self._entries) > self._limit:
                self._drop_oldest()
            for listener in tuple(self._listeners):
                listener(made)

    def from_client(self, client: str, proxy: str = "") -> tuple[LogEntry, ...]:
        """Return the entries about connections from `IP:port`, oldest first; of one proxy, or
        of all."""
        self._read_waiting()
        found = self._by_client.get(client, ())
        return tuple(each for each in found if not proxy or each.proxy == proxy)

    def of_request(self, request_id: str) -> tuple[LogEntry, ...]:
        """Return all proxies' entries with one x-request-id, oldest first."""
        self._read_waiting()
        return tuple(self._by_request.get(request_id, ())) if request_id else ()

    def since(self, number: int) -> tuple[LogEntry, ...]:
        """Return the entries that came in after a position, oldest first."""
        self._read_waiting()
        found = []
        for key in reversed(self._entries):
            if key <= number:
                break
            found.append(self._entries[key])
        return tuple(reversed(found))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every entry from now on; returns how to stop it."""
        self._read_waiting()
        self._listeners.append(listener)

        def cancel() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return cancel

    def _onward(self, proxy: str, entry: AccessEntry) -> bool:
        """Note the connection a request went out on; whether it was there already.

        Proxies number their connections anew when they restart: then its address differs.
        """
        if entry.http is None or not entry.upstream_local:
            return False
        key = (proxy, entry.upstream_connection_id)
        known = self._upstreams.get(key) == entry.upstream_local
        self._upstreams[key] = entry.upstream_local
        self._upstreams.move_to_end(key)
        if len(self._upstreams) > self._limit:
            self._upstreams.popitem(last=False)
        return known

    def _drop_oldest(self) -> None:
        _, oldest = self._entries.popitem(last=False)
        _remove(self._by_client, oldest.client, oldest)
        if oldest.entry.http is not None:
            _remove(self._by_request, oldest.entry.http.request_id, oldest)


def _remove(index: dict[str, list[LogEntry]], key: str, oldest: LogEntry) -> None:
    held = index.get(key)
    if held is None:
        return
    if held[0] is oldest:
        del held[0]
    if not held:
        del index[key]
