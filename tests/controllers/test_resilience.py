"""Restarts, expired watches, conflicts and deadlines: the loop catches up by itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lateen.apiserver.serving import local
from lateen.apiserver.writing import verbs
from lateen.base import clock as clocks, tasks
from lateen.controllers import manager
from lateen.controllers.injection import injector, sidecar
from lateen.controllers.network import ingress
from lateen.model.client import ApiError, WatchEvent
from lateen.store import memory

Json = dict[str, Any]
PODS, DEPLOYMENTS = "pods", "deployments.apps"


def condition(cluster: Any, kind: str) -> Json:
    found = cluster.one(DEPLOYMENTS, "web").get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == kind), {})


def test_a_restarted_manager_changes_nothing(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create(DEPLOYMENTS, "default", deployment())
        await cluster.until(lambda: len(cluster.all(PODS)) == 3)
        before = await cluster.quiet()
        async with tasks.TaskGroup("second") as group:
            again = manager.Manager(
                cluster.client, cluster.clock, manager.ControllerSettings(gateway=False)
            )
            await again.run(group)
            assert await cluster.quiet() == before

    play(scenario)


def test_what_happened_while_no_manager_ran_is_done_later(deployment: Any, play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        settings = manager.ControllerSettings(gateway=False)
        async with tasks.TaskGroup("first") as group:
            await manager.Manager(cluster.client, cluster.clock, settings).run(group)
            await cluster.client.create(DEPLOYMENTS, "default", deployment())
            await cluster.until(lambda: len(cluster.all(PODS)) == 3)
        await cluster.client.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 1}})
        await cluster.client.create("services", "default", service())
        await cluster.quiet()
        assert len(cluster.all(PODS)) == 3
        async with tasks.TaskGroup("second") as group:
            await manager.Manager(cluster.client, cluster.clock, settings).run(group)
            await cluster.until(
                lambda: (
                    sum(not p["metadata"].get("deletionTimestamp") for p in cluster.all(PODS)) == 1
                )
            )
            await cluster.until(lambda: cluster.all("endpointslices.discovery.k8s.io"))

    play(scenario, manage=False)


def service() -> Json:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    meta = {"name": "web", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


class Forgetful(local.LocalClient):
    """A client whose watches end with 410 after every second event, as after a compaction."""

    def watch(
        self, resource: str, namespace: str = "", **options: Any
    ) -> AsyncIterator[WatchEvent]:
        stream = super().watch(resource, namespace, **options)

        async def cut() -> AsyncIterator[WatchEvent]:
            count = 0
            async for event in stream:
                yield event
                count += 1
                if count == 2:
                    raise ApiError(410, "Expired", "too old resource version")

        return cut()


class Busy(local.LocalClient):
    """A client whose every third write meets somebody else's, and is refused."""

    writes = 0

    async def update_status(self, *arguments: Any) -> Json:
        self.writes += 1
        if self.writes % 3 == 0:
            raise ApiError(409, "Conflict", "the object has been modified")
        return await super().update_status(*arguments)


@pytest.mark.parametrize("kind", [Forgetful, Busy])
def test_a_rollout_ends_whatever_the_api_does(
    play: Any, deployment: Any, kind: type[local.LocalClient]
) -> None:
    async def scenario(cluster: Any) -> None:
        client = kind(cluster.api)
        async with tasks.TaskGroup("m") as group:
            settings = manager.ControllerSettings(gateway=False)
            await manager.Manager(client, cluster.clock, settings).run(group)
            group.start(cluster.act_as_agent(), "agent")
            await cluster.client.create(DEPLOYMENTS, "default", deployment())
            await cluster.until(lambda: condition(cluster, "Available").get("status") == "True")
            containers = [{"name": "app", "image": "nginx:2"}]
            patch = {"spec": {"template": {"spec": {"containers": containers}}}}
            await cluster.client.patch(DEPLOYMENTS, "default", "web", patch)
            await cluster.until(
                lambda: (
                    len(cluster.all(PODS)) == 3
                    and {p["spec"]["containers"][0]["image"] for p in cluster.all(PODS)}
                    == {"nginx:2"}
                )
            )

    play(scenario, manage=False)


def test_a_rollout_without_progress_is_given_up(
    play: Any, deployment: Any, manual_clock: clocks.ManualClock
) -> None:
    async def scenario(cluster: Any) -> None:
        body = deployment(progressDeadlineSeconds=60)
        await cluster.client.create(DEPLOYMENTS, "default", body)
        await cluster.until(lambda: len(cluster.all(PODS)) == 3)
        await cluster.quiet()
        await manual_clock.advance(59)
        await cluster.quiet()
        assert condition(cluster, "Progressing")["status"] == "True"
        await manual_clock.advance(3)
        await cluster.until(
            lambda: condition(cluster, "Progressing")["reason"] == "ProgressDeadlineExceeded"
        )
        for pod in cluster.all(PODS):
            await cluster.run_pod(pod)
        await cluster.until(
            lambda: condition(cluster, "Progressing")["reason"] == "NewReplicaSetAvailable"
        )

    play(scenario, clock=manual_clock)


