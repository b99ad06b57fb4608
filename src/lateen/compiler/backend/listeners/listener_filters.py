"""Listener filters: what looks at a connection before a chain is chosen. Pure."""

from collections.abc import Iterable
from functools import cache

from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.http_inspector.v3 import http_inspector_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2

from lateen.compiler.backend import pack

_Predicate = listener_components_pb2.ListenerFilterChainMatchPredicate


@cache
def original_destination() -> listener_components_pb2.ListenerFilter:
    """Return the filter that restores the address the client dialled."""
    return listener_components_pb2.ListenerFilter(
        name="envoy.filters.listener.original_dst",
        typed_config=pack.any_of(original_dst_pb2.OriginalDst()),
    )


@cache
def tls_inspector() -> listener_components_pb2.ListenerFilter:
    """Return the filter that reads a ClientHello: transport protocol, SNI, ALPN."""
    config = tls_inspector_pb2.TlsInspector()
    config.initial_read_buffer_size.value = 512
    return listener_components_pb2.ListenerFilter(
        name="envoy.filters.listener.tls_inspector", typed_config=pack.any_of(config)
    )


@cache
def http_inspector() -> listener_components_pb2.ListenerFilter:
    """Return the filter that tells plaintext HTTP from other plaintext. Idle on TLS."""
    return listener_components_pb2.ListenerFilter(
        name="envoy.filters.listener.http_inspector",
        typed_config=pack.any_of(http_inspector_pb2.HttpInspector()),
    )


def skipping(
    source: listener_components_pb2.ListenerFilter, ports: Iterable[int]
) -> listener_components_pb2.ListenerFilter:
    """Return the filter switched off for connections to these destination ports."""
    rules = [_port(port) for port in ports]
    if not rules:
        return source
    out = listener_components_pb2.ListenerFilter()
    out.CopyFrom(source)
    if len(rules) == 1:
        out.filter_disabled.CopyFrom(rules[0])
    else:
        out.filter_disabled.or_match.rules.extend(rules)
    return out


def only(
    source: listener_components_pb2.ListenerFilter, ports: Iterable[int]
) -> listener_components_pb2.ListenerFilter:
    """Return the filter switched on for connections to these destination ports alone."""
    out = skipping(source, ports)
    wanted = _Predicate()
    wanted.not_match.CopyFrom(out.filter_disabled)
    out.filter_disabled.CopyFrom(wanted)
    return out


def _port(port: int) -> listener_components_pb2.ListenerFilterChainMatchPredicate:
    predicate = _Predicate()
    predicate.destination_port_range.start = port
    predicate.destination_port_range.end = port + 1
    return predicate


def never_time_out(listener: listener_pb2.Listener) -> None:
    """Wait for a client's first bytes without limit: Istio's protocolDetectionTimeout of 0."""
    listener.listener_filters_timeout.SetInParent()
    listener.continue_on_listener_filters_timeout = True
