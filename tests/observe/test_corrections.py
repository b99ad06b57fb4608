"""Fields that mean something else than was asked for: what is found, and what is left alone."""

from typing import Any

import pytest
import yaml

from lateen.causes import catalogue, remedies
from lateen.model import snapshot
from lateen.observe.requests import legs
from lateen.observe.requests.legs import Leg
from lateen.observe.verdicts import corrections
from tests.observe import entries as e
from tests.observe.test_facts import view_of_the_client
from tests.observe.test_legs import changed, logged

HEAD = "apiVersion: networking.istio.io/v1\nkind: "
GATE_POD = """
apiVersion: v1
kind: Pod
metadata: {name: gate, namespace: istio-system, labels: {istio: ingressgateway}}
---
"""


def gateway(namespace: str, name: str, selector: str = "istio: ingressgateway") -> str:
    servers = "[{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]"
    meta = f"metadata: {{name: {name}, namespace: {namespace}}}"
    return f"{HEAD}Gateway\n{meta}\nspec: {{selector: {{{selector}}}, servers: {servers}}}\n---\n"


def service(name: str, http: str, gateways: str = "[gw]", host: str = "shop.example") -> str:
    hosts = f"hosts: [{host}], " if host else ""
    gate = f"gateways: {gateways}, " if gateways else ""
    meta = f"metadata: {{name: {name}, namespace: shop}}"
    return f"{HEAD}VirtualService\n{meta}\nspec: {{{hosts}{gate}http: [{http}]}}\n---\n"


def unrouted(path: str = "/api/x", host: str = "shop.example:80", **facts: Any) -> Leg:
    asked = e.http(path=path, authority=host, status=404, details="route_not_found")
    made = e.entry(f"{e.HOST}:1000", flags="NR", http=asked, upstream_cluster="")
    (entry,) = logged((e.GATEWAY, changed(made, **facts)))
    return legs.between(entry, None, e.DIRECTORY)


def told(leg: Leg, text: str, code: str = "no-route") -> list[str]:
    objects = snapshot.of_bodies(body for body in yaml.safe_load_all(text) if body)
    found = corrections.of(leg, {}, objects)
    return [remedies._correct(each).edits[0].words for each in found if each.code == code]


TO_WEB = "{route: [{destination: {host: web}}]}"


def test_a_gateway_of_another_namespace_is_named_by_it() -> None:
    rule = service("app", TO_WEB)
    assert told(unrouted(), gateway("edge", "gw") + rule) == [
        "set spec.gateways[0] of VirtualService/shop/app to edge/gw"
    ]
    assert told(unrouted(host="other.example"), gateway("edge", "gw") + rule) == []
    assert told(unrouted(), gateway("edge", "gw") + gateway("rim", "gw") + rule) == []
    assert told(unrouted(), GATE_POD + gateway("shop", "gw") + rule) == []


def test_a_gateway_that_selects_no_pod_selects_the_one_that_was_asked() -> None:
    objects = GATE_POD.replace("name: gate", f"name: {e.GATEWAY.rpartition('/')[2]}")
    objects += gateway("shop", "gw", "istio: ingress") + service("app", TO_WEB)
    assert told(unrouted(), objects) == [
        'set spec.selector of Gateway/shop/gw to {"istio": "ingressgateway"}'
    ]


@pytest.mark.parametrize(
    ("uri", "path", "words"),
    [
        ('{prefix: "/api/*"}', "/api/x", ['{"prefix": "/api/"}']),
        ('{exact: "/api/*"}', "/api/x?a=b", ['{"prefix": "/api/"}']),
        ('{prefix: "/api/*"}', "/other", []),
        ('{regex: "/api/*"}', "/api/x", []),
        ('{prefix: "/api/"}', "/api/x", []),
    ],
)
def test_a_star_stands_for_itself(uri: str, path: str, words: list[str]) -> None:
    rule = service("app", "{match: [{uri: " + uri + "}], route: [{destination: {host: web}}]}")
    found = told(unrouted(path), GATE_POD + gateway("shop", "gw") + rule)
    field = "spec.http[0].match[0].uri of VirtualService/shop/app"
    assert found == [f"set {field} to {each}" for each in words]


@pytest.mark.parametrize(
    ("path", "many", "found"), [("/up/x", 1, 1), ("/other", 1, 0), ("/up/x", 2, 0)]
)
def test_a_delegates_conditions_are_left_to_the_root(path: str, many: int, found: int) -> None:
    own = "{match: [{uri: {prefix: /x}}], route: [{destination: {host: web}}]}"
    root = "{match: [{uri: {prefix: /up}}], rewrite: {uri: /}, delegate: {name: tenant}}"
    objects = GATE_POD + gateway("shop", "gw") + service("root", root)
    objects += service("tenant", ", ".join([own] * many), gateways="", host="")
    words = ["remove spec.http[0].match from VirtualService/shop/tenant"] * found
    assert told(unrouted(path), objects) == words


@pytest.mark.parametrize(
    ("prefix", "came", "went", "words"),
    [
        ("/common", "/common/a", "//a", ["/common/"]),
        ("/common/", "/common//a", "//a", []),
        ("/common", "/common/a", "/a", []),
        ("/common", "", "//a", []),
        ("/common", "//common/a", "//a", []),
    ],
)
def test_a_slash_that_stands_twice(prefix: str, came: str, went: str, words: list[str]) -> None:
    rule = "{match: [{uri: {prefix: " + prefix + "}}], rewrite: {uri: /}, route: []}"
    leg = unrouted(tags={"source": "VirtualService/shop/app#spec.http[0]"})
    assert leg.client_entry is not None
    asked = e.http(path=went, original_path=came, status=404)
    leg = legs.between(
        *logged((e.GATEWAY, changed(leg.client_entry.entry, http=asked))), None, e.DIRECTORY
    )
    found = told(leg, GATE_POD + gateway("shop", "gw") + service("app", rule), "application-status")
    field = "spec.http[0].match[0].uri.prefix of VirtualService/shop/app"
    assert found == [f"set {field} to {each}" for each in words]
    shown = corrections.rewritten((leg,))
    assert (shown is leg) is bool(came and came != went)


SIDECAR = f"""
{HEAD}Sidecar
metadata: {{name: default, namespace: default}}
spec: {{egress: [{{hosts: ["istio-system/*"]}}]}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.9, selector: {app: web}, ports: [{name: http, port: 80}]}
"""


@pytest.mark.parametrize(
    ("sidecar", "asked", "found"), [(SIDECAR, "9", 1), (SIDECAR, "8", 0), ("", "9", 0)]
)
def test_a_service_that_a_sidecar_leaves_out_is_added(sidecar: str, asked: str, found: int) -> None:
    view = view_of_the_client("clusterIP: 10.96.0.9", sidecar)
    objects = snapshot.of_bodies(yaml.safe_load_all(SERVICE))
    made = e.entry("10.244.0.1:1000", downstream_local=f"10.96.0.{asked}:80", http=e.http())
    (entry,) = logged((e.CLIENT, made))
    leg = legs.between(None, entry, e.DIRECTORY)
    leg = leg if leg.inside else legs.between(entry, None, e.DIRECTORY)
    words = [
        remedies._correct(each).words
        for each in corrections.of(leg, {e.CLIENT: view}, objects)
        if each.code == catalogue.BLOCKED.code
    ]
    host = "default/web.default.svc.cluster.local"
    path = "spec.egress[0].hosts of Sidecar/default/default"
    assert words == [f"let the Sidecar's workloads know the Service: add {host} to {path}"] * found
