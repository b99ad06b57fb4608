"""A pure model of a mesh and of a client, for the laws that every session must keep."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from lateen.compiler.output import Resource, ResourceType
from lateen.xds import resources
from lateen.xds.delta import DeltaSession
from lateen.xds.session import Send
from lateen.xds.sotw import SotwSession

NODE = "sidecar~10.244.0.2~a.default~default.svc.cluster.local"
CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION, RUNTIME = ResourceType


def made(kind, name, content):
    """A resource of the model: its content is text, a listener's or route's says what it uses."""
    return Resource(kind, name, f"{name}\0{content}".encode())


def parsed(body: bytes) -> tuple[str, bytes]:
    """Name and content of a model resource; an empty placeholder is a real protobuf message."""
    if b"\0" not in body:
        return body[2 : 2 + body[1]].decode(), b""
    name, _, content = body.partition(b"\0")
    return name.decode(), content


def config(clusters: Mapping[str, int], listeners: Mapping[str, tuple[int, str]]):
    """A consistent mesh: every listener has a route table, which sends to one cluster.

    `clusters` maps a name to a version, which cluster and endpoints share; `listeners` maps a
    name to (version, cluster).
    """
    return {
        CLUSTER: {n: made(CLUSTER, n, f"{v // 2}") for n, v in clusters.items()},
        ENDPOINT: {n: made(ENDPOINT, n, f"{v}") for n, v in clusters.items()},
        LISTENER: {n: made(LISTENER, n, f"{v // 2}") for n, (v, _) in listeners.items()},
        ROUTE: {f"r-{n}": made(ROUTE, f"r-{n}", f"{v} {c}") for n, (v, c) in listeners.items()},
        SECRET: {"default": made(SECRET, "default", "key")},
        EXTENSION: {
            f"x-{n}": made(EXTENSION, f"x-{n}", f"{v // 2}") for n, (v, _) in listeners.items()
        },
        RUNTIME: {"values": made(RUNTIME, "values", f"{len(clusters)}")},
    }


def touched(old, new):
    """The difference of two configurations, as the hub tells it."""
    names = {kind: resources.changed(old.get(kind, {}), new.get(kind, {})) for kind in ResourceType}
    return {kind: changed for kind, changed in names.items() if changed}


@dataclass
class Client:
    """What Envoy does, without Envoy: subscribes, applies, answers, and follows references."""

    rejects: frozenset[str] = frozenset()
    """Names whose every response is rejected."""
    has: dict[ResourceType, dict[str, bytes]] = field(
        default_factory=lambda: {kind: {} for kind in ResourceType}
    )
    outbox: deque[bytes] = field(default_factory=deque)
    wanted: dict[ResourceType, set[str]] = field(
        default_factory=lambda: {kind: set() for kind in ResourceType}
    )
    history: list[tuple[ResourceType, tuple[str, ...]]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Moments at which a route led to a cluster that could not be used."""

    def check(self) -> None:
        """Note every route that leads nowhere now."""
        for name, body in self.has[ROUTE].items():
            listener = name.removeprefix("r-")
            if listener not in self.has[LISTENER] or not body:
                continue
            cluster = body.decode().split()[1]
            if cluster not in self.has[CLUSTER] or cluster not in self.has[ENDPOINT]:
                self.broken.append(f"{name} -> {cluster}")

    def references(self) -> dict[ResourceType, set[str]]:
        """What its clusters and listeners make it ask for."""
        return {
            ENDPOINT: set(self.has[CLUSTER]),
            ROUTE: {f"r-{name}" for name in self.has[LISTENER]},
            SECRET: {"default", "missing"},
            EXTENSION: {f"x-{name}" for name in self.has[LISTENER]},
            RUNTIME: {"values"},
        }

    def forget(self) -> None:
        """Drop what nothing refers to any more."""
        for kind, names in self.references().items():
            if kind is not SECRET:
                for gone in set(self.has[kind]) - names:
                    del self.has[kind][gone]


