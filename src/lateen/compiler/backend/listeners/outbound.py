"""A sidecar's outbound listeners: `virtualOutbound` and one for each service port. Pure."""

from collections.abc import Sequence

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from lateen.compiler.backend import names, pack
from lateen.compiler.backend.listeners import access_logs, listener_filters, network_filters
from lateen.compiler.backend.listeners.inbound import PLAIN_HTTP
from lateen.compiler.ir.proxy import Elsewhere, HttpListener, MeshSettings, Node, TcpListener
from lateen.compiler.ir.routing import TcpRoute
from lateen.compiler.ir.telemetry import Signals


def _elsewhere(said: Elsewhere | None, settings: MeshSettings) -> str:
    """Return the cluster of unknown traffic: out (ALLOW_ANY), nowhere (REGISTRY_ONLY), or as a
    Sidecar says."""
    if said is not None:
        return said.cluster or names.BLACK_HOLE_CLUSTER
    return names.PASSTHROUGH_CLUSTER if settings.allow_any else names.BLACK_HOLE_CLUSTER


def virtual_outbound(
    settings: MeshSettings, signals: Signals, said: Elsewhere | None = None
) -> listener_pb2.Listener:
    """Return the listener all captured connections reach first; it hands them on by address."""
    out = listener_pb2.Listener(
        name=names.VIRTUAL_OUTBOUND,
        address=pack.tcp_address("0.0.0.0", names.OUTBOUND_PORT),
        traffic_direction="OUTBOUND",
        access_log=access_logs.listener(signals.logs),
    )
    pack.write_sources(out.metadata, access_logs.sources(signals))
    out.use_original_dst.value = True
    out.max_connections_to_accept_per_socket_event.value = 1
    hole = out.filter_chains.add(name=names.OUTBOUND_BLACK_HOLE_CHAIN)
    hole.filter_chain_match.destination_port.value = names.OUTBOUND_PORT
    hole.filters.append(network_filters.tcp_to(names.BLACK_HOLE_CLUSTER, signals))
    rest = out.filter_chains.add(name=names.OUTBOUND_CATCH_ALL_CHAIN)
    rest.filters.append(network_filters.tcp_to(_elsewhere(said, settings), signals))
    return out


HANDSHAKE_SECONDS = 15
"""How long a chain's transport socket may take: for TLS, the handshake."""


def _service_listener(
    source: HttpListener | TcpListener, signals: Signals
) -> listener_pb2.Listener:
    bind, port = source.bind, source.port
    out = listener_pb2.Listener(
        name=names.listener(bind, port),
        address=pack.tcp_address(bind, port),
        traffic_direction="OUTBOUND",
        access_log=access_logs.listener(signals.logs),
    )
    pack.write_sources(out.metadata, access_logs.sources(signals))
    out.bind_to_port.value = source.bound
    listener_filters.never_time_out(out)
    return out


def http(source: HttpListener, node: Node, settings: MeshSettings) -> listener_pb2.Listener:
    """Return a port's shared HTTP listener. What is not plaintext HTTP passes through."""
    out = _service_listener(source, node.telemetry.client)
    out.listener_filters.append(listener_filters.tls_inspector())
    out.listener_filters.append(listener_filters.http_inspector())
    _http_chain(
        out.filter_chains.add(),
        source.bind,
        source.port,
        source.route_table,
        node,
        settings,
        source.resolves,
    )
    _fall_through(out, settings, node.telemetry.client, source.elsewhere)
    return out


def _fall_through(
    out: listener_pb2.Listener,
    settings: MeshSettings,
    signals: Signals,
    said: Elsewhere | None,
) -> None:
    """Let what no chain takes go on to where it was going, or nowhere."""
    out.default_filter_chain.name = names.PASSTHROUGH_CHAIN
    cluster = _elsewhere(said, settings)
    out.default_filter_chain.filters.append(network_filters.tcp_to(cluster, signals))


def _http_chain(
    out: listener_components_pb2.FilterChain,
    bind: str,
    port: int,
    route_table: str,
    node: Node,
    settings: MeshSettings,
    resolves: str = "",
) -> None:
    out.transport_socket_connect_timeout.seconds = HANDSHAKE_SECONDS
    out.filter_chain_match.transport_protocol = "raw_buffer"
    out.filter_chain_match.application_protocols.extend(PLAIN_HTTP)
    prefix = names.listener_stat_prefix("outbound", bind, port)
    manager = network_filters.outbound_manager(node, settings, prefix, route_table, resolves)
    out.filters.append(network_filters.http_filter(manager))


def tcp(source: TcpListener, signals: Signals, settings: MeshSettings) -> listener_pb2.Listener:
    """Return the listener of a port that carries bytes, routed by SNI and address range. What no
    route takes passes through."""
    out = _service_listener(source, signals)
    if any(route.sni_hosts for route in source.routes):
        out.listener_filters.append(listener_filters.tls_inspector())
    for route in source.routes:
        write_tcp_chain(out.filter_chains.add(), route, source, signals)
    if not any(map(_plain, source.routes)):
        _fall_through(out, settings, signals, source.elsewhere)
    return out


def _plain(route: TcpRoute) -> bool:
    return not route.sni_hosts and not route.cidrs


def sniffed(source: TcpListener, node: Node, settings: MeshSettings) -> listener_pb2.Listener:
    """Return the listener of a port of unknown protocol, or of several: HTTP by inspection, else
    bytes."""
    out = _service_listener(source, node.telemetry.client)
    out.listener_filters.append(listener_filters.tls_inspector())
    out.listener_filters.append(listener_filters.http_inspector())
    _http_chain(
        out.filter_chains.add(), source.bind, source.port, source.route_table, node, settings
    )
    for route in source.routes:
        chain = out.default_filter_chain if _plain(route) else out.filter_chains.add()
        write_tcp_chain(chain, route, source, node.telemetry.client)
    if not out.HasField("default_filter_chain"):
        _fall_through(out, settings, node.telemetry.client, source.elsewhere)
    return out


def write_tcp_chain(
    out: listener_components_pb2.FilterChain,
    route: TcpRoute,
    listener: TcpListener,
    signals: Signals,
) -> None:
    """Write one TCP route as a chain; SNI needs TLS, an address range needs none."""
    out.transport_socket_connect_timeout.seconds = HANDSHAKE_SECONDS
    write_match(out.filter_chain_match, route.sni_hosts, route.cidrs)
    out.filters.extend(network_filters.route_filters(route, signals, mongo=listener.mongo))
    sources = (("source", route.source or listener.source), ("policy", route.conduct.source))
    pack.write_sources(out.metadata, sources)


def write_match(
    out: listener_components_pb2.FilterChainMatch, sni: Sequence[str], cidrs: Sequence[str]
) -> None:
    """Write server names (`*` alone matches every name) and destination ranges."""
    specific = [name for name in sni if name != "*"]
    if specific and len(specific) == len(sni):
        out.server_names.extend(specific)
    for cidr in cidrs:
        out.prefix_ranges.append(_cidr(cidr))


def _cidr(text: str) -> address_pb2.CidrRange:
    address, _, length = text.partition("/")
    out = address_pb2.CidrRange(address_prefix=address)
    out.prefix_len.value = int(length) if length else 128 if ":" in address else 32
    return out
