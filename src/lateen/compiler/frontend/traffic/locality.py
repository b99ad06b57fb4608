"""Locality load balancing: which endpoints are near a client. Pure.

A locality is `region/zone/subzone`. `distribute` gives shares to localities and leaves the others
out; otherwise, if failing endpoints are ejected at all (`outlierDetection`), farther ones stand in
for nearer ones. Without a setting that is so by default, as on Istio.
"""

import math
from collections.abc import Callable, Iterator, Mapping

import msgspec

from lateen.compiler.frontend.registry import workloads
from lateen.compiler.ir.policy import LoadBalancer, TrafficPolicy
from lateen.compiler.ir.proxy import Features
from lateen.compiler.ir.workload import Endpoint
from lateen.model.istio import networking_policy

_OTHER_REGION, _LEFT_OUT, _STEPS = 3, 4, 5


class Spread(msgspec.Struct, frozen=True, gc=False):
    """Endpoints with, one for each, their priority (0 first), and shares by locality.

    Both are empty where all endpoints are alike.
    """

    members: tuple[Endpoint, ...]
    priorities: tuple[int, ...] = ()
    shares: tuple[tuple[str, int], ...] = ()


def asked(spec: networking_policy.DestinationRuleSpec | None) -> list[str]:
    """Return the labels of clients that decide about nearness under a rule."""
    found: dict[str, None] = {}
    for policy in _policies(spec):
        balancer = policy.load_balancer
        setting = balancer.locality_lb_setting if balancer is not None else None
        if policy.outlier_detection is not None or setting is not None:
            found.update(dict.fromkeys(workloads.LOCALITY_LABELS))
        if setting is not None:
            found.update((entry.partition("=")[0], None) for entry in setting.failover_priority)
    return list(found)


def weighted(policy: TrafficPolicy) -> bool:
    """Whether Envoy must mind the weights of localities."""
    balancer = policy.load_balancer
    if balancer is None or balancer.locality_enabled is False:
        return False
    order = balancer.failover or balancer.failover_priority
    failing = balancer.always or policy.outlier_detection is not None
    return bool(balancer.distribute or (order and failing))


def preferring(policy: TrafficPolicy, order: tuple[str, ...], *, decided: bool) -> TrafficPolicy:
    """Return a policy under which clients prefer endpoints that are like them in these labels,
    ejected or not, unless a DestinationRule `decided` about locality."""
    if not order or decided:
        return policy
    balancer = policy.load_balancer or LoadBalancer()
    near = msgspec.structs.replace(
        balancer, locality_enabled=None, failover_priority=order, always=True
    )
    return msgspec.structs.replace(policy, load_balancer=near, by_locality=True)


def spread(
    members: tuple[Endpoint, ...],
    policy: TrafficPolicy,
    client: Mapping[str, str],
    features: Features,
) -> Spread:
    """Return the endpoints as a client with these labels sees them."""
    if policy.load_balancer is None and policy.outlier_detection is None:
        return Spread(members)
    balancer = policy.load_balancer or LoadBalancer()
    if balancer.locality_enabled is False:
        return Spread(members)
    here = workloads.locality(client, features)
    if balancer.distribute:
        return _distributed(members, balancer, here)
    if policy.outlier_detection is None and not balancer.always:
        return Spread(members)
    found = [0] * len(members)
    if balancer.failover_priority:
        found = [_mismatch(e, balancer.failover_priority, client, here) for e in members]
    if balancer.failover or not balancer.failover_priority:
        ranks = compact(found)
        found = [
            rank * _STEPS + _distance(here, e.locality, balancer.failover)
            for rank, e in zip(ranks, members, strict=True)
        ]
    priorities = compact(found)
    return Spread(members, priorities if any(priorities) else ())


def _policies(
    spec: networking_policy.DestinationRuleSpec | None,
) -> Iterator[networking_policy.TrafficPolicy | networking_policy.PortTrafficPolicy]:
    if spec is None:
        return
    for policy in (spec.traffic_policy, *(s.traffic_policy for s in spec.subsets)):
        if policy is not None:
            yield policy
            yield from policy.port_level_settings


def _distributed(members: tuple[Endpoint, ...], balancer: LoadBalancer, here: str) -> Spread:
    """Share requests out as the first entry for the client's locality says; what several
    localities of one entry get is divided by their endpoints."""
    chosen = next((to for start, to in balancer.distribute if matches(here, start)), None)
    if chosen is None:
        return Spread(members)
    sizes: dict[str, int] = {}
    for endpoint in members:
        sizes[endpoint.locality] = sizes.get(endpoint.locality, 0) + endpoint.weight
    shares: dict[str, int] = {}
    for pattern, share in chosen:
        reached = [p for p in sizes if p not in shares and matches(p, pattern)]
        total = sum(sizes[place] for place in reached)
        shares |= {p: math.ceil(sizes[p] * share / total) or sizes[p] for p in reached}
    kept = tuple(e for e in members if e.locality in shares)
    return Spread(kept, (), tuple(sorted(shares.items())))


def matches(locality: str, pattern: str) -> bool:
    """Whether a locality is within `region/zone/subzone`, where `*` and what is left out match
    anything."""
    parts, wanted = _parts(locality), _parts(pattern)
    region = wanted[0] in ("*", parts[0])
    return region and all(w in ("*", "", p) for p, w in zip(parts[1:], wanted[1:], strict=True))


def _distance(here: str, there: str, failover: tuple[tuple[str, str], ...]) -> int:
    """Return 0 for the same locality, 1 for the same zone, 2 for the same region, 3 for others,
    and 4 for regions other than the one that `failover` names."""
    mine, other = _parts(here), _parts(there)
    if mine[0] == other[0]:
        return 0 if mine == other else 1 if mine[1] == other[1] else 2
    target = next((to for start, to in failover if start == mine[0]), None)
    return _OTHER_REGION if target is None or target == other[0] else _LEFT_OUT


def _mismatch(
    endpoint: Endpoint, order: tuple[str, ...], client: Mapping[str, str], here: str
) -> int:
    """Return how early in the list of labels client and endpoint part; 0 if never. `label=value`
    asks for that value, whatever the client's is."""
    mine, theirs = (
        _with_topology(client, here),
        _with_topology(
            dict(endpoint.labels) | {workloads.NODE_LABEL: endpoint.node}, endpoint.locality
        ),
    )
    for place, entry in enumerate(order):
        label, explicit, value = entry.partition("=")
        wanted = value if explicit else mine(label)
        if wanted != theirs(label):
            return len(order) - place
    return 0


def _with_topology(labels: Mapping[str, str], locality: str) -> Callable[[str], str]:
    places = dict(zip(workloads.TOPOLOGY, _parts(locality), strict=True))
    return lambda label: labels.get(label) or places.get(label, "")


def compact(ranks: list[int]) -> tuple[int, ...]:
    """Number ranks from 0 without gaps, as Envoy wants priorities."""
    order = {rank: number for number, rank in enumerate(sorted(set(ranks)))}
    return tuple(order[rank] for rank in ranks)


def _parts(locality: str) -> tuple[str, str, str]:
    region, zone, sub_zone = (*locality.split("/", 2), "", "")[:3]
    return region, zone, sub_zone
