"""What might have decided a step of a request and did not, and why not: the other VirtualServices
of the host, DestinationRules that are not looked up, PeerAuthentications that others override.

The winner is read from the compiled configuration. Each loser is asked the compiler's own questions
(is it exported, does its host cover, does it select), in the compiler's order; the first that it
fails is the reason.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from lateen.app.foresight.state import Foresight
from lateen.compiler.backend import names as envoy_names
from lateen.compiler.backend.routes import match
from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import hosts, services
from lateen.compiler.frontend.routing import gateways, matches, routes
from lateen.compiler.frontend.security import authn
from lateen.compiler.ir.proxy import OutboundCluster, ProxyKind, ProxyView
from lateen.model.istio.networking_policy import DestinationRule
from lateen.model.istio.networking_route import HTTPMatchRequest, HTTPRoute, VirtualService
from lateen.model.istio.security import PeerAuthentication
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.meta import ObjectRef, Source
from lateen.predict.envoy import routes as envoy_routes
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.outcome import Candidate, Foretold, Prediction, Step
from lateen.predict.values.request import Content, Http, innermost

_ENTRIES = "serviceentries.networking.istio.io"
_NO_MODE = "it sets no mode"
_OUTSIDE = (
    "a client looks the name up before its proxy sees anything, and the lab's DNS knows none "
    "outside: `external` in lateen.yaml puts a stand-in there"
)
_RULE = re.compile(r"spec\.http\[(\d+)\](?:\.match\[(\d+)\])?")
_UNKNOWN = (envoy_names.PASSTHROUGH_CLUSTER, envoy_names.BLACK_HOLE_CLUSTER)
"""Where a sidecar sends what it knows no service for."""


def with_losers(foresight: Foresight, request: ExplainRequest, found: Prediction) -> Prediction:
    """Return a prediction whose steps name the objects that might have decided them, too. Raises
    AskedError."""
    asked = foresight.asked(request)
    inner = innermost(asked.content)
    host = inner.authority if isinstance(inner, Http) else asked.host
    client = asked.pod.name if asked.pod else ""
    seen = _Losers(foresight, client, host.partition(":")[0], asked.content)
    branches = tuple(
        msgspec.structs.replace(each, outcome=seen.told(each.outcome)) for each in found.branches
    )
    return msgspec.structs.replace(found, branches=branches)


class _Losers:
    """Names losers at the steps of a request to a host, whose client is a pod (or none)."""

    def __init__(self, foresight: Foresight, client: str, host: str, content: Content) -> None:
        self._snapshot, self._views = foresight.snapshot, foresight.views
        self._client, self._host = client, host
        self._request = innermost(content)
        self._dumped = foresight.dumps  # istiod does not say which mode is whose

    def told(self, outcome: Foretold) -> Foretold:
        """Return an outcome with the losers of each of its steps; each is named once."""
        once: set[ObjectRef] = set()
        winners = {source.ref for each in outcome.steps for source in each.sources}
        steps = []
        for step in outcome.steps:
            found = [
                each
                for each in self._of(step, outcome)
                if each.source is not None and (each.meant or each.source.ref not in once | winners)
            ]
            once |= {each.source.ref for each in found if each.source is not None}
            told = self._unknown(step, outcome)
            steps.append(msgspec.structs.replace(told, lost=(*step.lost, *found)))
        return msgspec.structs.replace(outcome, steps=tuple(steps))

    def _of(self, step: Step, outcome: Foretold) -> Iterator[Candidate]:
        if step.kind == "name" and not step.ok:
            yield from self._unnamed()
        view = self._views.get(step.at)
        if view is None:
            return
        sending = step.at == self._client or view.node.kind is ProxyKind.ROUTER
        if step.kind == "route" and sending:
            yield from self._shadowed(view, step)
            yield from self._routes(view, step)
        elif step.kind == "destination" and sending:
            if all(each.kind != "route" for each in outcome.steps if each.at == step.at):
                yield from self._for_http(view)
            cluster = _cluster(view, outcome.cluster)
            if cluster is not None:
                yield from _rules(self._snapshot.destination_rules.values(), view, cluster)
        elif step.kind in ("listener", "server's TLS") and not sending:
            policies = self._snapshot.peer_authentications.values()
            for each in _policies(policies, view, step.sources):
                if not (step.at in self._dumped and each.why == _NO_MODE):
                    yield each

    def _unnamed(self) -> Iterator[Candidate]:
        """Yield what has a name that no name server of the lab knows: Services of that name in
        other namespaces, and ServiceEntries, whose hosts are looked up outside."""
        name, _, rest = self._host.partition(".")
        for (space, own), obj in sorted(self._snapshot.services.items()):
            if own == name and (not rest or rest.partition(".")[0] != space):
                ref = precedence.source("Service", obj).ref
                why = f"it is in the namespace {space}: {own}.{space} names it from any"
                yield Candidate(str(ref), why, Source(ref, ""), True)
        for entry in sorted(self._snapshot.of(_ENTRIES).values(), key=precedence.age):
            if any(hosts.covers(each, self._host) for each in entry.spec.hosts):
                ref = precedence.source("ServiceEntry", entry).ref
                yield Candidate(str(ref), _OUTSIDE, Source(ref, "spec.hosts"), True)

    def _unknown(self, step: Step, outcome: Foretold) -> Step:
        """Return a step with the Sidecar for which a destination is none that the client knows."""
        view = self._views.get(step.at)
        hidden = step.kind == "destination" and step.at == self._client and view is not None
        if view is None or not hidden or view.sidecar is None or outcome.cluster not in _UNKNOWN:
            return step
        names = set(_names(self._host, view))
        domain = view.settings.domain
        if not any(services.hostname(*key, domain) in names for key in self._snapshot.services):
            return step
        words = f"{step.text}: {view.sidecar.ref} does not import {self._host}"
        return msgspec.structs.replace(step, text=words, sources=(view.sidecar, *step.sources))

    def _shadowed(self, view: ProxyView, step: Step) -> Iterator[Candidate]:
        """Yield the rules of the deciding VirtualService that ask for more, would take this request
        and come too late: whoever wrote them meant them for it."""
        source = next((s for s in step.sources if s.ref.kind == "VirtualService"), None)
        place = _RULE.match(source.path) if source is not None else None
        if source is None or place is None or not isinstance(self._request, Http):
            return
        won = self._snapshot.virtual_services.get((source.ref.namespace, source.ref.name))
        rules = won.spec.http if won is not None else ()
        number, chosen = int(place[1]), place[2]
        if number >= len(rules):
            return  # a proxy that was dumped has another object than there is
        first = _condition(rules[number], int(chosen or 0), source, view)
        for index, rule in enumerate(rules[number + 1 :], number + 1):
            for at in range(len(rule.match)):
                if _for_some(rule.match[at]):
                    continue
                later = _condition(rule, at, source, view)
                if not envoy_routes.narrower(later, first) or not _takes(later, self._request):
                    continue
                label = f"route {rule.name}" if rule.name else "a later route"
                field = Source(source.ref, f"spec.http[{index}].match[{at}]")
                yield Candidate(label, "it is for this request too, and comes later", field, True)
                break

    def _for_http(self, view: ProxyView) -> Iterator[Candidate]:
        """Yield the VirtualServices of the host that have nothing for a port that is no HTTP."""
        for obj, _ in self._of_host(view):
            spec, ref = obj.spec, precedence.source("VirtualService", obj).ref
            if spec.http and not (spec.tcp or spec.tls):
                why = _unbound(obj, view, _opened(view))
                words = why or "its routes are for HTTP, and this port is passed on as TCP"
                yield Candidate(str(ref), words, Source(ref, "spec.http"), not why)

    def _routes(self, view: ProxyView, step: Step) -> Iterator[Candidate]:
        names = _names(self._host, view)
        winner = next((s.ref for s in step.sources if s.ref.kind == "VirtualService"), None)
        known = self._snapshot.virtual_services
        won = known.get((winner.namespace, winner.name)) if winner is not None else None
        opened = _opened(view)
        for obj, fitting in self._of_host(view):
            ref = precedence.source("VirtualService", obj).ref
            if ref == winner:
                continue
            why = (
                _unbound(obj, view, opened)
                or self._not_admitted(obj, fitting, view)
                or _outdone(obj, fitting, won, names, view)
            )
            yield Candidate(str(ref), why, Source(ref, ""))

    def _of_host(self, view: ProxyView) -> Iterator[tuple[VirtualService, list[str]]]:
        """Yield the VirtualServices that name the host, the older first, with those names."""
        names, domain = _names(self._host, view), view.settings.domain
        for obj in sorted(self._snapshot.virtual_services.values(), key=precedence.age):
            own = obj.metadata.namespace
            written = [hosts.resolve(each, own, domain) for each in obj.spec.hosts]
            fitting = [each for each in written if any(hosts.covers(each, n) for n in names)]
            if fitting:
                yield obj, fitting

    def _not_admitted(self, obj: VirtualService, fitting: list[str], view: ProxyView) -> str:
        """Return which hosts a router's Gateways take, where these are none of a VirtualService's;
        empty if one of its hosts is among them."""
        if view.node.kind is not ProxyKind.ROUTER:
            return ""
        own = obj.metadata.namespace
        bound = {routes.gateway_name(each, own) for each in obj.spec.gateways}
        every = self._snapshot.gateways.items()
        named = [each for key, each in every if "/".join(key) in bound]
        if any(gateways.admits(each, own, host) for each in named for host in fitting):
            return ""
        taken = [host for each in named for server in each.spec.servers for host in server.hosts]
        words = ", ".join(dict.fromkeys(taken))
        return f"{', '.join(sorted(bound))} takes {words}: {own}/{fitting[0]} is none of them"


def _condition(rule: HTTPRoute, index: int, source: Source, view: ProxyView) -> Any:
    """Return a match of a rule as Envoy's RouteMatch; a rule without one takes everything."""
    if index >= len(rule.match):
        return match.made(matches.ANY)
    return match.made(matches.translate(rule.match[index], source, view.settings.features))


