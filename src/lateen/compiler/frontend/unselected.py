"""Selectors that select nothing. Pure.

Asked when the state of a mesh is shown, not with every change: pods come and go all the time, and
nothing is compiled differently for it.
"""

from collections.abc import Iterator, Mapping

from lateen.compiler.frontend import ages
from lateen.model.diagnostics import Diagnostic, make
from lateen.model.snapshot import Snapshot

_PODS = "pods"


def findings(snapshot: Snapshot, root_namespace: str) -> tuple[Diagnostic, ...]:
    """Return a finding for every selector of a Gateway, PeerAuthentication or Service that no
    pod answers to."""
    return (*_gateways(snapshot), *_policies(snapshot, root_namespace), *_services(snapshot))


def _gateways(snapshot: Snapshot) -> Iterator[Diagnostic]:
    namespaces = {namespace for namespace, _ in snapshot.pods}
    for gateway in snapshot.gateways.values():
        wanted = gateway.spec.selector
        if wanted and not any(_any(snapshot, namespace, wanted) for namespace in namespaces):
            at = ages.source("Gateway", gateway, "spec.selector")
            yield make("IST0101", at, reftype="selector", refval=_written(wanted))


def _policies(snapshot: Snapshot, root_namespace: str) -> Iterator[Diagnostic]:
    for (namespace, _), policy in snapshot.peer_authentications.items():
        selector = policy.spec.selector
        wanted = selector.match_labels if selector is not None else {}
        if wanted and namespace != root_namespace and not _any(snapshot, namespace, wanted):
            at = ages.source("PeerAuthentication", policy, "spec.selector.matchLabels")
            yield make("IST0127", at, labels=_written(wanted))


def _services(snapshot: Snapshot) -> Iterator[Diagnostic]:
    for (namespace, _), service in snapshot.services.items():
        wanted = service.spec.selector
        if wanted and not _any(snapshot, namespace, wanted):
            at = ages.source("Service", service, "spec.selector")
            yield make("IST0127", at, labels=_written(wanted))


def _any(snapshot: Snapshot, namespace: str, wanted: Mapping[str, str]) -> bool:
    return next(snapshot.matching(_PODS, namespace, wanted), None) is not None


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
