"""Small decisions of the front end, each with the case beside it that decides otherwise."""

import pytest

from lateen.compiler.frontend import versions
from lateen.compiler.frontend.graph import routers
from lateen.compiler.frontend.registry import endpoints
from lateen.compiler.frontend.routing import actions, delegates
from lateen.compiler.frontend.security import authz_rules
from lateen.compiler.frontend.traffic import locality, policies
from lateen.compiler.ir.routing import Destination, Mirror, Route, RouteMatch
from lateen.model.istio import networking_policy
from lateen.model.istio.networking_route import HTTPMatchRequest
from lateen.model.istio.types import StringMatch
from lateen.model.kube import discovery
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema.objectmeta import ObjectMeta, ObjectReference

SOURCE = Source(ObjectRef("DestinationRule", "default", "r"), "spec.trafficPolicy")


@pytest.mark.parametrize(
    ("outer", "inner", "conflict"),
    [
        ({"port": 80}, {"port": 80}, False),
        ({"port": 80}, {"port": 81}, True),
        ({"port": 80}, {}, False),
        ({}, {"port": 81}, False),
        ({}, {}, False),
        ({"source_namespace": "a"}, {}, True),
        ({"source_namespace": "a"}, {"source_namespace": "a"}, False),
        ({"gateways": ("a", "b")}, {"gateways": ("a",)}, False),
        ({"gateways": ("a",)}, {"gateways": ("a", "b")}, True),
    ],
)
def test_a_delegate_that_asks_for_something_else_conflicts(outer, inner, conflict) -> None:
    made = [HTTPMatchRequest(**fields) for fields in (outer, inner)]
    assert delegates._conflict(*made) is conflict


@pytest.mark.parametrize(
    ("written", "known", "fits"),
    [
        ("cluster.local", "cluster.local", True),
        ("cluster.local", "cluster.locals", False),
        ("cluster.local", "a.cluster.local", False),
        ("*.local", "cluster.local", True),
        ("*.local", "local", False),
        ("*.local", "cluster.remote", False),
        ("cluster.*", "cluster.local", True),
        ("cluster.*", "clusters.local", False),
        ("*", "anything", True),
    ],
)
def test_a_trust_domain_is_matched_as_its_stars_say(written: str, known: str, fits: bool) -> None:
    assert authz_rules._fits(written, known) is fits


@pytest.mark.parametrize(
    ("origin", "kind", "value"),
    [
        ("*", "regex", ".*"),
        ("", "exact", ""),
        ("!x", "exact", "!x"),
        ("https://a", "exact", "https://a"),
    ],
)
def test_only_the_star_is_every_origin(origin: str, kind: str, value: str) -> None:
    found = actions._legacy_origin(origin)
    assert (found.kind, found.value) == (kind, value)


HASH = networking_policy.ConsistentHashLB


@pytest.mark.parametrize(
    ("chosen", "policy", "ring", "table"),
    [
        (None, "LEAST_REQUEST", 1024, 65537),
        ({}, "RING_HASH", 1024, 65537),
        ({"minimum_ring_size": 9}, "RING_HASH", 9, 65537),
        ({"ring_hash": networking_policy.RingHash()}, "RING_HASH", 1024, 65537),
        (
            {"ring_hash": networking_policy.RingHash(minimum_ring_size=7), "minimum_ring_size": 9},
            "RING_HASH",
            7,
            65537,
        ),
        ({"maglev": networking_policy.MagLev()}, "MAGLEV", 1024, 65537),
        ({"maglev": networking_policy.MagLev(table_size=11)}, "MAGLEV", 1024, 11),
    ],
)
def test_the_size_of_a_hash_table(chosen, policy: str, ring: int, table: int) -> None:
    made = None if chosen is None else HASH(**chosen)
    settings = networking_policy.LoadBalancerSettings(consistent_hash=made)
    found = policies.load_balancer(settings, SOURCE)
    assert (found.policy, found.minimum_ring_size, found.maglev_table_size) == (policy, ring, table)


OUTLIER = networking_policy.OutlierDetection()
NEAR = networking_policy.LocalityLoadBalancerSetting