def _for_some(condition: HTTPMatchRequest) -> bool:
    """Whether a match is for some clients, gateways or ports alone: that it is for this request is
    not said then."""
    return bool(
        condition.gateways
        or condition.source_labels
        or condition.source_namespace
        or condition.port
    )


def _takes(condition: Any, request: Http) -> bool:
    try:
        return not envoy_routes.mismatch(condition, request, envoy_routes.Draw())
    except UnknownError:
        return False


def _servers(view: ProxyView) -> Iterator[Source]:
    """Yield the Gateways' servers that a router opens."""
    for listener in view.gateway.listeners if view.gateway is not None else ():
        for chain in listener.chains:
            if chain.source is not None:
                yield chain.source


def _opened(view: ProxyView) -> set[str]:
    """Return the Gateways of which a router opens a server."""
    return {f"{server.ref.namespace}/{server.ref.name}" for server in _servers(view)}


def _names(host: str, view: ProxyView) -> tuple[str, ...]:
    """Return the names in full that a host may mean to a client, as DNS completes them."""
    host, domain = host.removesuffix("."), view.settings.domain
    if view.node.kind is ProxyKind.ROUTER:
        return (host,)
    whole = {hosts.resolve(host, view.node.namespace, domain), host}
    if host.count(".") == 1:
        whole.add(f"{host}.svc.{domain}")
    elif host.endswith(".svc"):
        whole.add(f"{host}.{domain}")
    return tuple(sorted(whole, key=len, reverse=True))


