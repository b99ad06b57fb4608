"""The service registry: every service that the mesh knows, whichever source declares it, and the
endpoints behind it. Pure in effect: each value is kept per key until something it read changes.

Sources are Kubernetes Services and ServiceEntries. A hostname may be declared in several
namespaces; each client sees one of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from lateen.compiler.frontend.graph.collections import Collections, Key, ServiceKey
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.registry import endpoints, entries, services, workloads
from lateen.compiler.frontend.security import authn
from lateen.compiler.frontend.traffic.clusters import Backends
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.ir.workload import Endpoint, Mode, Port, Resolution, Service
from lateen.model.identity import with_aliases
from lateen.model.istio import networking_entry


class Registry:
    """Services by hostname, and who answers for them."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        self._collections = collections
        self._settings = settings
        self._named: Derived[str, tuple[Service, ...]] = Derived(graph, self._find_named)
        self.workload: Derived[Key, workloads.Workload | None] = Derived(graph, self._workload)
        self.namespace_mode: Derived[str, Mode] = Derived(graph, self._namespace_mode)
        self._alike: Derived[str, authn.WorkloadModes | None] = Derived(graph, self._alike_modes)
        self.modes: Derived[Key, authn.WorkloadModes] = Derived(graph, self._modes)
        self.backends: Derived[ServiceKey, Backends] = Derived(graph, self._backends)
        self.identities: Derived[ServiceKey, tuple[str, ...]] = Derived(graph, self._identities)
        self._known = entries.Workloads(
            pods=self._pods_with,
            entries=self._workload_entries,
            mode=lambda namespace, labels, port: self._modes_of_labels(namespace, labels).at(port),
        )

    def service(self, hostname: str) -> Service | None:
        """Return the service of that name, or None if nobody declares one. Of several that of
        Kubernetes comes first, then the oldest."""
        found = self._named.get(hostname)
        return found[0] if found else None

    def named(self, hostname: str) -> tuple[Service, ...]:
        """Return every service of that name, one for each namespace that declares it."""
        return self._named.get(hostname)

    def at(self, key: ServiceKey) -> Service | None:
        """Return the service of that name which a namespace declares."""
        namespace, hostname = key
        for service in self._named.get(hostname):
            if service.namespace == namespace:
                return service
        return None

    def seen(
        self,
        namespace: str,
        hostname: str,
        admitted: Callable[[str, str], bool] | None = None,
        *,
        by_name: bool = False,
    ) -> Service | None:
        """Return the service of that name as proxies of a namespace know it: their own namespace's
        first, and none that is exported elsewhere only, or that is not `admitted` by its key. With
        `by_name` namespaces other than theirs go by their names."""
        found = self._named.get(hostname)
        if by_name:
            found = tuple(sorted(found, key=lambda s: s.namespace))
        if len(found) > 1:
            found = tuple(sorted(found, key=lambda s: s.namespace != namespace))
        for service in found:
            if service.export_to and not services.visible(service, namespace):
                continue
            if admitted is None or admitted(service.namespace, hostname):
                return service
        return None

    def of_kubernetes(self, key: Key) -> Service | None:
        """Return the service that a Kubernetes Service is, or None if there is no such Service."""
        return self.at((key[0], services.hostname(*key, self._settings.domain)))

    def listed(self) -> tuple[ServiceKey, ...]:
        """Return every service, oldest first."""
        return self._collections.service_keys.get("")

    def aliases(self, hostname: str) -> tuple[Service, ...]:
        """Return the ExternalName services that stand for a host, directly or by way of others."""
        if not self._collections.aliases.table.get(hostname):
            return ()
        found: dict[str, Service] = {}
        pending = [hostname]
        while pending:
            for obj in self._collections.aliases.table.get(pending.pop()):
                alias = self.of_kubernetes((obj.metadata.namespace, obj.metadata.name))
                if alias is None or alias.resolution is not Resolution.ALIAS:
                    continue
                if alias.hostname not in found:
                    found[alias.hostname] = alias
                    pending.append(alias.hostname)
        return tuple(found.values())

    def _find_named(self, hostname: str) -> tuple[Service, ...]:
        found: dict[str, Service] = {}
        obj, declared = self._collections.declared.get(hostname)
        if obj is not None:
            own = services.translate(obj, self._settings)
            if not declared:
                return (own,)
            joined = bool(_in(own.namespace, declared))
            found[own.namespace] = msgspec.structs.replace(own, joined=joined)
        for entry in declared:
            namespace = entry.metadata.namespace
            if namespace not in found:
                alike = _in(namespace, declared)
                found[namespace] = entries.translate(alike, hostname, self._settings)
        return tuple(found.values())

    def _workload(self, key: Key) -> workloads.Workload | None:
        pod = self._collections.pods.get(key)
        return workloads.translate(pod, self._settings) if pod is not None else None

    def _namespace_mode(self, namespace: str) -> Mode:
        table = self._collections.policies.table
        return authn.namespace_mode(table.get(self._settings.root_namespace), table.get(namespace))

    def _modes(self, key: Key) -> authn.WorkloadModes:
        alike = self._alike.get(key[0])
        if alike is not None:
            return alike
        workload = self.workload.get(key)
        labels = dict(workload.labels) if workload is not None else {}
        return self._modes_of_labels(key[0], labels)

    def _modes_of_labels(self, namespace: str, labels: Mapping[str, str]) -> authn.WorkloadModes:
        return self._alike.get(namespace) or authn.workload_modes(
            self.namespace_mode.get(namespace),
            self._collections.policies.table.get(namespace),
            labels,
            root=namespace == self._settings.root_namespace,
        )

    def _backends(self, key: ServiceKey) -> Backends:
        service = self.at(key)
        if service is None:
            return Backends()
        declared: entries.Entries = ()
        if service.entry or service.joined:
            declared = _in(key[0], self._collections.declared.get(key[1]).entries)
        joining = self._joining(service)
        if service.external_name and service.resolution is Resolution.DNS:
            return Backends(
                by_port=tuple((p.number, (_outside(service, p),)) for p in service.ports)
            )
        named = (service.namespace, service.name)
        slices = () if service.entry else self._collections.slices.table.get(named)
        ordered = sorted(slices, key=lambda s: s.metadata.name) if len(slices) > 1 else slices
        found = []
        for port in service.ports:
            members = endpoints.behind(port, ordered, self._find, self._modes_of)
            if declared:
                members += entries.endpoints(
                    declared, service.hostname, port, self._known, self._settings
                )
            if joining:
                members += entries.joined(joining, port, self._known.mode, self._settings)
            found.append((port.number, members))
        return Backends(by_port=tuple(found))

    def _joining(self, service: Service) -> tuple[networking_entry.WorkloadEntry, ...]:
        """Return the WorkloadEntries that a Kubernetes Service selects beside its pods."""
        if service.entry or service.headless or not service.selector:
            return ()
        if not self._collections.workload_entries.table.get(service.namespace):
            return ()
        wanted = dict(service.selector).items()
        known = self._workload_entries(service.namespace)
        return tuple(obj for obj in known if wanted <= entries.labels_of(obj).items())

    def _find(self, namespace: str, name: str) -> workloads.Workload | None:
        return self.workload.get((namespace, name))

    def _modes_of(self, workload: workloads.Workload) -> authn.WorkloadModes:
        """Without policies for single workloads those of a namespace are all alike."""
        alike = self._alike.get(workload.namespace)
        return alike or self.modes.get((workload.namespace, workload.pod))

    def _alike_modes(self, namespace: str) -> authn.WorkloadModes | None:
        written = self._collections.policies.table.get(namespace)
        if namespace != self._settings.root_namespace and any(map(authn.selector, written)):
            return None
        return authn.WorkloadModes(mode=self.namespace_mode.get(namespace))

    def _pods_with(self, namespace: str, labels: Mapping[str, str]) -> Iterator[workloads.Workload]:
        """Return the ready pods of a namespace that have these labels, by name."""
        self._collections.pod_revisions.get(namespace)
        known = self._collections.pods.entries
        for key in sorted(key for key in known if key[0] == namespace):
            pod = known[key]
            if pod is None or not labels.items() <= pod.metadata.labels.items():
                continue
            if workloads.ready(pod) and pod.status.pod_ip:
                yield workloads.translate(pod, self._settings)

    def _workload_entries(self, namespace: str) -> Iterable[networking_entry.WorkloadEntry]:
        found: tuple[networking_entry.WorkloadEntry, ...] = (
            self._collections.workload_entries.table.get(namespace)
        )
        return sorted(filter(entries.is_healthy, found), key=lambda obj: obj.metadata.name)

    def _identities(self, key: ServiceKey) -> tuple[str, ...]:
        """Return the SPIFFE ids a client accepts, each under every alias of the trust domain."""
        service = self.at(key)
        if service is None:
            return ()
        trust_domain = self._settings.trust_domain
        aliases = self._settings.trust_domain_aliases
        found = {
            endpoint.identity
            for _, members in self.backends.get(key).by_port
            for endpoint in members
            if endpoint.identity
        }
        found.update(service.identities)
        if aliases:
            found = {each for one in found for each in with_aliases(one, trust_domain, aliases)}
        return tuple(sorted(found))


def _in(namespace: str, declared: entries.Entries) -> entries.Entries:
    return tuple(obj for obj in declared if obj.metadata.namespace == namespace)


def _outside(service: Service, port: Port) -> Endpoint:
    target = port.target if isinstance(port.target, int) else port.number
    return Endpoint(address=service.external_name, port=target)
