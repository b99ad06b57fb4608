"""Watches: what a watcher with a selector sees adds up to what a list shows."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.reading import listing, rendering, send_rounds, watch_events, watch_stream
from lateen.apiserver.writing import verbs
from lateen.base.clock import ManualClock
from lateen.base.tasks import TaskGroup
from lateen.model.client import ApiError
from lateen.store import api as store_api
from lateen.store.memory import MemoryStore
from tests import first_namespaces

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["yes", "no", "delete"])), max_size=25
)


def selected(value: Any) -> bool:
    return value["metadata"]["labels"]["in"] == "yes"


def play(store: store_api.Store, done: list[tuple[str, str]]) -> None:
    for name, what in done:
        key = store_api.Key("configmaps", "default", name)
        value = {"metadata": {"name": name, "namespace": "default", "labels": {"in": what}}}
        try:
            store.delete(key) if what == "delete" else store.update(key, value)
        except store_api.NotFoundError:
            if what != "delete":
                store.create(key, value)


@given(steps, steps)
def test_a_list_and_its_watch_are_the_later_list(
    before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    store = MemoryStore()
    play(store, before)
    held = {e.key.name: e.revision for e in store.list("configmaps").entries if selected(e.value)}
    seen: list[store_api.Event] = []
    store.subscribe("configmaps", seen.append)
    play(store, after)
    last = 0
    for event in seen:
        told = watch_events.translate(event, "default", selected)
        if told is None:
            continue
        kind, entry = told
        assert (entry.key.name in held) is (kind != "ADDED")
        assert entry.revision > last
        last = entry.revision
        if kind == "DELETED":
            del held[entry.key.name]
        else:
            held[entry.key.name] = entry.revision
    assert held == {
        e.key.name: e.revision for e in store.list("configmaps").entries if selected(e.value)
    }


def test_another_namespace_is_not_seen() -> None:
    entry = store_api.Entry(store_api.Key("pods", "other", "x"), 1, {"metadata": {}})
    event = store_api.Event(store_api.EventType.ADDED, entry)
    assert watch_events.translate(event, "default", None) is None
    assert watch_events.translate(event, "", None) == ("ADDED", entry)


def made(history: int = 10_000) -> tuple[verbs.Api, ManualClock]:
    clock = ManualClock(START)
    api = verbs.Api(MemoryStore(history), clock)
    first_namespaces.ensure(api)
    return api, clock


def create(api: verbs.Api, name: str) -> None:
    target = api.target("configmaps", "default")
    api.create(target, {"metadata": {"name": name}}, verbs.WriteOptions())


async def lines(api: verbs.Api, count: int, **options: Any) -> list[Any]:
    wanted = watch_stream.WatchOptions(**options)
    target = api.target("configmaps", "default")
    follower = watch_stream.Follower(api, target, wanted, rendering.Frames(), send_rounds.Pulse())
    found: list[Any] = []
    chunks = follower.chunks()
    async with asyncio.timeout(10):
        async for chunk in chunks:
            found += [json.loads(line) for line in chunk.splitlines()]
            if len(found) >= count:
                break
    await chunks.aclose()
    return found


def test_initial_events_end_with_a_bookmark() -> None:
    api, _ = made()
    create(api, "a")
    create(api, "b")
    found = asyncio.run(lines(api, 3, initial=True, bookmarks=True, match="NotOlderThan"))
    assert [one["type"] for one in found] == ["ADDED", "ADDED", "BOOKMARK"]
    metadata = found[2]["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert metadata["resourceVersion"] == str(api.store.revision)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"initial": True, "bookmarks": True}, 422, "setting resourceVersionMatch to NotOlderThan"),
        ({"initial": False, "match": "Exact"}, 422, "setting resourceVersionMatch to NotOlder"),
        ({"initial": True, "match": "NotOlderThan"}, 422, "allowWatchBookmarks"),
        ({"match": "NotOlderThan"}, 422, "forbidden for watch unless sendInitialEvents"),
        ({"resource_version": "x"}, 400, "invalid resource version"),
        ({"labels": "a=b=c"}, 400, "unable to parse"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], code: int, words: str) -> None:
    api, _ = made()
    with pytest.raises(ApiError, match=words) as caught:
        watch_stream.open_watch(api, api.target("configmaps"), watch_stream.WatchOptions(**options))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"match": "NotOlderThan"}, 422, "unless resourceVersion is provided"),
        ({"match": "Some", "resource_version": "1"}, 422, 'supported values: "", "Exact"'),
        ({"match": "Exact", "resource_version": "0"}, 422, 'forbidden for resourceVersion "0"'),
        ({"match": "Exact", "resource_version": "1", "token": "x"}, 422, "continue is provided"),
        ({"initial": True}, 422, "sendInitialEvents is forbidden for list"),
        ({"resource_version": "99"}, 504, "Too large resource version: 99, current: "),
        ({"resource_version": "99", "match": "Exact"}, 504, "Too large resource version"),
        ({"limit": -1}, 400, "must not be negative"),
        ({"token": "x"}, 400, "continue key is not valid"),
    ],
)
def test_lists_that_make_no_sense(options: dict[str, Any], code: int, words: str) -> None:
    api, _ = made()
    with pytest.raises(ApiError, match=words) as caught:
        listing.list_objects(api, api.target("configmaps"), listing.ListOptions(**options))
    assert caught.value.code == code


def test_a_list_of_a_version_is_of_that_version() -> None:
    api, _ = made()
    create(api, "a")
    then = str(api.store.revision)
    create(api, "b")

    def names(**options: Any) -> list[str]:
        wanted = listing.ListOptions(resource_version=then, **options)
        found = listing.list_objects(api, api.target("configmaps"), wanted)
        return [one.key.name for one in found.entries]

    assert names(match="Exact") == ["a"]
    assert names(limit=5) == ["a"], "a limit without a rule means the version itself"
    assert names(limit=5, match="NotOlderThan") == ["a", "b"]
    assert names() == ["a", "b"]


def test_a_compacted_version_is_gone() -> None:
    api, _ = made(history=4)
    for number in range(20):
        create(api, f"c{number}")
    with pytest.raises(ApiError) as caught:
        watch_stream.open_watch(
            api, api.target("configmaps"), watch_stream.WatchOptions(resource_version="1")
        )
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


def test_frames_are_encoded_once_for_all_watchers() -> None:
    api, clock = made()
    create(api, "a")
    target = api.target("configmaps", "default")
    (entry,) = api.store.list("configmaps").entries
    frames = rendering.Frames()
    plain = watch_stream.WatchOptions().form
    first = frames.of(target, plain, "").frame("ADDED", entry, clock.now())
    assert frames.of(target, plain, "").frame("ADDED", entry, clock.now()) is first


def test_watchers_of_the_same_share_what_is_joined() -> None:
    api, _ = made()
    target = api.target("configmaps", "default")
    frames, rounds = rendering.Frames(), send_rounds.Pulse()

    async def first(follower: watch_stream.Follower) -> bytes:
        chunks = follower.chunks()
        chunk = await anext(chunks)
        await chunks.aclose()
        return chunk

    async def both() -> tuple[bytes, bytes, bytes]:
        plain = watch_stream.WatchOptions(resource_version=str(api.store.revision))
        chosen = msgspec.structs.replace(plain, labels="a=b")
        one, two, other = (
            watch_stream.Follower(api, target, options, frames, rounds)
            for options in (plain, plain, chosen)
        )
        for name in "xyz":
            create(api, name)
        body = {"metadata": {"name": "l", "labels": {"a": "b"}}}
        api.create(target, body, verbs.WriteOptions())
        return await first(one), await first(two), await first(other)

    one, two, other = asyncio.run(both())
    assert [json.loads(line)["object"]["metadata"]["name"] for line in one.splitlines()] == [
        *"xyz",
        "l",
    ]
    assert two is one
    assert [json.loads(line)["object"]["metadata"]["name"] for line in other.splitlines()] == ["l"]


def test_a_large_change_is_sent_in_pieces() -> None:
    api, _ = made()
    target = api.target("configmaps", "default")

    async def sizes() -> list[int]:
        options = watch_stream.WatchOptions(resource_version=str(api.store.revision))
        follower = watch_stream.Follower(
            api, target, options, rendering.Frames(), send_rounds.Pulse()
        )
        for number in range(6):
            body = {"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 100_000}}
            api.create(target, body, verbs.WriteOptions())
        chunks = follower.chunks()
        found = [await anext(chunks), await anext(chunks)]
        await chunks.aclose()
        return [chunk.count(b'"ADDED"') for chunk in found]

    assert asyncio.run(sizes()) == [3, 3]


def compute(seconds: float) -> None:
    """Take so much of this thread's time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def rest_after(sending: Callable[[], None], others: Callable[[], None]) -> float:
    """Return how long the second round waits after a first one that did something, in a turn of
    the event loop in which others had something to do too."""
    loop, rounds, again = asyncio.get_running_loop(), send_rounds.Pulse(), asyncio.Event()
    sent = asyncio.Event()
    done = 0.0

    async def sender() -> None:
        nonlocal done
        await sent.wait()
        sending()
        done = loop.time()  # before the rest begins, whatever the machine does in between
        rounds.join(again.set)

    task = TaskGroup("test").start(sender(), "sender")
    await asyncio.sleep(0)
    rounds.join(sent.set)
    loop.call_soon(others)
    await task
    await again.wait()
    return loop.time() - done


