"""BackendTLSPolicies: TLS towards backends, which of two holds, what is said of each."""

from typing import Any

import pytest
import yaml

from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.frontend.gatewayapi import objects as gateway_objects, translation
from lateen.compiler.frontend.gatewayapi.policies import Policies
from lateen.compiler.frontend.origin import Origin
from lateen.compiler.frontend.routing import gateways
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model import snapshot
from lateen.model.istio import networking

GATEWAY = "apiVersion: gateway.networking.k8s.io/v1\n"
BASE = f"""
apiVersion: v1
kind: Pod
metadata: {{name: g-istio-1, namespace: default,
  labels: {{gateway.networking.k8s.io/gateway-name: g}}}}
spec: {{containers: [{{name: istio-proxy, args: [proxy, router]}}]}}
status: {{phase: Running, podIP: 10.244.0.1, conditions: [{{type: Ready, status: "True"}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: g-istio, namespace: default}}
spec: {{selector: {{gateway.networking.k8s.io/gateway-name: g}}, ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: default}}
spec: {{clusterIP: 10.96.0.9, ports: [{{name: https, port: 443}}, {{name: other, port: 8443}}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: ca, namespace: default}}
data: {{ca.crt: "-----BEGIN CERTIFICATE-----"}}
---
{GATEWAY}kind: Gateway
metadata: {{name: g, namespace: default}}
spec: {{gatewayClassName: istio, listeners: [{{name: http, port: 80, protocol: HTTP}}]}}
---
{GATEWAY}kind: HTTPRoute
metadata: {{name: r, namespace: default}}
spec: {{parentRefs: [{{name: g}}], rules: [{{backendRefs: [{{name: web, port: 443}}]}}]}}
---
"""
HOST = "web.default.svc.cluster.local"
CA = "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]"


def policy(
    name: str = "p", check: str = CA, target: str = "name: web", created: str = "2024"
) -> str:
    return (
        f"{GATEWAY}kind: BackendTLSPolicy\nmetadata: {{name: {name}, namespace: default,"
        f' creationTimestamp: "{created}-01-01T00:00:00Z"}}\n'
        f"spec: {{targetRefs: [{{group: '', kind: Service, {target}}}],"
        f" validation: {{hostname: a.example.com, {check}}}}}\n---\n"
    )


def objects(text: str) -> snapshot.Snapshot:
    return snapshot.of_bodies(each for each in yaml.safe_load_all(BASE + text) if each)


def of(text: str) -> Policies:
    return translation.of(gateway_objects.read(objects(text), "cluster.local")).policies


def said(text: str, name: str = "p") -> tuple[tuple[bool, str], ...]:
    (outcome,) = of(text).outcomes["default", name]
    return tuple((aspect.holds, aspect.reason) for aspect in outcome.aspects)


def clusters(text: str) -> dict[str, Any]:
    front = assemble.Frontend(MeshSettings(features=versions.features()))
    mesh = front.build(offline.complete(objects(text)))
    (ref,) = [each for each in mesh.proxies() if each.name == "g-istio-1"]
    config = mesh.view(ref).gateway
    assert config is not None
    return {each.name: each.policy.tls for each in config.clusters}


def test_a_gateway_speaks_tls_to_the_target_and_checks_the_name() -> None:
    tls = clusters(policy())[f"outbound|443||{HOST}"]
    assert (tls.mode.value, tls.sni, tls.sans) == ("SIMPLE", "a.example.com", ("a.example.com",))
    assert tls.ca == "configmap://default/ca-cacert"
    assert str(tls.source).startswith("BackendTLSPolicy/default/p#spec.validation")
    assert said(policy()) == ((True, "Accepted"), (True, "ResolvedRefs"))


def test_names_that_are_listed_take_the_place_of_the_hostname() -> None:
    names = "[{type: Hostname, hostname: b.example.com}, {type: URI, uri: 'spiffe://c'}]"
    tls = clusters(policy(check=f"{CA}, subjectAltNames: {names}"))[f"outbound|443||{HOST}"]
    assert (tls.sni, tls.sans) == ("a.example.com", ("b.example.com", "spiffe://c"))


def test_a_section_is_one_port() -> None:
    (rule,) = of(policy(target="name: web, sectionName: other")).rules.values()
    assert rule.spec.traffic_policy is not None
    assert rule.spec.traffic_policy.tls is None
    (port,) = rule.spec.traffic_policy.port_level_settings
    assert port.port is not None
    assert port.port.number == 8443


def test_the_older_of_two_holds_and_a_section_is_another_target() -> None:
    apart = policy("q", target="name: web, sectionName: other", created="2025")
    text = policy("p", created="2025") + policy("o", created="2024") + apart
    assert said(text, "o") == said(text, "q") == ((True, "Accepted"), (True, "ResolvedRefs"))
    assert said(text, "p")[0] == (False, "Conflicted")
    (rule,) = of(text).rules.values()
    assert isinstance(rule.metadata, Origin)
    assert str(rule.metadata.source("")).startswith("BackendTLSPolicy/default/o")


@pytest.mark.parametrize(
    ("check", "accepted", "resolved"),
    [
        (CA.replace("name: ca", "name: gone"), "NoValidCACertificate", "InvalidCACertificateRef"),
        (CA.replace("ConfigMap", "Secret"), "NoValidCACertificate", "InvalidKind"),
        ("wellKnownCACertificates: Other", "Invalid", "ResolvedRefs"),
    ],
)
def test_without_a_ca_tls_fails_and_never_becomes_plaintext(
    check: str, accepted: str, resolved: str
) -> None:
    told = said(policy(check=check))
    assert told[0] == (False, accepted)
    assert told[1][1] == resolved
    tls = clusters(policy(check=check))[f"outbound|443||{HOST}"]
    assert tls.mode.value == "SIMPLE"
    assert tls.ca.startswith("configmap://")


@pytest.mark.parametrize("target", ["name: gone", "name: web, sectionName: gone"])
def test_a_target_that_is_not_there(target: str) -> None:
    assert said(policy(target=target))[0] == (False, "TargetNotFound")
    assert not of(policy(target=target)).rules


def test_the_system_may_be_trusted() -> None:
    tls = clusters(policy(check="wellKnownCACertificates: System"))[f"outbound|443||{HOST}"]
    assert tls.ca == "system"


def test_a_users_own_gateway_cannot_name_the_secret_of_another_namespace() -> None:
    tls = networking.ServerTLSSettings(
        mode="SIMPLE", credential_name="kubernetes-gateway://other/secret"
    )
    (name,) = gateways.server_tls(tls).secrets
    assert name.startswith("kubernetes://")
    assert gateways.server_tls(tls, translated=True).secrets == (tls.credential_name,)


ENTRY = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: default}
spec: {hosts: [far.example.com], ports: [{name: https, number: 443, protocol: HTTPS}]}
---
"""


@pytest.mark.parametrize(
    ("group", "kind", "found"),
    [
        ("networking.istio.io", "ServiceEntry", True),
        ("networking.istio.io", "Sidecar", False),
        ("''", "ServiceEntry", False),
    ],
)
def test_a_target_may_be_a_service_entry_and_nothing_else(
    group: str, kind: str, found: bool
) -> None:
    asked = f"group: {group}, kind: {kind},"
    text = policy(target="name: far").replace("group: '', kind: Service,", asked)
    hosts = {rule.spec.host for rule in of(ENTRY + text).rules.values()}
    assert ("far.example.com" in hosts) is found
