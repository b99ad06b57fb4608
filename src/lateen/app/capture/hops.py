"""Serving tap and edges: the proxies' logs of both sides, joined."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names
from lateen.app.api import routes
from lateen.app.mesh.pipeline import Pipeline
from lateen.app.mesh.reporting import Reporting
from lateen.base.clock import Clock
from lateen.model.client import ApiError
from lateen.model.labapi.traffic import EdgeTable
from lateen.observe.requests import directory, edges, joining, legs, tapline
from lateen.observe.requests.directory import Directory
from lateen.observe.requests.joining import Joiner
from lateen.observe.requests.ledger import Ledger, LogEntry
from lateen.observe.requests.legs import Leg, Readings

_TICK = 0.25
_QUEUE = 10_000
"""Entries held for a reader that is too slow; what comes beyond is counted and said."""


class Hops:
    """Serves hops as they happen, and the table of those that the ledger still holds."""

    def __init__(
        self,
        ledger: Ledger,
        pipeline: Pipeline,
        clock: Clock,
        readings: Readings,
        reporting: Reporting,
    ) -> None:
        self.ledger, self.pipeline, self._clock = ledger, pipeline, clock
        self._readings, self._reporting = readings, reporting
        self._built: tuple[object, Directory] | None = None

    def directory(self) -> Directory:
        """The directory of the current round; made once for each."""
        current = self.pipeline.current
        if self._built is None or self._built[0] is not current:
            self._built = (current, directory.directory(current.snapshot, self.pipeline.views))
        return self._built[1]

    def seen(self, leg: Leg) -> Leg:
        """Return a leg with what packets tell of it."""
        return legs.told_by_packets(leg, self._readings)

    async def tap(self, call: exchange.Call, _names: Names) -> exchange.Response:
        """Stream hops, one JSON object a line, as they happen. With `every` all requests are
        reported meanwhile, however many there are; else `sampled` tells when only a share is."""
        query = call.info.query
        chunks = self._stream(secrets=query.flag("secrets"), every=query.flag("every"))
        return exchange.Response(chunks=chunks, content_type="application/x-ndjson")

    async def _stream(self, *, secrets: bool, every: bool) -> AsyncIterator[bytes]:
        joiner = Joiner(self.directory)
        waiting: asyncio.Queue[LogEntry] = asyncio.Queue(_QUEUE)
        lost, one_in = 0, 1

        def note(entry: LogEntry) -> None:
            nonlocal lost
            try:
                waiting.put_nowait(entry)
            except asyncio.QueueFull:
                lost += 1

        async with AsyncExitStack() as stack:
            if every:
                await stack.enter_async_context(self._reporting.everything())
            stack.callback(self.ledger.subscribe(note))
            yield b"\n"  # the reader then knows that nothing is missed from here on
            while True:
                if one_in != self._reporting.one_in and not every:
                    one_in = self._reporting.one_in
                    yield msgspec.json.encode({"event": "sampled", "one_in": one_in}) + b"\n"
                for leg in await self._next(joiner, waiting):
                    yield _told(self.seen(leg), secrets=secrets)
                if lost:
                    yield msgspec.json.encode({"event": "lost", "entries": lost}) + b"\n"
                    lost = 0

    async def _next(self, joiner: Joiner, waiting: asyncio.Queue[LogEntry]) -> list[Leg]:
        try:
            async with asyncio.timeout(_TICK):
                entry = await waiting.get()
        except TimeoutError:
            return joiner.due(self._clock.monotonic())
        return joiner.take(entry, self._clock.monotonic())

    async def edges(self, call: exchange.Call, _names: Names) -> exchange.Response:
        """Answer with who talked to whom. Raises ApiError 400."""
        since = self._since(call.info.query.text("since"))
        entries = self.ledger.since(0)
        chosen = [e for e in entries if since is None or e.entry.start >= since]
        past = self.pipeline.past
        made = joining.joined(chosen, past.remembered(self.directory()))
        seen = [self.seen(leg) for leg in made]
        found = edges.edges(seen, past.views)
        oldest = entries[0].entry.start.isoformat() if entries else ""
        return routes.answer(EdgeTable(tuple(found), oldest))

    def _since(self, text: str) -> datetime | None:
        if not text:
            return None
        try:
            return self._clock.now() - timedelta(seconds=float(text))
        except (ValueError, OverflowError) as error:
            raise ApiError(400, "BadRequest", f"since={text}: use a number of seconds") from error


def _told(leg: Leg, *, secrets: bool) -> bytes:
    told: dict[str, Any] = {"event": tapline.word(leg)}
    told |= tapline.fields(leg, secrets=secrets)
    return msgspec.json.encode(told) + b"\n"
