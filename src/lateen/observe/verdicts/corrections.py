"""Fields that mean something else than was asked for, and what they would have to say. Pure.

Each is seen in the objects themselves, by what the request asked: a path, a Host, a Service.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.causes import catalogue
from lateen.causes.situation import Correction
from lateen.compiler.ir.proxy import ProxyView
from lateen.model.istio import networking_route as routes
from lateen.model.meta import ObjectRef, Source, parse_source
from lateen.model.snapshot import Snapshot
from lateen.observe.requests import directory
from lateen.observe.requests.ledger import LogEntry
from lateen.observe.requests.legs import Leg
from lateen.xds.als import HttpFacts

Views = Mapping[str, ProxyView]
_MESH = "mesh"
_LABEL = "istio"
"""The label by which Gateways select the pods of Istio's own gateways."""


def of(leg: Leg, views: Views, snapshot: Snapshot) -> tuple[Correction, ...]:
    """Return what is to be corrected for a leg that failed. Of a connection that a sidecar let no
    further its own application's leg is the last."""
    own = leg.server_entry if leg.client_entry is None and leg.inside else None
    entry = leg.client_entry or own
    if entry is None:
        return ()
    view = views.get(entry.proxy)
    found: list[Correction] = []
    if view is not None and not entry.inbound:
        found += _left_out(entry, view, snapshot)
    if leg.client_entry is None:
        return tuple(found)
    http = leg.client_entry.entry.http
    if http is not None and leg.client.role == "gateway":
        found += _unrouted(leg, http, snapshot)
        found += _elsewhere(leg, view, snapshot)
    if http is not None:
        found += _doubled(leg, http, snapshot)
    return tuple(found)


def written_for(host: str, snapshot: Snapshot) -> Iterator[tuple[ObjectRef, Any]]:
    """Return the VirtualServices of gateways that are written for a request's Host."""
    name = host.partition(":")[0]
    for (namespace, obj), rule in snapshot.virtual_services.items():
        if rule.spec.gateways and any(_fits(each, name) for each in rule.spec.hosts):
            yield ObjectRef("VirtualService", namespace, obj), rule.spec


def _fits(written: str, host: str) -> bool:
    if written.startswith("*."):
        return host.endswith(written[1:])
    return written == host


def _unrouted(leg: Leg, http: HttpFacts, snapshot: Snapshot) -> Iterator[Correction]:
    """What keeps a gateway from having a route for a request that somebody wrote one for."""
    path = http.path.partition("?")[0]
    for ref, spec in written_for(http.authority, snapshot):
        for index, name in enumerate(spec.gateways):
            if name != _MESH:
                yield from _gateway(ref, index, name, leg.client.name, snapshot)
        for number, rule in enumerate(spec.http):
            at = f"spec.http[{number}]"
            for condition, match in enumerate(rule.match):
                field = Source(ref, f"{at}.match[{condition}].uri")
                yield from _star(field, match.uri, path)
            if rule.delegate is not None and _asks(rule, path):
                yield from _delegated(ref, rule.delegate, snapshot)


def _gateway(
    ref: ObjectRef, index: int, name: str, pod: str, snapshot: Snapshot
) -> Iterator[Correction]:
    """A gateway of another namespace, or one that selects no pod."""
    namespace, slash, own = name.rpartition("/")
    key = (namespace if slash else ref.namespace, own)
    gateway = snapshot.gateways.get(key)
    if gateway is None:
        others = [where for where, each in snapshot.gateways if each == own]
        if len(others) == 1:
            field = Source(ref, f"spec.gateways[{index}]")
            yield Correction(
                catalogue.NO_ROUTE.code, "name the gateway's namespace", field, f"{others[0]}/{own}"
            )
        return
    wanted = gateway.spec.selector
    selected = any(
        wanted.items() <= each.metadata.labels.items() for each in snapshot.pods.values()
    )
    where, _, pod_name = pod.partition("/")
    asked = snapshot.pods.get((where, pod_name))
    label = asked.metadata.labels.get(_LABEL) if asked is not None else None
    if wanted and not selected and label:
        field = Source(ObjectRef("Gateway", *key), "spec.selector")
        words = "select the gateway that was asked"
        yield Correction(catalogue.NO_ROUTE.code, words, field, {_LABEL: label})


def _star(field: Source, uri: Any, path: str) -> Iterator[Correction]:
    """A star stands for itself in paths."""
    text = (uri.prefix or uri.exact or "") if uri is not None else ""
    if text.endswith("*") and path.startswith(text[:-1]):
        words = "match what begins so: a star stands for itself there"
        yield Correction(catalogue.NO_ROUTE.code, words, field, {"prefix": text[:-1]})


