"""A snapshot's objects, indexed the way the rules look them up, and kept up to date by
difference: only what a changed object is filed under is touched. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.incremental import Graph, Table
from lateen.compiler.frontend.graph.index import Index
from lateen.compiler.frontend.origin import Origin
from lateen.compiler.frontend.registry import endpoints, entries, hosts, services
from lateen.compiler.frontend.routing import matches, routes
from lateen.compiler.frontend.routing.gateways import Binding
from lateen.compiler.frontend.traffic import locality
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio import (
    meshconfig,
    networking,
    networking_entry,
    networking_proxy,
    security,
    telemetry,
)
from lateen.model.kube import discovery
from lateen.model.kube.core import objects as core, pod, service
from lateen.model.schema.objectmeta import ObjectMeta

Key = tuple[str, str]
"""(namespace, name)."""

ServiceKey = tuple[str, str]
"""(namespace, hostname): the service of that name which a namespace declares."""

SERVICES = "services"
PODS = "pods"
SLICES = "endpointslices.discovery.k8s.io"
POLICIES = "peerauthentications.security.istio.io"
AUTHORIZATION = "authorizationpolicies.security.istio.io"
RULES = "destinationrules.networking.istio.io"
VIRTUAL_SERVICES = "virtualservices.networking.istio.io"
GATEWAYS = "gateways.networking.istio.io"
ENTRIES = "serviceentries.networking.istio.io"
SIDECARS = "sidecars.networking.istio.io"
WORKLOAD_ENTRIES = "workloadentries.networking.istio.io"
AUTHENTICATION = "requestauthentications.security.istio.io"
ENVOY_FILTERS = "envoyfilters.networking.istio.io"
TELEMETRIES = "telemetries.telemetry.istio.io"
CONFIG_MAPS = "configmaps"


class Objects(Protocol):
    """What is read of a snapshot."""

    def of(self, resource: str) -> Mapping[Key, Any]:
        """Return the objects of one kind; the same mapping while none of them changed."""
        ...


class Declared(NamedTuple):
    """Who declares a hostname: a Kubernetes Service, ServiceEntries of any namespace."""

    service: service.Service | None
    entries: entries.Entries
    """Oldest first."""


UNDECLARED = Declared(None, ())


class FetchedKeys(NamedTuple):
    """What came of fetching a key set: the last that came (empty: none yet), and what went wrong
    (empty: nothing)."""

    text: str = ""
    problem: str = ""


class Collections:
    """The tables of one front end."""

    def __init__(self, graph: Graph, settings: MeshSettings) -> None:
        self._settings = settings
        self._last: dict[str, Mapping[Key, Any]] = {}
        self._indexes: list[Index] = []
        self.services: Table[Key, service.Service | None] = Table(graph, None)
        self.declared: Table[str, Declared] = Table(graph, UNDECLARED)
        """By hostname: every object that declares it."""
        self._declare_others(graph)
        self.pod_revisions: Table[str, int] = Table(graph, 0)
        """By namespace: a number that changes with any of its pods, for those who look for pods by
        label."""
        self.pods: Table[Key, pod.Pod | None] = Table(graph, None)
        self.virtual_services: Table[Key, networking.VirtualService | None] = Table(graph, None)
        self.destination_rules: Table[Key, networking.DestinationRule | None] = Table(graph, None)
        self.gateways: Table[str, tuple[networking.Gateway, ...]] = Table(graph, ())
        """Under the empty key: all, oldest first."""
        self.service_keys: Table[str, tuple[ServiceKey, ...]] = Table(graph, ())
        """Under the empty key: every service of every source, oldest first."""
        self.rule_wildcards: Table[str, tuple[str, ...]] = Table(graph, ())
        """By namespace: the wildcard hosts of its DestinationRules, most specific first."""
        self.mesh_hosts: Table[str, tuple[str, ...]] = Table(graph, ())
        """Under the empty key: every host of a mesh VirtualService, most specific first."""
        self.mesh_wildcards: Table[str, tuple[str, ...]] = Table(graph, ())
        """Under the empty key: the wildcards among them."""
        self.asked_labels: Table[str, frozenset[str]] = Table(graph, frozenset())
        """Client labels that rules ask for: under the empty key those of mesh VirtualServices and
        of nearness, under a namespace those of its DestinationRules' selectors."""
        self._asked: dict[str, Counter[str]] = {}
        self.slices = self._index(graph)
        self.policies = self._index(graph)
        self.telemetries = self._index(graph)
        """By namespace."""
        self.mesh_config: Table[str, core.ConfigMap | None] = Table(graph, None)
        """Under the empty key: the ConfigMap that holds Istio's mesh configuration."""
        self.authorization = self._index(graph)
        """AuthorizationPolicies by namespace."""
        self.authorization_policies: Table[Key, security.AuthorizationPolicy | None] = Table(
            graph, None
        )
        self.rules = self._index(graph, watched=True)
        """DestinationRules by (namespace, host)."""
        self.mesh_routes = self._index(graph, watched=True)
        """Sidecars' VirtualServices by host."""
        self.gateway_routes = self._index(graph)
        """Bindings of gateways' VirtualServices by `namespace/name` of the Gateway."""
        self._bindings: dict[Key, Binding] = {}
        self._service_ages: dict[ServiceKey, precedence.AgeKey] = {}
        self._renamed: set[ServiceKey] = set()
        """Services of which an object came, went or changed since they were ordered."""
        self.selected = self._index(graph)
        """Services by (namespace, label, value) of one pair of their selector."""
        self.aliases = self._index(graph)
        """ExternalName Services by their target."""

    def _declare_others(self, graph: Graph) -> None:
        """Make the tables of Istio's kinds that declare services or narrow them."""
        self.entries: Table[Key, networking_entry.ServiceEntry | None] = Table(graph, None)
        self._entries_named = self._index(graph)
        """ServiceEntries by hostname."""
        self.selecting_entries = self._index(graph)
        """ServiceEntries with a workloadSelector, by namespace."""
        self.sidecars = self._index(graph)
        """By namespace."""
        self.mesh_routes_in = self._index(graph, watched=True)
        """Sidecars' VirtualServices by namespace."""
        self.mesh_namespaces: Table[str, tuple[str, ...]] = Table(graph, ())
        """Under the empty key: the namespaces that have any."""
        self.workload_entries = self._index(graph)
        """By namespace."""
        self.authentication = self._index(graph)
        """RequestAuthentications by namespace."""
        self.token_policies: Table[Key, security.RequestAuthentication | None] = Table(graph, None)
        self.filters_in = self._index(graph)
        """EnvoyFilters by namespace."""
        self.envoy_filters: Table[Key, networking_proxy.EnvoyFilter | None] = Table(graph, None)
        self.key_sets: Table[str, FetchedKeys] = Table(graph, FetchedKeys())
        """By the address that they are fetched from."""

    def _index(self, graph: Graph, *, watched: bool = False) -> Index:
        made = Index(graph, watched=watched)
        self._indexes.append(made)
        return made

    def update(self, snapshot: Objects) -> dict[str, set[Key]]:
        """Take over a snapshot; return the keys of changed objects by resource."""
        changed: dict[str, set[Key]] = {}
        for resource, file in (
            (SERVICES, self._file_service),
            (PODS, self._file_pod),
            (SLICES, self._file_slice),
            (POLICIES, self._file_policy),
            (AUTHORIZATION, self._file_authorization),
            (AUTHENTICATION, self._file_authentication),
            (ENVOY_FILTERS, self._file_envoy_filter),
            (RULES, self._file_rule),
            (VIRTUAL_SERVICES, self._file_virtual_service),
            (TELEMETRIES, self._file_telemetry),
            (ENTRIES, self._file_entry),
            (WORKLOAD_ENTRIES, self._file_workload_entry),
            (SIDECARS, self._file_sidecar),
        ):
            old, new = self._last.get(resource, {}), snapshot.of(resource)
            if old is new:
                continue
            keys = _differing(old, new)
            for key in keys:
                file(key, old.get(key), new.get(key))
            changed[resource] = keys
            self._last[resource] = new
        for index in self._indexes:
            index.settle()
        gateways = snapshot.of(GATEWAYS)
        if gateways is not self._last.get(GATEWAYS):
            changed[GATEWAYS] = _differing(self._last.get(GATEWAYS, {}), gateways)
            self.gateways.put("", tuple(sorted(gateways.values(), key=precedence.age)))
            self._last[GATEWAYS] = gateways
        named = (self._settings.root_namespace, meshconfig.NAME)
        mesh_config = snapshot.of(CONFIG_MAPS).get(named)
        if mesh_config is not self.mesh_config.entries.get(""):
            self.mesh_config.put("", mesh_config)
            changed[CONFIG_MAPS] = {named}
        self._derive_lists()
        return changed

    def _file_service(
        self, key: Key, old: service.Service | None, new: service.Service | None
    ) -> None:
        self.services.put(key, new)
        features = self._settings.features
        self._ask("", services.asked_by(old, features), services.asked_by(new, features))
        hostname = services.hostname(*key, self._settings.domain)
        self.declared.put(hostname, Declared(new, self._entries_of(hostname)))
        self._renamed.add((key[0], hostname))
        self.selected.replace(old, _selector_keys(old), new, _selector_keys(new))
        self.aliases.replace(old, _alias_keys(old), new, _alias_keys(new))

    def _file_pod(self, key: Key, old: pod.Pod | None, new: pod.Pod | None) -> None:
        self.pods.put(key, new)
        self.pod_revisions.put(key[0], self.pod_revisions.entries.get(key[0], 0) + 1)

    def _file_entry(
        self,
        key: Key,
        old: networking_entry.ServiceEntry | None,
        new: networking_entry.ServiceEntry | None,
    ) -> None:
        self.entries.put(key, new)
        features = self._settings.features
        self._ask("", entries.asked_by(old, features), entries.asked_by(new, features))
        self._entries_named.replace(old, entries.hosts_of(old), new, entries.hosts_of(new))
        for hostname in {*entries.hosts_of(old), *entries.hosts_of(new)}:
            service = self.declared.entries.get(hostname, UNDECLARED).service
            self.declared.put(hostname, Declared(service, self._entries_of(hostname)))
            self._renamed.add((key[0], hostname))
        self.selecting_entries.replace(old, _selecting_keys(old), new, _selecting_keys(new))

    def _file_sidecar(
        self,
        key: Key,
        old: networking_proxy.Sidecar | None,
        new: networking_proxy.Sidecar | None,
    ) -> None:
        self.sidecars.replace(old, _home(old), new, _home(new))

    def _file_workload_entry(
        self,
        key: Key,
        old: networking_entry.WorkloadEntry | None,
        new: networking_entry.WorkloadEntry | None,
    ) -> None:
        self.workload_entries.replace(old, _home(old), new, _home(new))

    def _file_slice(
        self, key: Key, old: discovery.EndpointSlice | None, new: discovery.EndpointSlice | None
    ) -> None:
        self.slices.replace(old, _slice_keys(old), new, _slice_keys(new))

    def _file_policy(
        self,
        key: Key,
        old: security.PeerAuthentication | None,
        new: security.PeerAuthentication | None,
    ) -> None:
        self.policies.replace(old, _home(old), new, _home(new))

    def _file_telemetry(
        self, key: Key, old: telemetry.Telemetry | None, new: telemetry.Telemetry | None
    ) -> None:
        self.telemetries.replace(old, _home(old), new, _home(new))

    def _file_authorization(
        self,
        key: Key,
        old: security.AuthorizationPolicy | None,
        new: security.AuthorizationPolicy | None,
    ) -> None:
        self.authorization_policies.put(key, new)
        self.authorization.replace(old, _home(old), new, _home(new))

    def _file_authentication(
        self,
        key: Key,
        old: security.RequestAuthentication | None,
        new: security.RequestAuthentication | None,
    ) -> None:
        self.token_policies.put(key, new)
        self.authentication.replace(old, _home(old), new, _home(new))

    def _file_envoy_filter(
        self,
        key: Key,
        old: networking_proxy.EnvoyFilter | None,
        new: networking_proxy.EnvoyFilter | None,
    ) -> None:
        self.envoy_filters.put(key, new)
        self.filters_in.replace(old, _home(old), new, _home(new))

    def _file_rule(
        self,
        key: Key,
        old: networking.DestinationRule | None,
        new: networking.DestinationRule | None,
    ) -> None:
        self.destination_rules.put(key, new)
        self.rules.replace(old, self._rule_keys(old), new, self._rule_keys(new))
        self._ask(key[0], _selector_labels(old), _selector_labels(new))
        self._ask("", _near_labels(old), _near_labels(new))

    def _file_virtual_service(
        self,
        key: Key,
        old: networking.VirtualService | None,
        new: networking.VirtualService | None,
    ) -> None:
        self.virtual_services.put(key, new)
        before, now = self._mesh_keys(old), self._mesh_keys(new)
        self.mesh_routes.replace(old, before, new, now)
        here = (key[0],)
        self.mesh_routes_in.replace(old, here if before else (), new, here if now else ())
        self._ask("", matches.source_labels(old), matches.source_labels(new))
        bound, binding = self._bindings.get(key), _binding(new, self._settings)
        if bound != binding:
            self.gateway_routes.replace(
                bound,
                bound.gateways if bound is not None else (),
                binding,
                binding.gateways if binding is not None else (),
            )
            self._bindings.pop(key, None)
            if binding is not None:
                self._bindings[key] = binding

    def _ask(self, where: str, old: list[str], new: list[str]) -> None:
        if not old and not new:
            return
        counts = self._asked.setdefault(where, Counter())
        counts.subtract(old)
        counts.update(new)
        wanted = frozenset(label for label, count in counts.items() if count > 0)
        if wanted != self.asked_labels.entries.get(where, frozenset()):
            self.asked_labels.put(where, wanted)

    def _rule_keys(self, obj: networking.DestinationRule | None) -> tuple[Key, ...]:
        if obj is None or not obj.spec.host:
            return ()
        namespace = obj.metadata.namespace
        return ((namespace, hosts.resolve(obj.spec.host, namespace, self._settings.domain)),)

    def _mesh_keys(self, obj: networking.VirtualService | None) -> tuple[str, ...]:
        if obj is None or (obj.spec.gateways and routes.MESH not in obj.spec.gateways):
            return ()
        return virtual_hosts(obj, self._settings)

    def _derive_lists(self) -> None:
        if self._renamed:
            self._list_services()
        if self.rules.keys_changed:
            namespaces = {ns for ns, host in self.rules.keys_changed if hosts.is_wildcard(host)}
            for namespace in namespaces:
                found = [h for ns, h in self.rules.filed() if ns == namespace]
                self._put_hosts(self.rule_wildcards, namespace, filter(hosts.is_wildcard, found))
            self.rules.keys_changed.clear()
        if self.mesh_routes.keys_changed:
            found = list(self.mesh_routes.filed())
            self._put_hosts(self.mesh_hosts, "", found)
            self._put_hosts(self.mesh_wildcards, "", filter(hosts.is_wildcard, found))
            self.mesh_routes.keys_changed.clear()
        if self.mesh_routes_in.keys_changed:
            self.mesh_namespaces.put("", tuple(sorted(self.mesh_routes_in.filed())))
            self.mesh_routes_in.keys_changed.clear()

    def _list_services(self) -> None:
        """Order the services of all sources; one that several objects make is as old as the oldest
        of them."""
        moved = False
        for key in self._renamed:
            age = self._age_of(key)
            if self._service_ages.get(key) != age:
                moved = True
                if age is None:
                    del self._service_ages[key]
                else:
                    self._service_ages[key] = age
        self._renamed.clear()
        if moved:
            ages = self._service_ages
            ordered = sorted(ages, key=lambda key: (ages[key], key))
            self.service_keys.put("", tuple(ordered))

    def _entries_of(self, hostname: str) -> entries.Entries:
        return self._entries_named.under(hostname)

    def _age_of(self, key: ServiceKey) -> precedence.AgeKey | None:
        namespace, hostname = key
        declared = self.declared.entries.get(hostname, UNDECLARED)
        every = (declared.service, *declared.entries)
        return min(
            (precedence.age(o) for o in every if o and o.metadata.namespace == namespace),
            default=None,
        )

    @staticmethod
    def _put_hosts(table: Table[str, tuple[str, ...]], key: str, found: Iterable[str]) -> None:
        ordered = tuple(sorted(found, key=hosts.specificity))
        if ordered != table.entries.get(key, ()):
            table.put(key, ordered)


