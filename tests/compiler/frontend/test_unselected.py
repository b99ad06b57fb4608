"""AuthorizationPolicies for nobody: selectors without pods, rules about namespaces that are not."""

import pytest
import yaml

from lateen.compiler.frontend import unselected
from lateen.model import snapshot

MESH = """
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: v1
kind: Namespace
metadata: {name: istio-system}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {containers: [{name: web}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
"""


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("{namespace: default}, spec: {selector: {matchLabels: {app: web}}}", []),
        ("{namespace: default}, spec: {}", []),
        (
            "{namespace: default}, spec: {selector: {matchLabels: {app: other}}}",
            [("IST0127", "spec.selector.matchLabels")],
        ),
        ("{namespace: istio-system}, spec: {selector: {matchLabels: {app: web}}}", []),
        (
            "{namespace: istio-system}, spec: {selector: {matchLabels: {app: other}}}",
            [("IST0127", "spec.selector.matchLabels")],
        ),
        (
            "{namespace: default}, "
            "spec: {rules: [{}, {from: [{source: {namespaces: [default, gone, 'def*', 'x*']}}]}]}",
            [
                ("IST0101", "spec.rules[1].from[0].source.namespaces[1]"),
                ("IST0101", "spec.rules[1].from[0].source.namespaces[3]"),
            ],
        ),
        (
            "{namespace: default}, "
            "spec: {action: DENY, rules: [{from: [{source: {notNamespaces: [gone]}}]}]}",
            [],
        ),
    ],
)
def test_what_a_policy_does_not_reach(policy: str, expected: list[tuple[str, str]]) -> None:
    text = f"{MESH}metadata: {policy}".replace("{namespace:", "{name: p, namespace:", 1)
    text = text.replace(", spec:", "\nspec:", 1)
    found = snapshot.of_bodies(yaml.safe_load_all(text))
    told = unselected.findings(found, "istio-system")
    assert [(finding.code, finding.source.path) for finding in told] == expected


@pytest.mark.parametrize(
    ("written", "codes"),
    [("PreferClose", ["LTN0010"]), ("PreferSameZone", ["LTN0010"]), ("PreferSameNode", [])],
)
def test_a_service_that_prefers_its_zone_is_told_that_it_does_not(
    written: str, codes: list[str]
) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"trafficDistribution": written, "ports": [{"port": 80}]},
    }
    found = unselected.findings(snapshot.of_bodies([body]), "istio-system")
    assert [finding.code for finding in found] == codes
