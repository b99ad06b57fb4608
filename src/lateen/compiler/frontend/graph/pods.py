"""Proxies of pods: who they are, what reaches them, and which scope they see. Pure."""

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph import routers, telemetries
from lateen.compiler.frontend.graph.collections import Key
from lateen.compiler.frontend.graph.destinations import Destinations, Scope
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.graph.sidecar_scopes import SidecarScopes
from lateen.compiler.frontend.registry import entries, inbound, workloads
from lateen.compiler.frontend.traffic import clusters, policies, sidecar_ingress
from lateen.compiler.ir.policy import TrafficPolicy
from lateen.compiler.ir.proxy import Inbound, Node, ProxyKind
from lateen.compiler.ir.workload import Service
from lateen.model.kube.core import pod as core_pod, service as core_service


class Pods:
    """Per-pod values."""

    def __init__(self, graph: Graph, destinations: Destinations, scopes: SidecarScopes) -> None:
        self._destinations = destinations
        self._scopes = scopes
        self.telemetries = telemetries.Telemetries(
            graph, destinations.collections, destinations.settings
        )
        self._collections = destinations.collections
        self._settings = destinations.settings
        self.node: Derived[Key, Node | None] = Derived(graph, self._node)
        self.scope: Derived[Key, Scope] = Derived(graph, self._scope)
        self.router_scope: Derived[Key, routers.RouterScope] = Derived(graph, self._router_scope)
        self.inbound: Derived[Key, Inbound] = Derived(graph, self._inbound)
        self._selecting: Derived[Key, tuple[Service, ...]] = Derived(graph, self._find_services)

    def _node(self, key: Key) -> Node | None:
        """Return the pod's proxy, or None if it runs none or has ended."""
        pod = self._collections.pods.get(key)
        if pod is None or workloads.finished(pod):
            return None
        kind = workloads.proxy_kind(pod)
        if kind is None:
            return None
        reports = self.telemetries.of(key[0], pod.metadata.labels)
        return workloads.node(pod, kind, self._settings, reports)

    def _scope(self, key: Key) -> Scope:
        """Return what a sidecar sees of the mesh."""
        pod, wide = self._collections.pods.get(key), self._labelled(key)
        labels = pod.metadata.labels if pod is not None else {}
        asked = not self._settings.features.allocates_addresses
        resolving = pod is not None and workloads.resolves(pod, allocation_asked=asked)
        subject = self._scopes.sidecar_of(key[0], labels)
        return Scope(wide.namespace, wide.labels, subject, resolving)

    def _labelled(self, key: Key) -> Scope:
        pod = self._collections.pods.get(key)
        namespace = key[0]
        asked = self._collections.asked_labels
        wanted = asked.get("") | asked.get(namespace)
        if pod is None or not wanted:
            return Scope(namespace)
        labels = pod.metadata.labels
        if workloads.NODE_LABEL in wanted:
            labels = labels | {workloads.NODE_LABEL: pod.spec.node_name}
        return Scope(namespace, tuple(sorted((k, v) for k, v in labels.items() if k in wanted)))

    def _router_scope(self, key: Key) -> routers.RouterScope:
        pod = self._collections.pods.get(key)
        labels = dict(pod.metadata.labels) if pod is not None else {}
        labels.pop("pod-template-hash", None)
        bound: dict[int, set[int]] = {}
        for service in self._selecting.get(key) if pod is not None else ():
            for port in service.ports:
                target = workloads.container_port(pod, port.target) if pod is not None else None
                if target is not None:
                    bound.setdefault(port.number, set()).add(target)
        return routers.RouterScope(
            scope=self._labelled(key),
            labels=tuple(sorted(labels.items())),
            ports=tuple((number, tuple(sorted(bound[number]))) for number in sorted(bound)),
        )

    def _find_services(self, key: Key) -> tuple[Service, ...]:
        """Return the services whose selector matches the pod, oldest first: those of Kubernetes and
        those of ServiceEntries with a workloadSelector."""
        pod = self._collections.pods.get(key)
        if pod is None:
            return ()
        namespace, labels = key[0], pod.metadata.labels
        found: dict[Key, core_service.Service] = {}
        for pair in labels.items():
            for obj in self._collections.selected.table.get((namespace, *pair)):
                if precedence.selects(obj.spec.selector, labels):
                    found[(namespace, obj.metadata.name)] = obj
        ordered = sorted(found.values(), key=precedence.age)
        registry = self._destinations.registry
        named = [registry.of_kubernetes((namespace, o.metadata.name)) for o in ordered]
        for obj in self._collections.selecting_entries.table.get(namespace):
            selector = obj.spec.workload_selector
            if not entries.selects(obj, self._settings.features):
                continue
            if selector is not None and precedence.selects(selector.labels, labels):
                named += [registry.at((namespace, host)) for host in entries.hosts_of(obj)]
        known = [service for service in named if service is not None]
        return tuple(sorted(known, key=lambda s: s.created))

    def _inbound(self, key: Key) -> Inbound:
        pod = self._collections.pods.get(key)
        modes = self._destinations.registry.modes.get(key)
        if pod is None:
            return Inbound(mode=modes.mode)
        unlabelled = Scope(key[0])  # what a rule says to single workloads is for what they send
        subject = self._scopes.sidecar_of(key[0], pod.metadata.labels)
        sidecar = self._scopes.sidecar(subject) if subject is not None else None
        if sidecar is not None and sidecar.spec.ingress:
            return sidecar_ingress.of_sidecar(sidecar, modes, pod.status.pod_ip)
        made = inbound.translate(
            pod,
            self._selecting.get(key),
            modes,
            lambda service, port: self._limits(unlabelled, service, port),
        )
        return sidecar_ingress.limited(made, sidecar) if sidecar is not None else made

    def _limits(self, scope: Scope, service: Service, port: int) -> TrafficPolicy:
        rule = self._destinations.rule_for(scope, service.hostname)
        if rule is None:
            return clusters.NO_POLICY
        options = clusters.options_for(rule, self._settings, gateway=False)
        return policies.translate(rule, policies.top_blocks(rule, port), options)


def kind_of(pod: core_pod.Pod | None) -> ProxyKind | None:
    """Return the proxy a pod runs, or None."""
    if pod is None or workloads.finished(pod):
        return None
    return workloads.proxy_kind(pod)
