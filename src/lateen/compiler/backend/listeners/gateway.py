"""A gateway's listeners: plaintext HTTP by route table, TLS by server name, bytes. Pure."""

from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from lateen.compiler.backend import names, pack, tls
from lateen.compiler.backend.authorization import NONE, Checks
from lateen.compiler.backend.listeners import access_logs, listener_filters, network_filters
from lateen.compiler.backend.listeners.inbound import MTLS_ALL
from lateen.compiler.backend.listeners.outbound import HANDSHAKE_SECONDS, write_match
from lateen.compiler.ir.proxy import GatewayChain, GatewayListener, MeshSettings, Node
from lateen.compiler.ir.routing import TcpRoute
from lateen.compiler.ir.workload import Protocol


def listener(
    source: GatewayListener, node: Node, settings: MeshSettings, checks: Checks = NONE
) -> listener_pb2.Listener:
    """Return one gateway listener."""
    out = listener_pb2.Listener(
        name=source.name,
        address=pack.tcp_address(source.bind, source.port),
        traffic_direction="OUTBOUND",
        access_log=access_logs.listener(node.telemetry.client.logs),
    )
    pack.write_sources(out.metadata, access_logs.sources(node.telemetry.client))
    out.max_connections_to_accept_per_socket_event.value = 1
    listener_filters.never_time_out(out)
    if _by_name(source):
        out.listener_filters.append(listener_filters.tls_inspector())
    for chain in source.chains:
        if chain.route_table:
            _http(out.filter_chains.add(), chain, source, node, settings, checks)
        else:
            for route in chain.tcp:
                _tcp(out.filter_chains.add(), chain, route, node, settings, checks)
    return out


def _by_name(source: GatewayListener) -> bool:
    """Whether some chain is chosen by what the ClientHello says."""
    return any(
        chain.tls is not None or chain.sni or any(route.sni_hosts for route in chain.tcp)
        for chain in source.chains
    )


def _start(
    out: listener_components_pb2.FilterChain, chain: GatewayChain, settings: MeshSettings
) -> None:
    if chain.tls is not None:
        out.transport_socket.CopyFrom(tls.socket(tls.gateway(chain.tls, settings)))
    out.transport_socket_connect_timeout.seconds = HANDSHAKE_SECONDS


def _http(
    out: listener_components_pb2.FilterChain,
    chain: GatewayChain,
    source: GatewayListener,
    node: Node,
    settings: MeshSettings,
    checks: Checks,
) -> None:
    _start(out, chain, settings)
    write_match(out.filter_chain_match, chain.sni, ())
    prefix = names.listener_stat_prefix("outbound", source.bind, source.port)
    web = chain.protocol is Protocol.GRPC_WEB
    manager = network_filters.gateway_manager(
        node, settings, prefix, chain.route_table, checks, grpc_web=web
    )
    out.filters.append(network_filters.http_filter(manager))
    pack.write_sources(out.metadata, (("source", chain.source), *checks.sources))


def _tcp(
    out: listener_components_pb2.FilterChain,
    chain: GatewayChain,
    route: TcpRoute,
    node: Node,
    settings: MeshSettings,
    checks: Checks,
) -> None:
    _start(out, chain, settings)
    write_match(out.filter_chain_match, route.sni_hosts or chain.sni, route.cidrs)
    if chain.mesh_only:
        out.filter_chain_match.application_protocols.extend(MTLS_ALL)
    out.filters.extend(checks.tcp)
    signals = node.telemetry.client
    out.filters.extend(
        network_filters.route_filters(route, signals, mongo=chain.protocol is Protocol.MONGO)
    )
    sources = (("source", route.source), ("server", chain.source))
    conduct = ("policy", route.conduct.source)
    pack.write_sources(out.metadata, (*sources, conduct, *checks.sources))