def _unbound(obj: VirtualService, view: ProxyView, opened: set[str]) -> str:
    """Return why a proxy does not know a VirtualService at all; empty if it does."""
    own, spec = obj.metadata.namespace, obj.spec
    visible = spec.export_to or view.settings.routes_export_to
    if not precedence.exported(tuple(visible), own, view.node.namespace):
        return f"exportTo does not show it to the namespace {view.node.namespace}"
    bound = {routes.gateway_name(each, own) for each in spec.gateways} or {routes.MESH}
    if view.node.kind is ProxyKind.ROUTER:
        if not bound & opened:
            words = ", ".join(sorted(bound))
            return f"it is bound to {words}, not to a Gateway that this proxy opens"
    elif routes.MESH not in bound:
        return f"it is for {', '.join(sorted(bound))} only: its gateways do not list mesh"
    return "" if spec.http else "it has no routes for HTTP"


def _outdone(
    obj: VirtualService,
    fitting: list[str],
    winner: VirtualService | None,
    names: tuple[str, ...],
    view: ProxyView,
) -> str:
    """Return why another VirtualService of the host decides."""
    if winner is None:
        return "none of its routes is for the request"
    own = winner.metadata.namespace
    taken = [hosts.resolve(each, own, view.settings.domain) for each in winner.spec.hosts]
    taken = [each for each in taken if any(hosts.covers(each, name) for name in names)]
    mine = min(fitting, key=hosts.specificity)
    best = min(taken, key=hosts.specificity, default=mine)
    if best != mine and hosts.covers(mine, best):
        return f"its host {mine} is wider than {best}, which {_of(winner)} has"
    older = precedence.age(winner) < precedence.age(obj)
    if view.node.kind is ProxyKind.ROUTER:
        order = "come after those of" if older else "come before, and do not match, unlike those of"
        return f"its routes for {mine} {order} {_of(winner)}"
    if older:
        return f"{_of(winner)} is older and has the same host: sidecars obey one alone"
    return f"the proxy obeys {_of(winner)}"


