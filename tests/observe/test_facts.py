"""What a client's proxy was told to do, read from compiled views."""

import yaml

from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.model import snapshot
from lateen.observe.requests import directory

POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: default, labels: {app: NAME, security.istio.io/tlsMode: istio}}
spec: {containers: [{name: app}, {name: istio-proxy}]}
status: {phase: Running, podIP: ADDRESS, conditions: [{type: Ready, status: "True"}]}
---
"""
PODS = POD.replace("NAME", "client").replace("ADDRESS", "10.244.0.1")
PODS += POD.replace("NAME", "web").replace("ADDRESS", "10.244.0.2")
WEB = "outbound|80||web.default.svc.cluster.local"


def view_of_the_client(service: str, rule: str = "") -> ProxyView:
    text = f"""{PODS}
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: default}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 80}}], {service}}}
---
{rule}"""
    found = offline.complete(snapshot.of_bodies(b for b in yaml.safe_load_all(text) if b))
    mesh = assemble.Frontend(MeshSettings(features=versions.features())).build(found)
    (client,) = [ref for ref in mesh.proxies() if ref.name == "client"]
    return mesh.view(client)


def test_a_headless_services_pods_are_spoken_to_in_mutual_tls_without_endpoints_being_told() -> (
    None
):
    found = directory.choice(view_of_the_client("clusterIP: None"), WEB, "10.244.0.2:80")
    assert found is not None
    assert found.tls == "mtls"


def test_why_a_port_that_a_rule_left_without_tls_is_spoken_to_in_plaintext() -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec:
  host: web
  trafficPolicy:
    tls: {mode: DISABLE}
    portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 9}}}]
"""
    view = view_of_the_client("clusterIP: 10.96.0.9", rule)
    (load,) = [e for e in view.outbound.endpoints if e.cluster == WEB] if view.outbound else [None]
    assert load is not None
    at = load.endpoints[0]
    found = directory.choice(view, WEB, f"{at.address}:{at.port}")
    assert found is not None
    assert found.tls == "none"
    assert [source.ref.kind for source in found.sources] == ["DestinationRule"]