@pytest.mark.parametrize(
    ("outlier", "setting", "labels"),
    [
        (None, None, set()),
        (OUTLIER, None, {"istio-locality", "topology.istio.io/locality"}),
        (None, NEAR(), {"istio-locality", "topology.istio.io/locality"}),
        (None, NEAR(failover_priority=("tier=a", "topology.kubernetes.io/zone")), {"tier"}),
    ],
)
def test_nearness_asks_for_labels_where_a_rule_says_so(outlier, setting, labels) -> None:
    balancer = setting and networking_policy.LoadBalancerSettings(locality_lb_setting=setting)
    policy = networking_policy.TrafficPolicy(outlier_detection=outlier, load_balancer=balancer)
    found = locality.asked(networking_policy.DestinationRuleSpec(host="a", traffic_policy=policy))
    assert labels <= set(found)
    assert bool(found) is bool(labels)


GATES = """
sidecar-ignore-port-in-host 1.16.0
alpn-override-non-istio-tls 1.19.0
insecure-skip-verify-implemented 1.19.0
upstream-cert-verify-default 1.21.0
auto-sni 1.21.0
auto-san-validation 1.21.0
externalname-alias 1.21.0
wildcard-most-specific-vs 1.21.0 1.20.2 1.19.6 1.18.7
catchall-regex 1.21.0 1.20.4 1.19.8
authz-target-ref 1.20.0
custom-provider-missing 1.20.0
path-templates 1.22.0
authz-target-refs 1.22.0
authz-service-accounts 1.25.0
authz-regex-escape-sa 1.30.0 1.29.2 1.28.6 1.27.9
authz-regex-escape-ns-principal 1.30.0 1.29.3 1.28.7
authz-trust-domains 1.31.0 1.30.2
default-zipkin-removed 1.22.0
internal-address 1.25.0
se-none-targetport 1.22.0
without-headers-missing 1.22.0
consistent-hash-retry-host 1.23.0
default-retry-503 1.24.0
inbound-retry-reset-before-request 1.24.0
inbound-retry-not-of-grpc 1.26.0 1.25.2 1.24.5
dr-merge-exportto 1.24.0
retry-budget-percent 1.30.0 1.29.2 1.28.6
jwt-issuer-trailing-slash 1.19.0
jwt-from-cookies 1.21.0
jwt-space-delimited-claims 1.28.0
trailing-dot-fqdn 1.27.0
vs-mixed-case-host 1.27.0
empty-selector 1.18.0
sidecar-pick-best-ns 1.30.0
dr-exportto-own-ns 1.21.0 1.20.2
ip-autoallocate 1.25.0
internal-traffic-policy-local 1.17.0
traffic-distribution 1.25.0
prefer-close-without-subzone 1.27.0
topology-locality-label 1.29.0
mirror-shadow-suffix 1.28.0
"""


def test_every_row_has_the_release_that_istio_changed_in() -> None:
    rows = {
        gate.id: [".".join(map(str, one)) for one in (gate.first, *gate.backports)]
        for gate in versions.GATES
    }
    assert rows == {line.split()[0]: line.split()[1:] for line in GATES.strip().splitlines()}


def test_a_mirror_is_reached_too() -> None:
    route = Route(
        name="r",
        match=RouteMatch(),
        source=None,
        destinations=(Destination(cluster="outbound|80||a.default.svc.cluster.local", weight=1),),
        mirrors=(Mirror(cluster="outbound|80|v1|m.default.svc.cluster.local"),),
    )
    assert list(routers._reached((route,))) == [
        "a.default.svc.cluster.local",
        "m.default.svc.cluster.local",
    ]


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (None, []),
        (ObjectReference(kind="Node", name="n"), []),
        (ObjectReference(kind="Pod", name="p"), [("default", "p")]),
        (ObjectReference(kind="Pod", name="p", namespace="other"), [("other", "p")]),
    ],
)
def test_an_endpoint_is_a_pod_where_its_target_says_so(target, asked) -> None:
    entry = discovery.Endpoint(addresses=("10.0.0.1",), target_ref=target)
    piece = discovery.EndpointSlice(metadata=ObjectMeta(namespace="default"), endpoints=(entry,))
    found: list[tuple[str, str]] = []

    def find(namespace: str, name: str) -> None:
        found.append((namespace, name))

    assert list(endpoints._ready(piece, find)) == [(entry, None)]
    assert found == asked


@pytest.mark.parametrize("field", ["uri", "scheme", "method", "authority", "port"])
def test_a_delegate_adds_to_what_was_asked(field: str) -> None:
    value = 80 if field == "port" else StringMatch(exact="x")
    has, lacks = HTTPMatchRequest(**{field: value}), HTTPMatchRequest()
    for outer, inner in ((has, lacks), (lacks, has), (has, has)):
        assert getattr(delegates._intersect(outer, inner), field) == value
    assert not getattr(delegates._intersect(lacks, lacks), field)
