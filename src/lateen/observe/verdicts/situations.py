"""What is known of the leg that a request failed on, for advice (`lateen.causes.advice`). Pure.

Read from the log entries, the compiled views and the objects; nothing of Istio is decided here.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from lateen.causes.situation import ClientTls, DeclaredPort, RouteDestination, ServerMode, Situation
from lateen.compiler.backend import names
from lateen.compiler.ir.proxy import ProxyView
from lateen.compiler.ir.routing import Route
from lateen.compiler.ir.workload import Protocol, Service
from lateen.model import wellknown
from lateen.model.kube.core import objects
from lateen.model.meta import ObjectRef, Source, parse_source
from lateen.model.snapshot import Snapshot
from lateen.observe.requests import directory
from lateen.observe.requests.legs import Leg
from lateen.observe.verdicts import (
    authorization,
    corrections,
    destinations,
    manifest_text,
    policy_rules,
    unselected_objects,
)

Views = Mapping[str, ProxyView]
_CONTAINER = wellknown.PROXY
_LIMITS = (
    "tcp.maxConnections",
    "http.http1MaxPendingRequests",
    "http.http2MaxRequests",
    "http.maxRetries",
)


def of(leg: Leg, views: Views, snapshot: Snapshot, *, insecure: bool = False) -> Situation:
    """Return what is known of a leg. `insecure`: the client was to accept any certificate."""
    view = views.get(leg.client_entry.proxy) if leg.client_entry is not None else None
    server = views.get(leg.server.name)
    route = _route(leg, view)
    to = _destination(leg, view, route, snapshot)
    mode = _mode(leg, server, snapshot)
    identity = _client_identity(leg, snapshot)
    why = authorization.grounds(leg, views, identity)
    port = _port(leg, server)
    return Situation(
        client_role=leg.client.role,
        server_role=leg.server.role,
        client_tls=_client_tls(leg, view, snapshot),
        server_mode=mode,
        passed_through=cluster_name(leg, view) == names.PASSTHROUGH_CLUSTER,
        speaks=_speaks(leg, view, server, port),
        answers=_answers(leg),
        service_port=_service_port(leg, view, server, snapshot),
        has_rule=_rule(leg, view),
        container_ports=_declared(leg.server.name, snapshot),
        target_port=port,
        destination=to,
        client_workload=_uninjected(leg.client.name, leg.client.role, snapshot),
        server_workload=_uninjected(leg.server.name, leg.server.role, snapshot),
        client_identity=identity,
        server_identity=_server_identity(leg),
        skips_verification=view.settings.features.insecure_skip_verify if view else True,
        limits=_limits(leg, view, snapshot),
        timeout=_timeout(leg, route, snapshot),
        fault=_fault(route, snapshot),
        gateway_server=_gateway_server(leg, server),
        rule=why.rule,
        only_rule=why.rule is not None and policy_rules.is_only(why.rule, snapshot),
        policy=why.policy,
        principals=policy_rules.principals(why.policy, snapshot),
        exceptions=tuple(policy_rules.exceptions(why.rule, snapshot)),
        host=(host := _host(leg)),
        served=_served(snapshot, host),
        wider=_wider(leg, views, snapshot),
        asked_service=(asked := _asked(leg, snapshot)),
        asked_port=_asked_port(leg),
        asked_ports=unselected_objects.ports(asked, snapshot),
        scope=unselected_objects.sidecar_of(leg.client.name, snapshot),
        gateways=unselected_objects.gateways(leg.server.name, snapshot)
        if leg.server.role == "gateway"
        else (),
        would_allow=why.would_allow,
        tls_names=tuple(name for names in came_to(leg, views).values() for name in names),
        corrections=corrections.of(leg, views, snapshot),
        server_meant=bool(meant_servers(leg, snapshot)),
        insecure=insecure,
    )


def cluster_name(leg: Leg, view: ProxyView | None) -> str:
    """Return the cluster that a client's proxy chose. Of a request that no host was chosen for its
    log names none: then it is that of the Service whose address was asked for."""
    entry = leg.client_entry
    if entry is None or entry.inbound:
        return ""
    asked = entry.entry
    if asked.upstream_cluster or asked.http is None or asked.tags.get("source") or view is None:
        return asked.upstream_cluster
    host, _, port = asked.downstream_local.rpartition(":")
    fitting = (
        each.name
        for each in directory.clusters(view)
        if host in each.service.vips and str(each.port) == port and not each.subset
    )
    return next(fitting, "")


def _client_tls(leg: Leg, view: ProxyView | None, snapshot: Snapshot) -> ClientTls | None:
    found = directory.cluster(view, cluster_name(leg, view)) if view is not None else None
    tls = found.policy.tls if found is not None else None
    if tls is None:
        return None
    block = manifest_text.value(snapshot, tls.source) or {}
    mode = block.get("mode") or tls.mode.value
    sans = tuple(block.get("subjectAltNames") or ())
    return ClientTls(mode, tls.source, sans, alone=_says_only(block, "mode"))


def _says_only(block: Mapping[str, Any], name: str) -> bool:
    return not any(value for key, value in block.items() if key != name)


def _mode(leg: Leg, server: ProxyView | None, snapshot: Snapshot) -> ServerMode | None:
    accepted = directory.accepts(server, _port(leg, server)) if server is not None else None
    if accepted is None:
        return None
    source = accepted.source
    policy = manifest_text.body(snapshot, source.ref) if source is not None else None
    selector = ((policy or {}).get("spec") or {}).get("selector") or {}
    return ServerMode(accepted.mode, source, bool(selector.get("matchLabels")))


def _port(leg: Leg, server: ProxyView | None) -> int:
    """The workload's port, as it was connected to."""
    text = leg.server_address.rpartition(":")[2]
    return int(text) if text.isdigit() and (server is None or server.inbound is not None) else 0


