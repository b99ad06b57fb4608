"""What clients make of services: the rules that count for them, and the clusters that these make,
each as a value kept per key. Pure.

This is where the rules of the neighbouring modules meet the collections; it decides nothing itself.
"""

import msgspec

from lateen.compiler.frontend.graph.collections import Collections, Key, ServiceKey
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.graph.registry import Registry
from lateen.compiler.frontend.registry import services
from lateen.compiler.frontend.routing import delegates, routes
from lateen.compiler.frontend.traffic import clusters, policies, rules
from lateen.compiler.ir.policy import HashKey
from lateen.compiler.ir.proxy import ClusterEndpoints, MeshSettings, OutboundCluster
from lateen.compiler.ir.routing import DEFAULT_TCP, TcpPolicy
from lateen.compiler.ir.workload import Labels, Resolution, Service


class RuleKey(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Which merged DestinationRule: its namespace, written host, and place among those."""

    namespace: str
    host: str
    place: int


class Scope(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Clients that see the mesh alike: a namespace, and those labels that any rule asks for."""

    namespace: str
    labels: Labels = ()
    sidecar: Key | None = None
    """The Sidecar that they are subject to, if any."""
    resolving: bool = False
    """Whether their proxies answer their pods' DNS, and so know the addresses that hosts were
    given."""


class ClusterKey(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What a service's clusters depend on beside the service itself."""

    service: ServiceKey
    rule: RuleKey | None
    gateway: bool


class Destinations:
    """Which DestinationRule and VirtualService rules count for whom, and the clusters they make."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        self.collections = collections
        self.settings = settings
        self.registry = Registry(graph, collections, settings)
        self.merged_rules: Derived[Key, tuple[rules.Rule, ...]] = Derived(graph, self._merged)
        self.rule_key: Derived[tuple[Scope, str], RuleKey | None] = Derived(graph, self._rule_key)
        self._plan: Derived[ClusterKey, clusters.ClusterPlan | None] = Derived(
            graph, self._make_plan
        )
        self.clusters: Derived[ClusterKey, tuple[OutboundCluster, ...]] = Derived(
            graph, self._clusters
        )
        self._assigned: Derived[tuple[ClusterKey, Labels], tuple[ClusterEndpoints, ...]] = Derived(
            graph, self._assignments
        )
        self.http_rules: Derived[Key, tuple[routes.HttpRule, ...]] = Derived(
            graph, self._http_rules
        )
        self._search = rules.Search(
            rules=lambda namespace, host: self.merged_rules.get((namespace, host)),
            written=self._written,
            root=settings.root_namespace,
        )

    def rule(self, key: RuleKey | None) -> rules.Rule | None:
        """Return a merged rule by its key."""
        if key is None:
            return None
        found = self.merged_rules.get((key.namespace, key.host))
        return found[key.place] if key.place < len(found) else None

    def rule_for(self, scope: Scope, hostname: str) -> rules.Rule | None:
        """Return the DestinationRule that clients of a scope obey for a host."""
        return self.rule(self.rule_key.get((scope, hostname)))

    def beside(self, client: str, namespace: str, hostname: str) -> rules.Rule | None:
        """Return the DestinationRule that clients of namespace `client` obey for a host of
        `namespace` if their own has none."""
        return self._search.beside(client, namespace, hostname)

    def policy(self, scope: Scope, hostname: str, port: int, subset: str) -> policies.Blocks:
        """Return the merged policy blocks for a destination."""
        rule = self.rule_for(scope, hostname)
        if rule is None:
            return policies.NOTHING
        return policies.blocks(rule, port, rule.subset(subset) if subset else None)

    def hashed(self, scope: Scope, hostname: str, port: int, subset: str) -> tuple[HashKey, ...]:
        """Return what a route to a destination must hash for its balancing."""
        rule = self.rule_for(scope, hostname)
        if rule is None or not rule.hashing:
            return ()
        return policies.hash_keys(self.policy(scope, hostname, port, subset))

    def conduct(self, scope: Scope, hostname: str, subset: str, *, one: bool) -> TcpPolicy:
        """Return how TCP proxies of a scope treat connections to a host; `one`: to it alone."""
        rule = self.rule_for(scope, hostname)
        if rule is None:
            return DEFAULT_TCP
        return policies.conduct(rule, rule.subset(subset) if subset else None, tunnelled=one)

    def cluster_key(self, scope: Scope, service: Service, *, gateway: bool) -> ClusterKey:
        """Return the key under which a service's clusters are found for a scope."""
        rule = self.rule_key.get((scope, service.hostname))
        return ClusterKey(service.key, rule, gateway)

    def assignments(self, scope: Scope, key: ClusterKey) -> tuple[ClusterEndpoints, ...]:
        """Return the endpoints of a host's clusters as clients of a scope see them."""
        plan = self._plan.get(key)
        asked = plan.near if plan is not None else frozenset()
        if not asked:
            return self._assigned.get((key, ()))
        near = tuple((label, value) for label, value in scope.labels if label in asked)
        return self._assigned.get((key, near))

    def _merged(self, key: Key) -> tuple[rules.Rule, ...]:
        written = self.collections.rules.table.get(key)
        if not written:
            return ()
        private = "." in self.settings.rules_export_to
        return rules.merge(written, key[1], self.settings.features, private=private)

    def _written(self, namespace: str, hostname: str) -> tuple[str, ...]:
        exact = bool(self.collections.rules.table.get((namespace, hostname)))
        wildcards = self.collections.rule_wildcards.get(namespace)
        if not wildcards:
            return (hostname,) if exact else ()
        return rules.covering(hostname, exact, wildcards)

    def _rule_key(self, key: tuple[Scope, str]) -> RuleKey | None:
        scope, hostname = key
        service = self.registry.seen(scope.namespace, hostname) or self.registry.service(hostname)
        namespace = service.namespace if service is not None else scope.namespace
        rule = self._search.select(scope.namespace, dict(scope.labels), namespace, hostname)
        return RuleKey(rule.namespace, rule.host, rule.index) if rule is not None else None

    def _make_plan(self, key: ClusterKey) -> clusters.ClusterPlan | None:
        service = self.registry.at(key.service)
        if service is None:
            return None
        rule = self.rule(key.rule)
        targets = clusters.targets(service, rule, self.settings, gateway=key.gateway)
        near = frozenset(
            services.asked_of_clients(service.near, node_local=service.node_local)
        ).union(rule.near if rule else ())
        return clusters.ClusterPlan(service=service, rule=rule, targets=targets, near=near)

    def _clusters(self, key: ClusterKey) -> tuple[OutboundCluster, ...]:
        plan = self._plan.get(key)
        if plan is None:
            return ()
        service, rule = plan.service, plan.rule
        together = (
            service.resolution is Resolution.PASSTHROUGH
            or service.resolution.by_name
            or (rule is not None and rule.passing)
        )
        return clusters.clusters(
            plan,
            self.registry.namespace_mode.get(service.namespace).mode,
            self.registry.backends.get(key.service) if together else None,
            self.registry.identities.get(key.service),
            self.settings,
        )

    def _assignments(self, asked: tuple[ClusterKey, Labels]) -> tuple[ClusterEndpoints, ...]:
        key, client = asked
        plan = self._plan.get(key)
        if plan is None:
            return ()
        behind = self.registry.backends.get(key.service)
        return clusters.assignments(
            plan, behind, client, self.settings.features, gateway=key.gateway
        )

    def _http_rules(self, key: Key) -> tuple[routes.HttpRule, ...]:
        root = self.collections.virtual_services.get(key)
        if root is None:
            return ()
        return delegates.http_rules(
            root,
            lambda ns, name: self.collections.virtual_services.get((ns, name)),
            self.settings,
        )