def _home(obj: Any) -> tuple[str, ...]:
    """Return the namespace that an object is filed under; nothing where there is none."""
    return (obj.metadata.namespace,) if obj is not None else ()


def virtual_hosts(obj: networking.VirtualService, settings: MeshSettings) -> tuple[str, ...]:
    """Return a VirtualService's hosts in full, each once."""
    namespace = obj.metadata.namespace
    found = (hosts.resolve(h, namespace, settings.domain) for h in obj.spec.hosts)
    if settings.features.lower_case_hosts:
        found = (h.lower() for h in found)
    return tuple(dict.fromkeys(found))


def _differing(old: Mapping[Key, Any], new: Mapping[Key, Any]) -> set[Key]:
    get = old.get
    keys = {key for key, obj in new.items() if get(key) is not obj}
    if len(old) + sum(key not in old for key in keys) != len(new):
        keys.update(key for key in old if key not in new)
    return keys


def _selector_keys(obj: service.Service | None) -> tuple[tuple[str, str, str], ...]:
    """One pair is enough to find the candidates that a pod's labels may satisfy."""
    if obj is None or not obj.spec.selector:
        return ()
    label = min(obj.spec.selector)
    return ((obj.metadata.namespace, label, obj.spec.selector[label]),)


def _selecting_keys(obj: networking_entry.ServiceEntry | None) -> tuple[str, ...]:
    selects = obj is not None and obj.spec.workload_selector is not None
    return (obj.metadata.namespace,) if obj is not None and selects else ()


