"""How servers of several Gateways merge, and what a proxy's credentials are."""

import base64
from typing import Any

import pytest

from lateen.compiler.frontend.security import credentials
from lateen.model.meta import ObjectRef, Source

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
"""


def gateway(
    name: str, server: str, created: str = "2024", selector: str = "istio: ingressgateway"
) -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: Gateway\n"
        f"metadata: {{name: {name}, namespace: default, "
        f"creationTimestamp: '{created}-01-01T00:00:00Z'}}\n"
        f"spec: {{selector: {{{selector}}}, servers: [{server}]}}\n---\n"
    )


def routed(*gateways: str, hosts: str = "'*'", kind: str = "http") -> str:
    match = "match: [{sniHosts: ['*.example.com']}], " if kind == "tls" else ""
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        "metadata: {name: v, namespace: default}\n"
        f"spec: {{hosts: [{hosts}], gateways: [{', '.join(gateways)}], "
        f"{kind}: [{{{match}route: [{{destination: {{host: web}}}}]}}]}}\n---\n"
    )


def server(protocol: str, hosts: str, tls: str = "", port: int = 443, name: str = "p") -> str:
    more = f", tls: {{{tls}}}" if tls else ""
    return (
        f"{{port: {{number: {port}, name: {name}, protocol: {protocol}}}, hosts: [{hosts}]{more}}}"
    )


SIMPLE = "mode: SIMPLE, credentialName: c"
HTTP = server("HTTP", "'*'")
A = server("HTTPS", "a.example.com", SIMPLE)
B = server("HTTPS", "b.example.com", SIMPLE)
AB = server("HTTPS", "a.example.com, b.example.com", SIMPLE)
TCP = server("TCP", "'*'")


@pytest.mark.parametrize(
    ("servers", "chains", "codes"),
    [
        ([HTTP], [()], []),
        ([A, B], [("a.example.com",), ("b.example.com",)], []),
        ([A, AB], [("a.example.com",)], ["LTN0021"]),
        ([AB, A], [("a.example.com", "b.example.com")], ["LTN0021"]),
        ([HTTP, A], [()], ["LTN0020"]),
        ([A, HTTP], [("a.example.com",)], ["LTN0020"]),
        ([HTTP, TCP], [()], ["LTN0020"]),
        ([server("HTTPS", "'*'", SIMPLE)], [()], []),
        ([server("HTTPS", "'*', a.example.com", SIMPLE)], [()], []),
        ([server("HTTPS", "a.example.com", "mode: SIMPLE")], None, ["IST0106"]),
    ],
)
def test_merge(
    servers: list[str], chains: list[tuple[str, ...]] | None, codes: list[str], build: Any
) -> None:
    text = "".join(gateway(f"g{i}", s, str(2020 + i)) for i, s in enumerate(servers))
    names = [f"g{i}" for i in range(len(servers))]
    built = build(WEB + text + routed(*names), gateway=True)
    listeners = {o.port: o for o in built.view("gateway").gateway.listeners}
    if chains is None:
        assert 8443 not in listeners
    else:
        assert [c.sni for c in listeners[8443].chains] == chains
    refused = [d.code for d in built.mesh.diagnostics if d.source.path.startswith("spec.servers")]
    assert refused == codes


def test_oldest_gateway_is_served_whatever_the_order_of_names(build: Any) -> None:
    text = gateway("a", AB, "2025") + gateway("z", A, "2020")
    built = build(WEB + text + routed("a", "z"), gateway=True)
    (listener,) = built.view("gateway").gateway.listeners
    assert [str(c.source) for c in listener.chains] == ["Gateway/default/z#spec.servers[0]"]


@pytest.mark.parametrize(
    ("selector", "opened"),
    [("istio: ingressgateway", True), ("", True), ("istio: other", False)],
)
def test_selector(selector: str, opened: bool, build: Any) -> None:
    built = build(WEB + gateway("g", HTTP, selector=selector) + routed("g"), gateway=True)
    assert bool(built.view("gateway").gateway.listeners) is opened


@pytest.mark.parametrize(
    ("host", "export", "attached"),
    [
        ("'*'", "", True),
        ("./a.example.com", "", True),
        ("default/a.example.com", "", True),
        ("other/a.example.com", "", False),
        ("'*/a.example.com'", "", True),
        ("'*.example.com'", "", True),
        ("'*.example.net'", "", False),
        ("a.example.com", "'.'", False),
        ("a.example.com", "istio-system", True),
    ],
)
def test_attachment(host: str, export: str, attached: bool, build: Any) -> None:
    routes = routed("g", hosts="a.example.com").replace(
        "spec: {", f"spec: {{exportTo: [{export}], " if export else "spec: {", 1
    )
    built = build(WEB + gateway("g", server("HTTP", host)) + routes, gateway=True)
    (table,) = built.view("gateway").gateway.tables
    names = [h.name for h in table.hosts]
    assert names == (["a.example.com:443"] if attached else ["blackhole:443"])


def test_redirect_covers_hosts_without_a_virtual_service(build: Any) -> None:
    redirecting = server("HTTP", "a.example.com, b.example.com", "httpsRedirect: true")
    built = build(
        WEB + gateway("g", redirecting) + routed("g", hosts="a.example.com"), gateway=True
    )
    (table,) = built.view("gateway").gateway.tables
    assert [(h.name, h.require_tls, bool(h.routes)) for h in table.hosts] == [
        ("a.example.com:443", True, True),
        ("b.example.com:443", True, False),
    ]


def test_named_target_port_and_unknown_port(build: Any) -> None:
    text = gateway("g", server("HTTP", "'*'", port=80)) + gateway(
        "h", server("HTTP", "'*'", port=7)
    )
    built = build(WEB + text + routed("g", "h"), gateway=True)
    view = built.view("gateway").gateway
    assert [(o.name, o.chains[0].route_table) for o in view.listeners] == [
        ("0.0.0.0_7", "http.7"),
        ("0.0.0.0_8080", "http.8080"),
    ]


def test_only_reached_hosts_have_clusters(build: Any) -> None:
    other = WEB.replace("web", "idle")
    built = build(WEB + other + gateway("g", HTTP) + routed("g"), gateway=True)
    view = built.view("gateway").gateway
    assert {c.service.name for c in view.clusters} == {"web"}
    assert {e.cluster for e in view.endpoints} == {c.name for c in view.clusters}


def secret(name: str, namespace: str, **data: str) -> str:
    pairs = ", ".join(
        f"{key}: {base64.b64encode(value.encode()).decode()}" for key, value in data.items()
    )
    return (
        "apiVersion: v1\nkind: Secret\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\ndata: {{{pairs}}}\n---\n"
    )


def given(built: Any, pod: str) -> credentials.Credentials:
    """Return the credentials that a pod's proxy is given."""
    view = built.view(pod)
    asked = credentials.Asking().of(view)
    return credentials.credentials(asked, view.node.namespace, built.snapshot)