def test_a_pod_must_stay_ready_to_be_available(
    play: Any, deployment: Any, manual_clock: clocks.ManualClock
) -> None:
    async def scenario(cluster: Any) -> None:
        body = deployment(replicas=1, minReadySeconds=10)
        await cluster.client.create(DEPLOYMENTS, "default", body)
        (pod,) = await cluster.until(lambda: cluster.all(PODS))
        await cluster.run_pod(pod)
        await cluster.quiet()
        assert condition(cluster, "Available")["status"] == "False"
        await manual_clock.advance(11)
        await cluster.until(lambda: condition(cluster, "Available")["status"] == "True")

    play(scenario, clock=manual_clock)


def test_the_same_event_again_counts_up(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = service()
        body["spec"]["type"] = "LoadBalancer"
        await cluster.client.create("services", "default", body)
        for number in (1, 2):
            (event,) = await cluster.until(
                lambda n=number: [e for e in cluster.all("events") if e["count"] == n]
            )
            assert event["reason"] == "AllocationFailed"
            labels = {"metadata": {"labels": {"n": str(number)}}}
            await cluster.client.patch("services", "default", "web", labels)

    play(scenario, settings=manager.ControllerSettings(gateway=False, balancer_pool=()))


@pytest.mark.parametrize(
    ("cordoned", "selector", "bound"),
    [(False, {}, True), (True, {}, False), (False, {"disk": "ssd"}, False)],
)
def test_pods_wait_for_a_node_that_fits(
    play: Any, cordoned: bool, selector: Json, bound: bool
) -> None:
    async def scenario(cluster: Any) -> None:
        node: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lateen"}}
        node["spec"] = {"unschedulable": cordoned}
        await cluster.client.create("nodes", "", node)
        await cluster.quiet()
        spec = {"containers": [{"name": "a", "image": "b"}], "nodeSelector": selector}
        meta = {"name": "p", "namespace": "default"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        await cluster.client.create(PODS, "default", pod)
        (scheduled,) = await cluster.until(
            lambda: cluster.one(PODS, "p")["status"].get("conditions")
        )
        assert scheduled["status"] == str(bound)
        if not bound:
            assert scheduled["reason"] == "Unschedulable"
            assert scheduled["message"].startswith("0/1 nodes are available: 1 node(s) ")
            free = {"spec": {"unschedulable": None}, "metadata": {"labels": selector}}
            await cluster.client.patch("nodes", "", "lateen", free)
        await cluster.until(lambda: cluster.one(PODS, "p")["spec"].get("nodeName") == "lateen")

    play(scenario)


def test_another_istio_version_changes_the_gateway_but_not_the_users_part(play: Any) -> None:
    def settings(version: str) -> manager.ControllerSettings:
        mesh = sidecar.InjectedMesh(istio_version=version)
        return manager.ControllerSettings(inject=injector.InjectionSettings(mesh=mesh))

    async def run(cluster: Any, version: str) -> None:
        async with tasks.TaskGroup(version) as group:
            made = manager.Manager(cluster.client, cluster.clock, settings(version))
            await made.run(group)
            await cluster.quiet()

    async def scenario(cluster: Any) -> None:
        await run(cluster, "1.17.2")
        labels = {"metadata": {"labels": {"mine": "yes"}}}
        where = (DEPLOYMENTS, "istio-system", ingress.NAME)
        await cluster.client.patch(*where, labels)
        await run(cluster, "1.28.0")
        found = await cluster.client.get(*where)
        (proxy,) = found["spec"]["template"]["spec"]["containers"]
        assert proxy["image"].endswith(":1.28.0")
        assert found["metadata"]["labels"]["mine"] == "yes"

    play(scenario, manage=False)


def test_custom_objects_are_collected_too(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True}
        version["schema"] = {"openAPIV3Schema": schema}
        definition: Json = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.test.dev"},
            "spec": {
                "group": "test.dev",
                "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing"},
                "versions": [version],
            },
        }
        crds = "customresourcedefinitions.apiextensions.k8s.io"
        await cluster.client.create(crds, "", definition)
        await cluster.until(lambda: cluster.one(crds, "things.test.dev", ""))
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        await cluster.client.create("namespaces", "", space)
        thing: Json = {"apiVersion": "test.dev/v1", "kind": "Thing"}
        thing["metadata"] = {"name": "t", "namespace": "shop"}
        made = await cluster.client.create("things.test.dev", "shop", thing)
        child: Json = {"apiVersion": "v1", "kind": "ConfigMap"}
        owner = {"apiVersion": "test.dev/v1", "kind": "Thing", "name": "t"}
        owner["uid"] = made["metadata"]["uid"]
        child["metadata"] = {"name": "c", "namespace": "shop", "ownerReferences": [owner]}
        await cluster.client.create("configmaps", "shop", child)
        await cluster.quiet()
        assert cluster.one("configmaps", "c", "shop")
        await cluster.client.delete("things.test.dev", "shop", "t")
        await cluster.until(lambda: not cluster.one("configmaps", "c", "shop"))
        await cluster.client.create("things.test.dev", "shop", thing)
        await cluster.client.delete("namespaces", "", "shop")
        await cluster.until(lambda: not cluster.one("namespaces", "shop", ""))
        assert not cluster.all("things.test.dev", "shop")

    play(scenario)


def test_a_stopped_manager_leaves_no_task() -> None:
    async def scenario() -> int:
        api = verbs.Api(memory.MemoryStore(), clocks.SystemClock())
        async with tasks.TaskGroup("m") as group:
            client = local.LocalClient(api)
            await manager.Manager(client, clocks.SystemClock(), manager.ControllerSettings()).run(
                group
            )
        return len(asyncio.all_tasks())

    assert asyncio.run(scenario()) == 1
