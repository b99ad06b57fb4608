"""What an object of one namespace must not touch is byte for byte what it was before."""

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.output import ResourceType
from lateen.model import snapshot
from tests.compiler.frontend import objects
from tests.compiler.frontend.test_incremental import START

SETTINGS = MeshSettings(features=versions.features())
ROOT = "istio-system"
PRIVATE = ("DestinationRule", "VirtualService", "ServiceEntry")
"""Kinds that their own namespace alone knows where `exportTo` says so."""
MESH = st.lists(objects.ANY_OBJECT, max_size=6)
CHANGED = st.one_of(
    objects.RULE,
    objects.ROUTES,
    objects.ENTRY,
    objects.SIDECAR,
    objects.ACCESS,
    objects.POLICY,
    objects.TELEMETRY,
)

Key = tuple[str, str, str]


def rendered(bodies: dict[Key, Any]) -> dict[tuple[str, ResourceType], dict[str, bytes]]:
    """Return every proxy's resources by kind, made anew: nothing is kept from mesh to mesh."""
    mesh = assemble.Frontend(SETTINGS).build(offline.complete(snapshot.of_bodies(bodies.values())))
    renderer = Renderer()
    found = {}
    for ref in mesh.proxies():
        made = renderer.render(mesh.view(ref))
        for kind in ResourceType:
            resources = {name: one.body for name, one in made.of(kind).items()}
            found[f"{ref.namespace}/{ref.name}", kind] = resources
    return found


def key_of(body: Any) -> Key:
    return body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]


def untouched(body: Any, proxy: str, kind: ResourceType) -> bool:
    """Whether an object has no part in resources of that kind of a proxy."""
    _, namespace, _ = key_of(body)
    elsewhere = proxy.partition("/")[0] != namespace
    if body["kind"] in PRIVATE:
        return elsewhere
    if body["kind"] == "PeerAuthentication":
        named = kind in (ResourceType.LISTENER, ResourceType.ROUTE)
        return named and elsewhere and namespace != ROOT
    if body["kind"] == "AuthorizationPolicy" and kind in (
        ResourceType.CLUSTER,
        ResourceType.ENDPOINT,
        ResourceType.ROUTE,
    ):
        return True
    return elsewhere and namespace != ROOT


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(MESH, CHANGED)
def test_what_an_object_has_no_part_in_is_byte_for_byte_the_same(others: Any, body: Any) -> None:
    if body["kind"] in PRIVATE:
        body["spec"]["exportTo"] = ["."]
    before = {key_of(b): b for b in (*yaml.safe_load_all(START), *others)}
    before.pop(key_of(body), None)
    old, new = rendered(before), rendered({**before, key_of(body): body})
    for (proxy, kind), resources in old.items():
        if untouched(body, proxy, kind):
            assert new[proxy, kind] == resources, (proxy, kind)