PAIR = {"tls.crt": "CERT", "tls.key": "KEY"}


@pytest.mark.parametrize(
    ("secrets", "delivered"),
    [
        ([], {}),
        ([secret("c", "default", **PAIR)], {}),
        ([secret("c", "istio-system", **PAIR)], {"kubernetes://c": b"CERT"}),
        ([secret("c", "istio-system", cert="CERT", key="KEY")], {"kubernetes://c": b"CERT"}),
        ([secret("c", "istio-system", **{"tls.crt": "CERT"})], {}),
        (
            [secret("c", "istio-system", **PAIR, **{"ca.crt": "CA"})],
            {"kubernetes://c": b"CERT", "kubernetes://c-cacert": b"CA"},
        ),
        (
            [
                secret("c", "istio-system", **PAIR, **{"ca.crt": "INSIDE"}),
                secret("c-cacert", "istio-system", cacert="APART"),
            ],
            {"kubernetes://c": b"CERT", "kubernetes://c-cacert": b"APART"},
        ),
    ],
)
def test_credentials_come_from_the_workload_namespace(
    secrets: list[str], delivered: dict[str, bytes], build: Any
) -> None:
    mutual = server("HTTPS", "a.example.com", "mode: MUTUAL, credentialName: c")
    built = build(WEB + gateway("g", mutual) + routed("g") + "".join(secrets), gateway=True)
    found = given(built, "gateway")
    assert {s.name: s.certificate_chain or s.ca for s in found.secrets} == delivered
    wanted = {"kubernetes://c", "kubernetes://c-cacert"}
    assert len(found.missing) == len(wanted - delivered.keys())
    assert all(d.code == "IST0161" and "istio-system" in d.message for d in found.missing)
    assert "KEY" not in repr(found)


