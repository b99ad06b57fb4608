"""From the store to the proxies: what one proxy fails at is no other proxy's matter."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lateen.app.mesh.identities import Identities
from lateen.app.mesh.pipeline import Pipeline
from lateen.base.clock import ManualClock
from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.output import ResourceType
from lateen.pki.authority import Authority
from lateen.store.api import Event, EventType, Key
from lateen.store.memory import MemoryStore
from lateen.xds.hub import Hub

RULES = "destinationrules.networking.istio.io"
CLUSTER = "outbound|80||web.default.svc.cluster.local"


class Lab:
    """A pipeline with two sidecars, in `default` and in `other`, and one Service."""

    def __init__(self, folder: Path) -> None:
        clock = ManualClock(datetime(2026, 11, 27, tzinfo=UTC))
        self.store, self.hub = MemoryStore(), Hub(clock)
        identities = Identities(
            Authority.open(folder, clock), clock, lambda proxy, made: self.take(proxy, made)
        )
        settings = MeshSettings(features=versions.features())
        self.pipeline = Pipeline(
            self.store, self.hub, identities, settings, clock, system_roots="/ca.pem"
        )
        for place in ("default", "other"):
            self.hub.add_proxy(f"{place}/a")
            self.write("pods", place, "a", containers=[{"name": "c"}, {"name": "istio-proxy"}])
        ports = [{"name": "http", "port": 80}]
        self.write("services", "default", "web", clusterIP="10.0.0.1", ports=ports)

    def take(self, proxy: str, made: Any) -> None:
        self.hub.publish(proxy, "identity", made)

    def write(self, resource: str, namespace: str, name: str, **spec: Any) -> None:
        body: dict[str, Any] = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        if resource == "pods":
            body["status"] = {"podIP": "10.244.0.2"}
        entry = self.store.create(Key(resource, namespace, name), body)
        self.pipeline.note(Event(EventType.ADDED, entry))

    def cluster(self, proxy: str) -> bytes:
        return self.hub.config(proxy)[ResourceType.CLUSTER][CLUSTER].body


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.pipeline.compile()
    return made


def test_a_proxy_that_cannot_be_configured_keeps_what_it_has_alone(lab: Lab) -> None:
    """An object that validation would refuse today may be stored from before."""
    kept, changed = lab.cluster("default/a"), lab.cluster("other/a")
    refused = {"outlierDetection": {"consecutive5xxErrors": -1}}
    lab.write(RULES, "default", "own", host="web", exportTo=["."], trafficPolicy=refused)
    pool = {"connectionPool": {"tcp": {"maxConnections": 7}}}
    host = "web.default.svc.cluster.local"
    lab.write(RULES, "other", "own", host=host, trafficPolicy=pool)
    lab.pipeline.compile()
    assert lab.cluster("default/a") == kept
    assert lab.cluster("other/a") != changed


def test_what_is_noticed_is_told_when_it_is_asked_for(lab: Lab) -> None:
    assert asyncio.run(lab.pipeline.diagnostics()) == ()
    lab.write(RULES, "default", "typo", host="webb")
    lab.pipeline.compile()
    assert [each.code for each in asyncio.run(lab.pipeline.diagnostics())] == ["IST0174"]