def _speaks(leg: Leg, view: ProxyView | None, server: ProxyView | None, port: int) -> str:
    """What the port is declared to speak: by the Service that the client used, else by the one that
    the server's sidecar goes by."""
    found = directory.cluster(view, cluster_name(leg, view)) if view is not None else None
    if found is not None:
        return _word(found.protocol)
    inbound = server.inbound if server is not None else None
    known = next((p for p in inbound.ports if p.port == port), None) if inbound else None
    return _word(known.protocol) if known is not None else ""


def _answers(leg: Leg) -> str:
    """`http` if the server's packets began as HTTP/1 does."""
    return "http" if leg.reading is not None and leg.reading.answered_http1 else ""


def _service_port(
    leg: Leg, view: ProxyView | None, server: ProxyView | None, snapshot: Snapshot
) -> Source | None:
    """The Service's port that a proxy chose; or that a pod's port stands behind; or whose address
    an application asked for."""
    found = directory.cluster(view, cluster_name(leg, view)) if view is not None else None
    if found is not None:
        port = found.service.port(found.port)
        return port.source if port is not None else None
    host, _, number = leg.server_address.rpartition(":")
    if leg.client_entry is not None and leg.client_entry.inbound:
        own = server or view
        inbound = own.inbound if own is not None else None
        known = (p for p in inbound.ports if str(p.port) == number) if inbound else iter(())
        return next((port.source for port in known), None)
    for (namespace, name), service in snapshot.services.items():
        for index, each in enumerate(service.spec.ports):
            if service.spec.cluster_ip == host and str(each.port) == number:
                return Source(ObjectRef("Service", namespace, name), f"spec.ports[{index}]")
    return None


def _rule(leg: Leg, view: ProxyView | None) -> ObjectRef | None:
    found = directory.cluster(view, cluster_name(leg, view)) if view is not None else None
    rule = found.policy.rule if found is not None else None
    return rule.ref if rule is not None else None


def _declared(name: str, snapshot: Snapshot) -> tuple[int, ...]:
    """The TCP ports that a pod's own containers declare."""
    namespace, _, pod_name = name.partition("/")
    pod = snapshot.pods.get((namespace, pod_name))
    containers = pod.spec.containers if pod is not None else ()
    return tuple(
        port.container_port
        for container in containers
        if container.name != _CONTAINER
        for port in container.ports
        if port.protocol in ("", "TCP")
    )