@pytest.mark.parametrize(
    ("named", "authorities", "told"),
    [
        ("clients-cacert", {"kubernetes://clients-cacert": b"APART"}, []),
        ("clients", {}, ["LTN0063"]),
    ],
)
def test_the_authority_may_be_in_a_secret_of_its_own_by_the_name_as_written(
    named: str, authorities: dict[str, bytes], told: list[str], build: Any
) -> None:
    tls = f"mode: MUTUAL, credentialName: c, caCertCredentialName: {named}"
    held = secret("c", "istio-system", **PAIR, **{"ca.crt": "INSIDE"})
    held += secret(named, "istio-system", **PAIR, **{"ca.crt": "APART"})
    mutual = server("HTTPS", "a.example.com", tls)
    built = build(WEB + gateway("g", mutual) + routed("g") + held, gateway=True)
    found = given(built, "gateway")
    assert {s.name: s.ca for s in found.secrets if s.ca} == authorities
    assert f"kubernetes://{named}" in {s.name for s in found.secrets}
    assert found.missing == ()
    assert [d.code for d in built.mesh.diagnostics if d.code == "LTN0063"] == told


@pytest.mark.parametrize(
    "names", [("tls.crt", "tls.key", "ca.crt", "ca.crl"), ("cert", "key", "cacert", "crl")]
)
def test_a_credential_brings_what_was_revoked_along(names: tuple[str, ...], build: Any) -> None:
    mutual = server("HTTPS", "a.example.com", "mode: MUTUAL, credentialName: c")
    content = dict(zip(names, ("CERT", "KEY", "CA", "CRL"), strict=True))
    held = secret("c", "istio-system", **content, **{"tls.ocsp-staple": "STAPLE"})
    built = build(WEB + gateway("g", mutual) + routed("g") + held, gateway=True)
    certificate, ca = given(built, "gateway").secrets
    assert (ca.ca, ca.crl) == (b"CA", b"CRL")
    assert certificate.staple == (b"STAPLE" if names[0] == "tls.crt" else b"")


def test_a_rule_for_single_workloads_brings_its_credential_to_them(build: Any) -> None:
    """Only to them: on other sidecars `credentialName` is plaintext."""
    client = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {containers: [{name: web}, {name: istio-proxy}]}
---
"""
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: out, namespace: default}
spec:
  host: web
  workloadSelector: {matchLabels: {app: web}}
  trafficPolicy: {tls: {mode: MUTUAL, credentialName: c}}
---
"""
    built = build(WEB + client + rule + secret("c", "default", **PAIR, **{"ca.crt": "CA"}))
    assert [s.name for s in given(built, "web").secrets] == [
        "kubernetes://c",
        "kubernetes://c-cacert",
    ]
    elsewhere = build(WEB + client + rule.replace("{app: web}", "{app: other}"))
    assert given(elsewhere, "web").secrets == given(elsewhere, "web").missing == ()


