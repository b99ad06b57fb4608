"""What every ApiClient does. Each check takes a client and a namespace of its own to work in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lateen.model.client import ApiClient, ApiError, WatchEvent

Json = dict[str, Any]
SECONDS = 10


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels or {}},
        "data": data,
    }


def deployment(name: str) -> Json:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "nginx"}]},
            },
        },
    }


async def refused(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


async def collect(events: AsyncIterator[WatchEvent], count: int) -> list[tuple[str, str]]:
    """Return type and name of so many changes."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(SECONDS):
        async for event in events:
            if event.type == "BOOKMARK":
                continue
            found.append((event.type, event.object["metadata"]["name"]))
            if len(found) == count:
                break
    return found


async def check_create_then_get(client: ApiClient, namespace: str) -> None:
    made = await client.create("configmaps", namespace, config_map("a", x="1"))
    assert made["metadata"]["uid"]
    assert made["metadata"]["namespace"] == namespace
    assert made == await client.get("configmaps", namespace, "a")


async def check_create_twice_is_refused(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a"))
    error = await refused(client.create("configmaps", namespace, config_map("a")))
    assert (error.code, error.reason) == (409, "AlreadyExists")
    assert error.message == 'configmaps "a" already exists'


async def check_what_is_not_there(client: ApiClient, namespace: str) -> None:
    error = await refused(client.get("deployments.apps", namespace, "none"))
    assert (error.code, error.reason) == (404, "NotFound")
    assert error.message == 'deployments.apps "none" not found'
    assert error.details == {"name": "none", "group": "apps", "kind": "deployments"}


async def check_unknown_namespace(client: ApiClient, namespace: str) -> None:
    error = await refused(client.create("configmaps", "nowhere", config_map("a")))
    assert (error.code, error.message) == (404, 'namespaces "nowhere" not found')


async def check_unknown_resource(client: ApiClient, namespace: str) -> None:
    error = await refused(client.list("nonsenses.example.com"))
    assert error.code == 404


async def check_generated_names(client: ApiClient, namespace: str) -> None:
    body = config_map("")
    body["metadata"] = {"generateName": "job-"}
    names = {
        (await client.create("configmaps", namespace, body))["metadata"]["name"] for _ in range(20)
    }
    assert len(names) == 20
    assert all(name.startswith("job-") and len(name) == 9 for name in names)


async def check_update_conflicts_on_an_old_version(client: ApiClient, namespace: str) -> None:
    first = await client.create("configmaps", namespace, config_map("a", x="1"))
    second = await client.update("configmaps", namespace, "a", {**first, "data": {"x": "2"}})
    assert second["data"] == {"x": "2"}
    error = await refused(client.update("configmaps", namespace, "a", {**first, "data": {}}))
    assert (error.code, error.reason) == (409, "Conflict")
    assert "the object has been modified" in error.message


async def check_update_without_a_version_wins(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a", x="1"))
    done = await client.update("configmaps", namespace, "a", config_map("a", x="2"))
    assert done["data"] == {"x": "2"}


async def check_an_equal_update_changes_nothing(client: ApiClient, namespace: str) -> None:
    first = await client.create("deployments.apps", namespace, deployment("d"))
    again = await client.update("deployments.apps", namespace, "d", first)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert again["metadata"]["generation"] == 1


async def check_generation_counts_changes_of_the_spec(client: ApiClient, namespace: str) -> None:
    first = await client.create("deployments.apps", namespace, deployment("d"))
    labelled = {**first, "metadata": {**first["metadata"], "labels": {"x": "y"}}}
    second = await client.update("deployments.apps", namespace, "d", labelled)
    assert second["metadata"]["generation"] == 1
    changed = {**second, "spec": {**second["spec"], "replicas": 3}}
    third = await client.update("deployments.apps", namespace, "d", changed)
    assert third["metadata"]["generation"] == 2


async def check_status_is_written_apart(client: ApiClient, namespace: str) -> None:
    first = await client.create("deployments.apps", namespace, deployment("d"))
    body = {**first, "spec": {**first["spec"], "replicas": 9}, "status": {"replicas": 1}}
    done = await client.update_status("deployments.apps", namespace, "d", body)
    assert (done["spec"]["replicas"], done["status"]["replicas"]) == (1, 1)
    back = await client.update("deployments.apps", namespace, "d", {**done, "status": {}})
    assert back["status"]["replicas"] == 1
    assert back["metadata"]["generation"] == 1


async def check_merge_patch(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a", x="1", y="2"))
    done = await client.patch("configmaps", namespace, "a", {"data": {"x": None, "z": "3"}})
    assert done["data"] == {"y": "2", "z": "3"}


async def check_json_patch(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a", x="1"))
    done = await client.patch(
        "configmaps",
        namespace,
        "a",
        [{"op": "test", "path": "/data/x", "value": "1"}, {"op": "remove", "path": "/data/x"}],
        content_type="application/json-patch+json",
    )
    assert done.get("data", {}) == {}


async def check_strategic_patch_joins_containers(client: ApiClient, namespace: str) -> None:
    await client.create("deployments.apps", namespace, deployment("d"))
    containers = [{"name": "side", "image": "envoy"}]
    done = await client.patch(
        "deployments.apps",
        namespace,
        "d",
        {"spec": {"template": {"spec": {"containers": containers}}}},
        content_type="application/strategic-merge-patch+json",
    )
    names = {one["name"] for one in done["spec"]["template"]["spec"]["containers"]}
    assert names == {"main", "side"}


async def check_apply_conflicts_unless_forced(client: ApiClient, namespace: str) -> None:
    async def apply(value: str, manager: str, *, force: bool = False) -> Json:
        return await client.patch(
            "configmaps",
            namespace,
            "a",
            config_map("a", x=value),
            content_type="application/apply-patch+yaml",
            field_manager=manager,
            force=force,
        )

    await apply("1", "one")
    error = await refused(apply("2", "two"))
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.details["causes"][0]["field"] == ".data.x"
    assert (await apply("2", "two", force=True))["data"] == {"x": "2"}


async def check_delete(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a"))
    await client.delete("configmaps", namespace, "a")
    assert (await refused(client.get("configmaps", namespace, "a"))).code == 404
    assert (await refused(client.delete("configmaps", namespace, "a"))).code == 404


async def check_delete_with_another_uid_is_refused(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a"))
    error = await refused(client.delete("configmaps", namespace, "a", uid="another"))
    assert (error.code, error.reason) == (409, "Conflict")


async def check_finalizers_hold_an_object(client: ApiClient, namespace: str) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create("configmaps", namespace, body)
    going = await client.delete("configmaps", namespace, "a")
    assert going["metadata"]["deletionTimestamp"]
    patch = {"metadata": {"finalizers": None}}
    await client.patch("configmaps", namespace, "a", patch)
    assert (await refused(client.get("configmaps", namespace, "a"))).code == 404


async def check_propagation_is_marked(client: ApiClient, namespace: str) -> None:
    for policy, mark in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        name = policy.lower()
        await client.create("deployments.apps", namespace, deployment(name))
        going = await client.delete("deployments.apps", namespace, name, propagation=policy)
        assert going["metadata"]["finalizers"] == [mark]


async def check_list_by_selectors(client: ApiClient, namespace: str) -> None:
    for name, app in (("a", "web"), ("b", "web"), ("c", "db")):
        await client.create("configmaps", namespace, config_map(name, {"app": app}))

    async def names(**selectors: str) -> list[str]:
        items, _ = await client.list("configmaps", namespace, **selectors)
        return [one["metadata"]["name"] for one in items]

    assert await names(labels="app=web") == ["a", "b"]
    assert await names(labels="app in (db, x)") == ["c"]
    assert await names(labels="app!=web") == ["c"]
    assert await names(fields="metadata.name=b") == ["b"]
    assert await names(labels="app=web", fields="metadata.name!=b") == ["a"]


async def check_watch_begins_with_what_is_there(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a"))
    events = aiter(client.watch("configmaps", namespace))
    assert await collect(events, 1) == [("ADDED", "a")]


async def check_watch_follows(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a"))
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(SECONDS):
        async for event in client.watch("configmaps", namespace):
            if event.type == "BOOKMARK":
                continue
            seen.append((event.type, event.object["metadata"]["name"]))
            if len(seen) == 1:
                await client.create("configmaps", namespace, config_map("b"))
                await client.delete("configmaps", namespace, "a")
            if len(seen) == 3:
                break
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def check_watch_goes_on_from_a_list(client: ApiClient, namespace: str) -> None:
    await client.create("configmaps", namespace, config_map("a"))
    _, version = await client.list("configmaps", namespace)
    await client.create("configmaps", namespace, config_map("b"))
    await client.patch("configmaps", namespace, "a", {"data": {"x": "1"}})
    events = client.watch("configmaps", namespace, after=version)
    assert await collect(events, 2) == [("ADDED", "b"), ("MODIFIED", "a")]


async def check_a_selector_watch_sees_entering_and_leaving(
    client: ApiClient, namespace: str
) -> None:
    await client.create("configmaps", namespace, config_map("a", {"in": "no"}))
    _, version = await client.list("configmaps", namespace)
    for value in ("yes", "yes", "no"):
        labels = {"metadata": {"labels": {"in": value}}, "data": {"v": value}}
        await client.patch("configmaps", namespace, "a", labels)
        await client.patch("configmaps", namespace, "a", {"data": {"n": value + "!"}})
    events = client.watch("configmaps", namespace, after=version, labels="in=yes")
    assert await collect(events, 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def check_a_watch_of_the_past_says_so(client: ApiClient, namespace: str) -> None:
    error = await refused(collect(client.watch("configmaps", namespace, after="999999999"), 1))
    assert (error.code, error.reason) == (410, "Expired")


async def check_invalid_objects_name_the_field(client: ApiClient, namespace: str) -> None:
    body = deployment("d")
    del body["spec"]["selector"]
    error = await refused(client.create("deployments.apps", namespace, body))
    assert (error.code, error.reason) == (422, "Invalid")
    assert "spec.selector" in {cause["field"] for cause in error.details["causes"]}


async def check_returned_objects_are_copies(client: ApiClient, namespace: str) -> None:
    body = config_map("a", x="1")
    made = await client.create("configmaps", namespace, body)
    made["data"]["x"] = body["data"]["x"] = "changed"
    assert (await client.get("configmaps", namespace, "a"))["data"] == {"x": "1"}


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
