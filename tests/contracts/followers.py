"""What informers and the recorder of Events do with any ApiClient. Each check takes a client and a
namespace of its own to work in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from lateen.base.clock import ManualClock, SystemClock
from lateen.base.jsonvalue import Json
from lateen.kube import events, listwatch
from lateen.kube.informer import Informer
from lateen.model.client import ApiClient, ApiError, WatchEvent

SECONDS = 10
MAPS = "configmaps"


class Interrupted:
    """A client whose watches end as they are told to: with these errors, one a watch, and then as
    the inner client's."""

    def __init__(self, inner: ApiClient, *errors: Exception) -> None:
        self._inner = inner
        self._errors = list(errors)
        self.lists = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def list(self, resource: str, namespace: str = "", **chosen: str) -> Any:
        self.lists += 1
        return await self._inner.list(resource, namespace, **chosen)

    async def watch(
        self, resource: str, namespace: str = "", **chosen: str
    ) -> AsyncIterator[WatchEvent]:
        if self._errors:
            raise self._errors.pop(0)
        async for event in self._inner.watch(resource, namespace, **chosen):
            yield event


@asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if true():
                return
            await asyncio.sleep(0.002)


def config_map(name: str, value: str) -> Json:
    return {"metadata": {"name": name}, "data": {"v": value}}


def told(old: Json | None, new: Json | None) -> str:
    """Write a change down: name, value before, value after."""
    either: Json = new or old or {}
    before, after = (one["data"]["v"] if one else "-" for one in (old, new))
    return f"{either['metadata']['name']}:{before}{after}"


async def check_an_informer_tells_every_difference(client: ApiClient, namespace: str) -> None:
    await client.create(MAPS, namespace, config_map("a", "1"))
    seen: list[str] = []

    def changed(old: Json | None, new: Json | None) -> None:
        if (new or old or {})["metadata"]["namespace"] == namespace and "data" in (
            new or old or {}
        ):
            seen.append(told(old, new))

    copy = Informer(client, SystemClock(), MAPS, changed)
    async with running(copy.run()):
        await asyncio.wait_for(copy.synced.wait(), SECONDS)
        await client.patch(MAPS, namespace, "a", {"data": {"v": "2"}})
        await client.delete(MAPS, namespace, "a")
        await client.create(MAPS, namespace, config_map("a", "3"))
        await until(lambda: len(seen) >= 4)
    assert seen == ["a:-1", "a:12", "a:2-", "a:-3"]
    assert (copy.get(namespace, "a") or {})["data"] == {"v": "3"}


async def check_what_went_while_nobody_watched_is_told(client: ApiClient, namespace: str) -> None:
    """Whatever ends a watch: the next list shows what is gone and what took its name."""
    for error in (ApiError(410, "Expired", "too old"), OSError("gone"), ValueError("broken")):
        for name in ("kept", "gone"):
            await client.create(MAPS, namespace, config_map(name, "1"))
        cut = Interrupted(client, error)
        seen: list[str] = []
        copy = Informer(
            cut,
            SystemClock(),
            MAPS,
            lambda old, new, seen=seen: (
                seen.append(told(old, new))
                if (new or old or {})["metadata"]["name"] in ("kept", "gone")
                else None
            ),
        )
        copy.listed(*await client.list(MAPS))
        await client.delete(MAPS, namespace, "gone")
        await client.delete(MAPS, namespace, "kept")
        await client.create(MAPS, namespace, config_map("kept", "2"))
        async with running(copy.run()):
            await until(lambda cut=cut, seen=seen: cut.lists == 2 and len(seen) >= 5)
        assert sorted(seen[2:]) == ["gone:1-", "kept:-2", "kept:1-"]
        await client.delete(MAPS, namespace, "kept")


async def check_a_resource_that_is_not_served_is_said_so(client: ApiClient, namespace: str) -> None:
    calls: list[str] = []

    class Follower:
        def listed(self, objects: Any, version: str) -> None:
            calls.append("listed")

        def heard(self, event: WatchEvent) -> None:
            calls.append("heard")

        def unserved(self) -> None:
            calls.append("unserved")

    pauses: list[float] = []

    class Hurried(SystemClock):
        async def sleep(self, seconds: float) -> None:
            pauses.append(seconds)
            await asyncio.sleep(0)

    async with running(listwatch.follow(client, Hurried(), "widgets.example.com", Follower())):
        await until(lambda: len(pauses) > 8)
    assert set(calls) == {"unserved"}
    assert pauses[:9] == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.0, 2.0]


async def check_an_event_that_happens_again_counts_up(client: ApiClient, namespace: str) -> None:
    pod = {"metadata": {"name": "p", "namespace": namespace, "uid": "u1"}, "kind": "Pod"}
    about = events.reference(pod, "spec.containers{web}")
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    recorder = events.Recorder(client, clock)
    source = events.EventSource("kubelet", "node-1")

    async def found(count: int) -> list[Json]:
        async with asyncio.timeout(SECONDS):
            while True:
                await clock.advance(1.0)
                listed, _ = await client.list("events", namespace)
                if listed and max(one["count"] for one in listed) >= count:
                    return listed
                await asyncio.sleep(0.002)

    async with running(recorder.run()):
        recorder.record(source, events.EventRecord(about, "Failed", "no", warning=True))
        (one,) = await found(1)
        assert one["type"] == "Warning"
        assert one["source"] == {"component": "kubelet", "host": "node-1"}
        assert one["involvedObject"]["fieldPath"] == "spec.containers{web}"
        recorder.record(source, events.EventRecord(about, "Failed", "no", warning=True))
        (again,) = await found(2)
        assert again["metadata"]["name"] == one["metadata"]["name"]
        await client.delete("events", namespace, one["metadata"]["name"])
        recorder.record(source, events.EventRecord(about, "Failed", "no", warning=True))
        (anew,) = await found(1)
        assert anew["metadata"]["name"] != one["metadata"]["name"]


async def check_events_are_removed_after_an_hour(client: ApiClient, namespace: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    clock = ManualClock(now)
    recorder = events.Recorder(client, clock)
    pod = {"metadata": {"name": "p", "namespace": namespace}, "kind": "Pod"}
    record = events.EventRecord(events.reference(pod), "Old", "old")
    for minutes in (0, 50):
        stamp = (now + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
        body = events.event(events.EventSource("c"), record, stamp, str(minutes))
        await client.create("events", namespace, body)
    async with running(recorder.sweep()):
        for _ in range(13):
            await asyncio.sleep(0.01)
            await clock.advance(300.0)
        async with asyncio.timeout(SECONDS):
            while True:
                left, _ = await client.list("events", namespace)
                if len(left) == 1:
                    break
                await asyncio.sleep(0.002)
    assert left[0]["metadata"]["name"] == "p.50"


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
