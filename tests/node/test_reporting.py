"""What the agent writes of a pod."""

import asyncio
from typing import Any

import pytest

from lateen.apiserver.serving.local import LocalClient
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.node import reporting
from lateen.store.memory import MemoryStore

Json = dict[str, Any]
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}


async def pod(client: LocalClient) -> Json:
    made: Json = await client.create("pods", "default", POD)
    return made


def test_a_pod_that_took_the_name_keeps_its_own_status() -> None:
    async def scenario() -> None:
        clock = SystemClock()
        client = LocalClient(verbs.Api(MemoryStore(), clock))
        await client.create("namespaces", "", {"metadata": {"name": "default"}})
        first = await pod(client)
        status: Json = {"phase": "Running"}
        uid = first["metadata"]["uid"]
        writer = reporting.StatusWriter(client, clock, "default", "p", uid, lambda: dict(status))
        assert await writer.write()
        assert (await client.get("pods", "default", "p"))["status"]["phase"] == "Running"
        await client.delete("pods", "default", "p", grace_seconds=0, uid=uid)
        assert (await pod(client))["metadata"]["uid"] != uid
        status["phase"] = "Failed"
        assert await writer.write(), "there is nothing to be tried again"
        assert (await client.get("pods", "default", "p"))["status"]["phase"] == "Pending"

    asyncio.run(scenario())


READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.mark.parametrize(
    ("before", "after", "urgent"),
    [
        ({}, {"phase": "Pending"}, False),
        ({}, {"podIP": "10.244.0.3"}, True),
        ({"podIP": "10.244.0.3"}, {"podIP": "10.244.0.3", **READY}, True),
        ({"podIP": "10.244.0.3", **READY}, {"podIP": "10.244.0.3"}, True),
        ({"phase": "Running"}, {"phase": "Succeeded"}, True),
        ({"phase": "Pending"}, {"phase": "Running"}, False),
        (READY, {**READY, "containerStatuses": []}, False),
    ],
)
def test_what_somebody_waits_for_is_written_at_once(
    before: Json, after: Json, urgent: bool
) -> None:
    assert reporting.urgent(before, after) is urgent
