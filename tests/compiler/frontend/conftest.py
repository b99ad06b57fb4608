"""Fixtures of the front end's tests: meshes from YAML, and compact renderings of IR values."""

import dataclasses
from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec
import pytest
import yaml

from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.compiler.ir.workload import Service
from lateen.model import snapshot
from lateen.model.meta import ObjectRef, Source

GATEWAY = """
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec:
  type: LoadBalancer
  clusterIP: 10.96.255.1
  selector: {istio: ingressgateway}
  ports:
  - {name: status-port, port: 15021, targetPort: 15021}
  - {name: http2, port: 80, targetPort: 8080}
  - {name: https, port: 443, targetPort: 8443}
---
apiVersion: v1
kind: Pod
metadata:
  name: gateway
  namespace: istio-system
  labels: {istio: ingressgateway, app: istio-ingressgateway}
spec:
  serviceAccountName: istio-ingressgateway-service-account
  containers: [{name: istio-proxy, image: proxy, args: [proxy, router]}]
status: {phase: Running, podIP: 10.244.9.9}
"""


@dataclasses.dataclass
class Built:
    """A mesh and what it was made from."""

    mesh: assemble.Mesh
    snapshot: snapshot.Snapshot
    settings: MeshSettings

    def view(self, prefix: str) -> ProxyView:
        """Return the view of the first pod whose name begins with `prefix`."""
        found = [ref for ref in self.mesh.proxies() if ref.name.startswith(prefix)]
        assert found, f"no proxy {prefix} among {self.mesh.proxies()}"
        return self.mesh.view(found[0])

    def proxies(self) -> list[ObjectRef]:
        return list(self.mesh.proxies())


Build = Callable[..., Built]


@pytest.fixture
def gateway_manifests() -> str:
    """The manifests of an ingress gateway as istio-system holds it."""
    return GATEWAY


@pytest.fixture
def build() -> Build:
    """Compile YAML documents, with pods made for Deployments and, on demand, a gateway."""

    def make(text: str, *, istio: str = "1.32", gateway: bool = False, **settings: Any) -> Built:
        texts = (GATEWAY, text) if gateway else (text,)
        bodies = [doc for part in texts for doc in yaml.safe_load_all(part) if doc]
        found = offline.complete(snapshot.of_bodies(bodies))
        mesh_settings = MeshSettings(features=versions.features(istio), **settings)
        mesh = assemble.Frontend(mesh_settings).build(found)
        return Built(mesh, found, mesh_settings)

    return make


@pytest.fixture
def compact() -> Callable[[Any], Any]:
    """Render an IR value as plain data: defaults left out, services by name, sources as text."""
    return _compact


def _compact(value: Any) -> Any:
    if isinstance(value, Source):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Service):
        return value.hostname
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, msgspec.Struct):
        return {
            f.name: _compact(getattr(value, f.name))
            for f in msgspec.structs.fields(value)
            if getattr(value, f.name) not in (_default(f), None)
        }
    if isinstance(value, (tuple, list)):
        return [_compact(item) for item in value]
    if isinstance(value, dict):
        return {key: _compact(item) for key, item in value.items()}
    return value


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
