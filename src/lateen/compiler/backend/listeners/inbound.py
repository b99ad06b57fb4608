"""`virtualInbound`: every connection to the pod, terminated as PeerAuthentication says. Pure.

Which chain takes a connection follows from port, transport (TLS or not) and offered ALPN; the
tables below hold, for a port's protocol and mode, its chains in order.
"""

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from lateen.compiler.backend import names, pack, tls
from lateen.compiler.backend.authorization import NONE, Checks
from lateen.compiler.backend.listeners import access_logs, listener_filters, network_filters
from lateen.compiler.backend.routes import tables
from lateen.compiler.ir.proxy import Inbound, InboundPort, MeshSettings, Node
from lateen.compiler.ir.workload import Mode, MtlsMode, Protocol
from lateen.model.meta import Source

PLAIN_HTTP = ("http/1.1", "h2c")
MTLS_HTTP = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
MTLS_TCP = ("istio-peer-exchange", "istio")
MTLS_ALL = ("istio", "istio-peer-exchange", *MTLS_HTTP)


class Shape(msgspec.Struct, frozen=True):
    """One chain of the matrix: what it matches, whether it ends as HTTP, whether it ends mTLS."""

    transport: str
    alpn: tuple[str, ...]
    http: bool
    terminates: bool = False


_RAW_HTTP = Shape("raw_buffer", PLAIN_HTTP, http=True)
_RAW_TCP = Shape("raw_buffer", (), http=False)
_TLS_AS_IS = Shape("tls", (), http=False)

_HTTP_SHAPES = {
    MtlsMode.DISABLE: (Shape("raw_buffer", (), http=True),),
    MtlsMode.PERMISSIVE: (
        Shape("tls", MTLS_ALL, http=True, terminates=True),
        Shape("raw_buffer", (), http=True),
    ),
    MtlsMode.STRICT: (Shape("tls", (), http=True, terminates=True),),
}
_TCP_SHAPES = {
    MtlsMode.DISABLE: (_RAW_TCP,),
    MtlsMode.PERMISSIVE: (
        Shape("tls", MTLS_ALL, http=False, terminates=True),
        _TLS_AS_IS,
        _RAW_TCP,
    ),
    MtlsMode.STRICT: (Shape("tls", (), http=False, terminates=True),),
}
_AUTO_SHAPES = {
    MtlsMode.DISABLE: (_RAW_HTTP, _RAW_TCP),
    MtlsMode.PERMISSIVE: (
        Shape("tls", MTLS_HTTP, http=True, terminates=True),
        _RAW_HTTP,
        Shape("tls", MTLS_TCP, http=False, terminates=True),
        _RAW_TCP,
        _TLS_AS_IS,
    ),
    MtlsMode.STRICT: (
        Shape("tls", MTLS_HTTP, http=True, terminates=True),
        Shape("tls", (), http=False, terminates=True),
    ),
}


def shapes(protocol: Protocol, mode: MtlsMode) -> tuple[Shape, ...]:
    """Return the chains of a port of that protocol and mode, in order."""
    if protocol.is_http:
        return _HTTP_SHAPES[mode]
    return _AUTO_SHAPES[mode] if protocol is Protocol.AUTO else _TCP_SHAPES[mode]


class ChainTarget(msgspec.Struct, frozen=True):
    """Where a set of chains leads: a service port, a bare port, or anything (port None)."""

    port: int | None
    protocol: Protocol
    mode: Mode
    cluster: str
    http_name: str
    tcp_name: str
    operation: str
    service_port: int = 0
    source: Source | None = None


def _targets(inbound: Inbound) -> list[ChainTarget]:
    """Return passthrough first, then the workload's ports, ascending."""
    bare = [_passthrough(entry.port, entry.mode) for entry in inbound.port_modes]
    captured = [_served(port, _ANY) for port in inbound.ports if not port.bind]
    served = sorted([*bare, *captured], key=lambda t: t.port or 0)
    return [_passthrough(None, inbound.mode), *served]


def _passthrough(port: int | None, mode: Mode) -> ChainTarget:
    suffix = "" if port is None else f"-{port}"
    return ChainTarget(
        port=port,
        protocol=Protocol.AUTO,
        mode=mode,
        cluster=names.INBOUND_PASSTHROUGH_CLUSTER,
        http_name=names.INBOUND_CATCH_ALL_HTTP_CHAIN + suffix,
        tcp_name=names.VIRTUAL_INBOUND + suffix,
        operation=":0/*",
    )


_ANY = "0.0.0.0"


def _served(port: InboundPort, bind: str) -> ChainTarget:
    name = names.listener(bind, port.port)
    return ChainTarget(
        port=port.port,
        protocol=port.protocol,
        mode=port.mode,
        cluster=names.inbound_cluster(port.port),
        http_name=name,
        tcp_name=name,
        operation=f"{port.service.hostname}:{port.service_port}/*",
        service_port=port.service_port,
        source=port.source,
    )