def _of(winner: VirtualService) -> str:
    return str(precedence.source("VirtualService", winner).ref)


def _cluster(view: ProxyView, name: str) -> OutboundCluster | None:
    side = view.gateway if view.node.kind is ProxyKind.ROUTER else view.outbound
    clusters = side.clusters if side is not None else ()
    return next((each for each in clusters if each.name == name), None)


def _rules(
    every: Iterable[DestinationRule], view: ProxyView, cluster: OutboundCluster
) -> Iterator[Candidate]:
    """Yield the DestinationRules that cover a cluster's host and gave nothing to it."""
    hostname = cluster.service.hostname
    used = {each.ref for each in (cluster.policy.rule, cluster.source) if each is not None}
    listed = list(every)
    won = [obj for obj in listed if precedence.source("DestinationRule", obj).ref in used]
    for obj in sorted(listed, key=precedence.age):
        ref = precedence.source("DestinationRule", obj).ref
        host = hosts.resolve(obj.spec.host, ref.namespace, view.settings.domain)
        if ref not in used and hosts.covers(host, hostname):
            why = _off_path(obj, view, cluster.service.namespace)
            yield Candidate(str(ref), why or _behind(obj, host, won, view), Source(ref, ""))
        elif ref not in used and _completed(obj.spec.host, view) == hostname:
            why = f"a host with a dot is taken as it stands: {hostname} names this destination"
            yield Candidate(str(ref), why, Source(ref, "spec.host"), True)


def _completed(host: str, view: ProxyView) -> str:
    """Return the Service that a name is in DNS, where Istio takes it for a host as it stands:
    `name.namespace`, `name.namespace.svc`; empty for other names."""
    parts = host.split(".")
    if len(parts) == 2 or (len(parts) == 3 and parts[2] == "svc"):
        return services.hostname(parts[1], parts[0], view.settings.domain)
    return ""


