"""Endpoints of a Service that many proxies reach: gathered when they come, at once when they go."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lateen.app.mesh.churn import SLICES
from lateen.app.mesh.identities import Identities
from lateen.app.mesh.pipeline import Pipeline
from lateen.base.clock import ManualClock
from lateen.base.tasks import TaskGroup
from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.output import ResourceType
from lateen.pki.authority import Authority
from lateen.store.api import Event, EventType, Key
from lateen.store.memory import MemoryStore
from lateen.xds.hub import Hub

CLUSTER = "outbound|80||web.default.svc.cluster.local"
MANY = 30


class Mesh:
    """Thirty sidecars and a Service whose endpoints come and go."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(datetime(2026, 11, 27, tzinfo=UTC))
        self.store, self.hub = MemoryStore(), Hub(self.clock)
        identities = Identities(Authority.open(folder, self.clock), self.clock, self.take)
        settings = MeshSettings(features=versions.features())
        self.pipeline = Pipeline(
            self.store, self.hub, identities, settings, self.clock, system_roots="/ca.pem"
        )
        port = {"name": "http", "port": 80, "targetPort": 8080}
        self.write("services", "web", {"spec": {"clusterIP": "10.0.0.1", "ports": [port]}})
        for number in range(MANY):
            self.hub.add_proxy(f"default/p{number}")
            spec = {"containers": [{"name": "c"}, {"name": "istio-proxy"}]}
            status = {"podIP": f"10.1.0.{number + 1}"}
            self.write("pods", f"p{number}", {"spec": spec, "status": status})
        self.endpoints(1)

    def take(self, proxy: str, made: Any) -> None:
        self.hub.publish(proxy, "identity", made)

    def write(self, resource: str, name: str, body: dict[str, Any]) -> None:
        body["metadata"] = {"name": name, "namespace": "default", **body.pop("metadata", {})}
        key = Key(resource, "default", name)
        known = {entry.key: entry for entry in self.store.list(resource).entries}.get(key)
        if known is None:
            event = Event(EventType.ADDED, self.store.create(key, body))
        else:
            event = Event(EventType.MODIFIED, self.store.update(key, body), known)
        self.pipeline.note(event)

    def endpoints(self, count: int) -> None:
        body = {
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": [f"10.1.0.{number + 1}"], "conditions": {"ready": True}}
                for number in range(count)
            ],
        }
        self.write(SLICES, "web-x", body)

    def told(self, proxy: str = "default/p7") -> int:
        """Return how many endpoints a proxy was told of."""
        body = self.hub.config(proxy)[ResourceType.ENDPOINT][CLUSTER].body
        return body.count(b"10.1.0.")


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    made = Mesh(tmp_path)
    made.pipeline.compile()
    assert made.told() == 1
    return made


async def passes(mesh: Mesh, seconds: float) -> None:
    for _ in range(20):
        await asyncio.sleep(0)
    await mesh.clock.advance(seconds)
    for _ in range(20):
        await asyncio.sleep(0)


def test_new_endpoints_wait_for_each_other(mesh: Mesh) -> None:
    async def scenario() -> None:
        async with TaskGroup("test") as tasks:
            tasks.start(mesh.pipeline.run(), "pipeline")
            tasks.start(mesh.pipeline.gather(), "gather")
            mesh.endpoints(2)
            await passes(mesh, 0.01)
            mesh.endpoints(3)
            await passes(mesh, 0.01)
            assert mesh.told() == 1
            assert mesh.pipeline.pending
            await passes(mesh, 0.3)
            await passes(mesh, 0.01)
            async with asyncio.timeout(30):
                while mesh.pipeline.pending:  # it compiles in a thread
                    await passes(mesh, 0.0)
            assert mesh.told() == 3

    asyncio.run(scenario())


def test_an_endpoint_that_goes_waits_for_nothing(mesh: Mesh) -> None:
    mesh.endpoints(3)
    mesh.pipeline.compile()
    assert mesh.told() == 1
    mesh.endpoints(2)
    mesh.pipeline.compile()
    assert mesh.told() == 2
