"""What the front end makes is accepted by Envoy itself: every golden case, rendered and validated.

Resources are put into a static bootstrap. Route tables become listeners of their own, since a
validating Envoy fetches none; an original-destination cluster loses its TLS socket, whose
secrets a static cluster cannot ask for.
"""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
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
from lateen.node.container import sidecar

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


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate, its key and an empty list of revoked ones, by the file's ending."""
    folder = tmp_path_factory.mktemp("files")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "case")])
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
    issued = x509.CertificateBuilder(name, name, key.public_key(), 1, since, until)
    certificate = issued.add_extension(x509.BasicConstraints(True, None), True)
    revoked = x509.CertificateRevocationListBuilder(name, since, until).sign(key, SHA256())
    files = {n: folder / n for n in ("pem", "key", "crl")}
    files["pem"].write_bytes(certificate.sign(key, SHA256()).public_bytes(Encoding.PEM))
    files["key"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files["crl"].write_bytes(revoked.public_bytes(Encoding.PEM))
    return files


def with_files(manifests: str, material: dict[str, Path]) -> str:
    """Put files that exist in the place of those that a case names: Envoy opens them at once."""
    for ending, file in material.items():
        manifests = re.sub(rf"(?<=: )/[\w/.-]+\.{ending}\b", str(file), manifests)
    return manifests


@pytest.mark.e2e
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_envoy_accepts(folder: Path, build: Any, tmp_path: Path, material: dict[str, Path]) -> None:
    header, _, manifests = (folder / "in.yaml").read_text().partition("\n---\n")
    head = yaml.safe_load(header)
    built = build(
        with_files(manifests, material),
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
