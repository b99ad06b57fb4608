"""StatefulSets, DaemonSets, Jobs and CronJobs on a real API."""

from typing import Any

import pytest

Json = dict[str, Any]
PODS = "pods"


def workload(kind: str, name: str, **spec: Any) -> Json:
    version = "batch/v1" if "Job" in kind else "apps/v1"
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "nginx:1"}]},
    }
    body: Json = {"apiVersion": version, "kind": kind}
    body["metadata"] = {"name": name, "namespace": "default"}
    body["spec"] = {"template": template, **spec}
    if kind in ("StatefulSet", "DaemonSet"):
        body["spec"]["selector"] = {"matchLabels": labels}
    else:
        template["spec"]["restartPolicy"] = "Never"
    return body


def names(cluster: Any) -> list[str]:
    return sorted(one["metadata"]["name"] for one in cluster.all(PODS))


def images(cluster: Any) -> list[str]:
    return [one["spec"]["containers"][0]["image"] for one in cluster.all(PODS)]


async def set_image(cluster: Any, resource: str, name: str, image: str) -> None:
    containers = [{"name": "app", "image": image}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    await cluster.client.patch(resource, "default", name, patch)


def test_a_stateful_set_starts_one_pod_after_the_other(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = workload("StatefulSet", "db", replicas=3, serviceName="db")
        await cluster.client.create("statefulsets.apps", "default", body)
        for count in (1, 2, 3):
            wanted = [f"db-{n}" for n in range(count)]
            await cluster.until(lambda w=wanted: names(cluster) == w)
            await cluster.quiet()
            assert names(cluster) == wanted
            await cluster.run_pod(cluster.one(PODS, wanted[-1]))
        pod = cluster.one(PODS, "db-1")
        assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
        await cluster.until(
            lambda: cluster.one("statefulsets.apps", "db")["status"].get("readyReplicas") == 3
        )
        status = cluster.one("statefulsets.apps", "db")["status"]
        assert status["currentRevision"] == status["updateRevision"]

    play(scenario)


def test_a_stateful_set_rolls_from_the_top_and_honours_the_partition(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
        body = workload("StatefulSet", "db", replicas=3, serviceName="db", updateStrategy=strategy)
        await cluster.client.create("statefulsets.apps", "default", body)
        resource = "statefulsets.apps"
        await cluster.until(
            lambda: cluster.one(resource, "db")["status"].get("availableReplicas") == 3
        )
        gone: list[str] = []
        cluster.store.subscribe(
            PODS, lambda e: gone.append(e.entry.key.name) if e.type.value == "DELETED" else None
        )
        await set_image(cluster, "statefulsets.apps", "db", "nginx:2")
        await cluster.until(lambda: sorted(images(cluster)) == ["nginx:1", "nginx:2", "nginx:2"])
        await cluster.until(lambda: cluster.one(resource, "db")["status"].get("readyReplicas") == 3)
        await cluster.quiet()
        assert gone == ["db-2", "db-1"]
        assert len(cluster.all("controllerrevisions.apps")) == 2

    play(scenario, agent=True)


def test_a_stateful_set_shrinks_from_the_top_and_keeps_claims(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        claim = {
            "metadata": {"name": "data"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        body = workload(
            "StatefulSet", "db", replicas=2, serviceName="db", volumeClaimTemplates=[claim]
        )
        await cluster.client.create("statefulsets.apps", "default", body)
        await cluster.until(lambda: names(cluster) == ["db-0", "db-1"])
        patch = {"spec": {"replicas": 1}}
        await cluster.client.patch("statefulsets.apps", "default", "db", patch)
        await cluster.until(lambda: names(cluster) == ["db-0"])
        claims = sorted(c["metadata"]["name"] for c in cluster.all("persistentvolumeclaims"))
        assert claims == ["data-db-0", "data-db-1"]

    play(scenario, agent=True)


def test_a_daemon_set_runs_one_pod_and_replaces_it(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("daemonsets.apps", "default", workload("DaemonSet", "log"))
        await cluster.until(
            lambda: cluster.one("daemonsets.apps", "log")["status"].get("numberReady") == 1
        )
        assert len(cluster.all(PODS)) == 1
        await set_image(cluster, "daemonsets.apps", "log", "nginx:2")
        await cluster.until(lambda: images(cluster) == ["nginx:2"])
        await cluster.until(
            lambda: (
                cluster.one("daemonsets.apps", "log")["status"].get("updatedNumberScheduled") == 1
            )
        )

    play(scenario, agent=True)


def test_a_job_runs_to_its_completions(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = workload("Job", "sum", completions=3, parallelism=2)
        await cluster.client.create("jobs.batch", "default", body)
        await cluster.until(lambda: len(cluster.all(PODS)) == 2)
        ended: set[str] = set()
        while len(ended) < 3:
            pods = await cluster.until(
                lambda: [p for p in cluster.all(PODS) if p["metadata"]["name"] not in ended]
            )
            ended.add(pods[0]["metadata"]["name"])
            await cluster.run_pod(pods[0], phase="Succeeded")
        job = await cluster.until(
            lambda: (
                (one := cluster.one("jobs.batch", "sum"))
                and one["status"].get("completionTime")
                and one
            )
        )
        assert job["status"]["succeeded"] == 3
        assert not job["status"]["uncountedTerminatedPods"]
        await cluster.until(
            lambda: not any(p["metadata"].get("finalizers") for p in cluster.all(PODS))
        )
        assert len(cluster.all(PODS)) == 3
        assert job["metadata"]["labels"]["job-name"] == "sum"
        (told,) = await cluster.until(
            lambda: [e for e in cluster.all("events") if e["reason"] == "Completed"]
        )
        await cluster.quiet()
        assert told["count"] == cluster.one("events", told["metadata"]["name"])["count"] == 1

    play(scenario)


def test_a_pod_deleted_after_its_end_is_counted_once(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = workload("Job", "sum", completions=2, parallelism=1)
        await cluster.client.create("jobs.batch", "default", body)
        for number in (1, 2):
            (pod,) = await cluster.until(lambda: cluster.all(PODS))
            await cluster.run_pod(pod, phase="Succeeded")
            name = pod["metadata"]["name"]
            await cluster.client.delete(PODS, "default", name)
            await cluster.until(lambda n=name: not cluster.one(PODS, n))
            await cluster.until(
                lambda n=number: cluster.one("jobs.batch", "sum")["status"].get("succeeded") == n
            )

    play(scenario)


def test_a_pod_deleted_before_it_has_a_node_is_a_failure(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = workload("Job", "nowhere", backoffLimit=0)
        body["spec"]["template"]["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
        await cluster.client.create("jobs.batch", "default", body)
        (pod,) = await cluster.until(lambda: cluster.all(PODS))
        name = pod["metadata"]["name"]
        await cluster.client.delete(PODS, "default", name)
        await cluster.until(lambda: not cluster.one(PODS, name))
        await cluster.until(
            lambda: cluster.one("jobs.batch", "nowhere")["status"].get("failed") == 1
        )

    play(scenario)


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
@pytest.mark.parametrize("again", [False, True])
def test_a_deleted_job_takes_its_running_pods_along(
    play: Any, propagation: str, again: bool
) -> None:
    async def scenario(cluster: Any) -> None:
        body = workload("Job", "slow")
        await cluster.client.create("jobs.batch", "default", body)
        (pod,) = await cluster.until(
            lambda: [p for p in cluster.all(PODS) if p["status"]["phase"] == "Running"]
        )
        await cluster.client.delete("jobs.batch", "default", "slow", propagation=propagation)
        if again:
            await cluster.until(lambda: not cluster.all("jobs.batch"))
            await cluster.client.create("jobs.batch", "default", body)
        await cluster.until(lambda: not cluster.one(PODS, pod["metadata"]["name"]))
        await cluster.until(lambda: len(cluster.all(PODS)) == int(again))

    play(scenario, agent=True)


def test_a_job_gives_up_after_its_failures(play: Any, manual_clock: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("jobs.batch", "default", workload("Job", "sum", backoffLimit=1))
        (first,) = await cluster.until(lambda: cluster.all(PODS))
        await cluster.run_pod(first, phase="Failed")
        await cluster.until(lambda: cluster.one("jobs.batch", "sum")["status"].get("failed") == 1)
        pods = await cluster.until(lambda: cluster.all(PODS)[1:] or len(cluster.all(PODS)) == 2)
        assert pods
        other = next(p for p in cluster.all(PODS) if p["status"]["phase"] == "Pending")
        await cluster.run_pod(other, phase="Failed")
        conditions = await cluster.until(
            lambda: (
                (found := cluster.one("jobs.batch", "sum")["status"].get("conditions"))
                and len(found) == 2
                and found
            )
        )
        assert [(c["type"], c["reason"]) for c in conditions] == [
            ("FailureTarget", "BackoffLimitExceeded"),
            ("Failed", "BackoffLimitExceeded"),
        ]

    play(scenario, clock=manual_clock)


def test_an_indexed_job_runs_every_index_once(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = workload("Job", "sum", completions=3, parallelism=3, completionMode="Indexed")
        await cluster.client.create("jobs.batch", "default", body)
        pods = await cluster.until(lambda: len(cluster.all(PODS)) == 3 and cluster.all(PODS))
        key = "batch.kubernetes.io/job-completion-index"
        assert sorted(p["metadata"]["annotations"][key] for p in pods) == ["0", "1", "2"]
        for pod in pods:
            await cluster.run_pod(pod, phase="Succeeded")
        await cluster.until(
            lambda: cluster.one("jobs.batch", "sum")["status"].get("completedIndexes") == "0-2"
        )

    play(scenario)


def cron_job(**spec: Any) -> Json:
    job = workload("Job", "x")["spec"]
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick", "namespace": "default"},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": job}, **spec},
    }


@pytest.mark.parametrize(("policy", "jobs"), [("Allow", 2), ("Forbid", 1)])
def test_a_cron_job_starts_jobs_on_time(
    play: Any, manual_clock: Any, policy: str, jobs: int
) -> None:
    async def scenario(cluster: Any) -> None:
        body = cron_job(concurrencyPolicy=policy)
        await cluster.client.create("cronjobs.batch", "default", body)
        await cluster.quiet()
        assert not cluster.all("jobs.batch")
        for _ in range(2):
            await manual_clock.advance(300)
            await cluster.quiet()
        assert len(cluster.all("jobs.batch")) == jobs
        status = cluster.one("cronjobs.batch", "tick")["status"]
        assert len(status["active"]) == jobs
        assert status["lastScheduleTime"] == (
            "2026-11-24T08:10:00Z" if jobs == 2 else "2026-11-24T08:05:00Z"
        )

    play(scenario, clock=manual_clock)


def test_a_suspended_cron_job_rests(play: Any, manual_clock: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("cronjobs.batch", "default", cron_job(suspend=True))
        await cluster.quiet()
        await manual_clock.advance(900)
        await cluster.quiet()
        assert not cluster.all("jobs.batch")

    play(scenario, clock=manual_clock)
