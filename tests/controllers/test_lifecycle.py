"""Namespaces, garbage collection, addresses and endpoints on a real API."""

from typing import Any

import pytest

from lateen.controllers import manager
from lateen.model.client import ApiError

Json = dict[str, Any]
SLICES = "endpointslices.discovery.k8s.io"
SETS, PODS = "replicasets.apps", "pods"


def service(name: str = "web", **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "web"}, "ports": ports, **spec},
    }


def config(name: str, owner: Json | None = None, **meta: Any) -> Json:
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}}
    body["metadata"]["namespace"] = "default"
    if owner is not None:
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "blockOwnerDeletion": True}
        reference |= {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        body["metadata"]["ownerReferences"] = [reference]
    return body


def endpoints(cluster: Any) -> dict[str, tuple[bool, bool, bool]]:
    return {
        one["addresses"][0]: tuple(
            one["conditions"][word] for word in ("ready", "serving", "terminating")
        )
        for slice_ in cluster.all(SLICES)
        for one in slice_.get("endpoints") or ()
    }


def test_a_lab_begins_with_namespaces_that_are_furnished(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        names = {one["metadata"]["name"] for one in cluster.all("namespaces", "")}
        assert names == {
            "default",
            "istio-system",
            "kube-node-lease",
            "kube-public",
            "kube-system",
        }
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        await cluster.client.create("namespaces", "", body)
        await cluster.until(lambda: len(cluster.all("configmaps", "shop")) == 2)
        assert cluster.one("serviceaccounts", "default", "shop")
        root = cluster.one("configmaps", "istio-ca-root-cert", "shop")
        assert root["data"] == {"root-cert.pem": "MESH"}
        await cluster.client.delete("serviceaccounts", "shop", "default")
        await cluster.until(lambda: cluster.one("serviceaccounts", "default", "shop"))
        changed = {"data": {"root-cert.pem": "forged"}}
        await cluster.client.patch("configmaps", "shop", "istio-ca-root-cert", changed)
        await cluster.until(
            lambda: (
                cluster.one("configmaps", "istio-ca-root-cert", "shop")["data"]["root-cert.pem"]
                == "MESH"
            )
        )

    play(
        scenario,
        settings=manager.ControllerSettings(gateway=False, mesh_root="MESH", api_root="API"),
    )


def test_the_ingress_gateway_is_there(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        found = await cluster.until(
            lambda: (
                (one := cluster.one("services", "istio-ingressgateway", "istio-system"))
                and one["status"]["loadBalancer"].get("ingress")
                and one
            )
        )
        assert found["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.168.1.50"
        assert [(p["port"], p["targetPort"]) for p in found["spec"]["ports"]] == [
            (15021, 15021),
            (80, 8080),
            (443, 8443),
        ]
        assert len({p["nodePort"] for p in found["spec"]["ports"]}) == 3
        (pod,) = await cluster.until(lambda: cluster.all(PODS, "istio-system"))
        assert [one["name"] for one in pod["spec"]["containers"]] == ["istio-proxy"]
        assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"

    play(scenario, settings=manager.ControllerSettings())


def test_load_balancer_addresses_come_from_the_pool_and_go_back(play: Any) -> None:
    def address(cluster: Any, name: str) -> str:
        ingress = cluster.one("services", name)["status"]["loadBalancer"].get("ingress", [])
        return ingress[0]["ip"] if ingress else ""

    async def scenario(cluster: Any) -> None:
        for name in ("a", "b", "c"):
            await cluster.client.create("services", "default", service(name, type="LoadBalancer"))
        await cluster.until(
            lambda: sorted(address(cluster, n) for n in "abc") == ["", "10.0.0.1", "10.0.0.2"]
        )
        await cluster.until(
            lambda: [e for e in cluster.all("events") if e["reason"] == "AllocationFailed"]
        )
        without = next(n for n in "abc" if not address(cluster, n))
        first = next(n for n in "abc" if n != without)
        freed = address(cluster, first)
        await cluster.client.delete("services", "default", first)
        await cluster.until(lambda: address(cluster, without) == freed)

    pool = manager.ControllerSettings(gateway=False, balancer_pool=("10.0.0.1", "10.0.0.2"))
    play(scenario, settings=pool)


def test_endpoints_follow_the_pods(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("services", "default", service())
        body = deployment(replicas=2)
        containers = body["spec"]["template"]["spec"]["containers"]
        containers[0]["ports"] = [{"name": "web", "containerPort": 8080}]
        await cluster.client.create("deployments.apps", "default", body)
        await cluster.until(lambda: len(cluster.all(PODS)) == 2)
        first, second = cluster.all(PODS)
        await cluster.run_pod(first)
        await cluster.run_pod(second, ready=False)
        await cluster.until(
            lambda: (
                endpoints(cluster)
                == {
                    "10.244.0.1": (True, True, False),
                    "10.244.0.2": (False, False, False),
                }
            )
        )
        (slice_,) = cluster.all(SLICES)
        assert slice_["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
        labels = slice_["metadata"]["labels"]
        assert labels["kubernetes.io/service-name"] == "web"
        assert labels["team"] == "a"
        subset = cluster.one("endpoints", "web")["subsets"][0]
        assert [one["ip"] for one in subset["addresses"]] == ["10.244.0.1"]
        assert [one["ip"] for one in subset["notReadyAddresses"]] == ["10.244.0.2"]
        await cluster.client.delete(PODS, "default", first["metadata"]["name"])
        await cluster.until(lambda: endpoints(cluster).get("10.244.0.1") == (False, True, True))
        await cluster.end_pod(first)
        await cluster.until(lambda: "10.244.0.1" not in endpoints(cluster))
        await cluster.client.delete("services", "default", "web")
        await cluster.until(lambda: not cluster.all(SLICES) and not cluster.all("endpoints"))

    play(scenario)


def test_endpoints_given_by_hand_are_mirrored(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("services", "default", service(selector=None))
        body: Json = {"apiVersion": "v1", "kind": "Endpoints"}
        body["metadata"] = {"name": "web", "namespace": "default"}
        body["subsets"] = [{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 81}]}]
        await cluster.client.create("endpoints", "default", body)
        (slice_,) = await cluster.until(lambda: cluster.all(SLICES))
        assert slice_["endpoints"][0]["addresses"] == ["192.0.2.7"]
        assert slice_["ports"][0]["port"] == 81

    play(scenario)


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_dependents_go_with_their_owner(play: Any, deployment: Any, propagation: str) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment())
        await cluster.until(lambda: len(cluster.all(PODS)) == 3)
        await cluster.client.delete("deployments.apps", "default", "web", propagation=propagation)
        if propagation == "Foreground":
            assert cluster.one("deployments.apps", "web")["metadata"]["finalizers"]
        await cluster.until(
            lambda: not (cluster.all("deployments.apps") or cluster.all(SETS) or cluster.all(PODS))
        )

    play(scenario, agent=True)


def test_orphans_stay_without_an_owner(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        await cluster.client.create("deployments.apps", "default", deployment())
        await cluster.until(lambda: len(cluster.all(PODS)) == 3)
        await cluster.client.delete("deployments.apps", "default", "web", propagation="Orphan")
        await cluster.until(lambda: not cluster.all("deployments.apps"))
        await cluster.quiet()
        (left,) = cluster.all(SETS)
        assert "ownerReferences" not in left["metadata"]
        assert len(cluster.all(PODS)) == 3

    play(scenario)


def test_an_object_with_two_owners_outlives_one(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        one = await cluster.client.create("configmaps", "default", config("one"))
        two = await cluster.client.create("configmaps", "default", config("two"))
        child = config("child", one)
        child["metadata"]["ownerReferences"] += config("x", two)["metadata"]["ownerReferences"]
        await cluster.client.create("configmaps", "default", child)
        await cluster.client.delete("configmaps", "default", "one")
        await cluster.quiet()
        assert cluster.one("configmaps", "child")
        await cluster.client.delete("configmaps", "default", "two")
        await cluster.until(lambda: not cluster.one("configmaps", "child"))

    play(scenario)


@pytest.mark.parametrize("both", [False, True])
def test_a_foreground_deletion_does_not_wait_for_what_another_owner_keeps(
    play: Any, both: bool
) -> None:
    async def scenario(cluster: Any) -> None:
        references = []
        for name in ("one", "two"):
            owner = await cluster.client.create("configmaps", "default", config(name))
            (reference,) = config("x", owner)["metadata"]["ownerReferences"]
            references.append({**reference, "blockOwnerDeletion": True})
        child = config("child")
        child["metadata"]["ownerReferences"] = references
        await cluster.client.create("configmaps", "default", child)
        going = ("one", "two") if both else ("one",)
        for name in going:
            await cluster.client.delete("configmaps", "default", name, propagation="Foreground")
        await cluster.until(lambda: not any(cluster.one("configmaps", name) for name in going))
        await cluster.quiet()
        left = cluster.one("configmaps", "child")
        if both:
            assert not left
        else:
            assert [one["name"] for one in left["metadata"]["ownerReferences"]] == ["two"]

    play(scenario)


def test_an_object_born_after_its_owner_died_goes(play: Any) -> None:
    async def scenario(cluster: Any) -> None:
        owner = await cluster.client.create("configmaps", "default", config("owner"))
        await cluster.client.delete("configmaps", "default", "owner")
        await cluster.client.create("configmaps", "default", config("late", owner))
        await cluster.until(lambda: not cluster.one("configmaps", "late"))

    play(scenario)


def test_a_deleted_namespace_is_emptied_and_goes(play: Any, deployment: Any) -> None:
    async def scenario(cluster: Any) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        await cluster.client.create("namespaces", "", body)
        web = deployment()
        web["metadata"]["namespace"] = "shop"
        await cluster.client.create("deployments.apps", "shop", web)
        await cluster.until(lambda: len(cluster.all(PODS, "shop")) == 3)
        held = config("held", finalizers=["test.dev/hold"])
        held["metadata"]["namespace"] = "shop"
        await cluster.client.create("configmaps", "shop", held)
        await cluster.client.delete("namespaces", "", "shop")
        status = await cluster.until(
            lambda: (
                cluster.one("namespaces", "shop", "").get("status", {}).get("conditions")
                and not cluster.all(PODS, "shop")
                and cluster.one("namespaces", "shop", "")["status"]
            )
        )
        assert status["phase"] == "Terminating"
        with pytest.raises(ApiError, match="being terminated"):
            await cluster.client.create(
                "configmaps",
                "shop",
                {**config("no"), "metadata": {"name": "no", "namespace": "shop"}},
            )
        patch = {"metadata": {"finalizers": None}}
        await cluster.client.patch("configmaps", "shop", "held", patch)
        await cluster.until(lambda: not cluster.one("namespaces", "shop", ""))

    play(scenario, agent=True)
