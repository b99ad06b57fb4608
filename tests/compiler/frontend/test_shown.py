"""What is said when a mesh is shown comes from every place that has something to say."""

import yaml

from lateen.compiler.frontend.diagnostics import status
from lateen.model import snapshot

MESH = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {istio: nobody}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, bind: "fd00::1", hosts: ["*"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, annotations: {sidecar.istio.io/interceptionMode: TPROXY}}
spec: {containers: [{name: web}, {name: istio-proxy}]}
"""


def test_everything_that_has_something_to_say_is_asked() -> None:
    found = status.findings(snapshot.of_bodies(yaml.safe_load_all(MESH)), "istio-system")
    assert [each.code for each in found] == ["IST0101", "LTN0043", "LTN0044"]
