"""What is held for clients that do not read: bounded, and given up in the order of waiting."""

import asyncio
import socket
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.protocol.send_backlog import NotReadError, Unread
from lateen.apiserver.serving import handlers
from lateen.apiserver.writing import verbs
from lateen.base.tasks import TaskGroup


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_all_together_hold_no_more_than_is_allowed(sizes: list[int]) -> None:
    """The newest stay, the longest waiting are given up, until the rest has room."""

    async def scenario() -> None:
        unread, never, group = Unread(most=100), asyncio.Event(), TaskGroup("test")
        tasks = []
        for size in sizes:
            tasks.append(group.start(unread.wait(never.wait(), size, None), "wait"))
            await settled()
            assert unread.bytes <= 100
        await asyncio.sleep(0.001)
        await settled()
        given_up = [task.done() for task in tasks]
        assert given_up == sorted(given_up, reverse=True)
        kept = [size for size, gone in zip(sizes, given_up, strict=True) if not gone]
        assert sum(kept) == unread.bytes
        for task in tasks:
            if task.done():
                assert isinstance(task.exception(), NotReadError)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert unread.bytes == 0

    asyncio.run(scenario())


def test_who_reads_is_not_given_up() -> None:
    async def scenario() -> None:
        unread, room = Unread(most=100), asyncio.Event()
        first = TaskGroup("test").start(unread.wait(room.wait(), 90, None), "wait")
        await settled()
        room.set()
        await first
        assert unread.bytes == 0
        with pytest.raises(NotReadError):
            await unread.wait(asyncio.Event().wait(), 90, 0.001)

    asyncio.run(scenario())


def test_the_connection_of_a_watcher_that_does_not_read_is_closed(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "UNREAD_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.settimeout(20)
        stuck.connect(str(server.unix))
        path = "/api/v1/namespaces/default/configmaps?watch=1"
        head = (f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {server.token}")
        stuck.sendall("\r\n".join((*head, "", "")).encode())
        assert stuck.recv(12) == b"HTTP/1.1 200"
        body = {"metadata": {"generateName": "big-"}, "data": {"x": "y" * 500_000}}
        target = server.api.target("configmaps", "default")
        for _ in range(8):
            server.call(lambda: server.api.create(target, body, verbs.WriteOptions()))
        deadline = time.monotonic() + 10
        while server.call(lambda: server.api.store._audience._streams):
            assert time.monotonic() < deadline, "its watch is open"
            time.sleep(0.01)
        received = 0
        try:
            while data := stuck.recv(1 << 20):
                received += len(data)
        except ConnectionResetError:
            pass
        assert received < 8 * 500_000, "it was not cut off"
