"""Selectors that select nothing, or what an older object selects too, and rules for nobody. Pure.

Asked when the state of a mesh is shown, not with every change: pods come and go all the time, and
nothing is compiled differently for it.
"""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.diagnostics import shared_ports
from lateen.compiler.frontend.graph import telemetries
from lateen.compiler.frontend.graph.collections import TELEMETRIES
from lateen.compiler.frontend.registry import hosts, services, workloads
from lateen.compiler.frontend.security import authn
from lateen.compiler.ir.proxy import ProxyKind
from lateen.model import wellknown
from lateen.model.istio import security, telemetry as model
from lateen.model.kube.core import pod as core_pod
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.snapshot import Snapshot

_PODS = "pods"
_SIDECARS, _ROUTERS = frozenset({ProxyKind.SIDECAR}), frozenset({ProxyKind.ROUTER})
_PROXIES = _SIDECARS | _ROUTERS


def findings(
    snapshot: Snapshot, root_namespace: str, domain: str = wellknown.CLUSTER_DOMAIN
) -> tuple[Diagnostic, ...]:
    """Return what is noticed about objects that select others.

    - Selectors of Gateways, policies, Telemetries and Services that no pod answers to, or none
      with a proxy to act, and subsets without pods, ready or not.
    - Delegates that nobody delegates to, and rules about namespaces that do not exist.
    - PeerAuthentications, Telemetries and Services of which an older one counts for the same pod.
    - Services that prefer near endpoints: here only a DestinationRule can.
    """
    return (
        *_gateways(snapshot),
        *_policies(snapshot, root_namespace),
        *_authorization(snapshot, root_namespace),
        *_telemetries(snapshot),
        *_services(snapshot),
        *shared_ports.findings(snapshot),
        *_delegates(snapshot),
        *_subsets(snapshot, domain),
    )


def _gateways(snapshot: Snapshot) -> Iterator[Diagnostic]:
    namespaces = {namespace for namespace, _ in snapshot.pods}
    for gateway in snapshot.gateways.values():
        wanted = gateway.spec.selector
        if not wanted:
            continue
        at = precedence.source("Gateway", gateway, "spec.selector")
        pods = [p for home in namespaces for p in snapshot.matching(_PODS, home, wanted)]
        if not pods:
            yield make("IST0101", at, reftype="pod with the labels", refval=_written(wanted))
        yield from _without(pods, _ROUTERS, "a gateway's proxy", at)


def _policies(snapshot: Snapshot, root_namespace: str) -> Iterator[Diagnostic]:
    """Of several that select a pod the oldest alone counts for it, its ports included."""
    oldest: dict[tuple[str, str], security.PeerAuthentication] = {}
    for policy in sorted(snapshot.peer_authentications.values(), key=precedence.age):
        namespace, wanted = policy.metadata.namespace, authn.selector(policy)
        if not wanted or namespace == root_namespace:
            continue
        at = precedence.source("PeerAuthentication", policy, "spec.selector.matchLabels")
        pods = list(snapshot.matching(_PODS, namespace, wanted))
        names = [pod.metadata.name for pod in pods]
        if not names:
            yield _nobody(at, namespace, wanted)
        yield from _without(pods, _SIDECARS, "a sidecar", at)
        taken = next((name for name in names if (namespace, name) in oldest), None)
        if taken is not None:
            other = precedence.source("PeerAuthentication", oldest[namespace, taken]).ref
            yield make("LTN0024", at, pod=taken, other=other)
        for name in names:
            oldest.setdefault((namespace, name), policy)


def _telemetries(snapshot: Snapshot) -> Iterator[Diagnostic]:
    earlier: dict[tuple[str, str], model.Telemetry] = {}
    objects: list[model.Telemetry] = sorted(snapshot.of(TELEMETRIES).values(), key=precedence.age)
    for obj in objects:
        namespace, wanted = obj.metadata.namespace, telemetries.selector(obj)
        pods = list(snapshot.matching(_PODS, namespace, wanted)) if wanted else []
        at = precedence.source("Telemetry", obj, "spec.selector.matchLabels")
        if wanted and not pods:
            yield _nobody(at, namespace, wanted)
        yield from _without(pods, _PROXIES, "a proxy", at)
        keys = [(namespace, pod.metadata.name) for pod in pods]
        shared = next((key for key in keys if key in earlier), None)
        if shared is not None:
            names = f"{earlier[shared].metadata.name}, {obj.metadata.name}"
            source = precedence.source("Telemetry", obj, "spec.selector")
            yield make("IST0159", source, telemetries=names, namespace=namespace, pod=shared[1])
        for key in keys:
            earlier.setdefault(key, obj)


