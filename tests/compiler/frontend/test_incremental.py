"""Building again must give what building from nothing gives, and keep what did not change."""

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.frontend.graph.incremental import Derived, Graph, Table
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model import snapshot
from lateen.model.meta import ObjectRef
from tests.compiler.frontend.objects import ANY_OBJECT

SETTINGS = MeshSettings(features=versions.features())


def test_derived_values_follow_tables_and_keep_equal_results() -> None:
    graph = Graph()
    table: Table[str, int] = Table(graph, 0)
    runs: list[str] = []

    def parity(key: str) -> tuple[str, int]:
        runs.append(key)
        return key, table.get(key) % 2

    odd = Derived(graph, parity, watched=True)
    both: Derived[str, tuple[Any, ...]] = Derived(graph, lambda _: (odd.get("a"), odd.get("b")))
    first = both.get("x")
    assert first == (("a", 0), ("b", 0))
    assert both.get("x") is first
    assert runs == ["a", "b"]
    table.put("a", 2)
    assert odd.stale == {"a"}
    assert both.get("x") is first
    assert runs == ["a", "b", "a"]
    table.put("a", 3)
    assert both.get("x") == (("a", 1), ("b", 0))


def test_values_nobody_asks_for_again_are_forgotten() -> None:
    graph = Graph()
    table: Table[str, int] = Table(graph, 0)
    derived = Derived(graph, table.get)
    derived.get("a")
    table.put("a", 1)
    graph.sweep()
    assert "a" in derived.cells
    graph.sweep()
    assert derived.cells == {}


STEP = st.lists(
    st.tuples(ANY_OBJECT, st.sampled_from([True, True, True, False])), min_size=1, max_size=6
)
START = """
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default, creationTimestamp: "2024-01-02T00:00:00Z"}
spec:
  selector: {app: a}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp-x, port: 443}]
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: default, creationTimestamp: "2024-01-02T00:00:00Z"}
spec: {selector: {app: b}, clusterIP: None, ports: [{name: tcp-x, port: 443}, {port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: other, creationTimestamp: "2024-01-01T00:00:00Z"}
spec: {selector: {app: a}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata:
  {name: a, namespace: default, labels: {app: a, v: "1", security.istio.io/tlsMode: istio}}
spec: {containers: [{name: istio-proxy}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: default, labels: {app: b, security.istio.io/tlsMode: istio}}
spec: {containers: [{name: istio-proxy}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: other, labels: {app: a}}
spec: {containers: [{name: app, ports: [{name: web, containerPort: 9}]}, {name: istio-proxy}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: istio-system, labels: {app: a, istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, args: [proxy, router]}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: b, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: p, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: c, namespace: default}
spec: {hosts: ["*"], gateways: [b], http: [{route: [{destination: {host: a}}]}]}
"""


def everything(mesh: assemble.Mesh) -> Any:
    return {ref: mesh.view(ref) for ref in mesh.proxies()}, sorted(map(str, mesh.diagnostics))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=1, max_size=5))
def test_building_again_equals_building_anew(steps: list[Any]) -> None:
    """Also: no input that decodes makes the front end raise."""
    kept = assemble.Frontend(SETTINGS)
    present = {
        (b["kind"], b["metadata"]["namespace"], b["metadata"]["name"]): b
        for b in yaml.safe_load_all(START)
    }
    before = snapshot.Snapshot()
    for step in steps:
        for body, stays in step:
            key = (body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])
            present.pop(key, None)
            if stays:
                present[key] = body
        fresh = offline.complete(snapshot.of_bodies(present.values()))
        before = _with_identities(before, fresh)
        found = everything(kept.build(before))
        assert found == everything(assemble.Frontend(SETTINGS).build(before))


def _with_identities(old: snapshot.Snapshot, new: snapshot.Snapshot) -> snapshot.Snapshot:
    """Return `new` as a series of changes to `old`, so that equal objects stay the same."""
    changes = []
    for resource in ALL:
        was, now = old.of(resource), new.of(resource)
        for key in {*was, *now}:
            if was.get(key) != now.get(key):
                changes.append(snapshot.Change(resource, *key, now.get(key)))
    return old.with_changes(changes)


