"""Objects of the Gateway API as Istio's: who attaches where, what is asked first, what is said."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, strategies as st

from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.frontend.gatewayapi import (
    actions,
    listeners,
    matches,
    objects as gateway_objects,
    translation,
)
from lateen.compiler.frontend.gatewayapi.translation import RouteKey, Translation
from lateen.compiler.frontend.graph import translated
from lateen.compiler.frontend.origin import Origin
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.compiler.ir.routing import Route
from lateen.model import snapshot
from lateen.model.gatewayapi import filters, routes
from lateen.model.meta import ObjectRef
from lateen.model.schema.objectmeta import LabelSelector

POD = """
apiVersion: v1
kind: Pod
metadata: {name: g-istio-1, namespace: NS,
  labels: {gateway.networking.k8s.io/gateway-name: g}}
spec: {containers: [{name: istio-proxy, args: [proxy, router]}]}
status: {phase: Running, podIP: ADDRESS, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: g-istio, namespace: NS}
spec:
  selector: {gateway.networking.k8s.io/gateway-name: g}
  ports: [{name: http, port: 80, targetPort: 80}]
---
"""
BASE = (
    POD.replace("NS", "default").replace("ADDRESS", "10.244.0.1")
    + """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.9, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: other}
spec: {clusterIP: 10.96.0.8, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: blue}}
---
"""
)


def gateway(*written: str, more: str = "") -> str:
    return (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
        "metadata: {name: g, namespace: default}\n"
        f"spec: {{gatewayClassName: istio, listeners: [{', '.join(written)}]{more}}}\n---\n"
    )


def listener(name: str = "http", host: str = "", port: int = 80, more: str = "") -> str:
    hostname = f", hostname: '{host}'" if host else ""
    protocol = "" if "protocol" in more else ", protocol: HTTP"
    return f"{{name: {name}, port: {port}{protocol}{hostname}{more}}}"


def route(rules: str, namespace: str = "default", parent: str = "{name: g}", more: str = "") -> str:
    return (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
        f"metadata: {{name: r, namespace: {namespace}}}\n"
        f"spec: {{parentRefs: [{parent}], rules: [{rules}]{more}}}\n---\n"
    )


TO_WEB = "{backendRefs: [{name: web, port: 80}]}"


def of(text: str) -> Translation:
    objects = snapshot.of_bodies(each for each in yaml.safe_load_all(BASE + text) if each)
    return translation.of(gateway_objects.read(objects, "cluster.local"))


def view(text: str) -> ProxyView:
    objects = snapshot.of_bodies(each for each in yaml.safe_load_all(BASE + text) if each)
    front = assemble.Frontend(MeshSettings(features=versions.features()))
    mesh = front.build(offline.complete(objects))
    (ref,) = [each for each in mesh.proxies() if each.name == "g-istio-1"]
    return mesh.view(ref)


def made(text: str) -> Mapping[str, tuple[Route, ...]]:
    """Return the routes of the gateway's port 80 by domain."""
    config = view(text).gateway
    assert config is not None
    return {
        host.domains[0]: host.routes
        for table in config.tables
        for host in table.hosts
        if host.routes
    }


def outcome(text: str, kind: str = "HTTPRoute", namespace: str = "default") -> Any:
    (found,) = of(text).routes[RouteKey(kind, namespace, "r")]
    return found


def test_the_most_specific_condition_is_asked_first() -> None:
    rules = ", ".join(
        (
            "{matches: [{path: {value: /}}], backendRefs: [{name: web, port: 80}]}",
            "{matches: [{path: {value: /a/}, headers: [{name: X, value: y}]}, {path: {value: /a}}],"
            " backendRefs: [{name: web, port: 80}]}",
            "{matches: [{path: {type: Exact, value: /a}}], backendRefs: [{name: web, port: 80}]}",
        )
    )
    found = made(gateway(listener()) + route(rules))["*"]
    told = [(each.match.path.kind, each.match.path.value) for each in found if each.match.path]
    assert told == [("exact", "/a"), ("segments", "/a"), ("segments", "/a"), ("prefix", "/")]
    assert [len(each.match.headers) for each in found] == [0, 1, 0, 0]
    assert [str(each.source) for each in found] == [
        f"HTTPRoute/default/r#spec.rules[{number}]" for number in (2, 1, 1, 0)
    ]


def test_a_backend_that_is_not_there_answers_500_and_is_told() -> None:
    text = gateway(listener()) + route("{backendRefs: [{name: gone, port: 80}]}")
    (one,) = made(text)["*"]
    assert one.missing_status == 500
    assert one.destinations[0].cluster == "outbound|80||gone.default.svc.cluster.local"
    problem = outcome(text).problem
    assert problem.reason == "BackendNotFound"
    assert problem.message == "backend(gone.default.svc.cluster.local) not found"


