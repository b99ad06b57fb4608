"""Container logs: CRI lines on disk to what `kubectl logs` asked for, once or as they come."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.connecting import streams
from lateen.apiserver.protocol.request import Query
from lateen.base import clock
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError

POLL_SECONDS = 0.05
_BLOCK = 256 * 1024


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to show. `tail` is a number of lines, `since` a moment, `limit` a number of bytes."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: str = ""
    limit: int | None = None
    stream: str = ""


def options(query: Query, now: datetime) -> LogOptions:
    """Read PodLogOptions from a query. Raises ApiError 400, 422's cases included."""
    tail, limit = query.number("tailLines"), query.number("limitBytes")
    seconds, moment = query.number("sinceSeconds"), query.text("sinceTime")
    if tail is not None and tail < 0:
        raise errors.bad_request("tailLines must be greater than or equal to 0")
    if limit is not None and limit < 1:
        raise errors.bad_request("limitBytes must be greater than 0")
    if seconds is not None and moment:
        raise errors.bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
    since = ""
    if seconds is not None:
        if not 0 < seconds < 10**10:
            raise errors.bad_request("sinceSeconds must be greater than 0")
        since = _nanoseconds(max(now - timedelta(seconds=seconds), _EPOCH))
    elif moment:
        since = _nanoseconds(_moment(moment))
    stream = query.text("stream")
    if stream not in ("", "All", "Stdout", "Stderr"):
        raise errors.bad_request(f"invalid stream {stream[:20]!r}: use All, Stdout or Stderr")
    return LogOptions(
        follow=query.flag("follow"),
        previous=query.flag("previous"),
        timestamps=query.flag("timestamps"),
        tail=tail,
        since=since,
        limit=limit,
        stream="" if stream == "All" else stream.lower(),
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise errors.bad_request(f"invalid sinceTime {text[:40]!r}: use RFC 3339") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _nanoseconds(moment: datetime) -> str:
    """Write a moment as log lines do: comparing such texts compares moments."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class Filter:
    """CRI lines in, output out, until the limit of bytes is reached."""

    def __init__(self, wanted: LogOptions) -> None:
        self._wanted = wanted
        self._left = wanted.limit
        self._continued = False

    @property
    def full(self) -> bool:
        """Whether the limit of bytes is used up."""
        return self._left is not None and self._left <= 0

    def pick(self, lines: Iterable[bytes]) -> bytes:
        """Return the output of some lines."""
        made = b"".join(self._one(line) for line in lines)
        if self._left is None:
            return made
        made = made[: self._left]
        self._left -= len(made)
        return made

    def _one(self, line: bytes) -> bytes:
        parts = line.rstrip(b"\n").split(b" ", 3)
        if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
            return b""
        stamp, stream, tag = parts[:3]
        text = parts[3] if len(parts) > 3 else b""
        if self._wanted.stream and stream.decode("ascii", "replace") != self._wanted.stream:
            return b""
        if self._wanted.since and stamp.decode("ascii", "replace") < self._wanted.since:
            return b""
        head = stamp + b" " if self._wanted.timestamps and not self._continued else b""
        self._continued = tag.startswith(b"P")
        return head + text + (b"" if self._continued else b"\n")


def tail_position(file: BinaryIO, lines: int) -> int:
    """Return where the last so many lines begin, reading backwards from the end."""
    end = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    found, position = 0, end
    while position > 0:
        size = min(_BLOCK, position)
        position = file.seek(position - size)
        block = file.read(size)
        cut = len(block)
        if position + size == end and block.endswith(b"\n"):
            cut -= 1
        while (cut := block.rfind(b"\n", 0, cut)) >= 0:
            found += 1
            if found == lines:
                return position + cut + 1
    return 0


def follow(
    pods: streams.PodStreams,
    pod: Json,
    container: str,
    wanted: LogOptions,
    time: clock.Clock,
) -> AsyncIterator[bytes]:
    """Return a container's log as it comes. Raises ApiError 400 if there is none."""
    source = pods.log(pod, container, previous=wanted.previous)
    if source is None:
        raise missing(pod, container, previous=wanted.previous)

    def growing() -> bool:
        latest = pods.log(pod, container, previous=wanted.previous)
        return latest is not None and latest.path == source.path and latest.running

    def shown(size: int) -> None:
        if wanted == LogOptions():
            pods.log_shown(source.path, size)

    return _follow(source.path, growing, shown, wanted, time)


async def _follow(
    path: Path,
    growing: Callable[[], bool],
    shown: Callable[[int], None],
    wanted: LogOptions,
    time: clock.Clock,
) -> AsyncIterator[bytes]:
    picker = Filter(wanted)
    rest = b""
    with contextlib.ExitStack() as files:
        file = files.enter_context(path.open("rb"))
        file.seek(0 if wanted.tail is None else tail_position(file, wanted.tail))
        while True:
            # Asked before reading: what a container wrote before it ended, or before its log was
            # put aside for a new one, is then read for sure.
            more = wanted.follow and growing()
            moved = wanted.follow and _is_elsewhere(file, path)
            while block := file.read(_BLOCK):
                *lines, rest = (rest + block).split(b"\n")
                if made := picker.pick(lines):
                    yield made
                if picker.full:
                    return
            if moved:
                files.close()
                file = files.enter_context(path.open("rb"))
            elif not more:
                break
            else:
                await time.sleep(POLL_SECONDS)
        # A line without its end is being written: it is shown next time, whole.
        shown(file.tell() - len(rest))


def _is_elsewhere(file: BinaryIO, path: Path) -> bool:
    """Whether another file is at the path by now: the log was rotated."""
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False  # the new one is not there yet


def missing(pod: Json, container: str, *, previous: bool) -> ApiError:
    """Return the error of a container that has no log."""
    name = pod["metadata"]["name"]
    if previous:
        return errors.bad_request(
            f'previous terminated container "{container}" in pod "{name}" not found'
        )
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    reason = next(
        (
            (one.get("state") or {}).get("waiting", {}).get("reason", "")
            for one in statuses
            if one.get("name") == container
        ),
        "",
    )
    why = _PULLS.get(reason, reason or "ContainerCreating")
    return errors.bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')


_PULLS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}
"""kubelet's words for what it cannot show the log of."""