ALL = (
    "pods",
    "services",
    "endpointslices.discovery.k8s.io",
    "destinationrules.networking.istio.io",
    "virtualservices.networking.istio.io",
    "gateways.networking.istio.io",
    "peerauthentications.security.istio.io",
    "telemetries.telemetry.istio.io",
    "configmaps",
    "authorizationpolicies.security.istio.io",
    "serviceentries.networking.istio.io",
    "workloadentries.networking.istio.io",
    "sidecars.networking.istio.io",
)


def many(count: int) -> snapshot.Snapshot:
    bodies: list[dict[str, Any]] = []
    for number in range(count):
        meta = {"name": f"s{number}", "namespace": "default"}
        labels = {"app": f"s{number}"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app"}]}}
        port = {"name": "http", "port": 80, "targetPort": 8080}
        bodies += [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta,
                "spec": {"selector": labels, "ports": [port]},
            },
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": meta,
                "spec": {"template": template},
            },
            *yaml.safe_load_all(
                f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: s{number}, namespace: default}}
spec: {{hosts: [s{number}], http: [{{route: [{{destination: {{host: s{number}}}}}]}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: s{number}, namespace: default}}
spec: {{host: s{number}, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 5}}}}}}}}
"""
            ),
        ]
    return offline.complete(snapshot.of_bodies(bodies))


def differing(old: tuple[Any, ...], new: tuple[Any, ...]) -> list[str]:
    names = []
    for before, after in zip(old, new, strict=True):
        if before is not after:
            names.append(getattr(after, "name", None) or after.cluster)
    return names


def changed(found: snapshot.Snapshot, resource: str, name: str, **spec: Any) -> snapshot.Snapshot:
    old = found.of(resource)["default", name]
    new = msgspec.structs.replace(old, spec=msgspec.structs.replace(old.spec, **spec))
    return found.with_changes([snapshot.Change(resource, "default", name, new)])


@pytest.fixture
def twenty() -> Any:
    found = many(20)
    front = assemble.Frontend(SETTINGS)
    mesh = front.build(found)
    return found, front, mesh.proxies(), mesh.view(mesh.proxies()[0])


def test_a_changed_route_changes_one_virtual_host(twenty: Any) -> None:
    found, front, proxies, old = twenty
    rule = found.virtual_services["default", "s7"].spec.http[0]
    slower = (msgspec.structs.replace(rule, timeout="3s"),)
    mesh = front.build(changed(found, "virtualservices.networking.istio.io", "s7", http=slower))
    new = mesh.view(proxies[0])
    hosts = old.outbound.tables[0].hosts, new.outbound.tables[0].hosts
    assert differing(*hosts) == ["s7.default.svc.cluster.local:80"]
    assert new.outbound.clusters is old.outbound.clusters
    assert new.outbound.endpoints is old.outbound.endpoints
    assert new.inbound is old.inbound
    assert new.outbound is mesh.view(proxies[5]).outbound


def test_a_changed_endpoint_changes_one_assignment(twenty: Any) -> None:
    found, front, proxies, old = twenty
    key = ("default", "s7-0")
    piece = found.endpoint_slices[key]
    moved = msgspec.structs.replace(piece.endpoints[0], addresses=("10.1.1.1",))
    piece = msgspec.structs.replace(piece, endpoints=(moved,))
    change = snapshot.Change("endpointslices.discovery.k8s.io", *key, piece)
    new = front.build(found.with_changes([change])).view(proxies[0])
    assert differing(old.outbound.endpoints, new.outbound.endpoints) == [
        "outbound|80||s7.default.svc.cluster.local"
    ]
    assert new.outbound.clusters is old.outbound.clusters
    assert new.outbound.tables is old.outbound.tables


def test_a_changed_rule_changes_its_clusters_only(twenty: Any) -> None:
    found, front, proxies, old = twenty
    resource = "destinationrules.networking.istio.io"
    new = front.build(changed(found, resource, "s7", traffic_policy=None)).view(proxies[0])
    assert differing(old.outbound.clusters, new.outbound.clusters) == [
        "outbound|80||s7.default.svc.cluster.local"
    ]
    assert new.outbound.tables is old.outbound.tables


def test_a_changed_telemetry_concerns_its_workloads_only() -> None:
    found = many(5)
    front = assemble.Frontend(SETTINGS)
    mesh = front.build(found)
    old = [mesh.view(ref) for ref in mesh.proxies()]
    (body,) = yaml.safe_load_all(
        """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: quiet, namespace: default}