def test_a_rule_without_backends_answers_500() -> None:
    (one,) = made(gateway(listener()) + route("{matches: [{path: {value: /}}]}"))["*"]
    assert one.direct_response is not None
    assert one.direct_response.status == 500


GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}]
  to: [{group: "", kind: Service}]
---
"""


def test_another_namespaces_backend_must_be_granted() -> None:
    there = "{backendRefs: [{name: web, namespace: other, port: 80}]}"
    text = gateway(listener()) + route(there)
    assert outcome(text).problem.reason == "RefNotPermitted"
    assert outcome(text + GRANT).problem is None
    (refused,) = made(text)["*"]
    assert "invalid" in refused.destinations[0].cluster
    (granted,) = made(text + GRANT)["*"]
    assert granted.destinations[0].cluster == "outbound|80||web.other.svc.cluster.local"


@pytest.mark.parametrize(
    ("parent", "more", "namespace", "reason"),
    [
        ("{name: g, port: 81}", "", "default", "NoMatchingParent"),
        ("{name: g, sectionName: x}", "", "default", "NoMatchingParent"),
        ("{name: g}", ", hostnames: [b.org]", "default", "NoMatchingListenerHostname"),
        ("{name: g, namespace: default}", "", "other", "NotAllowedByListeners"),
    ],
)
def test_why_a_route_does_not_attach(parent: str, more: str, namespace: str, reason: str) -> None:
    text = gateway(listener(host="*.example.com")) + route(TO_WEB, namespace, parent, more)
    assert outcome(text, namespace=namespace).parent.denial.reason == reason
    assert not of(text).attached


def test_namespaces_may_be_chosen_by_label() -> None:
    chosen = (
        ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: COLOUR}}}}"
    )
    for colour, number in (("blue", 1), ("red", 0)):
        written = listener(more=chosen.replace("COLOUR", colour))
        text = gateway(written) + route(TO_WEB, "other", "{name: g, namespace: default}")
        assert of(text).attached.get(("Gateway", "default", "g", "http"), 0) == number


def test_a_route_to_a_gateway_of_another_class_says_nothing() -> None:
    text = gateway(listener()).replace("istio", "nginx") + route(TO_WEB)
    assert of(text).routes[RouteKey("HTTPRoute", "default", "r")] == ()


def test_a_nearer_listener_has_its_hosts_for_itself() -> None:
    text = gateway(listener("all"), listener("near", "*.example.com")) + route(
        TO_WEB, parent="{name: g, sectionName: all}", more=", hostnames: [a.example.com, b.org]"
    )
    assert set(made(text)) == {"b.org"}


def test_two_listeners_of_one_host_conflict() -> None:
    found = of(gateway(listener("a", "x.org"), listener("b", "x.org"))).listeners["default", "g"]
    assert [state.valid for state in found] == [True, False]
    told = {aspect.type: aspect.reason for aspect in found[1].aspects}
    assert told["Conflicted"] == told["Accepted"] == "HostnameConflict"


def test_a_certificate_that_is_not_there_is_told() -> None:
    tls = ", protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}"
    (state,) = of(gateway(listener(port=443, more=tls))).listeners["default", "g"]
    told = {aspect.type: (aspect.holds, aspect.reason) for aspect in state.aspects}
    assert told["ResolvedRefs"] == (False, "InvalidCertificateRef")
    assert told["Programmed"] == (False, "Invalid")
    assert told["Accepted"][0]
    assert not state.valid


def test_a_gateway_of_another_namespace_with_the_same_pods_labels_opens_nothing() -> None:
    text = gateway(listener()).replace("namespace: default", "namespace: other")
    config = view(text).gateway
    assert config is not None
    assert config.listeners == ()


def test_a_services_route_is_for_all_clients_beside_it_and_for_its_own_elsewhere() -> None:
    to_service = "{group: '', kind: Service, name: web, namespace: default, port: 80}"
    for namespace, visible in (("default", ("*",)), ("other", (".",))):
        (one,) = of(route(TO_WEB, namespace, to_service)).virtual_services.values()
        assert one.spec.hosts == ("web.default.svc.cluster.local",)
        assert one.spec.gateways == ("mesh",)
        assert one.spec.export_to == visible
        assert one.spec.http[0].match[0].port == 80


CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
"""


def test_a_mesh_that_has_the_class_alone_is_read_as_it_is() -> None:
    for text, same in ((BASE + CLASS, True), (BASE + CLASS + gateway(listener()), False)):
        found = snapshot.of_bodies(each for each in yaml.safe_load_all(text) if each)
        assert (translated.Translator("cluster.local").over(found) is found) is same


