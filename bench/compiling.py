"""Compiling 1,000 services for one new scope, and one changed object for ten proxies."""

import asyncio
import functools
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import meshes, tables
from bench.tables import Row
from lateen.app import process
from lateen.app.lab import meshsettings
from lateen.app.lab.settings import LabSettings
from lateen.app.mesh.identities import Identities
from lateen.app.mesh.pipeline import Pipeline
from lateen.base.clock import SystemClock
from lateen.compiler.frontend import versions
from lateen.pki.authority import Authority
from lateen.store.api import Key
from lateen.store.memory import MemoryStore
from lateen.xds.hub import Hub

SERVICES = 1000
PROXIES = 10
CHANGES, TURNS = 20, 10
"""Changes of one mesh at a time, and how often each has its turn."""
ROUNDS = 5


def pod(name: str, namespace: str, number: int) -> dict[str, Any]:
    """Return a running Pod with a sidecar."""
    ip = f"10.244.{number // 250}.{number % 250 + 1}"
    containers = [
        {"name": "istio-proxy", "image": "auto", "args": ["proxy", "sidecar"]},
        {"name": "app", "image": "nginx", "ports": [{"containerPort": 80}]},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"app": name}},
        "spec": {"containers": containers, "serviceAccountName": "default", "nodeName": "lateen"},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def endpoint_slice(name: str, number: int) -> dict[str, Any]:
    """Return the EndpointSlice of a Service with two endpoints outside the lab's pods."""
    ips = [f"10.20.{number // 250}.{number % 250 + 1}", f"10.21.{number // 250}.{number % 250 + 1}"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-x",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips],
    }


def rule(name: str, connections: int) -> dict[str, Any]:
    """Return a DestinationRule."""
    pool = {"tcp": {"maxConnections": connections}}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"host": name, "exportTo": ["."], "trafficPolicy": {"connectionPool": pool}},
    }


class Mesh:
    """A store of 1,000 Services, each with a VirtualService and a DestinationRule, and the pipeline
    from it to the discovery hub."""

    def __init__(self, proxies: int, strangers: int, directory: Path) -> None:
        clock, self._runner = SystemClock(), asyncio.Runner()
        self.store = MemoryStore()
        self.hub = Hub(clock)
        authority = Authority.open(directory, clock, "cluster.local")
        identities = Identities(authority, clock, lambda proxy, content: None)
        mesh = meshsettings.mesh_settings(LabSettings(lab="bench", istio=versions.DEFAULT, user=0))
        self.pipeline = Pipeline(
            self.store, self.hub, identities, mesh, clock, system_roots="/etc/ssl/cert.pem"
        )
        self.store.subscribe("*", self.pipeline.note)
        for name in ("default", "elsewhere"):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self._put("namespaces", body)
        for number in range(SERVICES):
            self._service(f"svc-{number}", number)
        for number in range(proxies):
            self.add_pod(f"caller-{number}", "default", number)
        for number in range(strangers):
            self.add_pod(f"stranger-{number}", "elsewhere", proxies + number)

    def _put(self, resource: str, body: dict[str, Any]) -> None:
        meta = body["metadata"]
        self.store.create(Key(resource, meta.get("namespace", ""), meta["name"]), body)

    def _service(self, name: str, number: int) -> None:
        body = meshes.service(name, name)
        body["metadata"]["namespace"] = "default"
        body["spec"]["clusterIP"] = f"10.96.{number // 250}.{number % 250 + 1}"
        self._put("services", body)
        self._put("endpointslices.discovery.k8s.io", endpoint_slice(name, number))
        route = meshes.mesh_route(name)
        route["spec"]["exportTo"] = ["."]
        self._put("virtualservices.networking.istio.io", route)
        self._put("destinationrules.networking.istio.io", rule(name, 100))

    def add_pod(self, name: str, namespace: str, number: int) -> None:
        """Add a running pod with a proxy."""
        self.hub.add_proxy(f"{namespace}/{name}")
        self._put("pods", pod(name, namespace, number))

    def change(self, number: int) -> None:
        """Change one DestinationRule that the callers alone can see, and bring it to the hub."""
        body = rule(f"svc-{number % SERVICES}", 101 + number)
        meta = body["metadata"]
        key = Key("destinationrules.networking.istio.io", meta["namespace"], meta["name"])
        self.store.update(key, body)
        self.compile()

    def compile(self) -> None:
        """Bring all that changed to the hub, as the plane does."""
        self._runner.run(self.pipeline.round())


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def floor() -> None:
    """Build 1,000 clusters, their endpoints and one route table by bare protobuf, no rules."""
    from envoy.config.cluster.v3 import cluster_pb2
    from envoy.config.endpoint.v3 import endpoint_pb2
    from envoy.config.route.v3 import route_pb2
    from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

    table = route_pb2.RouteConfiguration(name="80")
    for number in range(SERVICES):
        name = f"outbound|80||svc-{number}.default.svc.cluster.local"
        cluster = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
        cluster.eds_cluster_config.service_name = name
        cluster.connect_timeout.seconds = 10
        limits = cluster.circuit_breakers.thresholds.add()
        limits.max_connections.value = limits.max_requests.value = 100
        cluster.metadata.filter_metadata["istio"].fields["config"].string_value = name
        context = tls_pb2.UpstreamTlsContext(sni=name)
        common = context.common_tls_context
        common.alpn_protocols.append("istio")
        common.tls_certificate_sds_secret_configs.add(name="default").sds_config.ads.SetInParent()
        match = cluster.transport_socket_matches.add(name="tlsMode-istio")
        match.match.fields["tlsMode"].string_value = "istio"
        match.transport_socket.name = "envoy.transport_sockets.tls"
        match.transport_socket.typed_config.Pack(context)
        cluster.SerializeToString(deterministic=True)
        load = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
        for last in (1, 2):
            found = load.endpoints.add().lb_endpoints.add()
            found.endpoint.address.socket_address.address = f"10.20.0.{last}"
            found.endpoint.address.socket_address.port_value = 80
            found.metadata.filter_metadata["envoy.transport_socket_match"].fields[
                "tlsMode"
            ].string_value = "istio"
        load.SerializeToString(deterministic=True)
        host = table.virtual_hosts.add(name=name, domains=[f"svc-{number}", f"svc-{number}:80"])
        route = host.routes.add()
        route.match.prefix = "/"
        route.route.cluster = name
        route.route.timeout.seconds = 5
        route.route.retry_policy.num_retries.value = 2
    table.SerializeToString(deterministic=True)