def _authorization(snapshot: Snapshot, root_namespace: str) -> Iterator[Diagnostic]:
    """One of the root namespace selects pods everywhere."""
    for (namespace, _), policy in snapshot.authorization_policies.items():
        selector = policy.spec.selector
        wanted = selector.match_labels if selector is not None else {}
        everywhere = namespace == root_namespace
        homes = {home for home, _ in snapshot.pods} if everywhere else {namespace}
        at = precedence.source("AuthorizationPolicy", policy, "spec.selector.matchLabels")
        pods = [p for home in homes for p in snapshot.matching(_PODS, home, wanted)]
        if wanted and not pods:
            yield _nobody(at, "" if everywhere else namespace, wanted)
        yield from _without(pods if wanted else (), _PROXIES, "a proxy", at)
        yield from _sources(snapshot, policy)


def _sources(snapshot: Snapshot, policy: security.AuthorizationPolicy) -> Iterator[Diagnostic]:
    """Namespaces that a rule names and that are not there; a star stands for any text."""
    known = [name for _, name in snapshot.namespaces]
    for index, rule in enumerate(policy.spec.rules):
        for number, entry in enumerate(rule.from_ or ()):
            named = entry.source.namespaces if entry.source is not None else None
            for place, pattern in enumerate(named or ()):
                if not fnmatch.filter(known, pattern):
                    path = f"spec.rules[{index}].from[{number}].source.namespaces[{place}]"
                    at = precedence.source("AuthorizationPolicy", policy, path)
                    yield make("IST0101", at, reftype="namespace", refval=pattern)


def _delegates(snapshot: Snapshot) -> Iterator[Diagnostic]:
    """One without hosts is there for others to leave rules to it."""
    wanted = {
        (rule.delegate.namespace or obj.metadata.namespace, rule.delegate.name)
        for obj in snapshot.virtual_services.values()
        for rule in obj.spec.http
        if rule.delegate is not None
    }
    for key, obj in snapshot.virtual_services.items():
        if not obj.spec.hosts and key not in wanted:
            at = precedence.source("VirtualService", obj, "spec.hosts")
            yield make("IST0167", at, reason="it has no hosts, and no other delegates to it")


def _subsets(snapshot: Snapshot, domain: str) -> Iterator[Diagnostic]:
    """Pods count that are not ready: they may be soon."""
    known = {services.hostname(*key, domain): obj for key, obj in snapshot.services.items()}
    for rule in snapshot.destination_rules.values():
        host = hosts.resolve(rule.spec.host, rule.metadata.namespace, domain)
        service = known.get(host)
        if service is None or not service.spec.selector:
            continue
        for index, subset in enumerate(rule.spec.subsets):
            if not subset.labels:
                continue
            wanted = service.spec.selector | subset.labels
            disjoint = any(wanted[key] != value for key, value in service.spec.selector.items())
            if disjoint or not _any(snapshot, service.metadata.namespace, wanted):
                at = precedence.source("DestinationRule", rule, f"spec.subsets[{index}]")
                yield make("IST0173", at, subset=subset.name, host=host)


def _without(
    pods: Iterable[core_pod.Pod], kinds: frozenset[ProxyKind], what: str, at: Source
) -> Iterator[Diagnostic]:
    """Say that of the pods that are selected none runs what would act."""
    running = [workloads.proxy_kind(pod) for pod in pods]
    if running and kinds.isdisjoint(running):
        yield make("IST0167", at, reason=f"no pod that it selects has {what}")


def _services(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for (namespace, _), service in snapshot.services.items():
        wanted = service.spec.selector
        if wanted and not _any(snapshot, namespace, wanted):
            at = precedence.source("Service", service, "spec.selector")
            yield _nobody(at, namespace, wanted)


def _nobody(at: Source, namespace: str, wanted: Mapping[str, str]) -> Diagnostic:
    """Say that no pod has these labels; `namespace` is empty where pods of all may."""
    where = f"namespace {namespace}" if namespace else "any namespace"
    return make("IST0127", at, where=where, labels=_written(wanted))


def _any(snapshot: Snapshot, namespace: str, wanted: Mapping[str, str]) -> bool:
    return next(snapshot.matching(_PODS, namespace, wanted), None) is not None


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