def _word(protocol: Protocol) -> str:
    if protocol.is_tls:
        return "tls"
    if protocol.is_http:
        return "http"
    return "tcp" if protocol.is_tcp else ""


def _route(leg: Leg, view: ProxyView | None) -> Route | None:
    entry = leg.client_entry
    tagged = entry.entry.tags.get("source", "") if entry is not None and not entry.inbound else ""
    return directory.route(view, tagged) if view is not None and tagged else None


def _destination(
    leg: Leg, view: ProxyView | None, route: Route | None, snapshot: Snapshot
) -> RouteDestination | None:
    name, field = cluster_name(leg, view), None
    if view is None or leg.client_entry is None or leg.client_entry.inbound:
        return None
    for destination in route.destinations if route is not None else ():
        # Of a step that was not taken the log does not name the cluster.
        missing = directory.cluster(view, destination.cluster) is None
        alone = len(route.destinations) == 1 if route is not None else False
        if destination.cluster == name or (not name and (missing or alone)):
            name, field = destination.cluster, destination.source
            break
    parts = name.split("|")
    if len(parts) != 4 or not parts[1].isdigit():
        return None
    host = parts[3]
    every = [each for each in directory.clusters(view) if each.service.hostname == host]
    service = every[0].service if every else None
    labels = destinations.labels(
        service, next((e for e in every if e.subset == parts[2]), None), snapshot
    )
    return RouteDestination(
        host=host,
        port=int(parts[1]),
        subset=parts[2],
        known=service is not None,
        elsewhere=destinations.namesakes(host, snapshot) if service is None else (),
        ports=_ports(service),
        subsets=destinations.subsets(every),
        field=field,
        selector=dict(service.selector) if service is not None else {},
        service=service.source.ref if service is not None else None,
        labels=labels,
        pods=destinations.chosen(service.namespace, labels, snapshot)
        if service is not None
        else (),
    )


def _ports(service: Service | None) -> tuple[DeclaredPort, ...]:
    ports = service.ports if service is not None else ()
    return tuple(DeclaredPort(port.number, _word(port.protocol)) for port in ports)


def _uninjected(name: str, role: str, snapshot: Snapshot) -> ObjectRef | None:
    """Return the Deployment of a pod without a sidecar that can have one: not of the host's
    network."""
    namespace, _, pod_name = name.partition("/")
    pod = snapshot.pods.get((namespace, pod_name)) if role == "app" else None
    if pod is None or pod.spec.host_network or _has_proxy(pod):
        return None
    for owner in pod.metadata.owner_references:
        if owner.kind == "ReplicaSet":
            return ObjectRef("Deployment", namespace, owner.name.rpartition("-")[0])
    return None


def _has_proxy(pod: objects.Pod) -> bool:
    every = (*pod.spec.containers, *pod.spec.init_containers)
    return any(container.name == _CONTAINER for container in every)


def _client_identity(leg: Leg, snapshot: Snapshot) -> str:
    """Who the client is with mutual TLS: proved, or what its pod's account would be."""
    server = leg.server_entry.entry.downstream if leg.server_entry is not None else None
    if server is not None and server.peer_sans:
        return server.peer_sans[0]
    if leg.client.identity:
        return leg.client.identity
    namespace, _, name = leg.client.name.partition("/")
    pod = snapshot.pods.get((namespace, name))
    if pod is None:
        return ""
    account = pod.spec.service_account_name or "default"
    return f"spiffe://cluster.local/ns/{namespace}/sa/{account}"


def _server_identity(leg: Leg) -> str:
    client = leg.client_entry.entry.upstream if leg.client_entry is not None else None
    if client is not None and client.peer_sans:
        return client.peer_sans[0]
    server = leg.server_entry.entry.downstream if leg.server_entry is not None else None
    if server is not None and server.local_sans:
        return server.local_sans[0]
    return leg.server.identity


