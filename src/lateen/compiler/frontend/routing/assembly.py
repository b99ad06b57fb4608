"""Joins what the services of a scope contribute into one outbound value. Pure.

Whatever equals its predecessor is the predecessor, so that rendering finds it done.
"""

import operator
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

import msgspec

from lateen.compiler.frontend.routing import mesh_routes
from lateen.compiler.ir.proxy import (
    ClusterEndpoints,
    Elsewhere,
    HttpListener,
    Outbound,
    OutboundCluster,
    TcpListener,
)
from lateen.compiler.ir.routing import RouteTable, TcpRoute, VirtualHost

T = TypeVar("T")

Sockets = Mapping[int, tuple[str, bool]]
"""By port the address of its listener, and whether that has a socket of its own."""
NO_SOCKETS: Sockets = MappingProxyType({})
_EVERYWHERE = (mesh_routes.ANYWHERE, False)


class ServiceConfig(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one service adds to a scope."""

    clusters: tuple[OutboundCluster, ...] = ()
    endpoints: tuple[ClusterEndpoints, ...] = ()
    part: mesh_routes.ServiceListeners = mesh_routes.NO_PART


def only(share: ServiceConfig, ports: frozenset[int]) -> ServiceConfig:
    """Return a share with the clusters of these ports alone."""
    clusters = tuple(c for c in share.clusters if c.port in ports)
    names = {c.name for c in clusters}
    if len(clusters) == len(share.clusters):
        return share
    endpoints = tuple(e for e in share.endpoints if e.cluster in names)
    return msgspec.structs.replace(share, clusters=clusters, endpoints=endpoints)


def kept(old: tuple[T, ...] | None, new: tuple[T, ...]) -> tuple[T, ...]:
    """Return `old` if it holds the very same objects as `new`."""
    if old is not None and len(old) == len(new) and all(map(operator.is_, old, new)):
        return old
    return new


def join(
    shares: Sequence[ServiceConfig],
    foreign: tuple[VirtualHost, ...],
    unknown: tuple[Elsewhere | None, VirtualHost],
    old: Outbound | None,
    *,
    parts_changed: bool,
    sockets: Sockets = NO_SOCKETS,
) -> Outbound:
    """Return the outbound value of a scope's shares, in service order.

    `foreign` are the virtual hosts of names outside the registry; `unknown` is where all the rest
    goes, if a Sidecar says so, and the virtual host for it; `sockets` are the addresses that a
    Sidecar gives to ports. Without `parts_changed` only clusters
    and endpoints can differ from `old`.
    """
    clusters = tuple(chain.from_iterable([s.clusters for s in shares]))
    endpoints = tuple(chain.from_iterable([s.endpoints for s in shares]))
    elsewhere, catch_all = unknown
    if old is None:
        tables, tcp = _tables(shares, foreign, catch_all, {}), _tcp(shares, elsewhere, sockets)
        return Outbound(
            clusters=clusters,
            endpoints=endpoints,
            http=_http(tables, tcp, elsewhere, sockets, _resolving(shares)),
            tcp=tcp,
            tables=tables,
            elsewhere=elsewhere,
        )
    if parts_changed:
        tables = _tables(shares, foreign, catch_all, {t.name: t for t in old.tables})
        tables = kept(old.tables, tables)
        tcp = _same(old.tcp, _tcp(shares, elsewhere, sockets))
        http = _same(old.http, _http(tables, tcp, elsewhere, sockets, _resolving(shares)))
    else:
        tables, http, tcp = old.tables, old.http, old.tcp
    clusters, endpoints = kept(old.clusters, clusters), kept(old.endpoints, endpoints)
    facets = (clusters, endpoints, http, tcp, tables)
    before = (old.clusters, old.endpoints, old.http, old.tcp, old.tables)
    if all(map(operator.is_, facets, before)) and elsewhere == old.elsewhere:
        return old
    return Outbound(
        clusters=clusters,
        endpoints=endpoints,
        http=http,
        tcp=tcp,
        tables=tables,
        elsewhere=elsewhere,
    )


def binds(shares: Iterable[ServiceConfig]) -> frozenset[str]:
    """Return every address that a listener of its own is bound to."""
    return frozenset(entry.bind for share in shares for entry in share.part.listeners)


def _same(old: tuple[T, ...], new: tuple[T, ...]) -> tuple[T, ...]:
    return old if old == new else new


def _tables(
    shares: Sequence[ServiceConfig],
    foreign: tuple[VirtualHost, ...],
    catch_all: VirtualHost,
    old: dict[str, RouteTable],
) -> tuple[RouteTable, ...]:
    by_port: dict[int, list[VirtualHost]] = {}
    sniffed: list[RouteTable] = []
    opened: set[int] = set()
    for share in shares:
        for port, host, opens in share.part.hosts:
            if opens:
                opened.add(port)
            if port in by_port:
                by_port[port].append(host)
            else:
                by_port[port] = [host]
        sniffed += share.part.tables
    if foreign and mesh_routes.FOREIGN_PORT in opened:
        own = by_port[mesh_routes.FOREIGN_PORT]
        by_port[mesh_routes.FOREIGN_PORT] = [*foreign, *_without_domains_of(foreign, own)]
    shared = [_table(str(p), (*by_port[p], catch_all), old) for p in sorted(opened)]
    return (*shared, *sniffed)


def _table(name: str, hosts: tuple[VirtualHost, ...], old: dict[str, RouteTable]) -> RouteTable:
    known = old.get(name)
    if known is not None and kept(known.hosts, hosts) is known.hosts:
        return known
    return RouteTable(name=name, hosts=hosts)


def _without_domains_of(
    foreign: tuple[VirtualHost, ...], own: list[VirtualHost]
) -> list[VirtualHost]:
    """Envoy refuses a domain given twice: one that a VirtualService names outright (`reviews.prod`
    is not expanded) is not a short name of a service any more."""
    taken = {domain for host in foreign for domain in host.domains}
    return [
        host
        if taken.isdisjoint(host.domains)
        else msgspec.structs.replace(host, domains=tuple(d for d in host.domains if d not in taken))
        for host in own
    ]


def _resolving(shares: Sequence[ServiceConfig]) -> dict[int, str]:
    """Return by port the wildcard within which names are resolved: that of the oldest service."""
    found: dict[int, str] = {}
    for share in shares:
        if share.part.resolves:
            for port, _, opens in share.part.hosts:
                if opens:
                    found.setdefault(port, share.part.resolves)
    return found


def _http(
    tables: tuple[RouteTable, ...],
    tcp: tuple[TcpListener, ...],
    elsewhere: Elsewhere | None,
    sockets: Sockets,
    resolving: Mapping[int, str],
) -> tuple[HttpListener, ...]:
    """A listener that does both, HTTP and bytes, is among the TCP ones."""
    taken = {(entry.bind, entry.port) for entry in tcp}
    found = []
    for port in (int(t.name) for t in tables if t.name.isdigit()):
        bind, bound = sockets.get(port, _EVERYWHERE)
        reserved = bind == mesh_routes.ANYWHERE and port in mesh_routes.RESERVED_PORTS
        if not reserved and (bind, port) not in taken:
            made = HttpListener(
                port=port,
                route_table=str(port),
                elsewhere=elsewhere,
                bind=bind,
                bound=bound,
                resolves=resolving.get(port, ""),
            )
            found.append(made)
    return tuple(found)


def _tcp(
    shares: Sequence[ServiceConfig], elsewhere: Elsewhere | None, sockets: Sockets
) -> tuple[TcpListener, ...]:
    """Listeners on the same address and port are one: of chains that match alike the older
    service's is the one. With HTTP on the same port of every address it tells the two apart."""
    found: dict[tuple[str, int], TcpListener] = {}
    http = {port for share in shares for port, _, opens in share.part.hosts if opens}
    for share in shares:
        for entry in share.part.listeners:
            key = (entry.bind, entry.port)
            older = found.get(key)
            made = entry if older is None else _joined(older, entry)
            shared = sockets.get(made.port, _EVERYWHERE)[0]
            if made.bind == shared and made.port in http and not made.sniffed:
                made = msgspec.structs.replace(made, sniffed=True, route_table=str(made.port))
            found[key] = made
    if elsewhere is not None:
        return tuple(msgspec.structs.replace(o, elsewhere=elsewhere) for o in found.values())
    return tuple(found.values())


def _joined(older: TcpListener, younger: TcpListener) -> TcpListener:
    """Envoy refuses two chains that match alike."""
    names = {name for route in older.routes for name in _matched(route)}
    extra = [
        msgspec.structs.replace(route, source=route.source or younger.source)
        for route in younger.routes
        if names.isdisjoint(_matched(route))
    ]
    if not extra:
        return older
    plain = [route for route in older.routes if _matched(route) == [ALWAYS]]
    named = [route for route in older.routes if _matched(route) != [ALWAYS]]
    return msgspec.structs.replace(older, routes=(*named, *extra, *plain))


ALWAYS = ("", "")


def _matched(route: TcpRoute) -> list[tuple[str, str]]:
    """Return the (server name, range) pairs that a route takes."""
    return [(sni, cidr) for sni in route.sni_hosts or ("",) for cidr in route.cidrs or ("",)]
