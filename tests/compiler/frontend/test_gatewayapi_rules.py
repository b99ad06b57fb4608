"""What filters, matches and listeners of the Gateway API become, piece by piece."""

from typing import Any

import pytest
import yaml

from lateen.compiler.frontend.gatewayapi import (
    actions,
    objects as gateway_objects,
    rules,
    translation,
)
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Referrer
from lateen.compiler.frontend.gatewayapi.translation import Translation
from lateen.model import snapshot
from lateen.model.gatewayapi import filters, routes
from lateen.model.istio import types
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema.objectmeta import ObjectMeta

NOTHING = gateway_objects.read(snapshot.of_bodies([]), "cluster.local")
WEB: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "ns"},
    "spec": {"ports": [{"name": "http", "port": 80}]},
}
MESH = gateway_objects.read(snapshot.of_bodies([WEB]), "cluster.local")
SOURCE = Source(ObjectRef("GRPCRoute", "ns", "r"), "spec")


def parts(*given: filters.HTTPRouteFilter, objects: GatewayObjects = NOTHING) -> actions.RuleParts:
    made = actions.RuleParts(Referrer("HTTPRoute", "ns"), objects, checked=True)
    made.take(given, "/a")
    return made


def test_a_filter_that_istio_has_not_leaves_nothing_of_the_route() -> None:
    (problem,) = parts(filters.HTTPRouteFilter(type="ExtensionRef")).problems
    assert (problem.reason, problem.hard) == ("InvalidFilter", True)
    assert problem.message == 'unsupported filter type "ExtensionRef"'


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("*", types.StringMatch(regex=r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/]+")),
        ("http://a.org", types.StringMatch(exact="http://a.org")),
        ("!x", types.StringMatch(exact="!x")),
        ("http://a*", types.StringMatch(prefix="http://a")),
        ("http://*.org", types.StringMatch(regex=r"http://.*\.org")),
    ],
)
def test_origins(written: str, expected: types.StringMatch) -> None:
    made = actions.cors(filters.HTTPCORSFilter(allow_origins=(written,), max_age=0))
    assert (made.allow_origins, made.max_age) == ((expected,), "")
    assert actions.cors(filters.HTTPCORSFilter(max_age=1)).max_age == "1s"


def test_a_redirects_port_is_its_own_its_schemes_or_the_listeners() -> None:
    def asked(**of: Any) -> tuple[Any, Any]:
        made = actions.redirect(filters.HTTPRequestRedirectFilter(**of))
        return made.port, made.derive_port

    assert asked(port=8) == (8, None)
    assert asked(scheme="https") == (None, "FROM_PROTOCOL_DEFAULT")
    assert asked() == (None, "FROM_REQUEST_PORT")


def test_headers_that_two_filters_change_are_both_changed() -> None:
    def header(name: str, value: str) -> filters.HTTPHeader:
        return filters.HTTPHeader(name=name, value=value)

    asked = filters.HTTPHeaderFilter(set=(header("A", "1"), header("a", "2")), remove=("X-Y",))
    answered = filters.HTTPHeaderFilter(add=(header("B", "3"),))
    made = parts(
        filters.HTTPRouteFilter(type="RequestHeaderModifier", request_header_modifier=asked),
        filters.HTTPRouteFilter(type="ResponseHeaderModifier", response_header_modifier=answered),
    ).fields["headers"]
    assert (made.request.set, made.request.remove) == ({"a": "1"}, ("x-y",))
    assert made.response.add == {"b": "3"}


@pytest.mark.parametrize(
    ("more", "share"),
    [
        ({}, 100.0),
        ({"percent": 7}, 7.0),
        ({"fraction": filters.Fraction(numerator=1, denominator=4)}, 25.0),
        ({"fraction": filters.Fraction(numerator=3, denominator=100)}, 3.0),
    ],
)
def test_how_much_is_mirrored(more: dict[str, Any], share: float) -> None:
    to = routes.BackendObjectReference(name="web", port=80)
    block = filters.HTTPRequestMirrorFilter(backend_ref=to, **more)
    asked = filters.HTTPRouteFilter(type="RequestMirror", request_mirror=block)
    (made,) = parts(asked, objects=MESH).fields["mirrors"]
    assert (made.percentage.value, made.destination.host) == (share, "web.ns.svc.cluster.local")