def _limits(leg: Leg, view: ProxyView | None, snapshot: Snapshot) -> tuple[Source, ...]:
    """Return the limits that are set, by the names that Envoy's circuit breakers have for them."""
    pool = directory.limits(view, cluster_name(leg, view)) if view is not None else None
    fields = [pool.at(limit) for limit in _LIMITS] if pool is not None else []
    return tuple(field for field in fields if manifest_text.value(snapshot, field))


def _host(leg: Leg) -> str:
    """Return the host that was asked for, as the last proxy that was asked knows it."""
    for entry in (leg.client_entry, leg.server_entry):
        http = entry.entry.http if entry is not None else None
        if http is not None and http.authority:
            return http.authority.partition(":")[0]
        if entry is not None and entry.entry.downstream.sni:
            return entry.entry.downstream.sni
    return ""


def _served(snapshot: Snapshot, host: str) -> tuple[Source, ...]:
    """Return the lists of hosts that gateways serve, those of the most similar names first: a
    mesh may have many more than can be tried."""
    found = [
        (rule.spec.hosts, Source(ObjectRef("VirtualService", namespace, name), "spec.hosts"))
        for (namespace, name), rule in snapshot.virtual_services.items()
        if rule.spec.gateways
    ]
    for (namespace, name), gateway in snapshot.gateways.items():
        ref = ObjectRef("Gateway", namespace, name)
        found += [
            (server.hosts, Source(ref, f"spec.servers[{number}].hosts"))
            for number, server in enumerate(gateway.spec.servers)
        ]
    near = sorted(found, key=lambda each: _labels_in_common(each[0], host), reverse=True)
    return tuple(field for _, field in near)


def _labels_in_common(hosts: Sequence[str], host: str) -> int:
    """Return the most labels at its end that a host has in common with one of others; a Gateway's
    may begin with a namespace."""
    asked = host.lower().split(".")[::-1]
    others = (each.rpartition("/")[2].lower().split(".")[::-1] for each in hosts)
    return max((_alike(asked, other) for other in others), default=0)


def _alike(labels: Sequence[str], others: Sequence[str]) -> int:
    pairs = zip(labels, others, strict=False)
    return sum(1 for _ in takewhile(lambda two: two[0] == two[1], pairs))


def _wider(leg: Leg, views: Views, snapshot: Snapshot) -> dict[Source, dict[str, str]]:
    """Return where a whole path is asked for that the request's path begins with, and what would
    take what is below it."""
    entry = leg.client_entry
    http = entry.entry.http if entry is not None else None
    found: dict[Source, dict[str, str]] = {}
    for field in looked_up(leg, views) if http is not None else ():
        for route, each in enumerate(manifest_text.value(snapshot, field) or ()):
            for number, match in enumerate(each.get("match") or ()):
                uri = match.get("uri") or {}
                exact, pattern = uri.get("exact"), uri.get("regex")
                source = Source(field.ref, f"spec.http[{route}].match[{number}].uri")
                if exact and http is not None and http.path.startswith(exact):
                    found[source] = {"prefix": exact}
                elif pattern:
                    found[source] = {"regex": f"{pattern}.*"}
    return found


def _asked(leg: Leg, snapshot: Snapshot) -> ObjectRef | None:
    entry = leg.client_entry
    return unselected_objects.service_at(entry.entry.downstream_local, snapshot) if entry else None


def _asked_port(leg: Leg) -> int:
    local = leg.client_entry.entry.downstream_local if leg.client_entry is not None else ""
    port = local.rpartition(":")[2]
    return int(port) if port.isdigit() else 0


def _timeout(leg: Leg, route: Route | None, snapshot: Snapshot) -> Source | None:
    """Return the field of the timeout that passed: of one attempt, or of the whole request."""
    entry = leg.client_entry
    if route is None or route.source is None or entry is None:
        return None
    http = entry.entry.http
    tried = http is not None and "per_try_timeout" in http.details
    field = route.source.at("retries.perTryTimeout" if tried else "timeout")
    return field if manifest_text.value(snapshot, field) else None


def _fault(route: Route | None, snapshot: Snapshot) -> Source | None:
    if route is None or route.source is None:
        return None
    field = route.source.at("fault")
    return field if manifest_text.value(snapshot, field) else None


