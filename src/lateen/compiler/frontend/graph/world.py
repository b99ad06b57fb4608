"""What is known of services, workloads and policies, each as a value kept per key. Pure.

This is where the rules of the neighbouring modules meet the inputs; it decides nothing itself.
"""

import msgspec

from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.graph.inputs import Inputs, Key
from lateen.compiler.frontend.registry import endpoints, hosts, services, workloads
from lateen.compiler.frontend.routing import delegates, routes
from lateen.compiler.frontend.security import authn
from lateen.compiler.frontend.traffic import clusters, policies, rules
from lateen.compiler.ir.policy import HashKey
from lateen.compiler.ir.proxy import ClusterEndpoints, MeshSettings, OutboundCluster
from lateen.compiler.ir.routing import PLAIN, Conduct
from lateen.compiler.ir.workload import Endpoint, Labels, Mode, Resolution, Service
from lateen.model.identity import with_aliases


class RuleKey(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Which merged DestinationRule: its namespace, written host, and place among those."""

    namespace: str
    host: str
    place: int


class Scope(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Clients that see the mesh alike: a namespace, and those labels that any rule asks for."""

    namespace: str
    labels: Labels = ()


class ClusterKey(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What a service's clusters depend on beside the service."""

    hostname: str
    rule: RuleKey | None
    gateway: bool


class World:
    """Derived knowledge shared by every proxy."""

    def __init__(self, graph: Graph, inputs: Inputs, settings: MeshSettings) -> None:
        self.inputs = inputs
        self.settings = settings
        self._services: Derived[str, Service | None] = Derived(graph, self._translate)
        self.service = self._services.get
        """Hostname -> the host of that name, or None if the registry has none."""
        self.workload: Derived[Key, workloads.Workload | None] = Derived(graph, self._workload)
        self.namespace_mode: Derived[str, Mode] = Derived(graph, self._namespace_mode)
        self._alike: Derived[str, authn.WorkloadModes | None] = Derived(graph, self._alike_modes)
        self.modes: Derived[Key, authn.WorkloadModes] = Derived(graph, self._modes)
        self.behind: Derived[str, clusters.Behind] = Derived(graph, self._behind)
        self.identities: Derived[str, tuple[str, ...]] = Derived(graph, self._identities)
        self.merged_rules: Derived[Key, tuple[rules.Rule, ...]] = Derived(graph, self._merged)
        self.rule_key: Derived[tuple[Scope, str], RuleKey | None] = Derived(graph, self._rule_key)
        self._reach: Derived[ClusterKey, clusters.Reach | None] = Derived(graph, self._make_reach)
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

    def service_of(self, key: Key) -> Service | None:
        """Return the host that a Service is, or None if there is no such Service."""
        return self.service(services.hostname(*key, self.settings.domain))

    def seen(self, namespace: str, hostname: str) -> Service | None:
        """Return the host of that name as proxies of a namespace know it: not if its Service is
        exported elsewhere only."""
        service = self.service(hostname)
        return service if service is not None and services.visible(service, namespace) else None

    def aliases(self, hostname: str) -> tuple[Service, ...]:
        """Return the ExternalName services that stand for a host, directly or by way of others."""
        if not self.inputs.aliases.table.get(hostname):
            return ()
        found: dict[str, Service] = {}
        pending = [hostname]
        while pending:
            for obj in self.inputs.aliases.table.get(pending.pop()):
                name = services.hostname(
                    obj.metadata.namespace, obj.metadata.name, self.settings.domain
                )
                alias = self.service(name)
                if alias is None or alias.resolution is not Resolution.ALIAS or name in found:
                    continue
                found[name] = alias
                pending.append(name)
        return tuple(found.values())

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

    def conduct(self, scope: Scope, hostname: str, subset: str, *, one: bool) -> Conduct:
        """Return how TCP proxies of a scope treat connections to a host; `one`: to it alone."""
        rule = self.rule_for(scope, hostname)
        if rule is None:
            return PLAIN
        return policies.conduct(rule, rule.subset(subset) if subset else None, tunnelled=one)

    def cluster_key(self, scope: Scope, hostname: str, *, gateway: bool) -> ClusterKey:
        """Return the key under which a host's clusters are found for a scope."""
        return ClusterKey(hostname, self.rule_key.get((scope, hostname)), gateway)

    def assignments(self, scope: Scope, key: ClusterKey) -> tuple[ClusterEndpoints, ...]:
        """Return the endpoints of a host's clusters as clients of a scope see them."""
        reach = self._reach.get(key)
        rule = reach.rule if reach is not None else None
        if rule is None or not rule.near:
            return self._assigned.get((key, ()))
        near = tuple((label, value) for label, value in scope.labels if label in rule.near)
        return self._assigned.get((key, near))

    def _translate(self, hostname: str) -> Service | None:
        key = hosts.split_service(hostname, self.settings.domain)
        obj = self.inputs.services.get(key) if key is not None else None
        return services.translate(obj, self.settings) if obj is not None else None

    def _workload(self, key: Key) -> workloads.Workload | None:
        pod = self.inputs.pods.get(key)
        return workloads.translate(pod, self.settings) if pod is not None else None

    def _namespace_mode(self, namespace: str) -> Mode:
        table = self.inputs.policies.table
        return authn.namespace_mode(table.get(self.settings.root_namespace), table.get(namespace))

    def _modes(self, key: Key) -> authn.WorkloadModes:
        namespace = key[0]
        alike = self._alike.get(namespace)
        if alike is not None:
            return alike
        workload = self.workload.get(key)
        return authn.workload_modes(
            self.namespace_mode.get(namespace),
            self.inputs.policies.table.get(namespace),
            dict(workload.labels) if workload is not None else {},
            root=namespace == self.settings.root_namespace,
        )

    def _behind(self, hostname: str) -> clusters.Behind:
        service = self.service(hostname)
        if service is None:
            return clusters.Behind()
        if service.resolution is Resolution.DNS:
            return clusters.Behind(
                by_port=tuple(
                    (p.number, (Endpoint(address=service.external_name, port=p.number),))
                    for p in service.ports
                )
            )
        slices = self.inputs.slices.table.get((service.namespace, service.name))
        ordered = sorted(slices, key=lambda s: s.metadata.name) if len(slices) > 1 else slices
        return clusters.Behind(
            by_port=tuple(
                [
                    (p.number, endpoints.behind(p, ordered, self._find, self._modes_of))
                    for p in service.ports
                ]
            )
        )

    def _find(self, namespace: str, name: str) -> workloads.Workload | None:
        return self.workload.get((namespace, name))

    def _modes_of(self, workload: workloads.Workload) -> authn.WorkloadModes:
        """Without policies for single workloads those of a namespace are all alike."""
        alike = self._alike.get(workload.namespace)
        return alike or self.modes.get((workload.namespace, workload.pod))

    def _alike_modes(self, namespace: str) -> authn.WorkloadModes | None:
        written = self.inputs.policies.table.get(namespace)
        if namespace != self.settings.root_namespace and any(map(authn.selector, written)):
            return None
        return authn.WorkloadModes(mode=self.namespace_mode.get(namespace))

    def _identities(self, hostname: str) -> tuple[str, ...]:
        """Return the SPIFFE ids a client accepts, each under every alias of the trust domain."""
        service = self.service(hostname)
        if service is None:
            return ()
        trust_domain, aliases = self.settings.trust_domain, self.settings.trust_domain_aliases
        found = {
            endpoint.identity
            for _, members in self.behind.get(hostname).by_port
            for endpoint in members
            if endpoint.identity
        }
        found.update(service.identities)
        if aliases:
            found = {each for one in found for each in with_aliases(one, trust_domain, aliases)}
        return tuple(sorted(found))

    def _merged(self, key: Key) -> tuple[rules.Rule, ...]:
        written = self.inputs.rules.table.get(key)
        if not written:
            return ()
        by_export = self.settings.features.rule_merge_by_export
        return rules.merge(written, key[1], by_export=by_export)

    def _written(self, namespace: str, hostname: str) -> tuple[str, ...]:
        exact = bool(self.inputs.rules.table.get((namespace, hostname)))
        wildcards = self.inputs.rule_wildcards.get(namespace)
        if not wildcards:
            return (hostname,) if exact else ()
        return rules.covering(hostname, exact, wildcards)

    def _rule_key(self, key: tuple[Scope, str]) -> RuleKey | None:
        scope, hostname = key
        service = self.service(hostname)
        namespace = service.namespace if service is not None else scope.namespace
        rule = self._search.select(scope.namespace, dict(scope.labels), namespace, hostname)
        return RuleKey(rule.namespace, rule.host, rule.index) if rule is not None else None

    def _make_reach(self, key: ClusterKey) -> clusters.Reach | None:
        service = self.service(key.hostname)
        if service is None:
            return None
        rule = self.rule(key.rule)
        targets = clusters.targets(service, rule, self.settings, gateway=key.gateway)
        return clusters.Reach(service=service, rule=rule, targets=targets)

    def _clusters(self, key: ClusterKey) -> tuple[OutboundCluster, ...]:
        reach = self._reach.get(key)
        if reach is None:
            return ()
        service, rule = reach.service, reach.rule
        together = service.resolution is Resolution.PASSTHROUGH or (
            rule is not None and rule.passing
        )
        return clusters.clusters(
            reach,
            self.namespace_mode.get(service.namespace).mode,
            self.behind.get(key.hostname) if together else None,
            self.identities.get(key.hostname),
            self.settings,
        )

    def _assignments(self, asked: tuple[ClusterKey, Labels]) -> tuple[ClusterEndpoints, ...]:
        key, client = asked
        reach = self._reach.get(key)
        if reach is None:
            return ()
        behind = self.behind.get(key.hostname)
        return clusters.assignments(
            reach, behind, client, self.settings.features, gateway=key.gateway
        )

    def _http_rules(self, key: Key) -> tuple[routes.HttpRule, ...]:
        root = self.inputs.virtual_services.get(key)
        if root is None:
            return ()
        return delegates.http_rules(
            root,
            lambda ns, name: self.inputs.virtual_services.get((ns, name)),
            self.settings.domain,
        )
