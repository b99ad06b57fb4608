"""What is noticed while compiling: references to nothing, and what is left out or overridden.
Everything else is served. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend import precedence, rejected_by_envoy
from lateen.compiler.frontend.diagnostics import (
    entry_checks,
    no_effect,
    port_conflicts,
    rule_checks,
    sidecar_checks,
    telemetry_checks,
)
from lateen.compiler.frontend.graph import collections, telemetries
from lateen.compiler.frontend.graph.collections import Key
from lateen.compiler.frontend.graph.destinations import Destinations, Scope
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.frontend.origin import Origin
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing import delegates, gateways, mesh_routes, routes, unsupported
from lateen.compiler.frontend.security import authn
from lateen.compiler.frontend.traffic import client_tls, rules
from lateen.compiler.ir.workload import Protocol, Resolution, Service
from lateen.model.istio import networking, networking_route, security
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.schema import kinds
from lateen.model.validation import codes

Findings = tuple[Diagnostic, ...]
Found = Iterator[Diagnostic]


_NOWHERE, _NO_COPY = "LTN0034", "LTN0064"
"""What is told of a destination on a port that its host does not have, and of a mirror."""


class Checks:
    """Findings per object, kept until something they were drawn from changes."""

    def __init__(
        self, graph: Graph, destinations: Destinations, reports: telemetries.Telemetries
    ) -> None:
        self._destinations = destinations
        telemetry = telemetry_checks.TelemetryChecks(destinations, reports)
        self._collections = destinations.collections
        self._settings = destinations.settings
        self.by_resource: dict[str, Derived[Key, Findings]] = {
            collections.VIRTUAL_SERVICES: Derived(graph, self._virtual_service, watched=True),
            collections.RULES: Derived(graph, self._rule, watched=True),
            collections.POLICIES: Derived(graph, self._policy, watched=True),
            collections.AUTHORIZATION: Derived(graph, self._authorization, watched=True),
            collections.AUTHENTICATION: Derived(graph, self._authentication, watched=True),
            collections.ENVOY_FILTERS: Derived(graph, self._envoy_filter, watched=True),
            collections.GATEWAYS: Derived(graph, self._gateway, watched=True),
            collections.TELEMETRIES: Derived(graph, telemetry.telemetry, watched=True),
            collections.CONFIG_MAPS: Derived(graph, telemetry.mesh, watched=True),
            collections.SIDECARS: Derived(graph, self._sidecar, watched=True),
            collections.ENTRIES: Derived(graph, self._entry, watched=True),
            collections.WORKLOAD_ENTRIES: Derived(graph, self._workload_entry, watched=True),
        }

        if not self._settings.features.external_name_alias:
            ports = Derived(graph, self._ports_taken, watched=True)
            self.by_resource[collections.SERVICES] = ports

    def _ports_taken(self, key: Key) -> Findings:
        registry = self._destinations.registry
        return tuple(port_conflicts.of_service(registry.of_kubernetes(key), registry))

    def _entry(self, key: Key) -> Findings:
        obj = self._collections.entries.get(key)
        return entry_checks.findings(obj, self._destinations.registry) if obj is not None else ()

    def _sidecar(self, key: Key) -> Findings:
        found = self._collections.sidecars.table.get(key[0])
        obj = next((s for s in found if s.metadata.name == key[1]), None)
        registry, root = self._destinations.registry, self._settings.root_namespace
        return sidecar_checks.findings(obj, registry, root) if obj is not None else ()

    def _workload_entry(self, key: Key) -> Findings:
        found = self._collections.workload_entries.table.get(key[0])
        obj = next((w for w in found if w.metadata.name == key[1]), None)
        return entry_checks.of_workload(obj) if obj is not None else ()

    def _virtual_service(self, key: Key) -> Findings:
        obj = self._collections.virtual_services.get(key)
        if obj is None or isinstance(obj.metadata, Origin):  # what it was made of has a status
            return ()
        source = precedence.source("VirtualService", obj)
        return (
            *unsupported.unread(obj.spec, source.at("spec")),
            *codes.warnings(kinds.KINDS[collections.VIRTUAL_SERVICES], obj),
            *self._gateways_named(obj, source),
            *self._mesh_hosts(obj, source),
            *no_effect.of_matches(obj, self._dialled(obj), source),
            *self._http(obj, source),
            *self._layer4(obj, source),
            *rejected_by_envoy.of_routes(obj.spec.http, source),
        )

    def _gateways_named(self, obj: networking.VirtualService, source: Source) -> Found:
        """Say which Gateways are not there, or have no host in common with it, and which of its
        hosts nobody serves."""
        known = {f"{g.metadata.namespace}/{g.metadata.name}": g for g in self._gateways()}
        namespace = obj.metadata.namespace
        wanted = collections.virtual_hosts(obj, self._settings)
        served: set[str] = set()
        for index, written in enumerate(obj.spec.gateways):
            at = source.at(f"spec.gateways[{index}]")
            name = routes.gateway_name(written, namespace)
            if name == routes.MESH:
                served.update(wanted)
                continue
            if name not in known:
                yield make("IST0101", at, reftype="gateway", refval=written)
                continue
            admitted = {h for h in wanted if gateways.admits(known[name], namespace, h)}
            served |= admitted
            if wanted and not admitted:
                yield make("IST0132", at, host=", ".join(wanted), gateway=written)
        for index, host in enumerate(wanted):
            if served and host not in served:
                at = source.at(f"spec.hosts[{index}]")
                yield make("IST0132", at, host=host, gateway=", ".join(obj.spec.gateways))

    def _gateways(self) -> tuple[networking.Gateway, ...]:
        return self._collections.gateways.get("")

    def _mesh_hosts(self, obj: networking.VirtualService, source: Source) -> Found:
        """Return why sidecars do not follow it for some of its hosts."""
        if obj.spec.gateways and routes.MESH not in obj.spec.gateways:
            return
        own, usual = obj.metadata.namespace, self._settings.routes_export_to
        for index, host in enumerate(collections.virtual_hosts(obj, self._settings)):
            at = source.at(f"spec.hosts[{index}]")
            others = [
                other
                for other in self._collections.mesh_routes.table.get(host)
                if precedence.exported(other.spec.export_to or usual, other.metadata.namespace, own)
            ]
            if len(others) > 1 and others[0] is not obj:
                names = ", ".join(f"{o.metadata.namespace}/{o.metadata.name}" for o in others)
                yield make("IST0109", at, virtual_services=names, host=host)
            service = self._destinations.registry.service(host)
            if service is not None and service.resolution is Resolution.ALIAS:
                yield _of_an_alias(service, at)
            elif set(obj.spec.gateways) - {routes.MESH}:
                continue
            elif service is not None:
                yield from no_effect.of_sections(obj.spec, service, source)
            elif not self._covers_any(host):
                yield from no_effect.of_foreign(obj.spec, host, source)

    def _covers_any(self, host: str) -> bool:
        listed = self._destinations.registry.listed() if hosts.is_wildcard(host) else ()
        return any(hosts.covers(host, hostname) for _, hostname in listed)

    def _dialled(self, obj: networking.VirtualService) -> frozenset[int] | None:
        """Return the ports at which anybody meets it; None if that is not known."""
        namespace, written = obj.metadata.namespace, obj.spec.gateways
        named = {routes.gateway_name(g, namespace) for g in written or (routes.MESH,)}
        if not obj.spec.hosts:
            return None
        served = [
            g for g in self._gateways() if f"{g.metadata.namespace}/{g.metadata.name}" in named
        ]
        if len(served) < len(named - {routes.MESH}):
            return None
        if routes.MESH not in named:
            return no_effect.dialled((), served)
        wanted = collections.virtual_hosts(obj, self._settings)
        return no_effect.dialled(
            (self._destinations.registry.service(host) for host in wanted), served
        )

    def _http(self, obj: networking.VirtualService, source: Source) -> Found:
        for index, rule in enumerate(obj.spec.http):
            at = source.at(f"spec.http[{index}]")
            if rule.delegate is not None:
                yield from self._delegate(obj, rule, at)
            elif not routes.acts(rule):
                detail = "the rule has no route with a weight, no redirect and no directResponse"
                yield make("IST0106", at, detail=detail)
            for number, entry in enumerate(rule.route):
                if entry.destination is not None:
                    there = at.at(f"route[{number}].destination")
                    yield from self._http_destination(obj, entry.destination, there)
            if rule.mirror is not None:
                there = at.at("mirror")
                yield from self._http_destination(obj, rule.mirror, there, _NO_COPY)
            for number, copy in enumerate(rule.mirrors):
                if copy.destination is not None:
                    there = at.at(f"mirrors[{number}].destination")
                    yield from self._http_destination(obj, copy.destination, there, _NO_COPY)

    def _delegate(
        self, obj: networking.VirtualService, rule: networking_route.HTTPRoute, at: Source
    ) -> Found:
        virtual_services = self._collections.virtual_services
        found = delegates.delegate_of(
            obj, rule, lambda ns, name: virtual_services.get((ns, name)), self._settings
        )
        if found is None and rule.delegate is not None:
            namespace = rule.delegate.namespace or obj.metadata.namespace
            name = f"{namespace}/{rule.delegate.name}"
            yield make("LTN0028", at.at("delegate"), delegate=name)
        elif found is not None:
            name = f"{found.metadata.namespace}/{found.metadata.name}"
            for index in delegates.conflicts(obj, rule, found):
                there = precedence.source("VirtualService", found, f"spec.http[{index}]")
                yield make("LTN0029", there, delegate=name)

    def _layer4(self, obj: networking.VirtualService, source: Source) -> Found:
        tls = [(f"spec.tls[{i}]", r.route) for i, r in enumerate(obj.spec.tls)]
        tcp = [(f"spec.tcp[{i}]", r.route) for i, r in enumerate(obj.spec.tcp)]
        for path, targets in (*tls, *tcp):
            for number, entry in enumerate(targets):
                if entry.destination is not None:
                    at = source.at(f"{path}.route[{number}].destination")
                    yield from self._destination(obj, entry.destination, at)

    def _http_destination(
        self,
        obj: networking.VirtualService,
        target: networking_route.Destination,
        at: Source,
        nowhere: str = _NOWHERE,
    ) -> Found:
        """Inside the mesh a destination without a port means the one that was dialled."""
        yield from self._destination(obj, target, at, nowhere)
        bound = obj.spec.gateways or (routes.MESH,)
        if routes.MESH not in bound or (target.port is not None and target.port.number):
            return
        host = hosts.resolve(target.host, obj.metadata.namespace, self._settings.domain)
        service = self._destinations.registry.service(host)
        if service is None or service.resolution is Resolution.ALIAS:
            return
        ports = [p.number for p in service.ports if p.protocol is not Protocol.UDP]
        dialled = self._http_ports(obj)
        if ports and dialled and dialled.isdisjoint(ports):
            listed = ", ".join(map(str, ports))
            yield make(nowhere, at, host=host, port=min(dialled), ports=listed)

    def _http_ports(self, obj: networking.VirtualService) -> set[int]:
        """Return the ports at which clients inside the mesh meet its `http` rules."""
        found: set[int] = set()
        for host in collections.virtual_hosts(obj, self._settings):
            service = self._destinations.registry.service(host)
            if service is None:
                found.add(mesh_routes.FOREIGN_PORT)
                continue
            spoken = (p for p in service.ports if p.protocol.is_http or p.protocol is Protocol.AUTO)
            found.update(port.number for port in spoken)
        return found

    def _destination(
        self,
        obj: networking.VirtualService,
        target: networking_route.Destination,
        at: Source,
        nowhere: str = _NOWHERE,
    ) -> Found:
        namespace = obj.metadata.namespace
        host = hosts.resolve(target.host, namespace, self._settings.domain)
        service = self._destinations.registry.service(host)
        if service is None:
            yield make("IST0101", at.at("host"), reftype="host", refval=target.host)
            return
        if service.resolution is Resolution.ALIAS:
            named = self._destinations.registry.service(service.external_name)
            if named is None or named.resolution is Resolution.ALIAS:
                where = f"{service.external_name}, the externalName of {target.host}"
                yield make("IST0101", at.at("host"), reftype="host", refval=where)
            return
        ports = [p.number for p in service.ports if p.protocol is not Protocol.UDP]
        listed = ", ".join(map(str, ports))
        if target.port is None or not target.port.number:
            if len(ports) > 1:
                yield make("IST0112", at, host=host, ports=listed)
        elif target.port.number not in ports:
            number = target.port.number
            yield make(nowhere, at.at("port"), host=host, port=number, ports=listed)
        if target.subset and not self._has_subset(namespace, service, target.subset):
            what = f"DestinationRule for {target.host} with the subset"
            yield make("IST0101", at.at("subset"), reftype=what, refval=target.subset)

    def _has_subset(self, namespace: str, service: Service, subset: str) -> bool:
        """Whether a client in any of the namespaces whose rules can matter knows the subset."""
        clients = dict.fromkeys((namespace, service.namespace, self._settings.root_namespace))
        return any(
            rule is not None and rule.subset(subset) is not None
            for rule in (self._destinations.rule_for(Scope(ns), service.hostname) for ns in clients)
        )

    def _rule(self, key: Key) -> Findings:
        obj: networking.DestinationRule | None = self._collections.destination_rules.get(key)
        if obj is None:
            return ()
        source = precedence.source("DestinationRule", obj)
        host = hosts.resolve(obj.spec.host, key[0], self._settings.domain)
        return (
            *unsupported.unread(obj.spec, source.at("spec")),
            *codes.warnings(kinds.KINDS[collections.RULES], obj),
            *self._rule_host(obj, host, source),
            *self._overridden(obj, host, source),
            *rule_checks.hides(obj, host, source, self._destinations),
            *no_effect.of_client_tls(_blocks(obj), self._settings.features, source),
            *self._unverified(obj, source),
            *_timeouts_ignored(obj, source),
            *rejected_by_envoy.of_policies(_blocks(obj), source),
            *_plaintext_instead(
                obj,
                source,
                client_tls.Options(
                    features=self._settings.features,
                    credentials=obj.spec.workload_selector is not None,
                ),
            ),
        )

    def _rule_host(self, obj: networking.DestinationRule, host: str, source: Source) -> Found:
        if hosts.is_wildcard(host) or not host:
            return
        service = self._destinations.registry.service(host)
        if service is None:
            yield make("IST0174", source.at("spec.host"), host=obj.spec.host)
            return
        if service.resolution is Resolution.ALIAS:
            yield _of_an_alias(service, source.at("spec.host"))
            return
        yield from no_effect.of_ports(_blocks(obj), service, source)

    def _overridden(self, obj: networking.DestinationRule, host: str, source: Source) -> Found:
        namespace = obj.metadata.namespace
        written: rules.Rules = self._collections.rules.table.get((namespace, host))
        if len(written) < 2:
            return
        merged = self._destinations.merged_rules.get((namespace, host))
        yield from rule_checks.superseded(obj, merged, source)
        for rule in merged:
            if source.ref not in rule.members:
                continue
            if obj.spec.traffic_policy is not None and rule.policy_source.ref != source.ref:
                at = source.at("spec.trafficPolicy")
                yield make("LTN0025", at, host=host, other=rule.policy_source.ref)
            for index, subset in enumerate(obj.spec.subsets):
                kept = rule.subset(subset.name)
                if kept is not None and kept.source.ref != source.ref:
                    at = source.at(f"spec.subsets[{index}]")
                    yield make("LTN0026", at, subset=subset.name, host=host, other=kept.source.ref)

    def _unverified(self, obj: networking.DestinationRule, source: Source) -> Found:
        if not self._settings.features.verify_upstream:
            yield from rule_checks.unverified(obj, _blocks(obj), source)

    def _policy(self, key: Key) -> Findings:
        found = self._collections.policies.table.get(key[0])
        obj = next((p for p in found if p.metadata.name == key[1]), None)
        if obj is None:
            return ()
        source = precedence.source("PeerAuthentication", obj)
        return (
            *unsupported.unread(obj.spec, source.at("spec")),
            *codes.warnings(kinds.KINDS[collections.POLICIES], obj),
            *self._policy_scope(obj, found, source),
        )

    def _policy_scope(
        self, obj: security.PeerAuthentication, found: authn.Policies, source: Source
    ) -> Found:
        root = self._settings.root_namespace
        if authn.selector(obj):
            if obj.metadata.namespace == root:
                yield make("LTN0023", source.at("spec.selector"), namespace=root)
            return
        counting = authn.oldest_wide(found)
        if counting is not None and counting is not obj:
            yield make(
                "LTN0022", source, other=precedence.source("PeerAuthentication", counting).ref
            )

    def _authorization(self, key: Key) -> Findings:
        obj = self._collections.authorization_policies.get(key)
        if obj is None:
            return ()
        from lateen.compiler.frontend.diagnostics import (
            authz_checks,  # needed where there are policies only
        )

        named, homes = self._destinations.registry.named, self._collections.authorization.table
        beside = dict.fromkeys((self._settings.root_namespace, key[0]))
        rivals = authz_checks.rivals(obj, (other for home in beside for other in homes.get(home)))
        source = precedence.source("AuthorizationPolicy", obj, "spec")
        unread = unsupported.unread(obj.spec, source)
        doubtful = codes.warnings(kinds.KINDS[collections.AUTHORIZATION], obj)
        return (*unread, *doubtful, *authz_checks.findings(obj, self._settings, named), *rivals)

    def _authentication(self, key: Key) -> Findings:
        obj = self._collections.token_policies.get(key)
        if obj is None:
            return ()
        from lateen.compiler.frontend.diagnostics import token_checks  # where there are any only

        source = precedence.source("RequestAuthentication", obj, "spec")
        unread = unsupported.unread(obj.spec, source)
        doubtful = codes.warnings(kinds.KINDS[collections.AUTHENTICATION], obj)
        fetched = self._collections.key_sets.get
        return (*unread, *doubtful, *token_checks.findings(obj, self._settings, fetched))

    def _envoy_filter(self, key: Key) -> Findings:
        obj = self._collections.envoy_filters.get(key)
        if obj is None:
            return ()
        from lateen.compiler.frontend.diagnostics import patch_checks  # where there are any only

        source = precedence.source("EnvoyFilter", obj, "spec")
        unread = unsupported.unread(obj.spec, source)
        doubtful = codes.warnings(kinds.KINDS[collections.ENVOY_FILTERS], obj)
        return (*unread, *doubtful, *patch_checks.findings(obj))

    def _gateway(self, key: Key) -> Findings:
        for obj in self._collections.gateways.get(""):
            if isinstance(obj.metadata, Origin):
                continue
            if (obj.metadata.namespace, obj.metadata.name) == key:
                source = precedence.source("Gateway", obj)
                unread = unsupported.unread(obj.spec, source.at("spec"))
                idle = no_effect.of_gateway(obj.spec, source)
                return (*unread, *idle, *codes.warnings(kinds.KINDS[collections.GATEWAYS], obj))
        return ()


def _of_an_alias(service: Service, at: Source) -> Diagnostic:
    reason = (
        f"{service.hostname} is an ExternalName Service, another name for {service.external_name}: "
        "what is said of that counts"
    )
    return make("IST0167", at, reason=reason)


def _timeouts_ignored(obj: networking.DestinationRule, source: Source) -> Found:
    """How long an idle connection lasts is the top level's to say, as on Istio."""
    for path, policy in _blocks(obj):
        pool = policy.connection_pool
        tcp = pool.tcp if pool is not None and path != "spec.trafficPolicy" else None
        if tcp is not None and tcp.idle_timeout:
            yield make("LTN0042", source.at(f"{path}.connectionPool.tcp.idleTimeout"))


def _blocks(
    obj: networking.DestinationRule,
) -> Iterator[tuple[str, networking.TrafficPolicy | networking.PortTrafficPolicy]]:
    """Return every policy of a rule, of subsets and of ports too, and where it is written."""
    levels = [("spec.trafficPolicy", obj.spec.traffic_policy)]
    levels += [
        (f"spec.subsets[{i}].trafficPolicy", subset.traffic_policy)
        for i, subset in enumerate(obj.spec.subsets)
    ]
    for path, policy in levels:
        if policy is None:
            continue
        yield path, policy
        for i, entry in enumerate(policy.port_level_settings):
            yield f"{path}.portLevelSettings[{i}]", entry


def _plaintext_instead(
    obj: networking.DestinationRule, source: Source, options: client_tls.Options
) -> Found:
    """A `tls` block that cannot be honoured sends plaintext: the one thing nobody expects."""
    for path, policy in _blocks(obj):
        reason = client_tls.refusal(policy.tls, options) if policy.tls is not None else ""
        if reason:
            at = source.at(f"{path}.tls")
            yield make("LTN0030", at, host=obj.spec.host, detail=reason)
