"""Which findings about the configuration concern a request: those of the objects on its way. Pure.

What the lab has noticed already (`lateen status`) often is the answer: a Gateway that selects no
pod, a rule for HTTP on a TCP port, two VirtualServices for one host.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.compiler.ir.proxy import ProxyView
from lateen.model.messages.diagnostics import Diagnostic, Level, worst_first
from lateen.model.meta import ObjectRef
from lateen.model.snapshot import Snapshot
from lateen.observe.requests.journey import Call, Journey
from lateen.observe.requests.legs import Leg

_BY_HOST = {
    "virtualservices.networking.istio.io": "VirtualService",
    "gateways.networking.istio.io": "Gateway",
    "destinationrules.networking.istio.io": "DestinationRule",
    "serviceentries.networking.istio.io": "ServiceEntry",
}
_MOST = 6
_TOLD = (Level.ERROR, Level.WARNING)


def concerning(
    found: Iterable[Diagnostic], about: frozenset[ObjectRef], causes: frozenset[ObjectRef]
) -> tuple[Diagnostic, ...]:
    """Return the findings about some objects, those about `causes` first and then the worst first,
    each once."""
    chosen = [each for each in worst_first(found) if each.level in _TOLD]
    ours = [each for each in chosen if each.source.ref in causes]
    ours += [each for each in chosen if each.source.ref in about]
    once = {(each.code, each.source, each.message): each for each in ours}
    return tuple(once.values())[:_MOST]


def objects(
    journey: Journey, host: str, views: Mapping[str, ProxyView], snapshot: Snapshot
) -> frozenset[ObjectRef]:
    """Return the objects that a request has to do with: the pods on its way, what owns and selects
    them, what applies to them, and what is written for its host and for those it was sent on to."""
    legs = [*journey.legs, *_of_calls(journey.calls)]
    pods = {party.name for leg in legs for party in (leg.client, leg.server) if party.name}
    found: set[ObjectRef] = set()
    hosts = {host, *(name for leg in legs for name in _cluster_hosts(leg))}
    for name in pods:
        found |= _of_pod(name, snapshot)
        found |= _applied(views.get(name))
        if "/" in name:
            hosts |= _names_of_services(found)
    found |= {
        ref
        for resource, kind in _BY_HOST.items()
        for (namespace, name), obj in snapshot.of(resource).items()
        if any(_meant(written, namespace, hosts) for written in _hosts_of(obj))
        for ref in (ObjectRef(kind, namespace, name),)
    }
    return frozenset(found | _gateways_of(found, snapshot))


def _gateways_of(found: set[ObjectRef], snapshot: Snapshot) -> set[ObjectRef]:
    """The Gateways that VirtualServices name."""
    named = set()
    for ref in found:
        rule = snapshot.virtual_services.get((ref.namespace, ref.name))
        for text in rule.spec.gateways if ref.kind == "VirtualService" and rule else ():
            namespace, slash, name = text.rpartition("/")
            named.add(ObjectRef("Gateway", namespace if slash else ref.namespace, name))
    return named


def _of_calls(calls: Iterable[Call]) -> list[Leg]:
    return [leg for call in calls for leg in (*call.legs, *_of_calls(call.calls))]


def _cluster_hosts(leg: Leg) -> list[str]:
    """The host of the cluster that a proxy chose (`outbound|80|v1|web.default.svc.…`)."""
    names = [e.entry.upstream_cluster for e in (leg.client_entry, leg.server_entry) if e]
    return [name.rpartition("|")[2] for name in names if name.startswith("outbound|")]


def _of_pod(name: str, snapshot: Snapshot) -> set[ObjectRef]:
    namespace, _, pod_name = name.partition("/")
    if (namespace, pod_name) in snapshot.services:
        return {ObjectRef("Service", namespace, pod_name)}
    pod = snapshot.pods.get((namespace, pod_name))
    if pod is None:
        return set()
    found = {ObjectRef("Pod", namespace, pod_name), ObjectRef("Namespace", "", namespace)}
    for owner in pod.metadata.owner_references:
        found.add(ObjectRef(owner.kind, namespace, owner.name))
        if owner.kind == "ReplicaSet":
            found.add(ObjectRef("Deployment", namespace, owner.name.rpartition("-")[0]))
    labels = pod.metadata.labels
    for (where, service), obj in snapshot.services.items():
        wanted = obj.spec.selector
        if where == namespace and wanted and wanted.items() <= labels.items():
            found.add(ObjectRef("Service", namespace, service))
    return found


def _applied(view: ProxyView | None) -> set[ObjectRef]:
    """The policies that a proxy goes by."""
    if view is None:
        return set()
    rules = view.authorization.policies if view.authorization is not None else ()
    found = {source.ref for source in rules}
    for port in view.inbound.ports if view.inbound is not None else ():
        if port.mode.source is not None:
            found.add(port.mode.source.ref)
    return found


def _names_of_services(found: set[ObjectRef]) -> set[str]:
    return {
        f"{ref.name}.{ref.namespace}.svc.cluster.local" for ref in found if ref.kind == "Service"
    }


def _hosts_of(obj: Any) -> list[str]:
    """The hosts that an object is written for."""
    spec = obj.spec
    names = [*(getattr(spec, "hosts", None) or ()), getattr(spec, "host", "") or ""]
    for server in getattr(spec, "servers", None) or ():
        names += server.hosts
    return [name.rpartition("/")[2] for name in names if name]


def _meant(written: str, namespace: str, hosts: set[str]) -> bool:
    """Whether a host as it is written may mean one of these; a wildcard means whatever it ends
    like, and `*` alone nobody in particular."""
    if written == "*":
        return False
    if written.startswith("*"):
        return any(host.endswith(written[1:]) for host in hosts)
    full = written if "." in written else f"{written}.{namespace}.svc.cluster.local"
    meant = {written, full, f"{written}.svc.cluster.local", f"{written}.cluster.local"}
    return not meant.isdisjoint(hosts)
