"""What every Store does. Each `check_` function takes an empty store with room for 8 events."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lateen.store import api

CAPACITY = 8
"""The history size that the checks expect; compaction starts a quarter above it."""


def key(name: str, namespace: str = "default", resource: str = "pods") -> api.Key:
    return api.Key(resource, namespace, name)


def body(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name}, **more}


def names(listing: api.Listing) -> list[str]:
    return [f"{each.key.namespace}/{each.key.name}" for each in listing.entries]


async def collect(watch: api.Watch, count: int) -> list[api.Event]:
    """Read that many changes, passing over bookmarks."""
    events: list[api.Event] = []

    async def read() -> None:
        async for event in watch:
            if event.type is not api.EventType.BOOKMARK:
                events.append(event)
                if len(events) == count:
                    return

    await asyncio.wait_for(read(), 5)
    return events


def brief(events: list[api.Event]) -> list[tuple[str, str, int]]:
    return [(each.type.value, each.entry.key.name, each.revision) for each in events]


def changed(events: Sequence[api.Event]) -> list[str]:
    return [each.entry.key.name for each in events if each.type is not api.EventType.BOOKMARK]


def check_create_stamps_the_revision(store: api.Store) -> None:
    given = body("a")
    entry = store.create(key("a"), given)
    assert (entry.revision, store.revision) == (1, 1)
    assert entry.value["metadata"] == {"name": "a", "resourceVersion": "1"}
    assert given == body("a")
    assert store.get(key("a")) == entry


def check_create_refuses_a_second(store: api.Store) -> None:
    store.create(key("a"), body("a"))
    with pytest.raises(api.AlreadyExistsError, match='pods "a" in namespace "default"'):
        store.create(key("a"), body("a", x=1))
    assert store.revision == 1
    store.create(key("a", "other"), body("a"))
    store.create(key("a", resource="services"), body("a"))
    assert store.revision == 3


def check_missing_objects_are_named(store: api.Store) -> None:
    for act in (
        lambda: store.get(key("a")),
        lambda: store.update(key("a"), body("a")),
        lambda: store.delete(key("a")),
    ):
        with pytest.raises(api.NotFoundError, match='pods "a"'):
            act()
    assert store.revision == 0


def check_update_replaces(store: api.Store) -> None:
    first = store.create(key("a"), body("a", x=1))
    second = store.update(key("a"), body("a", y=2), expected=first.revision)
    assert second.revision == 2
    assert "x" not in store.get(key("a")).value
    assert "x" in first.value


def check_update_detects_a_conflict(store: api.Store) -> None:
    store.create(key("a"), body("a", x=1))
    store.update(key("a"), body("a", x=2))
    with pytest.raises(api.ConflictError, match="revision 2, not 1"):
        store.update(key("a"), body("a", x=3), expected=1)
    with pytest.raises(api.ConflictError):
        store.delete(key("a"), expected=1)
    assert store.get(key("a")).value["x"] == 2


def check_equal_update_writes_nothing(store: api.Store) -> None:
    first = store.create(key("a"), body("a", x=[1, {"y": None}]))
    same = store.update(key("a"), body("a", x=[1, {"y": None}]), expected=1)
    assert same is first
    assert store.update(key("a"), first.value) is first
    assert store.revision == 1


def check_delete_has_a_revision(store: api.Store) -> None:
    store.create(key("a"), body("a", x=1))
    gone = store.delete(key("a"), expected=1)
    assert gone.revision == store.revision == 2
    assert gone.value == {**body("a", x=1), "metadata": {"name": "a", "resourceVersion": "2"}}
    with pytest.raises(api.NotFoundError):
        store.get(key("a"))
    assert store.create(key("a"), body("a")).revision == 3


def check_list_is_ordered_and_by_namespace(store: api.Store) -> None:
    for name, namespace in [("b", "x"), ("a", "y"), ("a", "x"), ("c", "xx")]:
        store.create(key(name, namespace), body(name))
    store.create(api.Key("nodes", "", "n"), body("n"))
    assert names(store.list("pods")) == ["x/a", "x/b", "xx/c", "y/a"]
    assert names(store.list("pods", "x")) == ["x/a", "x/b"]
    assert names(store.list("pods", "none")) == []
    assert names(store.list("nodes")) == ["/n"]
    assert store.list("pods").revision == 5


def check_pages_cover_the_list(store: api.Store) -> None:
    for name in "dbeac":
        store.create(key(name), body(name))
    first = store.list("pods", limit=2)
    assert (names(first), first.remaining) == (["default/a", "default/b"], 3)
    second = store.list("pods", limit=2, after=first.continue_after, revision=first.revision)
    third = store.list("pods", limit=2, after=second.continue_after, revision=first.revision)
    assert names(second) + names(third) == ["default/c", "default/d", "default/e"]
    assert (third.continue_after, third.remaining) == (None, 0)


def check_pages_stay_at_their_revision(store: api.Store) -> None:
    for name in "bcd":
        store.create(key(name), body(name, x=0))
    first = store.list("pods", limit=1)
    store.update(key("c"), body("c", x=1))
    store.delete(key("d"))
    store.create(key("bb"), body("bb"))
    rest = store.list("pods", after=first.continue_after, revision=first.revision)
    assert names(rest) == ["default/c", "default/d"]
    assert [each.value["x"] for each in rest.entries] == [0, 0]
    assert rest.revision == first.revision
    assert names(store.list("pods")) == ["default/b", "default/bb", "default/c"]


def check_compacted_pages_expire(store: api.Store) -> None:
    store.create(key("a"), body("a"))
    store.create(key("b"), body("b"))
    first = store.list("pods", limit=1)
    for count in range(2 * CAPACITY):
        store.update(key("a"), body("a", x=count))
    with pytest.raises(api.ExpiredError, match="compacted"):
        store.list("pods", after=first.continue_after, revision=first.revision)


def check_watch_from_now(store: api.Store) -> None:
    async def follow() -> None:
        store.create(key("a"), body("a"))
        watch = store.watch("pods")
        store.create(key("b"), body("b"))
        store.create(key("x", resource="services"), body("x"))
        store.update(key("a"), body("a", x=1))
        store.delete(key("b"))
        events = await collect(watch, 3)
        assert brief(events) == [("ADDED", "b", 2), ("MODIFIED", "a", 4), ("DELETED", "b", 5)]
        assert events[0].previous is None
        assert [each.previous.revision for each in events[1:] if each.previous] == [1, 2]
        watch.close()

    asyncio.run(follow())


def check_watch_wakes_a_waiting_reader(store: api.Store) -> None:
    async def follow() -> None:
        watch = store.watch("*")
        reader = asyncio.gather(collect(watch, 2))
        await asyncio.sleep(0)
        store.create(key("a"), body("a"))
        await asyncio.sleep(0)
        store.create(key("x", resource="services"), body("x"))
        assert brief((await reader)[0]) == [("ADDED", "a", 1), ("ADDED", "x", 2)]

    asyncio.run(follow())


def check_watch_resumes(store: api.Store) -> None:
    async def follow() -> None:
        for name in "abc":
            store.create(key(name), body(name))
        watch = store.watch("pods", after=1)
        store.delete(key("a"))
        assert brief(await collect(watch, 3)) == [
            ("ADDED", "b", 2),
            ("ADDED", "c", 3),
            ("DELETED", "a", 4),
        ]

    asyncio.run(follow())


def check_watch_of_the_past_expires(store: api.Store) -> None:
    store.create(key("a"), body("a"))
    for count in range(2 * CAPACITY):
        store.update(key("a"), body("a", x=count))
    with pytest.raises(api.ExpiredError, match="list again"):
        store.watch("pods", after=1)
    with pytest.raises(api.ExpiredError, match="list again"):
        store.watch("pods", after=store.revision + 1)
    store.watch("pods", after=store.revision).close()
    store.watch("pods", after=store.revision - CAPACITY).close()


def check_slow_watcher_expires_alone(store: api.Store) -> None:
    async def follow() -> None:
        slow, quick = store.watch("pods", capacity=3), store.watch("pods", capacity=100)
        for name in "abcd":
            store.create(key(name), body(name))
        with pytest.raises(api.ExpiredError, match="more than 3"):
            await collect(slow, 1)
        assert len(await collect(quick, 4)) == 4

    asyncio.run(follow())


def check_unread_events_are_taken_together(store: api.Store) -> None:
    calls: list[int] = []
    store.create(key("a"), body("a"))
    watch = store.watch("pods", after=store.revision, woken=lambda: calls.append(1))
    assert not watch.take()
    store.create(key("b"), body("b"))
    store.create(key("x", resource="services"), body("x"))
    store.update(key("a"), body("a", x=1))
    assert len(calls) == 1, "woken once, however much follows"
    assert brief(watch.take()) == [("ADDED", "b", 2), ("MODIFIED", "a", 4)]
    assert not watch.take()
    store.delete(key("b"))
    assert len(calls) == 2
    assert brief(watch.take()) == [("DELETED", "b", 5)]
    watch.close()
    with pytest.raises(api.StoreError, match="closed"):
        watch.take()
    late = store.watch("pods", capacity=1, woken=lambda: calls.append(1))
    for name in "cd":
        store.create(key(name), body(name))
    with pytest.raises(api.ExpiredError, match="more than 1"):
        late.take()


def check_unread_events_are_taken_in_portions(store: api.Store) -> None:
    watch = store.watch("pods")
    for name in "abcde":
        store.create(key(name), body(name, x="y" * 1000))
    first = watch.take(2000)
    assert brief(first) == [("ADDED", "a", 1), ("ADDED", "b", 2)]
    assert sum(event.size for event in first) >= 2000
    assert [event.entry.key.name for event in watch.take(1)] == ["c"]
    assert [event.entry.key.name for event in watch.take(10_000)] == ["d", "e"]
    assert not watch.take(1)
    watch.close()


def check_a_watcher_leaves_so_many_bytes_unread_and_no_more(store: api.Store) -> None:
    large = "y" * (12 << 20)
    store.create(key("before"), body("before", x=large))
    idle, resumed = store.watch("pods"), store.watch("pods", after=0)
    for name in "abc":
        if name == "c":
            assert changed(resumed.take()) == ["a", "b"]
        store.create(key(name), body(name, x=large))
    with pytest.raises(api.ExpiredError, match="32 MiB unread: list again"):
        idle.take()
    assert changed(resumed.take()) == ["c"]
    idle.close()
    resumed.close()


def check_closed_watch_ends(store: api.Store) -> None:
    async def follow() -> None:
        watch = store.watch("pods")
        store.create(key("a"), body("a"))
        assert brief(await collect(watch, 1)) == [("ADDED", "a", 1)]
        reader = asyncio.gather(collect(watch, 5))
        await asyncio.sleep(0)
        watch.close()
        watch.close()
        store.create(key("b"), body("b"))
        assert (await reader)[0] == []

    asyncio.run(follow())


def check_store_closes_its_watches(store: api.Store) -> None:
    async def follow() -> None:
        watch = store.watch("pods")
        reader = asyncio.gather(collect(watch, 1))
        await asyncio.sleep(0)
        store.close()
        assert (await reader)[0] == []

    asyncio.run(follow())
    with pytest.raises(api.StoreError, match="closed"):
        store.create(key("a"), body("a"))


def check_quiet_watch_gets_a_bookmark(store: api.Store) -> None:
    async def follow() -> None:
        watch = store.watch("services")
        store.create(key("a"), body("a"))
        for count in range(3 * CAPACITY):
            store.update(key("a"), body("a", x=count))
        async for event in watch:
            assert event.type is api.EventType.BOOKMARK
            store.watch("services", after=event.revision).close()
            return

    asyncio.run(asyncio.wait_for(follow(), 5))


def check_subscribers_are_called_at_once(store: api.Store) -> None:
    pods: list[api.Event] = []
    everything: list[api.Event] = []
    leave = store.subscribe("pods", pods.append)
    store.subscribe("*", everything.append)
    store.create(key("a"), body("a"))
    assert brief(pods) == [("ADDED", "a", 1)]
    store.create(key("x", resource="services"), body("x"))
    leave()
    store.delete(key("a"))
    assert len(pods) == 1
    assert brief(everything) == [("ADDED", "a", 1), ("ADDED", "x", 2), ("DELETED", "a", 3)]


CHECKS: tuple[Callable[[api.Store], None], ...] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("check_")
)
