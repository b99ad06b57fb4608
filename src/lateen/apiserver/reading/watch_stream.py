"""A watch as a stream of byte chunks: initial events, changes, bookmarks, the end.

A watcher that reads slowly fills its own queue in the store, and gets 410 in the end; nobody else
notices. No more than a chunk is taken from there before the last one was sent.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence

import msgspec

from lateen.apiserver import errors, fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.protocol import negotiate
from lateen.apiserver.reading import listing, matching, rendering, send_rounds, watch_events
from lateen.apiserver.writing import verbs
from lateen.model.client import ApiError
from lateen.store import api as store_api

BOOKMARK_SECONDS = 60.0
CHUNK_BYTES = 1 << 18
"""What is put together at most before it is sent."""
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
    match: watch_events.Match | None


def open_watch(
    api: verbs.Api, target: Target, options: WatchOptions, woken: Callable[[], None] | None = None
) -> Opening:
    """Open a watch. Raises ApiError 400, and 410 when the version is compacted."""
    initial = options.initial
    if causes := list(_faults(options)):
        raise errors.invalid_options(causes)
    if initial is None:
        initial = options.resource_version in ("", "0")
    match = matching.matcher(target, options.labels, options.fields)
    version = listing.version_number(options.resource_version)
    if target.name:
        match = matching.also_named(match, target.name)
    resource = target.info.resource
    with verbs.store_errors(target, target.name):
        if initial or not version:
            listed = api.store.list(resource, target.namespace)
            chosen = tuple(e for e in listed.entries if match is None or match(e.value))
            stream = api.store.watch(resource, after=listed.revision, woken=woken)
            return Opening(chosen if initial else (), listed.revision, stream, match)
        stream = api.store.watch(resource, after=version, woken=woken)
    return Opening((), version, stream, match)


def _faults(options: WatchOptions) -> Iterator[Cause]:
    field, only = "resourceVersionMatch", "NotOlderThan"
    if options.initial is None:
        if options.match:
            why = f"{field} is forbidden for watch unless sendInitialEvents is provided"
            yield fieldcauses.forbidden(field, why)
        return
    if options.match != only:
        yield fieldcauses.forbidden(field, f"sendInitialEvents requires setting {field} to {only}")
    if options.initial and not options.bookmarks:
        why = "sendInitialEvents requires setting allowWatchBookmarks to true"
        yield fieldcauses.forbidden("sendInitialEvents", why)


class Follower:
    """Turns one opened watch into chunks: whatever has gathered goes out as one piece.

    Opens the watch when it is made: raises what `open_watch` raises.
    """

    def __init__(
        self,
        api: verbs.Api,
        target: Target,
        options: WatchOptions,
        frames: rendering.Frames,
        rounds: send_rounds.Pulse,
    ) -> None:
        self._api = api
        self._target = target
        self._options = options
        self._frames = frames.of(target, options.form, options.include)
        self._rounds = rounds
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._opening = open_watch(api, target, options, self._woken)
        self._first = self._opening.first
        self._opening = msgspec.structs.replace(self._opening, first=())
        self._revision = self._opening.revision

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield joined frames until the time is up or the watch fell behind."""
        clock = self._api.clock
        seconds = self._options.seconds
        if seconds is None or seconds <= 0:
            seconds = random.randint(LONGEST_SECONDS // 2, LONGEST_SECONDS)
        end = clock.monotonic() + min(seconds, LONGEST_SECONDS * 24)
        try:
            for chunk in self._initial():
                yield chunk
            sent = clock.monotonic()
            while (now := clock.monotonic()) < end:
                if chunk := self._gathered():
                    yield chunk
                    sent = now
                elif now - sent < BOOKMARK_SECONDS:
                    await self._something(min(end, sent + BOOKMARK_SECONDS) - now)
                else:
                    sent = now
                    if self._options.bookmarks:
                        yield self._bookmark()
        except store_api.ExpiredError:
            yield _error(errors.watch_expired(self._revision))
        except ApiError as error:
            yield _error(error)
        except store_api.StoreError:
            return  # the server ends
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._opening.stream.close()

    # -- waiting ---------------------------------------------------------------------------------

    def _woken(self) -> None:
        if self._waiter is not None:
            self._rounds.join(self._resume)

    def _resume(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _something(self, seconds: float) -> None:
        """Wait until there may be something to send, for so many seconds at most.

        One timer serves many waits: it is set again when it finds that its time has moved.
        """
        loop = asyncio.get_running_loop()
        self._until = loop.time() + seconds
        self._waiter = loop.create_future()
        if self._timer is None:
            self._timer = loop.call_at(self._until, self._late)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _late(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._until:
            self._timer = loop.call_at(self._until, self._late)
        else:
            self._timer = None
            self._resume()

    # -- frames ----------------------------------------------------------------------------------

    def _initial(self) -> Iterator[bytes]:
        now = self._api.clock.now()
        first, self._first = self._first, ()  # objects change: old ones must not stay with us
        yield from _chunked(self._frames.frame("ADDED", e, now) for e in first)
        if self._options.initial:
            yield self._bookmark(initial_end=True)

    def _gathered(self) -> bytes:
        """Return the frames of what was written since, about as much as a chunk holds."""
        joined = b""
        while not joined and (taken := self._opening.stream.take(CHUNK_BYTES)):
            joined = self._frames_of(taken)
        return joined

    def _frames_of(self, taken: Sequence[store_api.Event]) -> bytes:
        self._revision = taken[-1].revision
        # Watchers that see everything take the same events at the same time; one joins for all.
        first, shared = taken[0].revision, self._opening.match is None
        name = (self._target.namespace, self._options.bookmarks, first, self._revision, len(taken))
        if shared and (joined := self._frames.batch(name)) is not None:
            return joined
        joined = self._joined(taken)
        if shared:
            self._frames.keep_batch(name, joined)
        return joined

    def _joined(self, events: Sequence[store_api.Event]) -> bytes:
        namespace, match = self._target.namespace, self._opening.match
        found: list[bytes] = []
        now = self._api.clock.now()
        for event in events:
            self._revision = event.revision
            if event.type is store_api.EventType.BOOKMARK:
                if self._options.bookmarks:
                    found.append(self._bookmark())
                continue
            seen = watch_events.translate(event, namespace, match)
            if seen is not None:
                found.append(self._frames.frame(*seen, now))
        return b"".join(found)

    def _bookmark(self, *, initial_end: bool = False) -> bytes:
        target = self._target
        kind, version = target.info.kind, target.api_version
        if self._options.form.as_kind.startswith("Partial"):
            kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
        made = watch_events.bookmark(version, kind, self._revision, initial_end=initial_end)
        return rendering.encode({"type": "BOOKMARK", "object": made}) + b"\n"


def _error(error: ApiError) -> bytes:
    return rendering.encode(watch_events.error_event(error)) + b"\n"


def _chunked(frames: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for frame in frames:
        held.append(frame)
        size += len(frame)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
