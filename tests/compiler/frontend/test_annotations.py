"""Annotations that have no effect are named, once for a workload, where they are written."""

from typing import Any

import yaml

from lateen.compiler.frontend import offline
from lateen.compiler.frontend.diagnostics import annotations
from lateen.model import snapshot

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web, sidecar.istio.io/inject: "%s"}
      annotations:
        sidecar.istio.io/interceptionMode: TPROXY
        sidecar.istio.io/logLevel: debug
        sidecar.istio.io/proxyCPU: 100m
        sidecar.istio.io/bootstrapOverride: mine
        example.com/istio.io: nothing of Istio's
        proxy.istio.io/config: |
          holdApplicationUntilProxyStarts: true
          concurrency: 2
          drainDuration: 10s
          terminationDrainDuration: 10s
          proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true", ISTIO_META_HTTP10: "1", MINE: variable}
    spec: {containers: [{name: web}]}
"""


def found(text: str) -> Any:
    bodies = [body for body in yaml.safe_load_all(text) if body]
    return annotations.findings(offline.complete(snapshot.of_bodies(bodies)))


def test_each_is_named_once_with_its_place() -> None:
    made = found(DEPLOYMENT % "true")
    assert {f.code for f in made} == {"LTN0043"}
    assert sorted(f.message for f in made) == [
        "no effect here: annotation sidecar.istio.io/bootstrapOverride",
        "no effect here: drainDuration of the proxy's configuration",
        "no effect here: interception mode TPROXY: traffic is redirected instead",
        "no effect here: proxyMetadata.ISTIO_META_HTTP10 of the proxy's configuration",
    ]
    assert {str(f.source.ref) for f in made} == {"Deployment/default/web"}
    assert 'spec.template.metadata.annotations["sidecar.istio.io/bootstrapOverride"]' in {
        f.source.path for f in made
    }


def test_pods_without_a_proxy_have_none_to_ignore() -> None:
    assert found(DEPLOYMENT % "false") == ()


def test_a_drain_that_is_no_duration_is_named() -> None:
    text = DEPLOYMENT.replace("10s", "10 seconds") % "true"
    assert any("terminationDrainDuration, which is no duration" in f.message for f in found(text))


def test_a_configuration_that_is_not_yaml_is_named() -> None:
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default, annotations: {proxy.istio.io/config: "{"}}
spec: {containers: [{name: istio-proxy}]}
"""
    (finding,) = found(pod)
    assert "not YAML" in finding.message
    assert finding.source.path == 'metadata.annotations["proxy.istio.io/config"]'
