"""The pure parts of the controllers: rollout arithmetic, schedules, hashes, queues, the cache."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.controllers.engine import cache, queue
from lateen.controllers.jobs import cron, index
from lateen.controllers.network import endpoints
from lateen.controllers.workloads import hashing, pods, rollout

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 1, (1, 0)),
        ("25%", "25%", 10, (3, 2)),
        (0, "10%", 3, (0, 1)),
        (0, 5, 3, (0, 3)),
        (2, 0, 3, (2, 0)),
        ("100%", "25%", 1, (1, 0)),
        (0, 0, 0, (0, 0)),
    ],
)
def test_bounds(surge: Any, unavailable: Any, replicas: int, expected: tuple[int, int]) -> None:
    found = rollout.bounds(surge, unavailable, replicas)
    assert (found.surge, found.unavailable) == expected


SIZES = st.integers(0, 20)


@given(SIZES, SIZES, SIZES, st.lists(st.tuples(SIZES, SIZES), max_size=4), st.data())
def test_a_step_never_leaves_the_bounds(
    replicas: int, surge: int, missing: int, olds: list[tuple[int, int]], data: Any
) -> None:
    """Whatever the state: the total does not grow past the surge, and no step takes serving pods
    below the floor."""
    old = [rollout.OldReplicaSet(size, min(size, available)) for size, available in olds]
    current = data.draw(st.integers(0, replicas))
    new = rollout.OldReplicaSet(current, data.draw(st.integers(0, current)))
    total = current + sum(one.replicas for one in old)
    after = rollout.next_new(current, total, replicas, surge)
    assert current <= after <= replicas or after == replicas
    assert after - current <= max(0, replicas + surge - total)
    left = rollout.next_old(old, new, replicas, min(missing, replicas))
    assert all(0 <= n <= one.replicas for n, one in zip(left, old, strict=True))
    serving = new.available + sum(one.available for one in old)
    kept = new.available + sum(min(n, o.available) for n, o in zip(left, old, strict=True))
    assert kept >= min(serving, replicas - min(missing, replicas))


@given(st.integers(1, 12), st.integers(0, 5), st.integers(0, 5), st.integers(0, 12))
def test_a_rollout_ends(replicas: int, surge: int, unavailable: int, before: int) -> None:
    """Step by step, with pods that become available at once, only new pods are left."""
    limits = rollout.bounds(surge, unavailable, replicas)
    new, old = 0, before
    for _ in range(200):
        grown = rollout.next_new(new, new + old, replicas, limits.surge)
        if grown != new:
            new = grown
            continue
        now = rollout.OldReplicaSet(new, new)
        (old,) = rollout.next_old(
            [rollout.OldReplicaSet(old, old)], now, replicas, limits.unavailable
        )
    assert (new, old) == (replicas, 0)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 60))
def test_proportional_scaling_hits_the_total(sizes: list[int], wanted: int) -> None:
    ordered = sorted(sizes, reverse=True)
    shares = rollout.proportional(ordered, sum(ordered), wanted)
    assert all(one >= 0 for one in shares)
    assert sum(shares) == wanted


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        ("*/5 * * * *", "2026-11-24T08:00:30", "2026-11-24T08:05:00"),
        ("0 * * * *", "2026-11-24T08:00:00", "2026-11-24T09:00:00"),
        ("@daily", "2026-12-31T23:59:00", "2027-01-01T00:00:00"),
        ("30 4 1,15 * 5", "2026-11-24T08:00:00", "2026-11-27T04:30:00"),
        ("0 0 29 2 *", "2026-11-24T08:00:00", "2028-02-29T00:00:00"),
        ("0 12 * jan-mar mon", "2026-11-24T08:00:00", "2027-01-04T12:00:00"),
        ("5-10/5 0 * * 7", "2026-11-24T08:00:00", "2026-11-29T00:05:00"),
        ("0 0 30 2 *", "2026-11-24T08:00:00", None),
    ],
)
def test_schedules(schedule: str, moment: str, expected: str | None) -> None:
    found = cron.parse(schedule).after(at(moment))
    assert found == (at(expected) if expected else None)


@pytest.mark.parametrize(
    "text", ["", "* * * *", "61 * * * *", "a * * * *", "*/0 * * * *", "@never"]
)
def test_bad_schedules_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fields|within|number"):
        cron.parse(text)


def test_hashes_are_stable_and_safe() -> None:
    template = {"spec": {"containers": [{"name": "a"}]}}
    assert hashing.fnv1a("") == 0x811C9DC5
    assert hashing.fnv1a("a") == 0xE40C292C
    found = hashing.template_hash(template)
    assert found == hashing.template_hash({"spec": {"containers": [{"name": "a"}]}})
    assert found != hashing.template_hash(template, 1)
    assert set(found) <= set(hashing.LETTERS)
    assert 1 <= len(found) <= 10


@given(st.sets(st.integers(0, 50)))
def test_indexes_are_read_as_written(indexes: set[int]) -> None:
    assert index.read(index.written(indexes)) == indexes


def pod(name: str, **status: Any) -> Json:
    return {"metadata": {"name": name, "labels": {"a": "b"}}, "spec": {}, "status": status}


def test_pods_are_given_up_in_kubernetes_order() -> None:
    old, new = "2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z"

    def running(name: str, since: str, ready: str = "True", **meta: Any) -> Json:
        one = pod(name, phase="Running")
        one["spec"]["nodeName"] = "n"
        one["metadata"] |= {"creationTimestamp": old, **meta}
        one["status"]["conditions"] = [
            {"type": "Ready", "status": ready, "lastTransitionTime": since}
        ]
        return one

    cost = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    every = [
        running("settled", old),
        running("fresh", new),
        running("cheap", old, annotations=cost),
        running("unready", old, "False"),
        pod("unscheduled", phase="Pending"),
    ]
    order = [one["metadata"]["name"] for one in pods.to_delete_first(every)]
    assert order == ["unscheduled", "unready", "cheap", "fresh", "settled"]


@pytest.mark.parametrize(
    ("target", "expected"), [(8080, 8080), ("web", 80), ("8081", 8081), ("none", 0), (None, 7)]
)
def test_target_ports(target: Any, expected: int) -> None:
    ports = [
        {"name": "web", "containerPort": 53, "protocol": "UDP"},
        {"name": "web", "containerPort": 80},
    ]
    given_pod = {"spec": {"containers": [{"name": "x", "ports": ports}]}}
    assert endpoints.target_port({"port": 7, "targetPort": target}, given_pod) == expected


def test_slices_hold_a_hundred_and_keep_their_members() -> None:
    service: Json = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "d", "uid": "s"},
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": 80}]},
    }
    known = cache.Cache()
    known.put("services", {**service, "metadata": {**service["metadata"], "resourceVersion": "1"}})
    for number in range(150):
        one = pod(f"p{number:03}", phase="Running", podIP=f"10.0.0.{number}")
        one["metadata"] |= {"namespace": "d", "uid": f"u{number}", "resourceVersion": "2"}
        known.put("pods", one)
    result = endpoints.reconcile(("d", "web"), known, at("2026-11-24T08:00:00"))
    bodies = [dict(one.body) for one in result.actions if "endpoints" in one.body]
    assert [len(one["endpoints"]) for one in bodies] == [100, 50]
    for number, body in enumerate(bodies):
        body["metadata"] |= {"name": f"web-{number}", "uid": f"e{number}", "resourceVersion": "3"}
        known.put(endpoints.RESOURCE, body)
    gone = known.get("pods", "d", "p000")
    assert gone is not None
    known.drop("pods", gone, seen=True)
    again = endpoints.reconcile(("d", "web"), known, at("2026-11-24T08:00:00"))
    changed = [one.body for one in again.actions if one.body.get("kind") == "EndpointSlice"]
    assert [(one["metadata"]["name"], len(one["endpoints"])) for one in changed] == [("web-0", 99)]


def thing(version: int, uid: str = "u", **meta: Any) -> Json:
    body = {"name": "x", "namespace": "n", "uid": uid, "resourceVersion": str(version), **meta}
    return {"metadata": body}


def test_the_world_ignores_what_it_knows_already() -> None:
    known = cache.Cache()
    assert known.put("things", thing(5)) is not None
    assert known.put("things", thing(4)) is None
    assert known.put("things", thing(5)) is None
    assert known.put("things", thing(6)) is not None


def test_our_own_deletion_is_not_undone_by_late_events() -> None:
    known = cache.Cache()
    known.put("things", thing(5))
    assert known.drop("things", thing(5), seen=False) is not None
    assert known.put("things", thing(4)) is None
    assert known.put("things", thing(7, uid="next")) is not None
    assert known.get("things", "n", "x") == thing(7, uid="next")


def test_owners_are_indexed() -> None:
    known = cache.Cache()
    known.put("things", thing(1, ownerReferences=[{"uid": "o"}]))
    assert [key.name for key, _ in known.dependents("o")] == ["x"]
    known.put("things", thing(2))
    assert known.dependents("o") == []


def test_a_list_replaces_what_is_gone() -> None:
    known = cache.Cache()
    known.put("things", thing(1))
    (change,) = known.replace("things", ())
    assert (change.before, change.after) == (thing(1), None)
    assert known.all("things") == []


def test_a_queue_holds_a_key_once_and_backs_off() -> None:
    async def scenario() -> None:
        keys = queue.KeyQueue[str]()
        for one in ("a", "b", "a"):
            keys.add(one)
        assert [await keys.take(), await keys.take()] == ["a", "b"]
        assert len(keys) == 0
        waits = [keys.failed("a") for _ in range(16)]
        assert waits[:3] == [0.005, 0.01, 0.02]
        assert max(waits) == 60.0
        keys.succeeded("a")
        assert keys.failed("a") == 0.005

    asyncio.run(scenario())


def test_a_status_that_is_behind_takes_nobody_along() -> None:
    """One of three is to go, and the ReplicaSet's status still counts it."""
    behind, new = rollout.OldReplicaSet(2, 3), rollout.OldReplicaSet(3, 2)
    assert rollout.next_old([behind], new, 3, 0) == (1,)
