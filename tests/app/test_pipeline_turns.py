"""A changed mode of mutual TLS on its way through the pipeline: who is told when."""

import asyncio
from datetime import UTC, datetime

import pytest

from lateen.app.mesh.identities import Identities
from lateen.app.mesh.pipeline import PATIENCE_SECONDS, Pipeline
from lateen.base.clock import ManualClock
from lateen.base.tasks import TaskGroup
from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.pki.authority import Authority
from lateen.store.api import Key
from lateen.store.memory import MemoryStore
from lateen.xds.hub import Hub

SERVER, CLIENT, OTHER = "default/server", "default/client", "default/other"
POLICY = Key("peerauthentications.security.istio.io", "default", "server")


class Proxy:
    """A stream that keeps what it was told, and answers when a test says so."""

    def __init__(self, name, hub):
        self.name, self.hub = name, hub
        self.told, self.behind = [], set()
        hub.attach(name, self)

    def publish(self, config, touched):
        self.told += [kind.name for kind in touched]
        self.behind.update(touched)

    def waiting(self, kind):
        return kind in self.behind

    def subscribed(self, kind):
        return True

    def answer(self, error=None):
        for kind in tuple(self.behind):
            self.behind.discard(kind)
            self.hub.settled(self.name, kind, ("virtualInbound",), error)

    def heard(self):
        told, self.told = self.told, []
        return told


class Mesh:
    """One server with a Service, some clients, and a policy for the server."""

    def __init__(self, directory, clients=("client", "other")):
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.store, self.hub = MemoryStore(), Hub(self.clock)
        authority = Authority.open(directory, self.clock, "cluster.local")
        self.pipeline = Pipeline(
            self.store,
            self.hub,
            Identities(authority, self.clock, lambda _proxy, _content: None),
            MeshSettings(features=versions.features()),
            self.clock,
            system_roots="/etc/ssl/cert.pem",
        )
        self.store.subscribe("*", self.pipeline.note)
        self.names = [f"default/{name}" for name in ("server", *clients)]
        for number, name in enumerate(("server", *clients)):
            self.hub.add_proxy(f"default/{name}")
            self.put("pods", pod(name, f"10.244.0.{number + 2}"))
        self.put("services", SERVICE)
        self.put("endpointslices.discovery.k8s.io", SLICE)
        self.store.create(POLICY, policy("STRICT"))
        self.pipeline.compile()

    def put(self, resource, body):
        self.store.create(Key(resource, "default", body["metadata"]["name"]), body)

    def connect(self):
        self.proxies = [Proxy(name, self.hub) for name in self.names]
        return self.proxies

    def mode(self, mode):
        self.store.update(POLICY, policy(mode))
        self.pipeline.compile()

    def accepted(self):
        return self.pipeline.views[SERVER].inbound.ports[0].mode.mode.value

    def chosen(self, proxy):
        return [e.mtls for e in self.pipeline.views[proxy].outbound.endpoints]


def pod(name, ip):
    containers = [
        {"name": "istio-proxy", "image": "auto", "args": ["proxy", "sidecar"]},
        {"name": "app", "image": "nginx", "ports": [{"containerPort": 80}]},
    ]
    labels = {"app": name, "security.istio.io/tlsMode": "istio"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": labels},
        "spec": {"containers": containers},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]},
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "server", "namespace": "default"},
    "spec": {
        "clusterIP": "10.96.0.1",
        "selector": {"app": "server"},
        "ports": [{"port": 80, "name": "http"}],
    },
}
SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "server",
        "namespace": "default",
        "labels": {"kubernetes.io/service-name": "server"},
    },
    "addressType": "IPv4",
    "ports": [{"name": "http", "port": 80}],
    "endpoints": [
        {
            "addresses": ["10.244.0.2"],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": "server", "namespace": "default"},
        }
    ],
}


def policy(mode):
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "server", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "server"}}, "mtls": {"mode": mode}},
    }


@pytest.fixture
def mesh(tmp_path):
    return Mesh(tmp_path)


