"""IPv6 in manifests: a lab has IPv4 only, so what is written for the other family says so. Pure.

Asked when the state of a mesh is shown, as for selectors that select nothing. Services that ask
for IPv6 are refused by the API server, as on a cluster that has one family.
"""

import ipaddress
from collections.abc import Iterable, Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import workloads
from lateen.model.istio import security
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import ObjectRef, Source
from lateen.model.snapshot import Snapshot

_BLOCKS = (
    ("ip_blocks", "ipBlocks"),
    ("not_ip_blocks", "notIpBlocks"),
    ("remote_ip_blocks", "remoteIpBlocks"),
    ("not_remote_ip_blocks", "notRemoteIpBlocks"),
)
_ADDRESS_KEYS = ("source.ip", "remote.ip", "destination.ip")

NO_TRAFFIC = "no traffic here is from or to it"
UNREACHED = "nothing here can reach it"


def findings(snapshot: Snapshot) -> tuple[Diagnostic, ...]:
    """Return a finding for every IPv6 address in a field that acts, once for all pods of a
    workload."""
    found = (
        *_slices(snapshot),
        *_services(snapshot),
        *_pods(snapshot),
        *_gateways(snapshot),
        *_routes(snapshot),
        *_rules(snapshot),
        *_authorization(snapshot),
    )
    return tuple(dict.fromkeys(found))


def is_ipv6(text: str) -> bool:
    """Whether a text is an IPv6 address or network."""
    if ":" not in text:
        return False
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False).version == 6
    except ValueError:
        return False


def _told(source: Source, path: str, values: Iterable[str], effect: str) -> Iterator[Diagnostic]:
    for index, value in enumerate(values):
        if is_ipv6(value):
            yield make("LTN0044", source.at(f"{path}[{index}]"), value=value, effect=effect)


def _one(source: Source, path: str, value: str, effect: str) -> Iterator[Diagnostic]:
    if is_ipv6(value):
        yield make("LTN0044", source.at(path), value=value, effect=effect)


def _slices(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for obj in snapshot.endpoint_slices.values():
        if obj.address_type == "IPv6":
            at = precedence.source("EndpointSlice", obj, "addressType")
            effect = "its endpoints are left out"
            yield make("LTN0044", at, value="endpoints of the family", effect=effect)


def _services(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for obj in snapshot.services.values():
        source, spec = precedence.source("Service", obj), obj.spec
        yield from _told(source, "spec.externalIPs", spec.external_ips, UNREACHED)
        yield from _one(source, "spec.loadBalancerIP", spec.load_balancer_ip, UNREACHED)
        ranges = spec.load_balancer_source_ranges
        yield from _told(source, "spec.loadBalancerSourceRanges", ranges, NO_TRAFFIC)


def _pods(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for pod in snapshot.pods.values():
        if not pod.spec.host_aliases:
            continue
        _, owner, kind = workloads.owner(pod)
        spec = "spec" if kind == "Pod" else "spec.template.spec"
        source = Source(ObjectRef(kind, pod.metadata.namespace, owner), "")
        for index, alias in enumerate(pod.spec.host_aliases):
            yield from _one(source, f"{spec}.hostAliases[{index}].ip", alias.ip, UNREACHED)


def _gateways(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for obj in snapshot.gateways.values():
        for index, server in enumerate(obj.spec.servers):
            source = precedence.source("Gateway", obj)
            yield from _one(source, f"spec.servers[{index}].bind", server.bind, UNREACHED)


def _routes(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for obj in snapshot.virtual_services.values():
        source = precedence.source("VirtualService", obj)
        yield from _told(source, "spec.hosts", obj.spec.hosts, NO_TRAFFIC)
        matches = [
            (f"spec.tcp[{index}].match[{number}]", match.destination_subnets)
            for index, rule in enumerate(obj.spec.tcp)
            for number, match in enumerate(rule.match)
        ]
        matches += [
            (f"spec.tls[{index}].match[{number}]", match.destination_subnets)
            for index, route in enumerate(obj.spec.tls)
            for number, match in enumerate(route.match)
        ]
        for path, subnets in matches:
            yield from _told(source, f"{path}.destinationSubnets", subnets, NO_TRAFFIC)


def _rules(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for obj in snapshot.destination_rules.values():
        source = precedence.source("DestinationRule", obj)
        levels = [("spec.trafficPolicy", obj.spec.traffic_policy)]
        levels += [
            (f"spec.subsets[{i}].trafficPolicy", subset.traffic_policy)
            for i, subset in enumerate(obj.spec.subsets)
        ]
        for path, policy in levels:
            if policy is not None and policy.tunnel is not None:
                target = policy.tunnel.target_host
                yield from _one(source, f"{path}.tunnel.targetHost", target, UNREACHED)


def _authorization(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for obj in snapshot.authorization_policies.values():
        source = precedence.source("AuthorizationPolicy", obj)
        for index, rule in enumerate(obj.spec.rules):
            yield from _blocks(source, f"spec.rules[{index}]", rule)


def _blocks(source: Source, at: str, rule: security.AuthorizationRule) -> Iterator[Diagnostic]:
    for number, entry in enumerate(rule.from_ or ()):
        for attribute, json in _BLOCKS:
            path = f"{at}.from[{number}].source.{json}"
            yield from _told(source, path, getattr(entry.source, attribute, None) or (), NO_TRAFFIC)
    for number, condition in enumerate(rule.when or ()):
        if condition.key in _ADDRESS_KEYS:
            path = f"{at}.when[{number}]"
            yield from _told(source, f"{path}.values", condition.values or (), NO_TRAFFIC)
            yield from _told(source, f"{path}.notValues", condition.not_values or (), NO_TRAFFIC)