def _selector_labels(obj: networking.DestinationRule | None) -> list[str]:
    if obj is None or obj.spec.workload_selector is None:
        return []
    return list(obj.spec.workload_selector.match_labels)


def _near_labels(obj: networking.DestinationRule | None) -> list[str]:
    return locality.asked(obj.spec) if obj is not None else []


def _alias_keys(obj: service.Service | None) -> tuple[str, ...]:
    if obj is None or obj.spec.type != "ExternalName":
        return ()
    return (obj.spec.external_name.rstrip("."),)


def _slice_keys(obj: discovery.EndpointSlice | None) -> tuple[Key, ...]:
    if obj is None:
        return ()
    name = obj.metadata.labels.get(endpoints.SERVICE_LABEL, "")
    return ((obj.metadata.namespace, name),) if name else ()


def _identity(meta: ObjectMeta) -> ObjectMeta:
    """Return name, namespace and age alone, and of what an object was made as a whole."""
    if isinstance(meta, Origin):
        return msgspec.structs.replace(meta, parts=())
    return ObjectMeta(
        name=meta.name, namespace=meta.namespace, creation_timestamp=meta.creation_timestamp
    )


def _binding(obj: networking.VirtualService | None, settings: MeshSettings) -> Binding | None:
    if obj is None:
        return None
    meta = obj.metadata
    named = (routes.gateway_name(g, meta.namespace) for g in obj.spec.gateways)
    gateways = tuple(dict.fromkeys(g for g in named if g != routes.MESH))
    if not gateways:
        return None
    return Binding(
        metadata=_identity(meta),
        gateways=gateways,
        hosts=virtual_hosts(obj, settings),
        export_to=tuple(obj.spec.export_to) or settings.routes_export_to,
    )
