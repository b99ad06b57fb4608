"""DestinationRules that no client follows. Pure."""

from collections.abc import Collection, Iterable, Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.ir.proxy import ProxyKind, ProxyView
from lateen.model import wellknown
from lateen.model.istio import networking
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import ObjectRef
from lateen.model.snapshot import Snapshot


def findings(
    snapshot: Snapshot,
    views: Iterable[ProxyView],
    told: Collection[ObjectRef],
    domain: str = wellknown.CLUSTER_DOMAIN,
) -> Iterator[Diagnostic]:
    """Yield the rules for Services that some client knows, of which no cluster has anything. Those
    of which something is `told` already are left out: one reason is enough.

    Istio looks for a rule in the client's namespace, then the Service's, then the root namespace.
    """
    used: set[ObjectRef] = set()
    known: set[str] = set()
    seen: set[int] = set()
    for view in views:
        side = view.gateway if view.node.kind is ProxyKind.ROUTER else view.outbound
        if side is None or id(side) in seen:
            continue
        seen.add(id(side))
        for cluster in side.clusters:
            known.add(cluster.service.hostname)
            for source in (cluster.policy.rule, cluster.source):
                if source is not None:
                    used.add(source.ref)
    for obj in sorted(snapshot.destination_rules.values(), key=precedence.age):
        ref = precedence.source("DestinationRule", obj).ref
        host = hosts.resolve(obj.spec.host, obj.metadata.namespace, domain)
        meant = any(hosts.covers(host, one) for one in known) if "*" in host else host in known
        if meant and ref not in used and ref not in told and _says_something(obj):
            source = precedence.source("DestinationRule", obj, "spec.host")
            yield make("LTN0156", source, host=host, namespace=obj.metadata.namespace)


def _says_something(obj: networking.DestinationRule) -> bool:
    return obj.spec.traffic_policy is not None or bool(obj.spec.subsets)
