"""Who talks to whom, counted as it comes in: a book of edges with windows of time. Pure.

`edges` counts the whole ledger each time it is asked. The book takes each leg once, and keeps of
it a count in a bucket of `BUCKET` seconds; what it costs does not grow with what is remembered.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable

import msgspec

from lateen.model.labapi.page import LiveCount, LiveEdge
from lateen.model.labapi.traffic import Edge
from lateen.observe.requests import edges, tapline
from lateen.observe.requests.edges import Then
from lateen.observe.requests.legs import Leg

BUCKET = 5
"""Seconds that are counted together."""
WINDOWS = (10, 60, 600)
"""Seconds that a window looks back."""
LIMIT = 5000
"""Edges that are kept; the one that was quiet for longest goes first."""
_CONNECTIONS = 4096


class _Row:
    """What is counted of one edge."""

    def __init__(self) -> None:
        self.requests, self.errors, self.sampled = 0.0, 0, False
        self.client_id = self.server_id = self.last = ""
        self.buckets: deque[list[float]] = deque()

    def count(self, second: float, many: float, failed: int) -> None:
        """Add to the bucket of a moment; one that came late goes to the newest there is."""
        start = second // BUCKET * BUCKET
        if not self.buckets or self.buckets[-1][0] < start:
            self.buckets.append([start, 0.0, 0])
        self.buckets[-1][1] += many
        self.buckets[-1][2] += failed
        self.requests += many
        self.errors += failed

    def counts(self, now: float) -> bool:
        """Forget buckets that no window shows; whether any window showed something before that."""
        before = bool(self.buckets)
        while self.buckets and self.buckets[0][0] + BUCKET <= now - WINDOWS[-1]:
            self.buckets.popleft()
        return before

    def within(self, seconds: float, now: float) -> LiveCount:
        """Return the counts of a window."""
        many, failed = 0.0, 0.0
        for start, requests, errors in reversed(self.buckets):
            if start + BUCKET <= now - seconds:
                break
            many += requests
            failed += errors
        return LiveCount(round(many), int(failed))


class EdgeBook:
    """Edges as legs come in. Times are seconds since the epoch, of the legs and of who asks."""

    def __init__(self) -> None:
        self._rows: OrderedDict[Edge, _Row] = OrderedDict()
        self._changed: set[Edge] = set()
        self._shown: dict[Edge, LiveEdge] = {}
        self._made: OrderedDict[tuple[str, str, str], Edge] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, leg: Leg, then: Then = lambda *_: ()) -> None:
        """Count one leg. `then` tells what a proxy was configured with when it began.

        A connection is counted when it is made. Its end is not counted again, but where only the
        end tells that TLS was mutual, the connection moves to that edge.
        """
        word, key = tapline.word(leg), edges.key(leg, then)
        if word == "end":
            self._ended(leg, key)
            return
        self._count(key, leg)
        if word == "conn":
            self._made[edges.connection(leg)] = key
            if len(self._made) > _CONNECTIONS:
                self._made.popitem(last=False)

    def _ended(self, leg: Leg, key: Edge) -> None:
        before = self._made.pop(edges.connection(leg), None)
        if before is None or before == key or before.tls != "tls" or key.tls != "mtls":
            return
        row = self._rows.get(before)
        if row is not None and row.requests >= 1:
            row.requests -= 1
            self._changed.add(before)
            if row.buckets:
                row.buckets[-1][1] = max(0.0, row.buckets[-1][1] - 1)
            if row.requests < 1:
                del self._rows[before]
        self._count(key, leg)

    def _count(self, key: Edge, leg: Leg) -> None:
        row = self._rows.setdefault(key, _Row())
        self._rows.move_to_end(key)
        start = leg.entry.entry.start
        row.count(start.timestamp(), edges.many(leg), int(edges.failed(leg)))
        told = tapline.identities(leg)
        row.client_id = row.client_id or told["client_id"]
        row.server_id = row.server_id or told["server_id"]
        row.sampled = row.sampled or leg.stands_for > 1
        row.last = max(row.last, start.isoformat(timespec="milliseconds"))
        self._changed.add(key)
        if len(self._rows) > LIMIT:
            gone, _ = self._rows.popitem(last=False)
            self._shown.pop(gone, None)

    def rows(self, now: float) -> tuple[LiveEdge, ...]:
        """Return all edges, sorted by source and target."""
        return tuple(self._row(key, now) for key in sorted(self._rows, key=_order))

    def changed(self, now: float, *, aged: bool) -> tuple[LiveEdge, ...]:
        """Return the edges that show something else than when they were last returned here.

        With `aged` those are looked through as well that changed by the passing of time alone.
        """
        keys: Iterable[Edge] = ()
        if aged:
            keys = [key for key, row in self._rows.items() if row.counts(now)]
        wanted = self._changed.union(keys)
        self._changed = set()
        found = []
        for key in sorted(wanted, key=_order):
            made = self._row(key, now)
            if self._shown.get(key) != made:
                self._shown[key] = made
                found.append(made)
        return tuple(found)

    def _row(self, key: Edge, now: float) -> LiveEdge:
        row = self._rows.get(key) or _Row()
        counted = {str(seconds): row.within(seconds, now) for seconds in WINDOWS}
        counted["all"] = LiveCount(round(row.requests), row.errors)
        edge = msgspec.structs.replace(
            key,
            requests=round(row.requests),
            errors=row.errors,
            sampled=row.sampled,
            client_id=row.client_id,
            server_id=row.server_id,
        )
        return LiveEdge(edge=edge, windows=counted, last=row.last)


def _order(edge: Edge) -> tuple[str, ...]:
    return (edge.source, edge.target, edge.port, edge.protocol, edge.tls, edge.no_tls_reason)
