"""Small constructors that every Envoy message needs: Any, durations, addresses, metadata. Pure."""

from collections.abc import Iterable

from envoy.config.core.v3 import address_pb2, base_pb2, config_source_pb2, socket_option_pb2
from google.protobuf import any_pb2, duration_pb2, message

from lateen.compiler.backend import names
from lateen.model.meta import Source

_PREFIX = "type.googleapis.com/"


def any_of(packed: message.Message) -> any_pb2.Any:
    """Wrap a message as Any, deterministically: equal messages give equal bytes."""
    return any_pb2.Any(
        type_url=_PREFIX + packed.DESCRIPTOR.full_name,
        value=packed.SerializeToString(deterministic=True),
    )


def duration(seconds: float) -> duration_pb2.Duration:
    """Return seconds as a protobuf Duration, to the nanosecond."""
    nanos = round(seconds * 1e9)
    return duration_pb2.Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def tcp_address(address: str, port: int) -> address_pb2.Address:
    """Return a TCP socket address."""
    return address_pb2.Address(
        socket_address=address_pb2.SocketAddress(address=address, port_value=port)
    )


def ads() -> config_source_pb2.ConfigSource:
    """Return the source of everything dynamic: the one aggregated stream, without a time limit."""
    return config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        resource_api_version=config_source_pb2.ApiVersion.V3,
        initial_fetch_timeout=duration_pb2.Duration(),
    )


def write_sources(
    metadata: base_pb2.Metadata, sources: Iterable[tuple[str, Source | None]]
) -> None:
    """Record, under `lateen`, which manifest field caused what: `source`, `tls`, `policy` …"""
    known = [(key, source) for key, source in sources if source is not None]
    if known:
        fields = metadata.filter_metadata[names.SOURCE_METADATA].fields
        for key, source in known:
            fields[key].string_value = str(source)


def socket_mark() -> socket_option_pb2.SocketOption:
    """Return the socket option that marks the proxy's own connections (SOL_SOCKET, SO_MARK).

    A cluster's bind configuration replaces the bootstrap's, so it must be repeated there.
    """
    return socket_option_pb2.SocketOption(
        description="mark of the proxy's own traffic",
        level=1,
        name=36,
        int_value=names.PROXY_MARK,
        state=socket_option_pb2.SocketOption.SocketState.STATE_PREBIND,
    )
