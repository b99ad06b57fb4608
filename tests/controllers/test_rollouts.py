"""Deployments on a real API: created, rolled out, undone, scaled, paused, collected."""

import json
from typing import Any

import pytest

Json = dict[str, Any]
SETS, PODS = "replicasets.apps", "pods"
REVISION = "deployment.kubernetes.io/revision"


def sizes(cluster: Any) -> list[int]:
    return sorted(one["spec"]["replicas"] for one in cluster.all(SETS))


def complete(cluster: Any, name: str = "web") -> bool:
    found = cluster.one("deployments.apps", name)
    status, wanted = found.get("status", {}), found["spec"]["replicas"]
    observed = status.get("observedGeneration") == found["metadata"]["generation"]
    counts = [status.get(one, 0) for one in ("replicas", "updatedReplicas", "availableReplicas")]
    return observed and counts == [wanted] * 3


def revision(cluster: Any, name: str = "web") -> str:
    return cluster.one("deployments.apps", name)["metadata"]["annotations"][REVISION]


async def set_image(cluster: Any, image: str) -> None:
    containers = [{"name": "app", "image": image}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    await cluster.client.patch("deployments.apps", "default", "web", patch)


def test_a_deployment_becomes_pods_on_the_node(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment())
        await cluster.until(
            lambda: (
                len(cluster.all(PODS)) == 3
                and all(one["spec"].get("nodeName") == "lateen" for one in cluster.all(PODS))
            )
        )
        (owner,) = cluster.all(SETS)
        digest = owner["metadata"]["labels"]["pod-template-hash"]
        assert owner["metadata"]["name"] == f"web-{digest}"
        for pod in cluster.all(PODS):
            assert pod["metadata"]["name"].startswith(f"web-{digest}-")
            assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": digest}
            assert pod["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
            scheduled = [c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled"]
            assert [one["status"] for one in scheduled] == ["True"]
        assert revision(cluster) == "1"
        await cluster.until(
            lambda: (
                {one["reason"] for one in cluster.all("events")}
                == {"ScalingReplicaSet", "SuccessfulCreate", "Scheduled"}
            )
        )

    play(scenario)


def test_status_tells_the_progress(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment())
        await cluster.until(lambda: len(cluster.all(PODS)) == 3)
        await cluster.quiet()
        status = cluster.one("deployments.apps", "web")["status"]
        assert status["unavailableReplicas"] == 3
        assert "availableReplicas" not in status
        available = next(c for c in status["conditions"] if c["type"] == "Available")
        assert (available["status"], available["reason"]) == ("False", "MinimumReplicasUnavailable")
        for pod in cluster.all(PODS):
            await cluster.run_pod(pod)
        await cluster.until(lambda: complete(cluster))
        conditions = cluster.one("deployments.apps", "web")["status"]["conditions"]
        assert [(c["type"], c["reason"], c["status"]) for c in conditions] == [
            ("Available", "MinimumReplicasAvailable", "True"),
            ("Progressing", "NewReplicaSetAvailable", "True"),
        ]

    play(scenario)


def test_nothing_is_written_once_all_is_well(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment())
        await cluster.until(lambda: complete(cluster))
        settled = await cluster.quiet()
        for one in cluster.all(SETS) + cluster.all(PODS):
            assert one["metadata"]["uid"]
        assert await cluster.quiet() == settled

    play(scenario, agent=True)


@pytest.mark.parametrize(
    ("surge", "unavailable", "most", "least"), [(1, 0, 4, 3), (0, 1, 3, 2), ("50%", "25%", 5, 3)]
)
def test_a_rolling_update_keeps_its_bounds(
    play: Any, deployment: Any, surge: Any, unavailable: Any, most: int, least: int
) -> None:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}

    async def scenario(cluster: Any) -> None:
        body = deployment(strategy={"type": "RollingUpdate", "rollingUpdate": rolling})
        await cluster.client.create("deployments.apps", "default", body)
        await cluster.until(lambda: complete(cluster))
        seen: list[tuple[int, int]] = []

        def note(_: Any) -> None:
            alive = [p for p in cluster.all(PODS) if not p["metadata"].get("deletionTimestamp")]
            serving = [
                p
                for p in alive
                if {"type": "Ready", "status": "True"}.items()
                <= p["status"].get("conditions", [{}])[-1].items()
            ]
            seen.append((len(alive), len(serving)))

        stop = cluster.store.subscribe(PODS, note)
        await set_image(cluster, "nginx:2")
        await cluster.until(lambda: complete(cluster) and sizes(cluster) == [0, 3])
        stop()
        assert max(alive for alive, _ in seen) <= most
        assert min(serving for _, serving in seen) >= least
        left = [p for p in cluster.all(PODS) if not p["metadata"].get("deletionTimestamp")]
        assert {p["spec"]["containers"][0]["image"] for p in left} == {"nginx:2"}
        assert revision(cluster) == "2"

    play(scenario, agent=True)


def test_undo_brings_the_old_set_back_with_a_new_number(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment(replicas=2))
        await cluster.until(lambda: complete(cluster))
        (first,) = cluster.all(SETS)
        await set_image(cluster, "nginx:2")
        await cluster.until(lambda: complete(cluster) and sizes(cluster) == [0, 2])
        await set_image(cluster, "nginx:1")
        await cluster.until(lambda: complete(cluster) and revision(cluster) == "3")
        again = cluster.one(SETS, first["metadata"]["name"])
        assert again["spec"]["replicas"] == 2
        assert again["metadata"]["annotations"][REVISION] == "3"
        assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
        assert len(cluster.all(SETS)) == 2

    play(scenario, agent=True)


def test_scaling_follows_at_once(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment(replicas=1))
        await cluster.until(lambda: complete(cluster))
        for wanted in (5, 2, 0, 3):
            patch = {"spec": {"replicas": wanted}}
            await cluster.client.patch("deployments.apps", "default", "web", patch)
            await cluster.until(
                lambda n=wanted: complete(cluster) and len(cluster.all(PODS)) == n, f"{wanted} pods"
            )
        assert sizes(cluster) == [3]

    play(scenario, agent=True)


def test_a_paused_deployment_scales_but_does_not_roll(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment(replicas=2))
        await cluster.until(lambda: complete(cluster))
        pause = {"spec": {"paused": True, "replicas": 4}}
        await cluster.client.patch("deployments.apps", "default", "web", pause)
        await set_image(cluster, "nginx:2")
        await cluster.until(lambda: len(cluster.all(PODS)) == 4)
        await cluster.quiet()
        assert sizes(cluster) == [4]
        resume = {"spec": {"paused": None}}
        await cluster.client.patch("deployments.apps", "default", "web", resume)
        await cluster.until(lambda: complete(cluster) and sizes(cluster) == [0, 4])

    play(scenario, agent=True)


def test_recreate_waits_for_the_old_pods(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = deployment(replicas=2, strategy={"type": "Recreate"})
        await cluster.client.create("deployments.apps", "default", body)
        await cluster.until(lambda: len(cluster.all(PODS)) == 2)
        for pod in cluster.all(PODS):
            await cluster.run_pod(pod)
        await cluster.until(lambda: complete(cluster))
        old = cluster.all(PODS)
        await set_image(cluster, "nginx:2")
        await cluster.until(
            lambda: all(p["metadata"].get("deletionTimestamp") for p in cluster.all(PODS))
        )
        await cluster.quiet()
        assert len(cluster.all(SETS)) == 1
        for pod in old:
            await cluster.end_pod(pod)
        await cluster.until(lambda: len(cluster.all(PODS)) == 2 and len(cluster.all(SETS)) == 2)
        assert sizes(cluster) == [0, 2]

    play(scenario)


def test_history_is_kept_to_its_limit(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = deployment(replicas=1, revisionHistoryLimit=2)
        await cluster.client.create("deployments.apps", "default", body)
        await cluster.until(lambda: complete(cluster))
        for number in range(2, 6):
            await set_image(cluster, f"nginx:{number}")
            await cluster.until(
                lambda n=number: complete(cluster) and revision(cluster) == str(n), f"rev {number}"
            )
        await cluster.until(lambda: len(cluster.all(SETS)) == 3)
        kept = sorted(one["metadata"]["annotations"][REVISION] for one in cluster.all(SETS))
        assert kept == ["3", "4", "5"]

    play(scenario, agent=True)


def test_a_stray_pod_is_adopted_and_a_relabelled_one_released(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment(replicas=1))
        (pod,) = await cluster.until(lambda: cluster.all(PODS))
        name = pod["metadata"]["name"]
        patch = {"metadata": {"labels": {"app": "other"}}}
        await cluster.client.patch(PODS, "default", name, patch)
        await cluster.until(lambda: len(cluster.all(PODS)) == 2)
        assert "ownerReferences" not in cluster.one(PODS, name)["metadata"]
        await cluster.client.patch(PODS, "default", name, {"metadata": {"labels": {"app": "web"}}})
        await cluster.until(
            lambda: len([p for p in cluster.all(PODS) if not dying(p)]) == 1, "one is given up"
        )

    def dying(pod: Json) -> bool:
        return bool(pod["metadata"].get("deletionTimestamp"))

    play(scenario)


def test_a_refused_pod_is_told_in_an_event_and_tried_again(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body: Json = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "bad", "namespace": "default"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "x", "image": "y"}]},
                },
            },
        }
        made = await cluster.client.create(SETS, "default", body)
        await cluster.until(lambda: cluster.all(PODS))
        broken = json.loads(json.dumps(made))
        broken["spec"]["template"]["metadata"]["finalizers"] = ["bad key!"]
        broken["spec"]["replicas"] = 2
        del broken["metadata"]["resourceVersion"]
        await cluster.client.update(SETS, "default", "bad", broken)
        event = await cluster.until(
            lambda: [e for e in cluster.all("events") if e["reason"] == "FailedCreate"]
        )
        assert event[0]["message"].startswith("Error creating: ")
        assert event[0]["type"] == "Warning"

    play(scenario)
