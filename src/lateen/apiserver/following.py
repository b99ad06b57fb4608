"""A watch as a stream of byte chunks: initial events, changes, bookmarks, the end.

A watcher that reads slowly fills its own buffer and then its own queue in the store, and gets
410 in the end; nobody else notices.
"""

import asyncio
import random
from collections.abc import AsyncGenerator

import msgspec

from lateen.apiserver import errors, listing, matching, negotiate, rendering, verbs, watching
from lateen.apiserver.resources import Target
from lateen.base.tasks import TaskGroup
from lateen.model.client import ApiError
from lateen.store import api as store_api

BOOKMARK_SECONDS = 60.0
BUFFER_BYTES = 1 << 20
LONGEST_SECONDS = 3600
_PLAIN = negotiate.Form()


class WatchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch. `initial` is None for the legacy rule: initial events without a version."""

    labels: str = ""
    fields: str = ""
    resource_version: str = ""
    bookmarks: bool = False
    initial: bool | None = None
    match: str = ""
    seconds: int | None = None
    form: negotiate.Form = _PLAIN
    include: str = ""


class Opening(msgspec.Struct, frozen=True):
    """An opened watch: the entries that come first, and the stream that goes on from there."""

    first: tuple[store_api.Entry, ...]
    revision: int
    stream: store_api.Watch
    match: watching.Match | None


def open_watch(api: verbs.Api, target: Target, options: WatchOptions) -> Opening:
    """Open a watch. Raises ApiError 400, and 410 when the version is compacted."""
    initial = options.initial
    if initial is not None and options.match != "NotOlderThan":
        raise errors.bad_request(
            "sendInitialEvents is only allowed with resourceVersionMatch=NotOlderThan"
        )
    if initial and not options.bookmarks:
        raise errors.bad_request("sendInitialEvents requires setting allowWatchBookmarks to true")
    if initial is None:
        initial = options.resource_version in ("", "0")
    match = matching.matcher(target.info, options.labels, options.fields)
    version = listing.version_number(options.resource_version)
    if target.name:
        match = matching.also_named(match, target.name)
    with verbs.store_errors(target, target.name):
        if initial or not version:
            listed = api.store.list(target.info.resource, target.namespace)
            chosen = tuple(e for e in listed.entries if match is None or match(e.value))
            stream = api.store.watch(target.info.resource, after=listed.revision)
            return Opening(chosen if initial else (), listed.revision, stream, match)
        stream = api.store.watch(target.info.resource, after=version)
    return Opening((), version, stream, match)


class Follower:
    """Turns one opened watch into chunks: whatever has gathered goes out as one piece."""

    def __init__(
        self,
        api: verbs.Api,
        target: Target,
        opening: Opening,
        options: WatchOptions,
        frames: rendering.Frames,
    ) -> None:
        self._api = api
        self._target = target
        self._opening = opening
        self._options = options
        self._frames = frames
        self._pending: list[bytes] = []
        self._size = 0
        self._revision = opening.revision
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._ended = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield joined frames until the time is up or the watch fell behind."""
        seconds = self._options.seconds
        if seconds is None or seconds <= 0:
            seconds = random.randint(LONGEST_SECONDS // 2, LONGEST_SECONDS)
        end = self._api.clock.monotonic() + min(seconds, LONGEST_SECONDS * 24)
        async with TaskGroup("watch") as tasks:
            tasks.start(self._pump(), self._target.info.resource)
            try:
                while (left := end - self._api.clock.monotonic()) > 0:
                    quiet = await self._wait(min(left, BOOKMARK_SECONDS))
                    if quiet and self._options.bookmarks:
                        self._put(self._bookmark())
                    if self._pending:
                        yield self._take()
                    elif self._ended:
                        return
            finally:
                self._opening.stream.close()

    async def _wait(self, seconds: float) -> bool:
        """Wait for something to send; True when nothing came in that time."""
        if self._pending or self._ended:
            return False
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return True
        return False

    def _take(self) -> bytes:
        joined = b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        self._room.set()
        return joined

    def _put(self, frame: bytes) -> None:
        self._pending.append(frame)
        self._size += len(frame)
        self._wake.set()

    def _frame(self, kind: str, entry: store_api.Entry) -> bytes:
        options = self._options
        return self._frames.frame(
            self._target, kind, entry, options.form, self._api.clock.now(), options.include
        )

    async def _pump(self) -> None:
        try:
            for entry in self._opening.first:
                self._put(self._frame("ADDED", entry))
                await self._when_room()
            if self._options.initial:
                self._put(self._bookmark(initial_end=True))
            await self._changes()
        except store_api.ExpiredError:
            gone = errors.watch_expired(self._revision)
            self._put(rendering.encode(watching.error_event(gone)) + b"\n")
        except ApiError as error:
            self._put(rendering.encode(watching.error_event(error)) + b"\n")
        finally:
            self._ended = True
            self._wake.set()

    async def _changes(self) -> None:
        namespace = self._target.namespace
        async for event in self._opening.stream:
            self._revision = max(self._revision, event.revision)
            if event.type is store_api.EventType.BOOKMARK:
                if self._options.bookmarks:
                    self._put(self._bookmark())
                continue
            seen = watching.translate(event, namespace, self._opening.match)
            if seen is not None:
                self._put(self._frame(*seen))
                await self._when_room()

    async def _when_room(self) -> None:
        while self._size > BUFFER_BYTES:
            self._room.clear()
            await self._room.wait()

    def _bookmark(self, *, initial_end: bool = False) -> bytes:
        target = self._target
        kind, version = target.info.kind, target.api_version
        if self._options.form.as_kind.startswith("Partial"):
            kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
        made = watching.bookmark(version, kind, self._revision, initial_end=initial_end)
        return rendering.encode({"type": "BOOKMARK", "object": made}) + b"\n"
