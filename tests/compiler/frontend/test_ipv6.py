"""What is written for IPv6, in a lab that has none of it."""

import pytest
import yaml

from lateen.compiler.frontend.diagnostics import ipv6
from lateen.model import snapshot

OWNED = "ownerReferences: [{kind: ReplicaSet, name: web-1, controller: true}]"
CASES = {
    "slice": (
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv6, ports: [], "
        "endpoints: [{addresses: ['fd00::1']}], metadata: {name: a, namespace: n}}",
        ["EndpointSlice/n/a#addressType"],
    ),
    "service": (
        "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: n}, "
        "spec: {externalIPs: [192.0.2.1, '2001:db8::1'], loadBalancerIP: '2001:db8::2', "
        "loadBalancerSourceRanges: ['2001:db8::/32']}}",
        [
            "Service/n/a#spec.externalIPs[1]",
            "Service/n/a#spec.loadBalancerIP",
            "Service/n/a#spec.loadBalancerSourceRanges[0]",
        ],
    ),
    "pod": (
        "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: n}, spec: "
        "{containers: [], hostAliases: [{ip: 10.0.0.1}, {ip: 'fd00::2', hostnames: [b]}]}}",
        ["Pod/n/a#spec.hostAliases[1].ip"],
    ),
    "gateway": (
        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: a, namespace: n}, "
        "spec: {servers: [{bind: 0.0.0.0, hosts: [a]}, {bind: '::', hosts: [a]}]}}",
        ["Gateway/n/a#spec.servers[1].bind"],
    ),
    "routes": (
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: "
        "{name: a, namespace: n}, spec: {hosts: [a, '2001:db8::5'], "
        "tls: [{match: [{sniHosts: [a], destinationSubnets: ['fd00::/8']}]}], "
        "tcp: [{match: [{destinationSubnets: [10.0.0.0/8, '2001:db8::/32']}]}]}}",
        [
            "VirtualService/n/a#spec.hosts[1]",
            "VirtualService/n/a#spec.tcp[0].match[0].destinationSubnets[1]",
            "VirtualService/n/a#spec.tls[0].match[0].destinationSubnets[0]",
        ],
    ),
    "rule": (
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: "
        "{name: a, namespace: n}, spec: {host: a, subsets: [{name: s, trafficPolicy: "
        "{tunnel: {targetHost: 'fd00::3', targetPort: 1}}}]}}",
        ["DestinationRule/n/a#spec.subsets[0].trafficPolicy.tunnel.targetHost"],
    ),
    "authorization": (
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: "
        "{name: a, namespace: n}, spec: {rules: [{from: [{source: {ipBlocks: ['fd00::/8'], "
        "notRemoteIpBlocks: ['fd00::1']}}], when: [{key: source.ip, values: ['fd00::2']}, "
        "{key: 'request.headers[x]', values: ['fd00::4']}]}]}}",
        [
            "AuthorizationPolicy/n/a#spec.rules[0].from[0].source.ipBlocks[0]",
            "AuthorizationPolicy/n/a#spec.rules[0].from[0].source.notRemoteIpBlocks[0]",
            "AuthorizationPolicy/n/a#spec.rules[0].when[0].values[0]",
        ],
    ),
    "none": (
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: "
        "{name: a, namespace: n}, spec: {hosts: [a.example, 10.0.0.1, '*']}}",
        [],
    ),
}


@pytest.mark.parametrize(("text", "places"), CASES.values(), ids=CASES.keys())
def test_every_address_of_the_family_is_named_where_it_is(text: str, places: list[str]) -> None:
    found = ipv6.findings(snapshot.of_bodies([yaml.safe_load(text)]))
    assert [str(finding.source) for finding in found] == places
    assert {finding.code for finding in found} <= {"LTN0044"}


def test_pods_of_one_workload_say_it_once() -> None:
    labels = "labels: {pod-template-hash: '1'}"
    pods = [
        f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: n, {labels}, {OWNED}}},"
        " spec: {containers: [], hostAliases: [{ip: '::5'}]}}"
        for name in ("web-1-a", "web-1-b")
    ]
    (finding,) = ipv6.findings(snapshot.of_bodies([yaml.safe_load(pod) for pod in pods]))
    assert str(finding.source) == "Deployment/n/web#spec.template.spec.hostAliases[0].ip"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("::", True), ("[fd00::1]", True), ("fd00::/8", True), ("a:80", False), ("1.2.3.4", False)],
)
def test_what_is_of_the_family(text: str, expected: bool) -> None:
    assert ipv6.is_ipv6(text) is expected