spec:
  selector: {matchLabels: {app: s3}}
  accessLogging: [{providers: [{name: envoy}], disabled: true}]
"""
    )
    key = ("telemetries.telemetry.istio.io", "default", "quiet")
    (made,) = snapshot.of_bodies([body]).of(key[0]).values()
    mesh = front.build(found.with_changes([snapshot.Change(*key, made)]))
    new = [mesh.view(ref) for ref in mesh.proxies()]
    assert [n is o for n, o in zip(new, old, strict=True)] == [True, True, True, False, True]
    assert (new[3].outbound, new[3].inbound) == (old[3].outbound, old[3].inbound)
    assert new[3].node.telemetry.client.logs == ()


def test_the_mesh_configuration_counts_above_the_labs_settings(twenty: Any) -> None:
    found, front, proxies, old = twenty
    (body,) = yaml.safe_load_all(
        """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}, enableAutoMtls: false}"}
"""
    )
    (made,) = snapshot.of_bodies([body]).of("configmaps").values()
    changed_to = snapshot.Change("configmaps", "istio-system", "istio", made)
    new = front.build(found.with_changes([changed_to])).view(proxies[0])
    assert (old.settings.allow_any, new.settings.allow_any) == (True, False)
    assert {c.auto_mtls for c in old.outbound.clusters} == {True}
    assert {c.auto_mtls for c in new.outbound.clusters} == {False}
    assert new.outbound.tables[0].hosts[-1].name == "block_all"
    gone = snapshot.Change("configmaps", "istio-system", "istio", None)
    assert front.build(found.with_changes([changed_to, gone])).view(proxies[0]) == old


def test_what_nobody_reads_changes_no_view(twenty: Any) -> None:
    found, front, proxies, old = twenty
    pod = found.pods[proxies[0].namespace, proxies[0].name]
    meta = msgspec.structs.replace(pod.metadata, resource_version="77")
    again = msgspec.structs.replace(pod, metadata=meta)
    change = snapshot.Change("pods", pod.metadata.namespace, pod.metadata.name, again)
    assert front.build(found.with_changes([change])).view(proxies[0]) is old


def test_an_old_mesh_says_that_it_is_old(twenty: Any) -> None:
    found, front, proxies, _ = twenty
    old = front.build(found)
    kept = old.view(proxies[0])
    front.build(found)
    assert old.view(proxies[0]) is kept
    with pytest.raises(assemble.Superseded, match="newest mesh"):
        old.view(proxies[1])


def test_a_pod_without_a_proxy_has_no_view(twenty: Any) -> None:
    found, front, _, _ = twenty
    with pytest.raises(KeyError, match="runs no proxy"):
        front.build(found).view(ObjectRef("Pod", "default", "nobody"))


def test_a_policy_touches_the_proxies_it_selects(twenty: Any) -> None:
    found, front, proxies, _ = twenty
    old = {ref: front.build(found).view(ref) for ref in proxies}
    (body,) = yaml.safe_load_all(
        """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: default}
spec: {selector: {matchLabels: {app: s7}}, rules: [{}]}
"""
    )
    policy = snapshot.of_bodies([body]).authorization_policies["default", "p"]
    change = snapshot.Change("authorizationpolicies.security.istio.io", "default", "p", policy)
    with_policy = found.with_changes([change])
    mesh = front.build(with_policy)
    touched = [ref.name for ref in proxies if mesh.view(ref) is not old[ref]]
    assert [name.rpartition("-")[0].partition("-")[0] for name in touched] == ["s7"]
    (ref,) = [ref for ref in proxies if ref.name in touched]
    new = mesh.view(ref)
    assert new.outbound is old[ref].outbound
    assert new.inbound is old[ref].inbound
    again = front.build(with_policy)
    assert again.view(ref) is new
    gone = front.build(with_policy.with_changes([change._replace(object=None)]))
    assert gone.view(ref) == old[ref]