def test_a_ca_in_a_config_map_reaches_every_client(build: Any) -> None:
    """It is no secret; SIMPLE does not become plaintext for it, as for a Secret on a sidecar."""
    client = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {containers: [{name: web}, {name: istio-proxy}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: out, namespace: default}
spec:
  host: web
  trafficPolicy: {tls: {mode: SIMPLE, sni: a.example.com, credentialName: "configmap://default/ca"}}
---
"""
    held = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: default}
data: {ca.crt: CA}
---
"""
    (found,) = given(build(WEB + client + held), "web").secrets
    assert (found.name, found.ca) == ("configmap://default/ca-cacert", b"CA")
    (told,) = given(build(WEB + client + held.replace("CA}", "''}")), "web").missing
    assert "no ConfigMap ca with ca.crt in namespace default" in told.message


def test_a_granted_secret_is_found_in_the_namespace_that_its_name_says(build: Any) -> None:
    held = secret("c", "certs", **PAIR, **{"ca.crt": "CA"})
    snapshot = build(WEB + held).snapshot
    at = Source(ObjectRef("Gateway", "default", "g"), "spec")
    names = ("kubernetes-gateway://certs/c", "kubernetes-gateway://certs/c-cacert")
    found = credentials.credentials(tuple((name, at) for name in names), "default", snapshot)
    assert [s.certificate_chain or s.ca for s in found.secrets] == [b"CERT", b"CA"]
    plain = credentials.credentials((("kubernetes://c", at),), "default", snapshot)
    assert plain.secrets == ()


def test_a_server_name_is_in_one_chain_only(build: Any) -> None:
    """Envoy refuses a listener two of whose chains match the same name."""
    passing = server("TLS", "'*.example.com'", "mode: PASSTHROUGH")
    rules = routed("g", "h", kind="tls").replace(
        "sniHosts: ['*.example.com']", "sniHosts: [a.example.com, s.example.com]"
    )
    again = rules.replace("name: v,", "name: w,").replace("[a.example.com, ", "[t.example.com, ")
    built = build(WEB + gateway("g", A) + gateway("h", passing) + rules + again, gateway=True)
    (listener,) = built.view("gateway").gateway.listeners
    assert [chain.sni for chain in listener.chains] == [
        ("a.example.com",),
        ("s.example.com",),
        ("t.example.com",),
    ]


def test_suites_that_no_proxy_knows_are_left_out(build: Any) -> None:
    """Envoy would refuse the whole listener for one of them."""
    suites = "cipherSuites: [AES128-SHA, NOT-A-SUITE, ECDHE-RSA-AES128-GCM-SHA256, AES128-SHA]"
    made = server("HTTPS", "a.example.com", f"{SIMPLE}, {suites}")
    built = build(gateway("one", made), gateway=True)
    (listener,) = built.view("gateway").gateway.listeners
    assert listener.chains[0].tls.ciphers == ("AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256")


def test_what_is_wrong_with_a_server_is_told_once_however_many_gateway_pods(build: Any) -> None:
    servers = server("HTTPS", "a.example.com", "mode: SIMPLE, credentialName: c")
    clashing = gateway("g", servers) + gateway("h", servers)
    pods = "".join(
        f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: gw-{name}, namespace: edge, labels: {{istio: ingressgateway, pod: {name}}}}}
spec: {{containers: [{{name: istio-proxy, args: [proxy, router]}}]}}
"""
        for name in "ab"
    )
    built = build(WEB + clashing + pods)
    assert len(built.proxies()) == 2
    assert [d.code for d in built.mesh.diagnostics].count("LTN0021") == 1


@pytest.mark.parametrize(("number", "told"), [(80, 0), (8080, 0), (81, 1)])
def test_the_pods_port_behind_the_service_is_as_good_as_the_services(
    number: int, told: int, build: Any
) -> None:
    plain = f"""
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g, namespace: default}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: {number}, name: http, protocol: HTTP}}, hosts: ["*"]}}]
"""
    built = build(WEB + plain, gateway=True)
    assert [d.code for d in built.mesh.diagnostics].count("IST0162") == told
