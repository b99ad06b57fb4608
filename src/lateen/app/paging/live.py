"""What the page is told as it happens: edges, who is there, the lab's state; once for all tabs.

It listens to the ledger only while somebody looks: a listener makes the ledger read at once what
otherwise waits (`observe.requests.ledger`). What came meanwhile is caught up with in slices.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.app.api import routes
from lateen.app.capture.hops import Hops
from lateen.base.clock import Clock, rfc3339
from lateen.base.tasks import TaskGroup
from lateen.compiler.frontend.registry import workloads
from lateen.compiler.ir.proxy import ProxyView
from lateen.model.labapi import contract
from lateen.model.labapi.page import LiveLine, PageNode
from lateen.model.labapi.status import Status
from lateen.observe.requests.edgebook import EdgeBook
from lateen.observe.requests.joining import Joiner
from lateen.observe.requests.ledger import LIMIT, LogEntry

GATHER = 0.1
"""Seconds for which changes are gathered into one line."""
AGE = 2.0
"""Seconds after which windows are counted anew, and the lab's state is looked at again."""
BEAT = 5.0
_SLICE = 200
"""Log entries that are joined before others have their turn: some 7 ms."""
_UNREAD = 100


class Live:
    """One book of edges for all readers, kept up to date while there is any."""

    def __init__(
        self, hops: Hops, status: Callable[[], Awaitable[Status]], clock: Clock, tasks: TaskGroup
    ) -> None:
        self._hops, self._status, self._clock, self._tasks = hops, status, clock, tasks
        self._book = EdgeBook()
        self._joiner = Joiner(hops.directory)
        self._readers: set[asyncio.Queue[bytes]] = set()
        self._waiting: deque[LogEntry] = deque(maxlen=LIMIT)
        self._running: asyncio.Task[Any] | None = None
        self._position = 0
        self._since = ""
        self._nodes: tuple[PageNode, ...] = ()
        self._built: object = None
        self._sent: object = None
        self._state = b""
        self._aged = 0.0

    def response(self) -> exchange.Response:
        """Return the answer to one reader: lines as things happen."""
        return exchange.Response(
            chunks=self._stream(), content_type="application/x-ndjson", unread_seconds=30.0
        )

    def route(self) -> Route:
        """Serve the page's readers."""

        async def answer(_call: exchange.Call, _names: Names) -> exchange.Response:
            return self.response()

        return routes.owned(contract.LIVE, answer)

    async def _stream(self) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue(_UNREAD)
        self._readers.add(queue)
        try:
            if self._running is None or self._running.done():
                self._running = self._tasks.start(self._run(), "page")
            else:
                await self._offer(queue)
            while True:
                try:
                    async with asyncio.timeout(BEAT):
                        line = await queue.get()
                except TimeoutError:
                    line = _line(LiveLine(topic="beat", number=self._position))
                yield line
        finally:
            self._readers.discard(queue)

    async def _offer(self, queue: asyncio.Queue[bytes]) -> None:
        """Give one reader all there is."""
        for line in (self._whole(), self._who(), self._state):
            if line:
                await queue.put(line)

    def _whole(self) -> bytes:
        rows = self._book.rows(self._now())
        told = LiveLine(
            topic="edges", whole=True, number=self._position, edges=rows, since=self._since
        )
        return _line(told)

    def _who(self) -> bytes:
        return _line(LiveLine(topic="nodes", nodes=self._nodes))

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _run(self) -> None:
        ledger = self._hops.ledger
        stop = ledger.subscribe(self._waiting.append)
        try:
            for number, entry in enumerate(ledger.since(self._position), start=1):
                self._since = self._since or rfc3339(entry.entry.start)
                self._take(entry)
                if not number % _SLICE:
                    await asyncio.sleep(0)
            self._since = self._since or rfc3339(self._clock.now())
            self._settle()
            self._look(aged=True)
            self._state = await self._stated()
            self._book.changed(self._now(), aged=True)
            self._tell(self._whole(), self._who(), self._state)
            while self._readers:
                await self._clock.sleep(GATHER)
                await self._gather()
        finally:
            stop()
            self._waiting.clear()

    async def _gather(self) -> None:
        """Tell what changed since the last time."""
        number = 0
        while self._waiting:
            self._take(self._waiting.popleft())
            number += 1
            if not number % _SLICE:
                await asyncio.sleep(0)
        self._settle()
        monotonic = self._clock.monotonic()
        aged = monotonic - self._aged >= AGE
        rows = self._book.changed(self._now(), aged=aged)
        if rows:
            self._tell(_line(LiveLine(topic="edges", number=self._position, edges=rows)))
        if self._look(aged=aged):
            self._tell(self._who())
        if aged:
            self._aged = monotonic
            state = await self._stated()
            if state != self._state:
                self._state = state
                self._tell(state)

    async def _stated(self) -> bytes:
        status = msgspec.to_builtins(await self._status())
        return _line(LiveLine(topic="status", status=status))

    def _take(self, entry: LogEntry) -> None:
        if entry.number <= self._position:
            return
        self._position = entry.number
        ended = entry.entry.start.timestamp() + entry.entry.duration
        late = self._now() - ended > AGE
        # What is old has had its time to be joined: it is measured by its own clock.
        now = self._clock.monotonic() - (self._now() - ended if late else 0.0)
        self._count(self._joiner.take(entry, now))

    def _settle(self) -> None:
        self._count(self._joiner.due(self._clock.monotonic()))

    def _count(self, legs: Any) -> None:
        for leg in legs:
            self._book.add(self._hops.seen(leg), self._hops.pipeline.past.views)

    def _look(self, *, aged: bool) -> bool:
        """Read who is there anew where that may have changed; whether it did. What proxies were
        sent is looked at when it is `aged`: in a change each proxy's turn makes it another."""
        pipeline = self._hops.pipeline
        if pipeline.current is self._built and (not aged or pipeline.views is self._sent):
            return False
        self._built, self._sent = pipeline.current, pipeline.views
        before, self._nodes = self._nodes, self._nodes_now()
        return before != self._nodes

    def _nodes_now(self) -> tuple[PageNode, ...]:
        who = self._hops.directory()
        behind: dict[str, list[str]] = {}
        for service, backing in who.backed.items():
            for each in backing:
                behind.setdefault(each, []).append(service)
        found, views = [], self._hops.pipeline.views
        for (namespace, name), pod in sorted(self._hops.pipeline.current.snapshot.pods.items()):
            key = f"{namespace}/{name}"
            found.append(
                PageNode(
                    name=key,
                    namespace=namespace,
                    workload=workloads.owner(pod)[1],
                    role=who.proxies.get(key, "app"),
                    identity=who.identities.get(key, ""),
                    services=tuple(sorted(behind.get(key, ()))),
                    mode=_mode(views.get(key)),
                )
            )
        return tuple(found)

    def _tell(self, *lines: bytes) -> None:
        """Give lines to all readers. One that does not read is given all there is in their place:
        it misses steps, and no truth."""
        for queue in self._readers:
            told = lines
            if queue.qsize() + len(lines) > _UNREAD:
                while not queue.empty():
                    queue.get_nowait()
                told = (self._whole(), self._who(), self._state)
            for line in told:
                queue.put_nowait(line)


def _mode(view: ProxyView | None) -> str:
    """Return what a sidecar accepts, and the ports that accept something else."""
    if view is None or view.inbound is None:
        return ""
    inbound = view.inbound
    wide = inbound.mode.mode
    ports = {each.port: each.mode.mode for each in inbound.ports}
    ports |= {each.port: each.mode.mode for each in inbound.port_modes}
    others = [f"{mode.value} at {port}" for port, mode in sorted(ports.items()) if mode is not wide]
    return ", ".join((wide.value, *others))


def _line(told: LiveLine) -> bytes:
    return msgspec.json.encode(told) + b"\n"