def changes(several: Sequence[Mesh]) -> list[float]:
    """Return the median CPU seconds of one change, for each mesh. They take turns: what is wanted
    is the difference, and the machine's speed changes from one minute to the next."""
    for mesh in several:
        mesh.compile()
        mesh.change(0)
    gc.collect()
    found: list[list[float]] = [[] for _ in several]
    for turn in range(TURNS):
        for mesh, times in zip(several, found, strict=True):
            numbers = range(1 + turn * CHANGES, 1 + (turn + 1) * CHANGES)
            times += [timed(functools.partial(mesh.change, number)) for number in numbers]
    return [statistics.median(times) for times in found]


def run() -> list[Row]:
    """Measure, with the collector as the plane sets it."""
    process.settle()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        loads, colds = [], []
        for _ in range(ROUNDS):
            gc.collect()
            mesh = Mesh(0, 0, directory)
            loads.append(timed(mesh.compile))
            mesh.add_pod("caller", "default", 0)
            colds.append(timed(mesh.compile))
        floors = [timed(floor) for _ in range(ROUNDS)]
        counts = ((1, 0), (PROXIES, 0), (PROXIES, 1), (PROXIES, 1 + PROXIES))
        one, ten, strange, more = changes([Mesh(*count, directory) for count in counts])
    cold, least = tables.median(colds), tables.median(floors)
    each = (ten - one) / (PROXIES - 1)
    other = (more - strange) / PROXIES
    return [
        Row(
            f"{SERVICES} Services, each with its rules, compiled for one new scope",
            tables.spread(colds),
            f"{tables.milliseconds(least)} (bare protobuf)",
            f"{cold / least:.1f}x",
            "170 ms",
            cold <= 0.170,
        ),
        Row(
            f"… reading {4 * SERVICES} objects in before that, once a start",
            tables.spread(loads),
        ),
        Row(
            f"one changed DestinationRule at {SERVICES} Services, {PROXIES} proxies concerned",
            tables.milliseconds(ten),
            ratio=f"{tables.milliseconds(ten / PROXIES)} per proxy",
            goal="0.5 ms per proxy",
            met=ten / PROXIES <= 0.0005,
        ),
        Row("… of it for each further proxy concerned", tables.milliseconds(max(each, 0.0))),
        Row(
            "… for each proxy that it does not concern",
            f"{max(other, 0.0) * 1e6:.1f} µs",
            goal="nothing (10 µs)",
            met=other <= 10e-6,
        ),
    ]
