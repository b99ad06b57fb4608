"""EnvoyFilter's patches over rendered resources, as Istio applies them."""

from typing import Any

import pytest
import yaml
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)

from lateen.compiler.backend.patches import types
from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.model import snapshot

MESH = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {containers: [{name: web}, {name: istio-proxy}]}
status: {podIP: 10.244.0.9}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90}]
"""
HTTP = "type.googleapis.com/envoy.extensions.filters.http"
MANAGER = "envoy.filters.network.http_connection_manager"
LUA = {"name": "lua", "typed_config": {"@type": f"{HTTP}.lua.v3.Lua", "inline_code": "--"}}


def of(*patches: dict[str, Any], **spec: Any) -> ResourceSet:
    """Render the web pod's proxy under one EnvoyFilter."""
    body = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "changes", "namespace": "default"},
        "spec": {"configPatches": list(patches), **spec},
    }
    return rendered(body)


def rendered(*more: dict[str, Any]) -> ResourceSet:
    bodies = [*(each for each in yaml.safe_load_all(MESH) if each), *more]
    found = offline.complete(snapshot.of_bodies(bodies))
    mesh = assemble.Frontend(MeshSettings(features=versions.features())).build(found)
    (ref,) = mesh.proxies()
    return Renderer().render(mesh.view(ref))


def patch(kind: str, operation: str, value: Any = None, **match: Any) -> dict[str, Any]:
    change = {"operation": operation} | ({"value": value} if value is not None else {})
    return {"applyTo": kind, "match": match, "patch": change}


def in_manager(sub: str = "", **more: Any) -> dict[str, Any]:
    inner: dict[str, Any] = {"name": MANAGER}
    if sub:
        inner["subFilter"] = {"name": sub}
    return {"listener": {**more, "filterChain": {"filter": inner}}}


def listener(found: ResourceSet, name: str) -> Any:
    return listener_pb2.Listener.FromString(found.of(ResourceType.LISTENER)[name].body)


def cluster(found: ResourceSet, name: str) -> Any:
    return cluster_pb2.Cluster.FromString(found.of(ResourceType.CLUSTER)[name].body)


def http_filters(chain: Any) -> list[str]:
    manager: Any = http_connection_manager_pb2.HttpConnectionManager()
    assert chain.filters[-1].typed_config.Unpack(manager)
    return [each.name for each in manager.http_filters]


def inbound(found: ResourceSet, port: int = 8080) -> list[str]:
    chains = listener(found, "virtualInbound").filter_chains
    return http_filters(
        next(c for c in chains if c.filter_chain_match.destination_port.value == port)
    )


PLAIN = inbound(rendered())
ROUTER = "envoy.filters.http.router"


@pytest.mark.parametrize(
    ("operation", "anchor", "expected"),
    [
        ("INSERT_BEFORE", ROUTER, [*PLAIN[:-1], "lua", ROUTER]),
        ("INSERT_BEFORE", "envoy.router", [*PLAIN[:-1], "lua", ROUTER]),
        ("INSERT_BEFORE", "istio.stats", [*PLAIN[:-1], "lua", ROUTER]),
        ("INSERT_AFTER", "istio.metadata_exchange", [PLAIN[0], "lua", *PLAIN[1:]]),
        ("INSERT_FIRST", ROUTER, ["lua", *PLAIN]),
        ("INSERT_BEFORE", "", ["lua", *PLAIN]),
        ("INSERT_AFTER", "nothing", PLAIN),
        ("REPLACE", "envoy.filters.http.cors", ["lua" if n.endswith("cors") else n for n in PLAIN]),
        ("REMOVE", "envoy.filters.http.fault", [n for n in PLAIN if not n.endswith("fault")]),
        ("REMOVE", "", PLAIN),
        ("ADD", "", [*PLAIN, "lua"]),
    ],
)
def test_where_an_http_filter_goes(operation: str, anchor: str, expected: list[str]) -> None:
    found = of(
        patch("HTTP_FILTER", operation, LUA, context="SIDECAR_INBOUND", **in_manager(anchor))
    )
    assert inbound(found) == expected
    assert bool(found.applied) is (expected != PLAIN)


def test_a_port_chooses_chains_of_the_inbound_listener() -> None:
    match = in_manager(ROUTER, portNumber=8080)
    found = of(patch("HTTP_FILTER", "INSERT_BEFORE", LUA, context="SIDECAR_INBOUND", **match))
    chains = listener(found, "virtualInbound").filter_chains
    touched = {
        chain.filter_chain_match.destination_port.value
        for chain in chains
        if chain.filters[-1].name == MANAGER and "lua" in http_filters(chain)
    }
    assert touched == {8080}


def test_the_other_side_is_left_alone() -> None:
    plain, found = (
        rendered(),
        of(patch("HTTP_FILTER", "INSERT_FIRST", LUA, context="SIDECAR_INBOUND", **in_manager())),
    )
    for kind in (ResourceType.CLUSTER, ResourceType.ROUTE):
        assert {n: r.body for n, r in found.of(kind).items()} == {
            n: r.body for n, r in plain.of(kind).items()
        }
    outside = found.of(ResourceType.LISTENER)["0.0.0.0_80"]
    assert outside.body == plain.of(ResourceType.LISTENER)["0.0.0.0_80"].body