def test_a_round_goes_at_once_and_the_next_one_rests() -> None:
    """What comes while a round goes out waits, and is called once however often it came."""

    async def play() -> tuple[list[str], float]:
        loop, told, rounds = asyncio.get_running_loop(), list[str](), send_rounds.Pulse()
        again = asyncio.Event()
        sent = 0.0

        def busy() -> None:
            nonlocal sent
            told.append("first")
            compute(0.01)
            sent = loop.time()
            rounds.join(lambda: told.append("second"))
            rounds.join(again.set)

        rounds.join(busy)
        assert told == []
        await asyncio.sleep(0)
        assert told == ["first"]
        await again.wait()
        return told, loop.time() - sent

    told, rest = asyncio.run(play())
    assert told == ["first", "second"]
    assert rest >= 0.01 * send_rounds.REST - 0.001


def test_a_rest_is_as_long_as_the_sending_asks_for() -> None:
    rest = asyncio.run(rest_after(lambda: compute(0.01), lambda: None))
    assert rest >= 0.01 * send_rounds.REST - 0.001


def test_watches_do_not_rest_for_what_others_take() -> None:
    """Other tasks of the process, and other processes: here the thread waits, as it does for a
    processor that is busy."""
    rest = asyncio.run(rest_after(lambda: time.sleep(0.1), lambda: compute(0.1)))
    assert rest < 0.4, "five times what was taken would be a second"


def test_a_rest_has_an_end_however_much_was_sent() -> None:
    rest = asyncio.run(rest_after(lambda: compute(0.1), lambda: None))
    assert send_rounds.LONGEST_REST - 0.001 <= rest < 0.4
