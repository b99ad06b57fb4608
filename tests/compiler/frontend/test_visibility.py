"""Who sees what where an object does not say: the three defaults of the mesh configuration."""

from typing import Any

import pytest

MESH = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data: {{mesh: "{config}"}}
---
apiVersion: v1
kind: Pod
metadata: {{name: near, namespace: a, labels: {{app: near}}}}
spec: {{containers: [{{name: c, image: x}}, {{name: istio-proxy, image: p}}]}}
status: {{podIP: 10.0.0.1, phase: Running, conditions: [{{type: Ready, status: "True"}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: far, namespace: b, labels: {{app: far}}}}
spec: {{containers: [{{name: c, image: x}}, {{name: istio-proxy, image: p}}]}}
status: {{podIP: 10.0.0.2, phase: Running, conditions: [{{type: Ready, status: "True"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: silent, namespace: a}}
spec: {{clusterIP: 10.96.0.1, ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: said, namespace: a, annotations: {{networking.istio.io/exportTo: "*"}}}}
spec: {{clusterIP: 10.96.0.2, ports: [{{name: http, port: 80}}]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: entry, namespace: a}}
spec:
  hosts: [entry.example]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: routes, namespace: a}}
spec:
  hosts: [said]
  http: [{{name: written, route: [{{destination: {{host: said}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: rules, namespace: a}}
spec: {{host: said, subsets: [{{name: v1, labels: {{v: "1"}}}}]}}
"""


def known(build: Any, config: str, pod: str) -> set[str]:
    """Return in short what a pod knows of the mesh."""
    outbound = build(MESH.format(config=config)).view(pod).outbound
    found = {c.service.name.partition(".")[0] for c in outbound.clusters}
    found |= {f"subset {c.subset}" for c in outbound.clusters if c.subset}
    hosts = [host for table in outbound.tables for host in table.hosts]
    return found | {f"route {r.name}" for host in hosts for r in host.routes if r.name == "written"}


EVERYTHING = {"silent", "said", "entry", "subset v1", "route written"}


@pytest.mark.parametrize(
    ("config", "hidden"),
    [
        ("", set()),
        ("defaultServiceExportTo: ['*']", set()),
        ("defaultServiceExportTo: ['.']", {"silent", "entry"}),
        ("defaultServiceExportTo: [b]", set()),
        ("defaultServiceExportTo: ['~']", {"silent", "entry"}),
        ("defaultVirtualServiceExportTo: ['.']", {"route written"}),
        ("defaultVirtualServiceExportTo: [b]", set()),
        ("defaultDestinationRuleExportTo: ['.']", {"subset v1"}),
    ],
)
def test_what_another_namespace_does_not_see(build: Any, config: str, hidden: set[str]) -> None:
    assert known(build, config, "far") == EVERYTHING - hidden


@pytest.mark.parametrize(
    ("config", "hidden"),
    [
        ("defaultServiceExportTo: ['.']", set()),
        ("defaultServiceExportTo: [b]", {"silent", "entry"}),
        ("defaultVirtualServiceExportTo: ['.']", set()),
        ("defaultVirtualServiceExportTo: [b]", {"route written"}),
        ("defaultDestinationRuleExportTo: ['.']", set()),
    ],
)
def test_what_the_own_namespace_does_not_see(build: Any, config: str, hidden: set[str]) -> None:
    assert known(build, config, "near") == EVERYTHING - hidden


def test_a_default_has_no_finding_of_its_own(build: Any) -> None:
    made = build(MESH.format(config="defaultServiceExportTo: ['.']"))
    assert not [each for each in made.mesh.diagnostics if "defaultServiceExportTo" in str(each)]