def test_what_is_merged() -> None:
    """Scalars and durations overwrite, lists append, and inside a filter types are not compared."""
    host = "web.default.svc.cluster.local"
    found = of(
        patch(
            "CLUSTER",
            "MERGE",
            {"connect_timeout": "0.5s", "max_requests_per_connection": 3},
            context="SIDECAR_OUTBOUND",
            cluster={"service": host, "portNumber": 80},
        ),
        patch(
            "NETWORK_FILTER",
            "MERGE",
            {
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network."
                    "http_connection_manager.v3.HttpConnectionManager",
                    "max_request_headers_kb": 96,
                }
            },
            context="SIDECAR_OUTBOUND",
            **in_manager(),
        ),
        patch(
            "LISTENER",
            "MERGE",
            {"socket_options": [{"level": 6, "name": 5, "int_value": 30}]},
            listener={"name": "virtualInbound"},
        ),
    )
    changed = cluster(found, f"outbound|80||{host}")
    assert changed.connect_timeout.ToMilliseconds() == 500
    assert cluster(found, f"outbound|90||{host}").connect_timeout.ToMilliseconds() == 10_000
    manager: Any = http_connection_manager_pb2.HttpConnectionManager()
    chain = listener(found, "0.0.0.0_80").filter_chains[0]
    assert chain.filters[-1].typed_config.Unpack(manager)
    assert manager.max_request_headers_kb.value == 96
    assert manager.http_filters, "what the patch does not name stays"
    assert [o.name for o in listener(found, "virtualInbound").socket_options] == [5]
    assert len(found.applied) == 3


def test_routes_and_hosts() -> None:
    host = {"name": "web.default.svc.cluster.local:80"}
    found = of(
        patch(
            "VIRTUAL_HOST",
            "MERGE",
            {"request_headers_to_remove": ["x-secret"]},
            routeConfiguration={"portNumber": 80, "vhost": host},
        ),
        patch(
            "HTTP_ROUTE",
            "INSERT_FIRST",
            {"match": {"path": "/health"}, "direct_response": {"status": 204}},
            routeConfiguration={"vhost": {**host, "route": {"action": "ROUTE"}}},
        ),
    )
    table = route_pb2.RouteConfiguration.FromString(found.of(ResourceType.ROUTE)["80"].body)
    (changed,) = [each for each in table.virtual_hosts if each.name == host["name"]]
    assert changed.request_headers_to_remove == ["x-secret"]
    assert [r.WhichOneof("action") for r in changed.routes] == ["direct_response", "route"]


def test_what_is_added_and_taken_away() -> None:
    found = of(
        patch("CLUSTER", "ADD", {"name": "extra", "type": "STATIC"}),
        patch("CLUSTER", "REMOVE", cluster={"name": "PassthroughCluster"}),
    )
    names = list(found.of(ResourceType.CLUSTER))
    assert "extra" in names
    assert "PassthroughCluster" not in names


def test_a_patch_that_cannot_be_read_is_left_out_alone() -> None:
    unknown = {"name": "x", "typed_config": {"@type": "type.googleapis.com/stats.PluginConfig"}}
    found = of(
        patch("HTTP_FILTER", "INSERT_FIRST", unknown, context="SIDECAR_INBOUND", **in_manager()),
        patch("HTTP_FILTER", "INSERT_FIRST", LUA, context="SIDECAR_INBOUND", **in_manager()),
    )
    assert inbound(found) == ["lua", *PLAIN]
    (problem,) = found.problems
    assert problem.source.path == "spec.configPatches[0]"
    assert "stats.PluginConfig" in problem.why


@pytest.mark.parametrize(
    ("proxy", "taken"),
    [
        ({"proxyVersion": r"^1\.32.*"}, True),
        ({"proxyVersion": r"^1\.1[0-9]"}, False),
        ({"metadata": {"CLUSTER_ID": "Kubernetes"}}, True),
        ({"metadata": {"OTHER": "x"}}, False),
    ],
)
def test_which_proxies(proxy: Any, taken: bool) -> None:
    change = patch("CLUSTER", "ADD", {"name": "extra", "type": "STATIC"}, proxy=proxy)
    assert ("extra" in of(change).of(ResourceType.CLUSTER)) is taken


def test_a_selector_chooses_workloads() -> None:
    change = patch("CLUSTER", "ADD", {"name": "extra", "type": "STATIC"})
    assert "extra" in of(change, workloadSelector={"labels": {"app": "web"}}).of(
        ResourceType.CLUSTER
    )
    other = of(change, workloadSelector={"labels": {"app": "other"}})
    assert "extra" not in other.of(ResourceType.CLUSTER)


@pytest.mark.parametrize(
    "name",
    [
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        "envoy.extensions.filters.http.compressor.v3.Compressor",
        "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "udpa.type.v1.TypedStruct",
        "xds.type.v3.TypedStruct",
        "google.protobuf.Struct",
    ],
)
def test_types_are_found_by_name(name: str) -> None:
    assert types.message_class(name).DESCRIPTOR.full_name == name
