"""Requests explained on manifests alone."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen.app.foresight import image_protocols, offline
from lateen.app.foresight.rehearsal import Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.model.kube.core.pod import Pod
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.manifests import reader
from tests.e2e.test_reachability import CASES, CLIENTS, PORTS, SERVERS, Case

ROOT = Path(__file__).parents[2]
WALKTHROUGH = ROOT / "examples" / "walkthrough"
REACHABILITY = ROOT / "tests" / "e2e" / "reachability" / "workloads.yaml"
GATEWAY = "http://istio-ingressgateway"


def items(*texts: tuple[str, str]) -> list[offline.Item]:
    return [
        offline.Item(placed(each.body), each.locate)
        for file, text in texts
        for each in reader.parse(text, file).manifests
    ]


def placed(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


def explained(given: list[offline.Item], url: str, *, istio: str = "1.32", **asked: Any) -> Any:
    settings = LabSettings(lab="files", istio=istio, user=0)
    request = msgspec.convert({"url": url, **asked}, ExplainRequest)
    return offline.explain(given, settings, request)


@pytest.fixture(scope="module")
def walkthrough() -> list[offline.Item]:
    files = sorted(WALKTHROUGH.glob("*.yaml"))
    return items(*((file.name, file.read_text(encoding="utf-8")) for file in files))


@pytest.mark.parametrize(
    ("path", "istio", "status", "code", "legs"),
    [
        ("/http-mTLS", "1.17", 200, "ok", ["none", "mtls", "none"]),
        ("/https-mTLS", "1.17", 503, "no-mesh-certificate", ["none", "tls"]),
        ("/http-no-mTLS", "1.17", 200, "ok", ["none", "none", "none"]),
        ("/https-no-mTLS", "1.17", 200, "ok", ["none", "tls", "tls"]),
        ("/https-no-mTLS", "1.32", 503, "server-certificate-untrusted", ["none", "tls", "tls"]),
        ("/nowhere", "1.32", 404, "no-route", ["none", ""]),
    ],
)
def test_the_walkthrough(
    walkthrough: list[offline.Item], path: str, istio: str, status: int, code: str, legs: list[str]
) -> None:
    told = explained(walkthrough, GATEWAY + path, istio=istio)
    (branch,) = told["branches"]
    found = branch["outcome"]
    assert (found["status"], found["code"]) == (status, code)
    assert [leg["tls"] for leg in found["legs"]] == legs
    assert told["exit"] == (0 if status == 200 else 1)


def test_each_step_names_the_line_that_decided_it(walkthrough: list[offline.Item]) -> None:
    told = explained(walkthrough, GATEWAY + "/https-mTLS", istio="1.17")
    steps = told["branches"][0]["outcome"]["steps"]
    places = {step["kind"]: step["sources"][0]["location"] for step in steps if step["sources"]}
    assert places == {
        "listener": "PeerAuthentication.yaml:25",
        "route": "VirtualService.yaml:26",
        "destination": "DestinationRule.yaml:8",
        "client's TLS": "DestinationRule.yaml:20",
        "server's TLS": "PeerAuthentication.yaml:25",
    }
    (route,) = [step for step in steps if step["kind"] == "route"]
    (lost,) = route["lost"]
    assert (lost["text"], lost["why"]) == ("route http-mTLS", "path is not /http-mTLS")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_reachability_is_foretold(case: Case) -> None:
    """Every cell of Istio's matrix that the lab's test sends, said without sending."""
    given = items(("w", REACHABILITY.read_text(encoding="utf-8")), ("p", case.policies))
    wrong = {}
    for client in CLIENTS:
        prefix = "to-" if case.migration and client == "client" else ""
        for server in SERVERS:
            for port, number in PORTS.items():
                scheme = "https" if port == "https" else "http"
                url = f"{scheme}://{prefix}{server}.default.svc.cluster.local:{number}/"
                told = explained(given, url, **{"from": f"deploy/{client}", "insecure": True})
                (branch,) = told["branches"]
                outcome = branch["outcome"]
                mutual = any(leg["tls"] == "mtls" for leg in outcome["legs"])
                found = outcome["status"] == 200, mutual
                wanted = case.expects((client == "client", server == "server"))
                if found != wanted:
                    wrong[client, server, port] = found, wanted, outcome["code"]
    assert not wrong, "(succeeds, mutual TLS): found, wanted"


def test_what_is_not_known_of_an_application_is_a_branch() -> None:
    text = REACHABILITY.read_text(encoding="utf-8").replace("hashicorp/http-echo", "shop/own")
    told = explained(items(("w", text)), "http://server/", **{"from": "deploy/client"})
    assert told["exit"] == 2
    assert all(branch["share"] is None for branch in told["branches"])
    conditions = {text for branch in told["branches"] for text in branch["conditions"]}
    assert any("speaks HTTP on port 80" in text for text in conditions)


def test_a_pod_of_a_deployment_is_made_by_the_lab_s_own_injector(
    walkthrough: list[offline.Item],
) -> None:
    made = Rehearsal(walkthrough, LabSettings(lab="files", istio="1.32", user=0)).snapshot()
    pods = [pod for pod in made.pods.values() if pod.metadata.namespace == "default"]
    assert len(pods) == 2
    for pod in pods:
        names = [each.name for each in pod.spec.containers]
        assert "istio-proxy" in names
        assert pod.metadata.annotations["sidecar.istio.io/status"]
        assert pod.metadata.labels["pod-template-hash"]
    assert len({pod.status.pod_ip for pod in pods}) == 2


def test_an_image_that_runs_is_no_stand_in() -> None:
    def pod(image_id: str) -> Pod:
        container = {"name": "app", "image": "nginx"}
        ran = {**container, "imageID": image_id, "ready": True, "restartCount": 0}
        status = {"containerStatuses": [ran]}
        return msgspec.convert({"spec": {"containers": [container]}, "status": status}, Pod)

    assert image_protocols.speeches(pod("lateen://nginx"), {}) is not None
    assert image_protocols.speeches(pod("docker.io/library/nginx@sha256:abc"), {}) is None


CLIENT_AND_SERVER = """
apiVersion: v1
kind: Namespace
metadata: {name: there}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: curl, image: curlimages/curl, command: [sleep, "9"]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: there}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: there}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
"""
WEB = "web.there.svc.cluster.local"
TO_WEB = f"[{{route: [{{destination: {{host: {WEB}}}}}]}}]"


def _rule(kind: str, name: str, spec: str, space: str = "default") -> str:
    group = "security" if kind == "PeerAuthentication" else "networking"
    return (
        f"---\napiVersion: {group}.istio.io/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {space}}}\nspec: {{{spec}}}\n"
    )


@pytest.mark.parametrize(
    ("step", "rules", "why"),
    [
        (
            "route",
            _rule("VirtualService", "a", f"hosts: [{WEB}], http: {TO_WEB}")
            + _rule("VirtualService", "b", f"hosts: [{WEB}], http: {TO_WEB}"),
            "VirtualService/default/a is older and has the same host: sidecars obey one alone",
        ),
        (
            "route",
            _rule("VirtualService", "b", f"hosts: [{WEB}], gateways: [edge], http: {TO_WEB}"),
            "it is for default/edge only: its gateways do not list mesh",
        ),
        (
            "route",
            _rule("VirtualService", "a", f"hosts: [{WEB}], http: {TO_WEB}")
            + _rule("VirtualService", "b", f"hosts: ['*.there.svc.cluster.local'], http: {TO_WEB}"),
            f"its host *.there.svc.cluster.local is wider than {WEB}, "
            "which VirtualService/default/a has",
        ),
        (
            "route",
            _rule(
                "VirtualService", "b", f"hosts: [{WEB}], exportTo: ['.'], http: {TO_WEB}", "there"
            ),
            "exportTo does not show it to the namespace default",
        ),
        (
            "destination",
            _rule("DestinationRule", "a", f"host: {WEB}, trafficPolicy: {{tls: {{mode: SIMPLE}}}}")
            + _rule("DestinationRule", "b", f"host: {WEB}, trafficPolicy: {{}}", "there"),
            "DestinationRule/default/a is in the client's namespace, which is looked up first",
        ),
        (
            "destination",
            _rule("DestinationRule", "b", f"host: {WEB}, trafficPolicy: {{}}", "elsewhere"),
            "rules are looked up in the namespaces default, there, istio-system "
            "(client's, Service's, root's)",
        ),
        (
            "listener",
            _rule("PeerAuthentication", "a", "mtls: {mode: STRICT}", "there")
            + _rule("PeerAuthentication", "b", "mtls: {mode: DISABLE}", "istio-system"),
            "PeerAuthentication/there/a is narrower (for the namespace)",
        ),
        (
            "listener",
            _rule(
                "PeerAuthentication",
                "b",
                "selector: {matchLabels: {app: other}}, mtls: {mode: DISABLE}",
                "there",
            ),
            "it selects app=other",
        ),
    ],
)
def test_what_did_not_decide_is_named_with_why(step: str, rules: str, why: str) -> None:
    given = items(("w", CLIENT_AND_SERVER), ("rules.yaml", rules))
    told = explained(given, f"http://{WEB}/", **{"from": "deploy/client"})
    steps = told["branches"][0]["outcome"]["steps"]
    lost = [
        each
        for found in steps
        if found["kind"] == step
        for each in found["lost"]
        if each["source"].endswith("/b")
    ]
    assert [each["why"] for each in lost] == [why]
    assert lost[0]["location"].startswith("rules.yaml:")


def _meant(rules: str, url: str = f"http://{WEB}/", **more: Any) -> list[tuple[str, str, str]]:
    """What was meant for a request and did not decide: (text, why, location)."""
    given = items(("w", CLIENT_AND_SERVER), ("rules.yaml", rules))
    told = explained(given, url, **{"from": "deploy/client"}, **more)
    return [
        (each["text"], each["why"], each["location"])
        for step in told["branches"][0]["outcome"]["steps"]
        for each in step["lost"]
        if each["meant"]
    ]


CANARY = '{headers: {x-canary: {exact: "on"}}}'


@pytest.mark.parametrize(
    ("first", "headers", "named"),
    [
        ("{uri: {prefix: /}}", [("x-canary", "on")], True),  # left out of Envoy's table
        ("{uri: {prefix: /a}}", [("x-canary", "on")], True),
        ("{uri: {prefix: /}}", [("x-canary", "off")], False),
        ("{uri: {prefix: /}}", [], False),
        ('{headers: {x-canary: {exact: "on"}, x-b: {exact: z}}}', [("x-canary", "on")], False),
    ],
)
def test_a_narrower_rule_that_comes_too_late_is_named(
    first: str, headers: list[tuple[str, str]], named: bool
) -> None:
    target = f"[{{destination: {{host: {WEB}}}}}]"
    rules = (
        f"[{{name: first, match: [{first}], route: {target}}}, "
        f"{{name: canary, match: [{CANARY}], route: {target}}}, {{route: {target}}}]"
    )
    found = _meant(
        _rule("VirtualService", "v", f"hosts: [{WEB}], http: {rules}"),
        f"http://{WEB}/a",
        headers=headers,
    )
    assert [text for text, _, _ in found] == (["route canary"] if named else [])


def test_rules_for_http_are_named_where_bytes_are_passed_on() -> None:
    port = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: raw, namespace: there}\n"
        "spec: {selector: {app: web}, ports: [{name: tcp, port: 90, targetPort: 80}]}\n"
    )
    rule = _rule("VirtualService", "v", f"hosts: [raw.there.svc.cluster.local], http: {TO_WEB}")
    ((text, why, where),) = _meant(port + rule, "http://raw.there:90/")
    assert text == "VirtualService/default/v"
    assert "passed on as TCP" in why
    assert where.startswith("rules.yaml:")


def test_a_host_that_is_short_and_has_a_dot_is_named() -> None:
    ((text, why, _),) = _meant(_rule("DestinationRule", "d", "host: web.there, trafficPolicy: {}"))
    assert text == "DestinationRule/default/d"
    assert WEB in why


def test_a_name_that_is_not_known_names_what_has_it() -> None:
    entry = _rule(
        "ServiceEntry",
        "e",
        "hosts: ['*.example.com'], ports: [{name: h, number: 80, "
        "protocol: HTTP}], resolution: NONE",
    )
    ((text, why, _),) = _meant(entry, "http://a.example.com/")
    assert (text, "external" in why) == ("ServiceEntry/default/e", True)
    ((text, why, _),) = _meant("", "http://web/")
    assert (text, "web.there names it" in why) == ("Service/there/web", True)


def test_the_sidecar_that_hides_a_service_is_named() -> None:
    scope = _rule("Sidecar", "s", "egress: [{hosts: ['./*']}]")
    given = items(("w", CLIENT_AND_SERVER), ("rules.yaml", scope))
    told = explained(given, f"http://{WEB}/", **{"from": "deploy/client"})
    steps = told["branches"][0]["outcome"]["steps"]
    (step,) = [each for each in steps if each["kind"] == "destination"]
    assert "Sidecar/default/s does not import" in step["text"]
    assert step["sources"][0]["location"].startswith("rules.yaml:")


def test_a_gateway_that_does_not_take_a_namespace_is_named() -> None:
    port = "port: {number: 80, name: http, protocol: HTTP}"
    gateway = f"selector: {{istio: ingressgateway}}, servers: [{{{port}, hosts: ['there/*']}}]"
    rules = _rule("Gateway", "gw", gateway) + _rule(
        "VirtualService", "v", f"hosts: [a.example], gateways: [gw], http: {TO_WEB}"
    )
    given = items(("w", CLIENT_AND_SERVER), ("rules.yaml", rules))
    told = explained(given, "http://a.example/")
    steps = told["branches"][0]["outcome"]["steps"]
    ((lost,),) = [each["lost"] for each in steps if each["kind"] == "route"]
    assert lost["text"] == "VirtualService/default/v"
    assert lost["why"] == "default/gw takes there/*: default/a.example is none of them"


def test_a_rule_for_another_gateway_is_not_said_to_be_for_this_request() -> None:
    target = f"[{{destination: {{host: {WEB}}}}}]"
    condition = '{headers: {x-canary: {exact: "on"}}, gateways: [edge]}'
    rules = f"[{{route: {target}}}, {{match: [{condition}], route: {target}}}]"
    rule = _rule("VirtualService", "v", f"hosts: [{WEB}], gateways: [mesh, edge], http: {rules}")
    assert _meant(rule, headers=[("x-canary", "on")]) == []


def test_rules_of_a_gateway_alone_are_not_meant_for_a_tcp_port() -> None:
    port = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: raw, namespace: there}\n"
        "spec: {selector: {app: web}, ports: [{name: tcp, port: 90, targetPort: 80}]}\n"
    )
    hosts = "hosts: [raw.there.svc.cluster.local], gateways: [edge]"
    assert (
        _meant(
            port + _rule("VirtualService", "v", f"{hosts}, http: {TO_WEB}"), "http://raw.there:90/"
        )
        == []
    )
