"""Parts of the front end by themselves: what takes everything, which entry serves, what is told."""

from typing import Any

import pytest
import yaml
from envoy.config.listener.v3 import listener_components_pb2

from lateen.compiler.backend.listeners import outbound
from lateen.compiler.backend.routes import match
from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.frontend.diagnostics import patch_checks
from lateen.compiler.frontend.routing import matches, mesh_routes, routes
from lateen.compiler.frontend.routing.imports import EgressListener, Imports, Pattern
from lateen.compiler.frontend.traffic import locality
from lateen.compiler.ir.patches import ConfigPatch, Patches
from lateen.compiler.ir.policy import LoadBalancer, OutlierDetection, TrafficPolicy
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.ir.routing import DEFAULT_TCP, ClaimMatch, HeaderMatch, RouteMatch, StringMatch
from lateen.compiler.ir.workload import Port, Protocol, Resolution, Service
from lateen.compiler.output import PatchProblem
from lateen.model import snapshot
from lateen.model.istio import networking
from lateen.model.istio.networking_route import (
    Destination,
    RouteDestination,
    TLSMatchAttributes,
    TLSRoute,
)
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema.objectmeta import ObjectMeta

SOURCE = Source(ObjectRef("Sidecar", "ns", "s"))
EXACT = StringMatch(kind="exact", value="x")


@pytest.mark.parametrize(
    "more",
    [
        {"headers": (HeaderMatch(name="a", match=EXACT),)},
        {"query": (("a", EXACT),)},
        {"claims": (ClaimMatch(claims=("a",), match=EXACT),)},
    ],
)
def test_a_match_that_asks_for_anything_does_not_take_everything(more: dict[str, Any]) -> None:
    assert not matches.is_catch_all(RouteMatch(**more), versions.features())
    assert matches.is_catch_all(RouteMatch(), versions.features())


def entry(port: int) -> EgressListener:
    every = Pattern(namespace="*", host="*")
    return EgressListener(port=port, included=(every,), excluded=(), source=SOURCE)


@pytest.mark.parametrize(
    ("ports", "asked", "place"),
    [
        ((80, 81), 81, 1),
        ((80, 81), 80, 0),
        ((80, 81), 82, None),
        ((0, 81), 81, 1),
        ((0, 81), 80, 0),
        ((81, 0, 0), 80, 1),
        ((), 80, None),
    ],
)
def test_which_entry_of_a_sidecar_serves_a_port(
    ports: tuple[int, ...], asked: int, place: int | None
) -> None:
    found = Imports(listeners=tuple(entry(port) for port in ports))
    assert found.at(asked) == place


@pytest.mark.parametrize(
    ("sni", "names"),
    [(["a", "b"], ["a", "b"]), (["a", "*"], []), (["*"], []), ([], [])],
)
def test_a_star_among_server_names_takes_every_name(sni: list[str], names: list[str]) -> None:
    made = listener_components_pb2.FilterChainMatch()
    outbound.write_match(made, sni, ["10.0.0.0/8"])
    assert list(made.server_names) == names
    assert [(r.address_prefix, r.prefix_len.value) for r in made.prefix_ranges] == [("10.0.0.0", 8)]


def test_what_came_of_patches() -> None:
    """One that could not be tried, one that changed something, one that changed nothing."""
    sources = [
        Source(ObjectRef("EnvoyFilter", "ns", "f"), f"spec.configPatches[{n}]") for n in "012"
    ]
    patches = tuple(
        ConfigPatch(source=one, apply_to="CLUSTER", context="ANY", operation="MERGE")
        for one in sources
    )
    problem = PatchProblem(sources[0], "it is nothing")
    tried = (Patches(patches=patches), [sources[1]], [problem])
    found = list(patch_checks.of_trials([tried, (Patches(patches=patches), [], [problem])]))
    assert [(each.code, each.source.path) for each in found] == [
        ("LTN0195", "spec.configPatches[0].patch.value"),
        ("LTN0193", "spec.configPatches[2]"),
    ]
    assert "it is nothing" in found[0].message


def tls_route(*matches: tuple[list[str], list[str]], to: str = "web") -> TLSRoute:
    return TLSRoute(
        match=tuple(
            TLSMatchAttributes(sni_hosts=tuple(names), destination_subnets=tuple(nets))
            for names, nets in matches
        ),
        route=(RouteDestination(destination=Destination(host=to)),),
    )


def test_the_first_rule_for_a_server_name_counts_and_later_ones_are_still_read() -> None:
    host = "web.ns.svc.cluster.local"
    at = Source(ObjectRef("Service", "ns", "web"))
    port = Port(name="tls", number=443, protocol=Protocol.TLS, target=443, source=at)
    service = Service(
        namespace="ns",
        name="web",
        hostname=host,
        resolution=Resolution.EDS,
        vips=(),
        ports=(port,),
        source=at,
    )
    rules = (
        tls_route((["a", "a"], [])),
        TLSRoute(match=(TLSMatchAttributes(sni_hosts=("z",)),), route=()),
        tls_route((["a"], []), (["a"], ["10.0.0.0/8"]), (["a", "b"], []), (["c"], [])),
    )
    obj = networking.VirtualService(
        metadata=ObjectMeta(name="v", namespace="ns"),
        spec=networking.VirtualServiceSpec(hosts=("a",), tls=rules),
    )
    context = routes.Context(
        settings=MeshSettings(features=versions.features()),
        namespace="ns",
        name="v",
        port=443,
        gateways=("mesh",),
        client_namespace="ns",
        client_labels={},
        secure=False,
        service=lambda asked: service if asked == host else None,
        hashed=lambda *_: (),
        conduct=lambda *_: DEFAULT_TCP,
    )
    found = mesh_routes.tls_rules(obj, context)
    assert [(each.sni_hosts, each.cidrs) for each in found] == [
        (("a",), ()),
        (("a",), ("10.0.0.0/8",)),
        (("b",), ()),
        (("c",), ()),
    ]


def test_of_several_tracing_providers_the_first_alone_is_looked_at() -> None:
    text = """
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: t, namespace: default}
spec: {tracing: [{providers: [{name: first}, {name: second}]}]}
"""
    objects = offline.complete(snapshot.of_bodies([yaml.safe_load(text)]))
    mesh = assemble.Frontend(MeshSettings(features=versions.features())).build(objects)
    told = [str(each) for each in mesh.diagnostics if each.code == "LTN0035"]
    assert len(told) == 1
    assert "provider first is left out" in told[0]


@pytest.mark.parametrize(
    ("settings", "outliers", "weighed"),
    [
        (None, True, False),
        ({"locality_enabled": False, "failover": (("a", "b"),)}, True, False),
        ({"failover": (("a", "b"),)}, False, False),
        ({"failover": (("a", "b"),)}, True, True),
        ({"failover": (("a", "b"),), "always": True}, False, True),
        ({}, True, False),
    ],
)
def test_localities_count_where_endpoints_can_fail(
    settings: dict[str, Any] | None, outliers: bool, weighed: bool
) -> None:
    made = TrafficPolicy(
        load_balancer=LoadBalancer(**settings) if settings is not None else None,
        outlier_detection=OutlierDetection() if outliers else None,
    )
    assert locality.weighted(made) is weighed


def test_a_claim_is_a_condition_of_a_route() -> None:
    claim = ClaimMatch(claims=("group",), match=EXACT, invert=True)
    (made,) = match.made(RouteMatch(claims=(claim,))).dynamic_metadata
    assert made.invert
    assert made.path[-1].key == "group"
