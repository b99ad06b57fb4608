"""What the front end makes is accepted by Envoy itself: every golden case, rendered and validated.

Resources are put into a static bootstrap. Route tables become listeners of their own, since a
validating Envoy fetches none; an original-destination cluster loses its TLS socket, whose
secrets a static cluster cannot ask for.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import config_source_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as manager_pb2,
)

from lateen.compiler.backend.render import Renderer
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.node import sidecar

FOLDERS = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/*/in.yaml"))
BOOTSTRAP_CLUSTERS = ("xds-grpc", "sds-grpc", "zipkin")


def bootstrap(resources: ResourceSet) -> bootstrap_pb2.Bootstrap:
    made = bootstrap_pb2.Bootstrap()
    made.node.id = made.node.cluster = "test"
    ads = made.dynamic_resources.ads_config
    ads.api_type = config_source_pb2.ApiConfigSource.DELTA_GRPC
    ads.transport_api_version = config_source_pb2.V3
    ads.grpc_services.add().envoy_grpc.cluster_name = "xds-grpc"
    for name in BOOTSTRAP_CLUSTERS:
        made.static_resources.clusters.add(name=name).load_assignment.cluster_name = name
    for resource in resources.of(ResourceType.CLUSTER).values():
        cluster = cluster_pb2.Cluster.FromString(resource.body)
        if cluster.type == cluster_pb2.Cluster.ORIGINAL_DST:
            cluster.ClearField("transport_socket")
        made.static_resources.clusters.append(cluster)
    for resource in resources.of(ResourceType.LISTENER).values():
        made.static_resources.listeners.append(listener_pb2.Listener.FromString(resource.body))
    for number, resource in enumerate(resources.of(ResourceType.ROUTE).values()):
        manager = manager_pb2.HttpConnectionManager(stat_prefix="test")
        manager.route_config.CopyFrom(route_pb2.RouteConfiguration.FromString(resource.body))
        router = manager.http_filters.add(name="envoy.filters.http.router")
        router.typed_config.Pack(router_pb2.Router())
        listener = made.static_resources.listeners.add(name=f"routes-{number}")
        listener.address.socket_address.address = "127.0.0.1"
        listener.address.socket_address.port_value = 20_000 + number
        last = listener.filter_chains.add().filters.add(name="envoy.http_connection_manager")
        last.typed_config.Pack(manager)
    return made


@pytest.mark.e2e
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_envoy_accepts(folder: Path, build: Any, tmp_path: Path) -> None:
    header, _, manifests = (folder / "in.yaml").read_text().partition("\n---\n")
    head = yaml.safe_load(header)
    built = build(
        manifests,
        istio=str(head.get("istio", "1.32")),
        gateway=bool(head.get("gateway")),
        **head.get("settings", {}),
    )
    for ref in built.proxies():
        file = tmp_path / f"{ref.name}.pb"
        resources = Renderer().render(built.mesh.view(ref))
        file.write_bytes(bootstrap(resources).SerializeToString())
        done = subprocess.run(
            [sidecar.envoy_binary(), "--mode", "validate", "-l", "error", "-c", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, f"{ref}: {done.stderr[:2000]}"