def _off_path(obj: DestinationRule, view: ProxyView, service: str) -> str:
    """Return why a rule is not looked up for a client; empty if it is."""
    own, node, root = obj.metadata.namespace, view.node, view.settings.root_namespace
    chosen = obj.spec.workload_selector
    if chosen is not None:
        labels = dict(node.labels)
        if own != node.namespace:
            return f"a rule with a workloadSelector is for clients of its own namespace, {own}"
        if not precedence.selects(dict(chosen.match_labels), labels):
            return f"it selects other clients: {_words(dict(chosen.match_labels))}"
    if own not in (node.namespace, service, root):
        looked = ", ".join(dict.fromkeys((node.namespace, service, root)))
        return f"rules are looked up in the namespaces {looked} (client's, Service's, root's)"
    visible = tuple(obj.spec.export_to) or ((own,) if "." in view.settings.rules_export_to else ())
    if not precedence.exported(visible, own, node.namespace):
        return f"exportTo does not show it to the namespace {node.namespace}"
    return ""


def _behind(obj: DestinationRule, host: str, won: list[DestinationRule], view: ProxyView) -> str:
    """Return why another rule decides."""
    if not won:
        return "it says nothing that this destination takes up"
    own, first = obj.metadata.namespace, won[0]
    ref, theirs = precedence.source("DestinationRule", first).ref, first.metadata.namespace
    if theirs != own:
        place = "client's" if theirs == view.node.namespace else "Service's"
        return f"{ref} is in the {place} namespace, which is looked up first"
    other = hosts.resolve(first.spec.host, theirs, view.settings.domain)
    if other != host:
        return f"{ref} has the more specific host {other}: only one host of a namespace counts"
    return f"{ref} has the same host; of two, the older one's trafficPolicy counts whole"


def _policies(
    every: Iterable[PeerAuthentication], view: ProxyView, sources: tuple[Source, ...]
) -> Iterator[Candidate]:
    """Yield the PeerAuthentications around a server that did not set its mode."""
    root = view.settings.root_namespace
    near = sorted(
        (obj for obj in every if obj.metadata.namespace in (view.node.namespace, root)),
        key=precedence.age,
    )
    won = next((each for each in sources if each.ref.kind == "PeerAuthentication"), None)
    for obj in near:
        ref = precedence.source("PeerAuthentication", obj).ref
        if won is None or ref != won.ref:
            yield Candidate(str(ref), _overridden(obj, near, won, view), Source(ref, ""))


def _overridden(
    obj: PeerAuthentication, near: list[PeerAuthentication], won: Source | None, view: ProxyView
) -> str:
    own, root = obj.metadata.namespace, view.settings.root_namespace
    chosen = dict(authn.selector(obj))
    if chosen and own == root:
        return "in the root namespace policies with a selector do not count"
    if chosen and not precedence.selects(chosen, dict(view.node.labels)):
        return f"it selects {_words(chosen)}"
    rivals = [
        each
        for each in near
        if each.metadata.namespace == own
        and bool(authn.selector(each)) == bool(chosen)
        and precedence.selects(dict(authn.selector(each)), dict(view.node.labels))
    ]
    if rivals and rivals[0] is not obj:
        older = precedence.source("PeerAuthentication", rivals[0]).ref
        return f"{older} is older, and of one scope only the oldest counts"
    if won is None:
        return _NO_MODE
    winner = next(
        (e for e in near if precedence.source("PeerAuthentication", e).ref == won.ref), None
    )
    if winner is None or _width(obj, root) <= _width(winner, root):
        return f"{_NO_MODE} for this port"
    return f"{won.ref} is narrower ({_SCOPES[_width(winner, root)]})"


_SCOPES = ("for the workload", "for the namespace", "for the mesh")


def _width(obj: PeerAuthentication, root: str) -> int:
    """Return how wide a policy is, an index of `_SCOPES`."""
    if authn.selector(obj):
        return 0
    return 2 if obj.metadata.namespace == root else 1


def _words(labels: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