def test_a_prefix_that_is_taken_away_leaves_one_slash() -> None:
    block = filters.HTTPURLRewriteFilter(
        path=filters.HTTPPathModifier(type="ReplacePrefixMatch", replace_prefix_match="/")
    )
    found = actions.rewrite(block, "/strip").uri_regex_rewrite
    assert found is not None
    assert (found.match, found.rewrite) == (r"^/strip(/?)(.*)", r"/\2")


PATHS = st.builds(
    routes.HTTPPathMatch,
    type=st.sampled_from(["Exact", "PathPrefix", "RegularExpression"]),
    value=st.from_regex(r"(/[a-z]{1,3}){1,3}", fullmatch=True),
)
MATCHES = st.builds(routes.HTTPRouteMatch, path=PATHS, method=st.sampled_from(["", "GET", "POST"]))


@given(st.lists(MATCHES, max_size=6))
def test_the_order_of_conditions_is_total_and_exact_paths_come_first(
    given_matches: list[routes.HTTPRouteMatch],
) -> None:
    ordered = sorted((matches.http(each) for each in given_matches), key=matches.rank)
    exact = [each.uri is not None and each.uri.exact is not None for each in ordered]
    assert exact == sorted(exact, reverse=True)


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("In", ["blue"], True),
        ("NotIn", ["blue"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_selectors_are_kubernetes(operator: str, values: list[str], holds: bool) -> None:
    text = {"matchExpressions": [{"key": "team", "operator": operator, "values": values}]}
    selector = yaml_selector(text)
    assert listeners.selects(selector, {"team": "blue"}) is holds


def yaml_selector(text: Mapping[str, Any]) -> LabelSelector:
    return msgspec.convert(text, LabelSelector)


def listener_set(*written: str, name: str = "s", namespace: str = "other") -> str:
    return (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\n"
        "spec: {parentRef: {name: g, namespace: default}, "
        f"listeners: [{', '.join(written)}]}}\n---\n"
    )


TAKEN = ", allowedListeners: {namespaces: {from: All}}"
AT_SET = "{kind: ListenerSet, name: s}"


def test_a_listener_sets_listeners_are_opened_by_the_gateways_proxies() -> None:
    added = listener_set(listener("more", "more.example.com"))
    text = gateway(listener(host="own.example.com"), more=TAKEN) + added
    text += route("{backendRefs: [{name: web, port: 80}]}", "other", AT_SET)
    assert set(made(text)) == {"more.example.com"}
    found = of(text)
    (outcome,) = found.listener_sets.values()
    assert [aspect.holds for aspect in outcome.aspects] == [True, True]
    assert found.attached == {("ListenerSet", "other", "s", "more"): 1}
    (origin,) = [obj.metadata for key, obj in found.gateways.items() if key[0] == "other"]
    assert isinstance(origin, Origin)
    assert origin.source("").ref == ObjectRef("ListenerSet", "other", "s")


@pytest.mark.parametrize(
    ("allowed", "written", "reason"),
    [
        ("", listener("more", "more.example.com"), "NotAllowed"),
        (", allowedListeners: {namespaces: {from: Same}}", listener("more"), "NotAllowed"),
        (TAKEN, listener("more", "own.example.com"), "ListenersNotValid"),
        (TAKEN, listener("more", more=", protocol: HTTPS"), "ListenersNotValid"),
        (TAKEN, listener("more", "more.example.com"), "Accepted"),
    ],
)
def test_whether_a_gateway_takes_a_listener_set(allowed: str, written: str, reason: str) -> None:
    found = of(gateway(listener(host="own.example.com"), more=allowed) + listener_set(written))
    (outcome,) = found.listener_sets.values()
    assert outcome.aspects[0].reason == reason
    assert outcome.aspects[0].holds is (reason == "Accepted")


def test_a_gateways_section_is_none_of_its_listener_sets() -> None:
    text = gateway(listener(host="own.example.com"), more=TAKEN) + listener_set(listener("more"))
    parent = "{name: g, namespace: default, sectionName: more}"
    denial = outcome(text + route(TO_WEB, "other", parent), namespace="other").parent.denial
    assert denial.reason == "NoMatchingParent"


def test_of_two_listener_sets_the_first_has_a_host() -> None:
    sets = (listener_set(listener("more", "h.example.com"), name=name) for name in ("t", "s"))
    found = of(gateway(listener(host="own.example.com"), more=TAKEN) + "".join(sets))
    reasons = {key[1]: each.aspects[0].reason for key, each in found.listener_sets.items()}
    assert reasons == {"s": "Accepted", "t": "ListenersNotValid"}