def test_a_server_opens_then_clients_choose_then_it_closes(mesh):
    server, client, other = mesh.connect()
    mesh.mode("DISABLE")
    assert (server.heard(), client.heard(), other.heard()) == (["LISTENER"], [], [])
    assert mesh.accepted() == "PERMISSIVE"
    assert mesh.pipeline.pending
    server.answer()
    assert (client.heard(), other.heard(), server.heard()) == (["ENDPOINT"], ["ENDPOINT"], [])
    client.answer()
    assert server.heard() == ["ENDPOINT"]
    server.answer()
    assert server.heard() == []
    other.answer()
    assert server.heard() == ["LISTENER"]
    assert mesh.accepted() == "DISABLE"
    assert mesh.chosen(CLIENT) == mesh.chosen(OTHER) == [(False,)]
    assert not mesh.pipeline.pending


def test_a_rejection_is_an_answer(mesh):
    server, client, _ = mesh.connect()
    mesh.mode("DISABLE")
    server.answer("no")
    assert client.heard() == ["ENDPOINT"]


def test_who_is_not_connected_is_not_waited_for(mesh):
    mesh.mode("DISABLE")
    assert not mesh.pipeline.pending
    assert mesh.accepted() == "DISABLE"
    assert mesh.chosen(CLIENT) == [(False,)]


def test_who_leaves_is_not_waited_for(mesh):
    server, client, _ = mesh.connect()
    mesh.mode("DISABLE")
    mesh.hub.detach(SERVER, server)
    assert client.heard() == ["ENDPOINT"]


def test_a_proxy_that_is_removed_is_not_waited_for(mesh):
    _, client, _ = mesh.connect()
    mesh.mode("DISABLE")
    mesh.store.delete(Key("pods", "default", "server"))
    mesh.pipeline.compile()
    assert "ENDPOINT" in client.heard()
    assert SERVER not in mesh.pipeline.views


def test_who_does_not_answer_is_waited_for_no_longer_than_that(mesh):
    async def scene():
        tasks = TaskGroup("turns")
        tasks.start(mesh.pipeline.hurry(), "hurry")
        server, client, other = mesh.connect()
        mesh.mode("DISABLE")
        await asyncio.sleep(0)
        await mesh.clock.advance(PATIENCE_SECONDS / 2)
        assert client.heard() == []
        for _ in range(3):
            await mesh.clock.advance(PATIENCE_SECONDS / 2)
        assert "ENDPOINT" in client.heard()
        for _ in range(6):
            await mesh.clock.advance(PATIENCE_SECONDS / 2)
        assert "ENDPOINT" in other.heard()
        assert server.heard()[-1] == "LISTENER"
        assert mesh.accepted() == "DISABLE"
        assert not mesh.pipeline.pending
        await tasks.stop()

    asyncio.run(scene())


def test_many_that_do_not_answer_are_not_waited_for_one_after_the_other(tmp_path):
    mesh = Mesh(tmp_path, [f"client-{number}" for number in range(20)])

    async def scene():
        tasks = TaskGroup("turns")
        tasks.start(mesh.pipeline.hurry(), "hurry")
        server, *_ = mesh.connect()
        mesh.mode("DISABLE")
        server.answer()
        for _ in range(8):
            await mesh.clock.advance(PATIENCE_SECONDS / 2)
        assert not mesh.pipeline.pending
        assert mesh.accepted() == "DISABLE"
        await tasks.stop()

    asyncio.run(scene())


def test_a_change_meanwhile_is_not_held_up(mesh):
    """Another Service, while the server has not answered: for everybody whose choices stay."""
    server, client, _ = mesh.connect()
    mesh.mode("PERMISSIVE")
    assert server.heard() == ["LISTENER"]
    mesh.put("services", {**SERVICE, "metadata": {"name": "more", "namespace": "default"}})
    mesh.pipeline.compile()
    assert "CLUSTER" in client.heard()


def test_back_and_forth_ends_with_the_last(mesh):
    proxies = mesh.connect()
    for number, mode in enumerate(("DISABLE", "STRICT", "PERMISSIVE", "DISABLE", "STRICT")):
        mesh.mode(mode)
        proxies[number % 3].answer()
    for _ in range(8):
        for proxy in proxies:
            proxy.answer()
    assert not mesh.pipeline.pending
    assert mesh.accepted() == "STRICT"
    assert mesh.chosen(CLIENT) == [(True,)]