def test_a_mirror_to_nowhere_is_told_and_left_out() -> None:
    to = routes.BackendObjectReference(name="gone", port=80)
    block = filters.HTTPRequestMirrorFilter(backend_ref=to)
    made = parts(filters.HTTPRouteFilter(type="RequestMirror", request_mirror=block), objects=MESH)
    assert [problem.reason for problem in made.problems] == ["BackendNotFound"]


@pytest.mark.parametrize(
    ("request_time", "one", "retried", "expected"),
    [
        ("2s", "", False, ("2s", None)),
        ("2s", "1s", False, ("1s", None)),
        ("0s", "0ms", False, ("", None)),
        ("2s", "1s", True, ("2s", "1s")),
    ],
)
def test_times(request_time: str, one: str, retried: bool, expected: tuple[str, Any]) -> None:
    made = actions.timing(
        routes.HTTPRouteRule(
            timeouts=routes.HTTPRouteTimeouts(request=request_time, backend_request=one),
            retry=routes.HTTPRouteRetry(codes=(503,)) if retried else None,
        )
    )
    retries = made.get("retries")
    assert (made["timeout"], retries and retries.per_try_timeout) == expected
    if retries is not None:
        assert retries.attempts == 2
        assert retries.retry_on.endswith("cancelled,503")


def test_a_grpc_rule_without_matches_takes_everything_and_another_what_it_says() -> None:
    method = routes.GRPCRouteMatch(method=routes.GRPCMethodMatch(service="s", method="m"))
    route = routes.GRPCRoute(
        metadata=ObjectMeta(name="r", namespace="ns"),
        spec=routes.GRPCRouteSpec(
            rules=(routes.GRPCRouteRule(), routes.GRPCRouteRule(name="n", matches=(method,)))
        ),
    )
    found = rules.grpc(route, SOURCE, MESH, checked=True).rules
    assert [each.spec.name for each in found] == ["ns.r.0", "n"]
    assert found[0].spec.match == ()
    (match,) = found[1].spec.match
    assert match.uri == types.StringMatch(exact="/s/m")
    assert [each.source.path for each in found] == ["spec.rules[0]", "spec.rules[1]"]


def of(*listeners: str, more: str = "") -> Translation:
    text = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
        "metadata: {name: g, namespace: ns}\n"
        f"spec: {{gatewayClassName: istio, listeners: [{', '.join(listeners)}]{more}}}\n"
    )
    objects = snapshot.of_bodies([yaml.safe_load(text)])
    return translation.of(gateway_objects.read(objects, "cluster.local"))


def listener(name: str, protocol: str, port: int = 1, more: str = "") -> str:
    return f"{{name: {name}, protocol: {protocol}, port: {port}{more}}}"


@pytest.mark.parametrize(
    ("protocol", "more", "kinds"),
    [
        ("HTTP", "", ["HTTPRoute", "GRPCRoute"]),
        ("HTTPS", "", ["HTTPRoute", "GRPCRoute"]),
        ("TCP", "", ["TCPRoute"]),
        ("TLS", ", tls: {mode: Terminate}", ["TLSRoute", "TCPRoute"]),
        ("TLS", ", tls: {mode: Passthrough}", ["TLSRoute"]),
        ("SCTP", "", []),
        ("UDP", "", []),
    ],
)
def test_which_routes_a_listener_takes(protocol: str, more: str, kinds: list[str]) -> None:
    (state,) = of(listener("a", protocol, more=more)).listeners["ns", "g"]
    assert list(state.kinds) == kinds


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (("HTTP", ""), ("HTTPS", ""), "ProtocolConflict"),
        (("TCP", ""), ("TCP", ""), "ProtocolConflict"),
        (("HTTP", ", hostname: a.org"), ("HTTP", ", hostname: A.org"), "HostnameConflict"),
        (("HTTP", ", hostname: a.org"), ("HTTP", ", hostname: b.org"), ""),
        (("HTTP", ""), ("HTTP", ", port: 2"), ""),
    ],
)
def test_which_listeners_conflict(
    one: tuple[str, str], other: tuple[str, str], reason: str
) -> None:
    port = 2 if "port" in other[1] else 1
    hosts = other[1].replace(", port: 2", "")
    found = of(listener("a", *_of(one)), listener("b", *_of((other[0], hosts), port)))
    second = found.listeners["ns", "g"][1]
    told = {aspect.type: aspect.reason for aspect in second.aspects}
    assert (told["Conflicted"] if reason else "") == reason
    assert ("Conflict" in told.get("Conflicted", "").replace("NoConflicts", "")) is bool(reason)


def _of(given: tuple[str, str], port: int = 1) -> tuple[str, int, str]:
    return given[0], port, given[1]