class DeltaClient(Client):
    """The incremental variant."""

    def start(self) -> None:
        for kind in (CLUSTER, LISTENER):
            self._send(kind, first=kind is CLUSTER)
        self.wanted |= {SECRET: {"default", "missing"}, RUNTIME: {"values"}}
        for kind in (SECRET, RUNTIME):
            self._send(kind, subscribe=sorted(self.wanted[kind]))

    def _send(self, kind, subscribe=(), unsubscribe=(), nonce="", error="", first=False):
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=kind.value, response_nonce=nonce)
        request.resource_names_subscribe.extend(subscribe)
        request.resource_names_unsubscribe.extend(unsubscribe)
        if first:
            request.node.id = NODE
        if error:
            request.error_detail.message = error
        self.outbox.append(request.SerializeToString())

    def receive(self, data: bytes) -> None:
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
        kind = resources.BY_URL[response.type_url]
        names = [r.name for r in response.resources]
        self.history.append((kind, (*names, *response.removed_resources)))
        if kind is EXTENSION and response.removed_resources:
            self.broken.append(f"{names}: a filter that is still there would refuse every request")
        if self.rejects.intersection(names):
            self._send(kind, nonce=response.nonce, error=f"bad: {names}")
            return
        for resource in response.resources:
            if kind in (CLUSTER, LISTENER) or resource.name in self.wanted[kind]:
                self.has[kind][resource.name] = parsed(resource.resource.value)[1]
        for name in response.removed_resources:
            if kind in (CLUSTER, LISTENER):
                self.has[kind].pop(name, None)
        self._send(kind, nonce=response.nonce)
        self.forget()
        self.check()
        self.follow()

    def follow(self) -> None:
        for kind, names in self.references().items():
            added, removed = names - self.wanted[kind], self.wanted[kind] - names
            self.wanted[kind] = names
            if added or removed:
                self._send(kind, sorted(added), sorted(removed))


class SotwClient(Client):
    """The state-of-the-world variant."""

    def __init__(self, rejects=frozenset()):
        super().__init__(rejects)
        self._nonce = {}

    def start(self) -> None:
        for kind in (CLUSTER, LISTENER):
            self._send(kind, first=kind is CLUSTER)
        self.wanted |= {SECRET: {"default", "missing"}, RUNTIME: {"values"}}
        for kind in (SECRET, RUNTIME):
            self._send(kind)

    def _send(self, kind, error="", first=False):
        request = discovery_pb2.DiscoveryRequest(
            type_url=kind.value, response_nonce=self._nonce.get(kind, "")
        )
        request.resource_names.extend(sorted(self.wanted[kind]))
        if first:
            request.node.id = NODE
        if error:
            request.error_detail.message = error
        self.outbox.append(request.SerializeToString())

    def receive(self, data: bytes) -> None:
        response = discovery_pb2.DiscoveryResponse.FromString(data)
        kind = resources.BY_URL[response.type_url]
        self._nonce[kind] = response.nonce
        content = dict(parsed(packed.value) for packed in response.resources)
        self.history.append((kind, tuple(content)))
        if self.rejects.intersection(content):
            self._send(kind, error=f"bad: {sorted(content)}")
            return
        if kind in (CLUSTER, LISTENER):
            self.has[kind] = content
        else:
            known = {n: body for n, body in content.items() if n in self.wanted[kind]}
            self.has[kind].update(known)
        self._send(kind)
        self.forget()
        self.check()
        for other, names in self.references().items():
            if names != self.wanted[other]:
                self.wanted[other] = names
                self._send(other)


class Conversation:
    """A client and a session with two queues between them that can be slow."""

    def __init__(self, session, client, current):
        self.session, self.client, self.current = session, client, current
        self.down: deque[bytes] = deque()
        self.reports = []

    def _perform(self, outputs):
        for output in outputs:
            if isinstance(output, Send):
                self.down.append(output.encode())
            else:
                self.reports.append(output)

    def publish(self, new) -> None:
        old, self.current = self.current, new
        self._perform(self.session.publish(new, touched(old, new)))

    def up_one(self) -> None:
        if self.client.outbox:
            self._perform(self.session.receive(self.client.outbox.popleft()))

    def down_one(self) -> None:
        if self.down:
            self.client.receive(self.down.popleft())

    def drain(self, limit=2000) -> None:
        for _ in range(limit):
            if not self.down and not self.client.outbox:
                return
            self.up_one()
            self.down_one()
        raise AssertionError("client and session never come to rest")


@pytest.fixture(scope="session")
def model():
    """The model: `config`, `touched`, `made`, conversations of both variants."""

    def delta(start, rejects=frozenset()):
        talk = Conversation(DeltaSession(NODE, start), DeltaClient(rejects), start)
        talk.client.start()
        return talk

    def sotw(start, rejects=frozenset()):
        talk = Conversation(SotwSession(NODE, start), SotwClient(rejects), start)
        talk.client.start()
        return talk

    return SimpleNamespace(
        config=config, touched=touched, made=made, parsed=parsed, delta=delta, sotw=sotw, node=NODE
    )