def _asks(rule: routes.HTTPRoute, path: str) -> bool:
    """Whether a rule's conditions on the path hold."""
    uris = [match.uri for match in rule.match if match.uri is not None]
    return not uris or any(
        (uri.prefix is not None and path.startswith(uri.prefix)) or uri.exact == path
        for uri in uris
    )


def _delegated(
    root: ObjectRef, delegate: routes.Delegate, snapshot: Snapshot
) -> Iterator[Correction]:
    """A delegate's conditions are asked of the path as it came, before any rewrite, and must lie
    within those of the root."""
    ref = ObjectRef("VirtualService", delegate.namespace or root.namespace, delegate.name)
    rule = snapshot.virtual_services.get((ref.namespace, ref.name))
    if rule is not None and len(rule.spec.http) == 1 and rule.spec.http[0].match:
        words = "leave the conditions to the rule that delegates"
        yield Correction(catalogue.NO_ROUTE.code, words, Source(ref, "spec.http[0].match"))


def _elsewhere(leg: Leg, view: ProxyView | None, snapshot: Snapshot) -> Iterator[Correction]:
    """A gateway does not follow a VirtualService for the sidecars, written for the host to which a
    route of its own leads."""
    assert leg.client_entry is not None
    tagged = leg.client_entry.entry.tags.get("source", "")
    route = directory.route(view, tagged) if view is not None else None
    for destination in route.destinations if route is not None else ():
        host = destination.cluster.rpartition("|")[2]
        for (namespace, _), rule in snapshot.virtual_services.items():
            inside = not rule.spec.gateways or _MESH in rule.spec.gateways
            named = {_full(each, namespace) for each in rule.spec.hosts}
            alone = len(rule.spec.http) == 1 and len(rule.spec.http[0].route) == 1
            leads = rule.spec.http[0].route[0].destination if alone else None
            if not inside or host not in named or leads is None or destination.source is None:
                continue
            value: dict[str, Any] = {"host": _full(leads.host, namespace)}
            if leads.port is not None:
                value["port"] = {"number": leads.port.number}
            if leads.subset:
                value["subset"] = leads.subset
            words = "lead to where the sidecars' VirtualService leads: a gateway does not follow it"
            code = catalogue.NO_HEALTHY_ENDPOINTS.code
            if value["host"] != host:
                yield Correction(code, words, destination.source, value)


def _full(host: str, namespace: str) -> str:
    return host if "." in host else f"{host}.{namespace}.svc.cluster.local"


def _doubled(leg: Leg, http: HttpFacts, snapshot: Snapshot) -> Iterator[Correction]:
    """A prefix without a slash that becomes a slash leaves the next one standing."""
    assert leg.client_entry is not None
    came = http.original_path
    tagged = leg.client_entry.entry.tags.get("source", "")
    if not (came and tagged and http.path.startswith("//")) or came.startswith("//"):
        return
    source = parse_source(tagged)
    rule = snapshot.virtual_services.get((source.ref.namespace, source.ref.name))
    for number, each in enumerate(rule.spec.http if rule is not None else ()):
        if source.path != f"spec.http[{number}]":
            continue
        for condition, match in enumerate(each.match):
            prefix = match.uri.prefix if match.uri is not None else None
            if prefix and not prefix.endswith("/") and came.startswith(f"{prefix}/"):
                words = "match the slash too: it stands twice in what the application is asked for"
                field = Source(source.ref, f"{source.path}.match[{condition}].uri.prefix")
                yield Correction(catalogue.APPLICATION_STATUS.code, words, field, f"{prefix}/")


def _left_out(entry: LogEntry, view: ProxyView, snapshot: Snapshot) -> Iterator[Correction]:
    """A Sidecar that leaves out the Service that was asked for, so that the proxy does not know
    it."""
    if view.sidecar is None:
        return
    asked = entry.entry.downstream_local.rpartition(":")[0]
    for (namespace, name), service in snapshot.services.items():
        host = f"{name}.{namespace}.svc.cluster.local"
        if asked not in (service.spec.cluster_ip, *service.spec.cluster_ips) or asked == "None":
            continue
        if any(each.service.hostname == host for each in directory.clusters(view)):
            return
        field = view.sidecar.at("egress[0].hosts")
        for code in (catalogue.BLOCKED.code, catalogue.PLAINTEXT_TO_STRICT.code):
            words = "let the Sidecar's workloads know the Service"
            yield Correction(code, words, field, f"{namespace}/{host}", adds=True)


def rewritten(legs: tuple[Leg, ...]) -> Leg | None:
    """Return the leg on which a route changed the path that the application was asked for."""
    for leg in legs:
        http = leg.client_entry.entry.http if leg.client_entry is not None else None
        changed = http is not None and http.original_path and http.path != http.original_path
        if changed and leg.client_entry is not None and not leg.client_entry.inbound:
            return leg
    return None
