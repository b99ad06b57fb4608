"""What selects nobody, or whom an older object selects too, and rules about nothing."""

import pytest
import yaml

from lateen.compiler.frontend.diagnostics import selectors
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
spec: {containers: [{name: web}, {name: istio-proxy}]}
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
    told = selectors.findings(found, "istio-system")
    assert [(finding.code, finding.source.path) for finding in told] == expected


def test_the_oldest_policy_for_a_workload_is_the_only_one() -> None:
    policies = "---".join(
        f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: default, creationTimestamp: "{year}-01-01T00:00:00Z"}}
spec: {{selector: {{matchLabels: {{{labels}}}}}, mtls: {{mode: STRICT}}}}
"""
        for name, year, labels in (
            ("younger", 2021, "app: web"),
            ("older", 2020, "tier: front"),
            ("apart", 2022, "app: other"),
        )
    )
    pods = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web, tier: front}}
spec: {containers: [{name: web}, {name: istio-proxy}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: default, labels: {app: other}}
spec: {containers: [{name: web}, {name: istio-proxy}]}
---"""
    found = snapshot.of_bodies(yaml.safe_load_all(pods + policies))
    (told,) = selectors.findings(found, "istio-system")
    assert (told.code, told.source.ref.name) == ("LTN0024", "younger")
    assert (
        told.message
        == "ignored for pod web: PeerAuthentication/default/older is older and selects it too"
    )


SELECTING = {
    "Gateway": "spec: {selector: {app: web}, servers: []}",
    "PeerAuthentication": "spec: {selector: {matchLabels: {app: web}}}",
    "AuthorizationPolicy": "spec: {selector: {matchLabels: {app: web}}}",
    "Telemetry": "spec: {selector: {matchLabels: {app: web}}}",
}


@pytest.mark.parametrize(
    ("kind", "acting"),
    [
        ("Gateway", ["router"]),
        ("PeerAuthentication", ["sidecar"]),
        ("AuthorizationPolicy", ["router", "sidecar"]),
        ("Telemetry", ["router", "sidecar"]),
    ],
)
def test_selected_pods_must_run_what_acts(kind: str, acting: list[str]) -> None:
    group = {"Gateway": "networking", "Telemetry": "telemetry"}.get(kind, "security")
    told = []
    for proxy in ("none", "router", "sidecar"):
        containers = "{name: web}" if proxy == "none" else f"{{name: istio-proxy, args: [{proxy}]}}"
        text = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: default, labels: {{app: web}}}}
spec: {{containers: [{containers}]}}
---
apiVersion: {group}.istio.io/v1
kind: {kind}
metadata: {{name: p, namespace: default}}
{SELECTING[kind]}
"""
        found = selectors.findings(snapshot.of_bodies(yaml.safe_load_all(text)), "istio-system")
        assert {each.code for each in found} <= {"IST0167"}
        told += [proxy] if not found else []
    assert told == acting


def test_a_delegate_that_nobody_delegates_to() -> None:
    text = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: default}
spec: {hosts: [web], http: [{delegate: {name: used}}, {delegate: {name: far, namespace: other}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: used, namespace: default}
spec: {http: []}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: far, namespace: default}
spec: {http: []}
"""
    found = selectors.findings(snapshot.of_bodies(yaml.safe_load_all(text)), "istio-system")
    assert [str(each.source) for each in found] == ["VirtualService/default/far#spec.hosts"]


@pytest.mark.parametrize(("name", "told"), [("tcp", True), ("http-too", False)])
def test_two_services_that_differ_about_a_port(name: str, told: bool) -> None:
    text = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: default, labels: {{app: web}}}}
spec:
  containers: [{{name: istio-proxy}}, {{name: web, ports: [{{name: main, containerPort: 8080}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: b, namespace: default, creationTimestamp: "2020-01-01T00:00:00Z"}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: a, namespace: default, creationTimestamp: "2021-01-01T00:00:00Z"}}
spec:
  selector: {{app: web}}
  ports:
  - {{name: https, port: 443, targetPort: 8443}}
  - {{name: {name}, port: 81, targetPort: main}}
"""
    found = selectors.findings(snapshot.of_bodies(yaml.safe_load_all(text)), "istio-system")
    expected = [("LTN0033", "Service/default/a#spec.ports[1]")] if told else []
    assert [(each.code, str(each.source)) for each in found] == expected


SUBSETS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: waiting, namespace: default, labels: {app: web, version: v1}}
spec: {containers: [{name: web}]}
status: {phase: Pending}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec:
  host: web
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: contrary, labels: {app: other}}
  - {name: all}
"""


def test_a_subset_without_pods_is_told_of_and_one_whose_pods_are_not_ready_is_not() -> None:
    told = selectors.findings(snapshot.of_bodies(yaml.safe_load_all(SUBSETS)), "istio-system")
    assert [(f.code, f.source.path) for f in told] == [
        ("IST0173", "spec.subsets[1]"),
        ("IST0173", "spec.subsets[2]"),
    ]


def test_nobody_is_said_with_the_namespace_that_was_looked_through() -> None:
    selecting = "spec: {selector: {matchLabels: {app: nobody}}}"
    for namespace, where in (("default", "namespace default"), ("istio-system", "any namespace")):
        text = (
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
            f"metadata: {{name: p, namespace: {namespace}}}\n{selecting}"
        )
        (told,) = selectors.findings(snapshot.of_bodies(yaml.safe_load_all(text)), "istio-system")
        assert told.message == f"no pod in {where} has the labels app=nobody"
