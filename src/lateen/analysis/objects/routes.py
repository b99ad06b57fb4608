"""VirtualServices: faults that are not tried again, order that decides, rules that ingress never
meets, claims that nobody verifies, deprecated fields. Pure."""

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing import routes
from lateen.model import wellknown
from lateen.model.istio import networking, networking_route
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.snapshot import Snapshot

_CLAIMS = "@request.auth.claims"
_AUTHENTICATION = "requestauthentications.security.istio.io"
_Routes = list[networking.VirtualService]


def findings(snapshot: Snapshot, domain: str = wellknown.CLUSTER_DOMAIN) -> Iterator[Diagnostic]:
    """Yield what is said of VirtualServices, the oldest first."""
    every = sorted(snapshot.virtual_services.values(), key=precedence.age)
    for obj in every:
        source = precedence.source("VirtualService", obj)
        for index, rule in enumerate(obj.spec.http):
            yield from _rule(snapshot, obj, rule, source.at(f"spec.http[{index}]"))
    yield from _order(every)
    yield from _past_ingress(every, domain)


def _rule(
    snapshot: Snapshot,
    obj: networking.VirtualService,
    rule: networking_route.HTTPRoute,
    source: Source,
) -> Iterator[Diagnostic]:
    fault, retries = rule.fault, rule.retries
    if fault is not None and fault.abort is not None and retries is not None and retries.attempts:
        yield make("LTN0159", source.at("retries"), attempts=retries.attempts)
    if rule.mirror_percent is not None:
        replacement = "mirrorPercentage"
        yield make("IST0002", source.at("mirrorPercent"), what=f"use {replacement}")
    if fault is not None and fault.delay is not None and fault.delay.percent:
        yield make("IST0002", source.at("fault.delay.percent"), what="use percentage")
    for number, match in enumerate(rule.match):
        at = source.at(f"match[{number}]")
        for key in (*match.headers, *match.without_headers):
            if key.startswith(_CLAIMS) and not _verified(snapshot, obj):
                yield make("IST0149", at.at("headers"), key=key)


def _verified(snapshot: Snapshot, obj: networking.VirtualService) -> bool:
    """Whether every gateway that it is bound to has a RequestAuthentication for its pods."""
    for written in obj.spec.gateways:
        name = routes.gateway_name(written, obj.metadata.namespace)
        namespace, _, short = name.partition("/")
        gateway = snapshot.gateways.get((namespace, short))
        if gateway is not None and not _authenticated(snapshot, gateway.spec.selector):
            return False
    return True


def _authenticated(snapshot: Snapshot, wanted: dict[str, str]) -> bool:
    homes = {home for home, _ in snapshot.pods}
    pods = [pod for home in homes for pod in snapshot.matching("pods", home, wanted)]
    rules = list(snapshot.of(_AUTHENTICATION).values())
    return all(
        any(
            rule.metadata.namespace == pod.metadata.namespace
            and precedence.selects(
                rule.spec.selector.match_labels if rule.spec.selector is not None else {},
                pod.metadata.labels,
            )
            for rule in rules
        )
        for pod in pods
    )


def _order(every: _Routes) -> Iterator[Diagnostic]:
    """Rules of two VirtualServices for one host of one gateway are joined, the oldest object's
    first: where both have a rule for the same requests, age decides."""
    bound: defaultdict[tuple[str, str], _Routes] = defaultdict(list)
    for obj in every:
        for written in obj.spec.gateways:
            name = routes.gateway_name(written, obj.metadata.namespace)
            if name != routes.MESH:
                for host in obj.spec.hosts:
                    bound[name, host.lower()].append(obj)
    said: set[tuple[int, int]] = set()
    for (gateway, host), several in bound.items():
        for number, later in enumerate(several):
            for earlier in several[:number]:
                pair = (id(earlier), id(later))
                place = _same(earlier, later)
                if place is None or pair in said or earlier is later:
                    continue
                said.add(pair)
                source = precedence.source("VirtualService", later, f"spec.http[{place}]")
                other = precedence.source("VirtualService", earlier).ref
                yield make("LTN0160", source, other=other, host=host, gateway=gateway)


def _same(earlier: networking.VirtualService, later: networking.VirtualService) -> int | None:
    """Return the first rule of the newer one that has a condition of the older one."""
    known = {_key(match) for rule in earlier.spec.http for match in rule.match or (_EVERYTHING,)}
    for index, rule in enumerate(later.spec.http):
        if any(_key(match) in known for match in rule.match or (_EVERYTHING,)):
            return index
    return None


_EVERYTHING = networking_route.HTTPMatchRequest()


def _key(match: networking_route.HTTPMatchRequest) -> str:
    """Return what tells conditions apart; their names and statistics do not."""
    return repr(msgspec.structs.replace(match, name="", stat_prefix=""))


def _past_ingress(every: _Routes, domain: str) -> Iterator[Diagnostic]:
    """Subsets that a rule inside the mesh chooses say nothing to a gateway whose own rule sends
    requests to the same host without one."""
    direct: dict[str, tuple[networking.VirtualService, str]] = {}
    for obj in every:
        named = [g for g in obj.spec.gateways if g != routes.MESH]
        for host, subset in _targets(obj, domain):
            if named and not subset:
                direct.setdefault(host, (obj, named[0]))
    for obj in every:
        if obj.spec.gateways and routes.MESH not in obj.spec.gateways:
            continue
        own = {hosts.resolve(host, obj.metadata.namespace, domain) for host in obj.spec.hosts}
        if any(g != routes.MESH for g in obj.spec.gateways):
            continue
        said = set()
        for host, subset in _targets(obj, domain):
            if subset and host in own and host in direct and subset not in said:
                said.add(subset)
                other, gateway = direct[host]
                name = f"{other.metadata.namespace}/{other.metadata.name}"
                source = precedence.source("VirtualService", obj, "spec.http")
                yield make("IST0140", source, subset=subset, other=name, gateway=gateway)


def _targets(obj: networking.VirtualService, domain: str) -> Iterator[tuple[str, str]]:
    for rule in obj.spec.http:
        for entry in rule.route:
            if entry.destination is not None:
                namespace = obj.metadata.namespace
                host = hosts.resolve(entry.destination.host, namespace, domain)
                yield host, entry.destination.subset
