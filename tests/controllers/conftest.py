"""A real API server in memory with all controllers on it; the test plays the node agent."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.apiserver.serving import local
from lateen.apiserver.writing import verbs
from lateen.base import clock as clocks, tasks
from lateen.controllers import manager
from lateen.store import memory

Json = dict[str, Any]
DEADLINE = 5.0


class Cluster:
    """What a scenario works with."""

    def __init__(self, clock: clocks.Clock) -> None:
        self.clock = clock
        self.store = memory.MemoryStore()
        self.api = verbs.Api(self.store, clock)
        self.client = local.LocalClient(self.api)
        self._written = asyncio.Event()
        self._addresses = 0
        self.store.subscribe("*", lambda _: self._written.set())

    def all(self, resource: str, namespace: str = "default") -> list[Json]:
        """Return what is stored, without waiting."""
        return [dict(one.value) for one in self.store.list(resource, namespace).entries]

    def one(self, resource: str, name: str, namespace: str = "default") -> Json:
        """Return a stored object; {} if there is none."""
        found = [o for o in self.all(resource, namespace) if o["metadata"]["name"] == name]
        return found[0] if found else {}

    async def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Wait for a condition on the store, looking after each write."""

        async def look() -> Any:
            while not (found := condition()):
                self._written.clear()
                await self._written.wait()
            return found

        try:
            return await asyncio.wait_for(look(), DEADLINE)
        except TimeoutError:
            raise AssertionError(f"did not happen in {DEADLINE} s: {what or condition}") from None

    async def quiet(self) -> int:
        """Let everything settle; return the revision at which nothing more was written."""
        while True:
            before = self.store.revision
            for _ in range(200):
                await asyncio.sleep(0)
            if self.store.revision == before:
                return before

    async def run_pod(self, pod: Json, *, ready: bool = True, phase: str = "Running") -> None:
        """Do the agent's part: report a pod as running and ready, or as ended."""
        name, space = pod["metadata"]["name"], pod["metadata"]["namespace"]
        fresh = await self.client.get("pods", space, name)
        self._addresses += 1
        stamp = clocks.rfc3339(self.clock.now())
        kept = [c for c in fresh["status"].get("conditions", []) if c["type"] != "Ready"]
        fresh["status"].setdefault("podIP", f"10.244.0.{self._addresses}")
        fresh["status"]["phase"] = phase
        word = "True" if ready and phase == "Running" else "False"
        new = {"type": "Ready", "status": word, "lastTransitionTime": stamp}
        fresh["status"]["conditions"] = [*kept, new]
        await self.client.update_status("pods", space, name, fresh)

    async def end_pod(self, pod: Json) -> None:
        """Do the agent's part of a deletion: the processes are gone, remove the object."""
        meta = pod["metadata"]
        await self.client.delete("pods", meta["namespace"], meta["name"], grace_seconds=0)

    async def act_as_agent(self) -> None:
        """Run whatever is bound and remove whatever is being deleted, until cancelled."""
        done: set[str] = set()
        while True:
            for pod in self.all("pods", ""):
                meta = pod["metadata"]
                if meta.get("deletionTimestamp"):
                    if meta.get("deletionGracePeriodSeconds"):
                        await self.end_pod(pod)
                elif pod["spec"].get("nodeName") and meta["uid"] not in done:
                    done.add(meta["uid"])
                    await self.run_pod(pod)
            await asyncio.sleep(0.001)


Scenario = Callable[[Cluster], Awaitable[None]]


@pytest.fixture
def play() -> Callable[..., None]:
    """Run a scenario against a fresh lab."""

    def run(
        scenario: Scenario,
        *,
        agent: bool = False,
        manage: bool = True,
        clock: clocks.Clock | None = None,
        settings: manager.ControllerSettings | None = None,
    ) -> None:
        async def lab() -> None:
            cluster = Cluster(clock or clocks.SystemClock())
            async with tasks.TaskGroup("lab") as group:
                chosen = settings or manager.ControllerSettings(gateway=False)
                if manage:
                    await manager.Manager(cluster.client, cluster.clock, chosen).run(group)
                if agent:
                    group.start(cluster.act_as_agent(), "agent")
                await scenario(cluster)

        asyncio.run(lab())

    return run


@pytest.fixture
def manual_clock() -> clocks.ManualClock:
    """A clock that stands at a Tuesday morning."""
    return clocks.ManualClock(datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC))


@pytest.fixture
def deployment() -> Callable[..., Json]:
    """Make Deployments."""

    def make(name: str = "web", replicas: int = 3, image: str = "nginx:1", **spec: Any) -> Json:
        labels = {"app": name}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "app", "image": image}]},
                },
                **spec,
            },
        }

    return make
