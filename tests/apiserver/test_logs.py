"""Container logs: what is picked from CRI lines."""

import asyncio
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.connecting import logs, streams
from lateen.apiserver.protocol import request
from lateen.base.clock import SystemClock
from lateen.model.client import ApiError

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LINES = [
    b"2026-11-24T07:59:00.000000000Z stdout F first\n",
    b"2026-11-24T07:59:30.000000000Z stderr F oops\n",
    b"2026-11-24T07:59:40.000000000Z stdout P half \n",
    b"2026-11-24T07:59:50.000000000Z stdout F done\n",
    b"not a log line\n",
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", b"first\noops\nhalf done\n"),
        (b"stream=Stderr", b"oops\n"),
        (b"sinceSeconds=25", b"half done\n"),
        (b"sinceTime=2026-11-24T07:59:30Z", b"oops\nhalf done\n"),
        (b"sinceTime=2026-11-24T09:59:30%2B02:00", b"oops\nhalf done\n"),
        (b"limitBytes=8", b"first\noo"),
        (
            b"timestamps=true&sinceSeconds=25",
            b"2026-11-24T07:59:40.000000000Z half done\n",
        ),
    ],
)
def test_picking(query: bytes, expected: bytes) -> None:
    wanted = logs.options(request.parse_query(query), NOW)
    assert logs.Filter(wanted).pick(LINES) == expected


@pytest.mark.parametrize(
    "query",
    [
        b"tailLines=-1",
        b"tailLines=x",
        b"limitBytes=0",
        b"sinceSeconds=0",
        b"sinceTime=x",
        b"stream=x",
        b"sinceSeconds=1&sinceTime=2026-11-24T07:59:30Z",
    ],
)
def test_refusals(query: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        logs.options(request.parse_query(query), NOW)
    assert caught.value.code == 400


@given(
    st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=20),
    st.integers(0, 25),
    st.booleans(),
)
def test_the_tail_begins_where_splitting_says(texts: list[bytes], count: int, ended: bool) -> None:
    data = b"\n".join(texts) + (b"\n" if ended and texts else b"")
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    if not lines[-1]:
        lines.pop()
    position = logs.tail_position(io.BytesIO(data), count)
    assert data[position:] == b"".join(lines[-count:] if count else [])


class Logs:
    """A container that writes to a log, which is rotated as the shim does it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.running = True
        path.write_bytes(b"")

    def write(self, *texts: str) -> None:
        with self.path.open("ab") as file:
            for text in texts:
                file.write(b"2026-11-24T07:59:00.000000000Z stdout F %b\n" % text.encode())

    def rotate(self) -> None:
        self.path.replace(f"{self.path}.1")
        self.path.write_bytes(b"")

    def log(self, _pod: object, _container: str, *, previous: bool) -> streams.ContainerLog:
        return streams.ContainerLog(self.path, running=self.running and not previous)

    def log_shown(self, log: Path, size: int) -> None:
        """Nobody attaches here."""


def test_following_goes_on_in_the_next_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        written = Logs(tmp_path / "0.log")
        written.write("one")
        wanted = logs.LogOptions(follow=True)
        followed = logs.follow(written, {}, "main", wanted, SystemClock())
        assert await anext(followed) == b"one\n"
        written.write("two")
        written.rotate()
        written.write("three")
        assert await anext(followed) == b"two\n"
        assert await anext(followed) == b"three\n"
        written.rotate()
        written.write("four")
        written.running = False
        assert [chunk async for chunk in followed] == [b"four\n"]

    asyncio.run(asyncio.wait_for(scenario(), 10))