def virtual_inbound(
    inbound: Inbound, node: Node, settings: MeshSettings, checks: Checks = NONE
) -> listener_pb2.Listener:
    """Return a sidecar's inbound listener."""
    out = listener_pb2.Listener(
        name=names.VIRTUAL_INBOUND,
        address=pack.tcp_address("0.0.0.0", names.INBOUND_PORT),
        traffic_direction="INBOUND",
        access_log=access_logs.listener(node.telemetry.server.logs),
    )
    pack.write_sources(out.metadata, access_logs.sources(node.telemetry.server))
    out.max_connections_to_accept_per_socket_event.value = 1
    listener_filters.never_time_out(out)
    targets = _targets(inbound)
    out.listener_filters.append(listener_filters.original_destination())
    _inspect(out, targets)
    _black_hole(out.filter_chains.add(), node)
    for target in targets:
        for shape in shapes(target.protocol, target.mode.mode):
            out.filter_chains.append(_chain(target, shape, node, settings, checks))
    return out


def bound(
    port: InboundPort, node: Node, settings: MeshSettings, checks: Checks = NONE
) -> listener_pb2.Listener:
    """Return the listener of a port that has a socket of its own: a Sidecar's, with captureMode
    NONE."""
    out = listener_pb2.Listener(
        name=names.listener(port.bind, port.port),
        address=pack.tcp_address(port.bind, port.port),
        traffic_direction="INBOUND",
        access_log=access_logs.listener(node.telemetry.server.logs),
    )
    pack.write_sources(out.metadata, access_logs.sources(node.telemetry.server))
    listener_filters.never_time_out(out)
    target = _served(port, port.bind)
    if _needs_tls(target):
        out.listener_filters.append(listener_filters.tls_inspector())
    if _needs_http(target):
        out.listener_filters.append(listener_filters.http_inspector())
    for shape in shapes(target.protocol, target.mode.mode):
        chain = _chain(target, shape, node, settings, checks)
        chain.filter_chain_match.ClearField("destination_port")
        out.filter_chains.append(chain)
    return out


def _inspect(out: listener_pb2.Listener, targets: list[ChainTarget]) -> None:
    """Add the inspectors that some port needs, switched off for the ports that do not.

    Where the catch-all needs one, it runs for all but the ports that can do without; where only
    listed ports do, it runs for those alone.
    """
    for inspector, needed in (
        (listener_filters.tls_inspector(), {_key(t) for t in targets if _needs_tls(t)}),
        (listener_filters.http_inspector(), {_key(t) for t in targets if _needs_http(t)}),
    ):
        ports = {t.port for t in targets if t.port is not None}
        if None in needed:
            idle = sorted({*ports, names.INBOUND_PORT} - needed)
            out.listener_filters.append(listener_filters.skipping(inspector, idle))
        elif needed:
            wanted = sorted(port for port in needed if port is not None)
            out.listener_filters.append(listener_filters.only(inspector, wanted))


def _key(target: ChainTarget) -> int | None:
    return target.port


def _needs_tls(target: ChainTarget) -> bool:
    return any(s.transport == "tls" for s in shapes(target.protocol, target.mode.mode))


def _needs_http(target: ChainTarget) -> bool:
    return any(s is _RAW_HTTP for s in shapes(target.protocol, target.mode.mode))


def _black_hole(out: listener_components_pb2.FilterChain, node: Node) -> None:
    """Stop whoever dials the capture port itself: it would lead back here for ever."""
    out.name = names.INBOUND_BLACK_HOLE_CHAIN
    out.filter_chain_match.destination_port.value = names.INBOUND_PORT
    out.filters.append(network_filters.tcp_to(names.BLACK_HOLE_CLUSTER, node.telemetry.server))


def _chain(
    target: ChainTarget, shape: Shape, node: Node, settings: MeshSettings, checks: Checks
) -> listener_components_pb2.FilterChain:
    out = listener_components_pb2.FilterChain(
        name=target.http_name if shape.http else target.tcp_name
    )
    match = out.filter_chain_match
    match.transport_protocol = shape.transport
    match.application_protocols.extend(shape.alpn)
    if target.port is not None:
        match.destination_port.value = target.port
    if shape.terminates:
        out.transport_socket.CopyFrom(_mtls(settings, http=shape.http))
    if shape.http:
        out.filters.append(_http(target, node, settings, checks))
    else:
        out.filters.extend(checks.tcp)
        out.filters.append(network_filters.tcp_to(target.cluster, node.telemetry.server))
    sources = (("source", target.source), ("mode", target.mode.source))
    pack.write_sources(out.metadata, (*sources, *checks.sources))
    out.metadata.filter_metadata[names.SOURCE_METADATA].fields[
        "mtls"
    ].string_value = target.mode.mode.value
    return out


def _mtls(settings: MeshSettings, *, http: bool) -> base_pb2.TransportSocket:
    return tls.socket(tls.inbound(settings, http=http))


def _http(
    target: ChainTarget, node: Node, settings: MeshSettings, checks: Checks
) -> network_filters.NetworkFilter:
    prefix = names.listener_stat_prefix("inbound", "0.0.0.0", target.port or 0)
    manager = network_filters.inbound_manager(node, settings, prefix, target.protocol, checks)
    manager.route_config.CopyFrom(
        tables.inbound_table(
            target.cluster,
            target.service_port,
            target.operation,
            target.protocol,
            settings.features,
            target.source,
        )
    )
    return network_filters.http_filter(manager)