def _gateway_server(leg: Leg, server: ProxyView | None) -> Source | None:
    """Return the Gateway's server that a client came to, by port and SNI."""
    gateway, entry = (server.gateway if server is not None else None), leg.server_entry
    port = leg.server_address.rpartition(":")[2]
    if gateway is None or entry is None:
        return None
    for listener in gateway.listeners:
        for chain in listener.chains if str(listener.port) == port else ():
            if entry.entry.downstream.sni in chain.sni:
                return chain.source
    return None


def came_to(leg: Leg, views: Views) -> dict[Source, tuple[str, ...]]:
    """Return the servers of the gateway's port that a client came to, with their TLS names."""
    view = views.get(leg.server.name)
    port = leg.server_address.rpartition(":")[2]
    return directory.servers(view, int(port)) if view is not None and port.isdigit() else {}


def named_servers(leg: Leg, views: Views) -> list[Source]:
    """Return the servers of the gateway's port that are for the TLS name a client asked for; all of
    the port where nobody saw the name."""
    entry, servers = leg.server_entry, came_to(leg, views)
    seen = leg.reading.sni if leg.reading is not None else ""
    name = (entry.entry.downstream.sni if entry is not None else "") or seen
    return [source for source, names in servers.items() if name in names] or list(servers)


def meant_servers(leg: Leg, snapshot: Snapshot) -> list[Source]:
    """Return the TLS servers of Gateways that are written for the name that a client asked for."""
    entry = leg.server_entry
    sni = entry.entry.downstream.sni if entry is not None else ""
    return [
        Source(ObjectRef("Gateway", namespace, name), f"spec.servers[{index}]")
        for (namespace, name), gateway in snapshot.gateways.items()
        for index, server in enumerate(gateway.spec.servers)
        if server.port is not None
        and server.port.protocol in _OVER_TLS
        and sni
        and sni in {host.rpartition("/")[2] for host in server.hosts}
    ]


_OVER_TLS = frozenset({"HTTPS", "TLS"})
"""Protocols of servers that look at a TLS name."""


def looked_up(leg: Leg, views: Views) -> list[Source]:
    """Return where a gateway without a route for a request looked: the VirtualServices of the
    virtual host that the request's Host belongs to."""
    entry = leg.client_entry
    view = views.get(entry.proxy) if entry is not None else None
    if entry is None or view is None or entry.entry.http is None:
        return []
    host = entry.entry.http.authority.partition(":")[0]
    port = entry.entry.downstream_local.rpartition(":")[2]
    found = directory.virtual_host(view, int(port), host) if port.isdigit() else None
    refs = [r.source.ref for r in (found.routes if found else ()) if r.source is not None]
    return [Source(ref, "spec.http") for ref in dict.fromkeys(refs)]


def unrouted(leg: Leg, snapshot: Snapshot) -> list[Source]:
    """Return the VirtualServices that are written for a request's Host where a gateway has no route
    of any."""
    http = leg.client_entry.entry.http if leg.client_entry is not None else None
    if http is None or leg.client.role != "gateway":
        return []
    found = corrections.written_for(http.authority, snapshot)
    return [Source(ref, "spec.http") for ref, _ in found]


def by_short_host(leg: Leg, snapshot: Snapshot) -> list[Source]:
    """Return the VirtualServices of gateways that are written for a request's Host as a short name:
    that means a Service of their namespace, and no such Host."""
    entry = leg.client_entry
    http = entry.entry.http if entry is not None else None
    host = http.authority.partition(":")[0] if http is not None else ""
    return [
        Source(
            ObjectRef("VirtualService", namespace, name),
            f"spec.hosts[{rule.spec.hosts.index(host)}]",
        )
        for (namespace, name), rule in snapshot.virtual_services.items()
        if host and "." not in host and host in rule.spec.hosts and rule.spec.gateways
    ]


def tagged(leg: Leg) -> list[Source]:
    """Return the sources that a proxy's route and cluster carry, as its log names them."""
    if leg.client_entry is None or leg.client_entry.inbound:
        return []
    tags = leg.client_entry.entry.tags
    return [parse_source(tags[key]) for key in ("source", "cluster_source") if tags.get(key)]
