"""Sidecar route tables and listeners of one service. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing import actions, matches, routes
from lateen.compiler.frontend.routing.imports import Imports
from lateen.compiler.ir.policy import HashKey
from lateen.compiler.ir.proxy import Elsewhere, MeshSettings, TcpListener, cluster_name
from lateen.compiler.ir.routing import (
    Destination,
    DirectResponse,
    Route,
    RouteTable,
    TcpRoute,
    VirtualHost,
)
from lateen.compiler.ir.workload import Endpoint, Port, Protocol, Resolution, Service
from lateen.model.istio import networking
from lateen.model.meta import Source

RESERVED_PORTS = frozenset({15001, 15006, 15021, 15090})
"""The proxy's own ports: no shared listener is made on them."""

ANYWHERE = "0.0.0.0"
PASSTHROUGH = "PassthroughCluster"

FOREIGN_PORT = 80
"""The only port where a VirtualService for a host outside the registry acts on sidecars."""


class ServiceListeners(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one service adds to the outbound side of a scope, apart from clusters."""

    hosts: tuple[tuple[int, VirtualHost, bool], ...] = ()
    """(port, virtual host, whether there is a table for it): for the shared route tables. A sniffed
    port's is in the table of its number if another service has that open."""
    listeners: tuple[TcpListener, ...] = ()
    tables: tuple[RouteTable, ...] = ()
    """Tables of sniffed ports."""
    resolves: str = ""
    """The wildcard of a service whose requests say by their own names where they go."""


NO_PART = ServiceListeners()


def default_route(
    service: Service, port: Port, keys: tuple[HashKey, ...], settings: MeshSettings
) -> Route:
    """Return the route of a service port without a VirtualService; `keys` are what its
    DestinationRule balances by."""
    cluster = cluster_name(service.hostname, port.number, "")
    return Route(
        name="default",
        match=matches.ANY,
        source=None,
        destinations=(Destination(cluster=cluster, source=port.source),),
        retries=actions.default_retries(settings.features),
        hash_keys=keys,
        decorator=f"{service.hostname}:{port.number}/*",
    )


def elsewhere(known: Imports | None) -> Elsewhere | None:
    """Return where traffic to unknown hosts goes as a Sidecar says; None if none says so."""
    if known is None or known.allow_any is None:
        return None
    if known.proxy is not None:
        host, subset, port = known.proxy
        return Elsewhere(cluster=cluster_name(host, port, subset))
    return Elsewhere(cluster=PASSTHROUGH if known.allow_any else "")


def catch_all(unknown: Elsewhere | None, settings: MeshSettings) -> VirtualHost:
    """Return the virtual host for unknown hosts: on as they are, or 502 (REGISTRY_ONLY)."""
    cluster = PASSTHROUGH if settings.allow_any else ""
    if unknown is not None:
        cluster = unknown.cluster
    if cluster:
        route = Route(
            name="allow_any",
            match=matches.ANY,
            source=None,
            destinations=(Destination(cluster=cluster),),
        )
        return VirtualHost(name="allow_any", domains=("*",), routes=(route,))
    route = Route(
        name="block_all", match=matches.ANY, source=None, direct_response=DirectResponse(status=502)
    )
    return VirtualHost(name="block_all", domains=("*",), routes=(route,))


def _written(domains: tuple[str, ...], port: int, settings: MeshSettings) -> tuple[str, ...]:
    """Return the domains as a table has them: before 1.16 the port in a Host counts, so they are
    there with the port that is dialed too."""
    if settings.features.sidecar_ignore_port or domains == ("*",):
        return domains
    return domains + tuple(f"{_bracketed(domain)}:{port}" for domain in domains)


def _bracketed(domain: str) -> str:
    return f"[{domain}]" if ":" in domain else domain


def virtual_host(
    service: Service,
    port: Port,
    made: tuple[Route, ...],
    domains: tuple[str, ...],
    source: Source | None,
    keys: tuple[HashKey, ...],
    settings: MeshSettings,
) -> VirtualHost:
    """Return a service port's virtual host; without routes of a VirtualService (`made`) the
    default one, balanced by `keys`."""
    return VirtualHost(
        name=f"{service.hostname}:{port.number}",
        domains=_written(domains, port.number, settings),
        routes=made or (default_route(service, port, keys, settings),),
        source=source if made else service.source,
    )


def domains_of(
    service: Service, aliases: Iterable[Service], namespace: str, settings: MeshSettings
) -> tuple[str, ...]:
    """Return the domains under which a service is found from a namespace: its names, those of
    the ExternalName services that stand for it, and its addresses."""
    absolute, domain = settings.features.absolute_fqdn_domain, settings.domain
    found = hosts.domains(service, namespace, domain, absolute=absolute)
    for alias in aliases:
        found += hosts.domains(alias, namespace, domain, absolute=absolute)
    if service.headless:
        found += tuple(f"*.{name}" for name in found)
    return found + (service.vips[-1:] if service.entry else service.vips)


def foreign_host(
    host: str, made: tuple[Route, ...], source: Source, settings: MeshSettings
) -> VirtualHost:
    """Return the virtual host of a VirtualService for a host outside the registry."""
    return VirtualHost(
        name=f"{host}:{FOREIGN_PORT}",
        domains=_written((host,), FOREIGN_PORT, settings),
        routes=made,
        source=source,
    )


def shares_table(service: Service, port: Port) -> bool:
    """Whether HTTP on a port is routed by the port's shared table: on HTTP ports, and on sniffed
    ones of services that no address tells from others."""
    if port.protocol is Protocol.AUTO:
        return _anywhere(service)
    return port.protocol.is_http


def _anywhere(service: Service) -> bool:
    """Whether connections to it are not told by an address: networks do not make a listener."""
    return not service.headless and all(map(_is_network, service.vips))


def _is_network(address: str) -> bool:
    return "/" in address


def listeners(
    service: Service, port: Port, members: tuple[Endpoint, ...], tcp: tuple[TcpRoute, ...]
) -> tuple[TcpListener, ...]:
    """Return the listeners of a TCP or sniffed port: one per address of the service, or of its
    pods if it is headless, and one for every address if there are networks, or nothing at all, to
    tell it by."""
    sniffed = port.protocol is Protocol.AUTO and not _anywhere(service)
    networks = tuple(filter(_is_network, service.vips))
    if service.headless:
        binds = tuple(dict.fromkeys(e.address for e in members))
    else:
        binds = tuple(address for address in service.vips if not _is_network(address))
    found = [
        TcpListener(
            bind=bind,
            port=port.number,
            routes=tcp,
            source=port.source,
            sniffed=sniffed,
            route_table=f"{service.hostname}:{port.number}" if sniffed else "",
            mongo=port.protocol is Protocol.MONGO,
        )
        for bind in binds
    ]
    wide = not service.headless and (bool(networks) or not binds)
    if wide and port.number not in RESERVED_PORTS:
        within = tuple(_within(route, networks) for route in tcp) if networks else tcp
        mongo = port.protocol is Protocol.MONGO
        found.append(
            TcpListener(
                bind=ANYWHERE, port=port.number, routes=within, source=port.source, mongo=mongo
            )
        )
    return tuple(found)


def moved(
    made: tuple[TcpListener, ...], port: int, sockets: Mapping[int, tuple[str, bool]]
) -> tuple[TcpListener, ...]:
    """Return a port's listeners where its Sidecar puts them: one, on the address that it names."""
    if not made or port not in sockets:
        return made
    bind, bound = sockets[port]
    return (msgspec.structs.replace(made[0], bind=bind, bound=bound),)


def _within(route: TcpRoute, networks: tuple[str, ...]) -> TcpRoute:
    return route if route.cidrs else msgspec.structs.replace(route, cidrs=networks)


def tcp_routes(
    service: Service, port: Port, obj: networking.VirtualService | None, context: routes.Context
) -> tuple[TcpRoute, ...]:
    """Return where connections to a port go: by a VirtualService's `tls` routes (TLS and HTTPS
    ports) or `tcp` routes, else to the service itself.

    The service's own route ends the list unless an SNI rule matched at all or a `tcp` rule
    without subnets took everything. TLS to a service without an address is told by its name.
    """
    found: list[TcpRoute] = []
    if obj is not None and port.protocol.is_tls:
        found = tls_rules(obj, context)
        if found:
            return tuple(found)
    if obj is not None and not port.protocol.is_tls:
        found, closed = tcp_rules(obj, context)
        if closed:
            return tuple(found)
    cluster = cluster_name(service.hostname, port.number, "")
    dynamic = service.resolution is Resolution.DYNAMIC
    named = port.protocol.is_tls and (dynamic or _anywhere(service))
    own = _tcp(
        (Destination(cluster=cluster, source=port.source),),
        context,
        sni_hosts=(service.hostname,) if named else (),
        resolves=(service.hostname, port.number) if dynamic else None,
    )
    return (*found, own)


def tls_rules(obj: networking.VirtualService, context: routes.Context) -> list[TcpRoute]:
    """Return the `tls` rules that concern the port.

    The first rule for a server name (and subnets) counts: Envoy refuses a name given twice.
    """
    source = precedence.source("VirtualService", obj)
    taken: set[tuple[str, tuple[str, ...]]] = set()
    found: list[TcpRoute] = []
    for index, rule in enumerate(obj.spec.tls):
        at = source.at(f"spec.tls[{index}]")
        targets = routes.weighted(rule.route, at, context)
        for match in rule.match:
            if not targets or not routes.l4_in_scope(match, context):
                continue
            cidrs = tuple(match.destination_subnets)
            names = tuple(n for n in dict.fromkeys(match.sni_hosts) if (n, cidrs) not in taken)
            taken.update((name, cidrs) for name in names)
            if names:
                made = _tcp(targets, context, sni_hosts=names, cidrs=cidrs, source=at)
                found.append(made)
    return found


def tcp_rules(
    obj: networking.VirtualService, context: routes.Context
) -> tuple[list[TcpRoute], bool]:
    """Return the `tcp` rules that concern the port, and whether one of them takes everything."""
    source = precedence.source("VirtualService", obj)
    taken: set[str] = set()
    found: list[TcpRoute] = []
    for index, rule in enumerate(obj.spec.tcp):
        at = source.at(f"spec.tcp[{index}]")
        targets = routes.weighted(rule.route, at, context)
        if not targets:
            continue
        if not rule.match:
            return [*found, _tcp(targets, context, source=at)], True
        for match in rule.match:
            if not routes.l4_in_scope(match, context):
                continue
            if not match.destination_subnets:
                return [*found, _tcp(targets, context, source=at)], True
            cidrs = tuple(c for c in dict.fromkeys(match.destination_subnets) if c not in taken)
            taken.update(cidrs)
            if cidrs:
                found.append(_tcp(targets, context, cidrs=cidrs, source=at))
    return found, False


def _tcp(destinations: tuple[Destination, ...], context: routes.Context, **more: Any) -> TcpRoute:
    conduct = routes.conduct(destinations, context)
    return TcpRoute(destinations=destinations, conduct=conduct, **more)
