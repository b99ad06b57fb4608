"""Container logs: what is picked from CRI lines."""

import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.apiserver import logs, request
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
