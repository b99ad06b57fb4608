"""Access-log entries as the proxies send them, turned into plain values. Pure."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf.message import DecodeError

from lateen.compiler.backend import names

_TLS_VERSIONS: Mapping[int, str] = {1: "TLSv1", 2: "TLSv1.1", 3: "TLSv1.2", 4: "TLSv1.3"}
_PROTOCOLS: Mapping[int, str] = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 4: "HTTP/3"}
_METHODS: Mapping[int, str] = {n: name for name, n in base_pb2.RequestMethod.items()}
_ABSENT = "-"
_GRPC_OK = "0"


class TlsFacts(msgspec.Struct, frozen=True):
    """One side's TLS as the proxy saw it; empty strings where it saw none."""

    version: str = ""
    cipher: str = ""
    sni: str = ""
    local_sans: tuple[str, ...] = ()
    peer_sans: tuple[str, ...] = ()
    peer_subject: str = ""


class HttpFacts(msgspec.Struct, frozen=True):
    """An HTTP request and its response, without bodies."""

    method: str
    scheme: str
    authority: str
    path: str
    original_path: str
    protocol: str
    status: int
    details: str
    request_id: str
    user_agent: str
    forwarded_for: str
    request_headers: Mapping[str, str]
    response_headers: Mapping[str, str]
    request_bytes: int
    response_bytes: int


class AccessEntry(msgspec.Struct, frozen=True):
    """One finished request, connection or refused handshake, as one proxy saw it.

    `log` is `http`, `tcp` or `listener`. Times are wall time in UTC, `duration` is seconds.
    """

    log: str
    start: datetime
    duration: float
    downstream_remote: str
    downstream_local: str
    downstream_direct_remote: str
    upstream_remote: str
    upstream_local: str
    upstream_cluster: str
    route_name: str
    flags: str
    downstream: TlsFacts
    upstream: TlsFacts
    downstream_failure: str
    upstream_failure: str
    termination: str
    connection_id: str
    upstream_connection_id: str
    attempts: int
    bytes_received: int
    bytes_sent: int
    tags: Mapping[str, str]
    """Everything else that was asked for: `source` and `cluster_source` (manifest fields),
    `filter_chain`, `alpn_offered`, close reasons."""
    http: HttpFacts | None = None
    open: bool = False
    """Whether it is about a connection that was just made; its end is logged again."""
    sampled: bool = False
    """Whether it stands for others like it while only a share of the requests is reported: it is a
    request that did not fail (`compiler.backend.listeners.access_logs`)."""


class LogBatch(msgspec.Struct, frozen=True):
    """One message of a stream, read when somebody looks at its entries.

    A busy proxy logs thousands of requests a second, and most of them nobody ever asks about.
    """

    data: bytes
    name: str
    """The stream's log name, known from its first message."""

    def __iter__(self) -> Iterator[AccessEntry]:
        """Yield the entries; none for bytes that are no such message."""
        with contextlib.suppress(DecodeError):
            yield from read(self.data, self.name)[2]

    def sampled(self) -> int:
        """Return how many entries stand for others while only a share is reported."""
        with contextlib.suppress(DecodeError):
            message = als_pb2.StreamAccessLogsMessage.FromString(self.data)
            return sum(1 for entry in message.http_logs.log_entry if _sampled(entry))
        return 0


def read(data: bytes, log: str = "") -> tuple[str, str, tuple[AccessEntry, ...]]:
    """Return a message's node id, log name and entries.

    Id and name are sent in a stream's first message only: `log` is the name known from it.
    Raises google.protobuf.message.DecodeError on bytes that are no such message.
    """
    message = als_pb2.StreamAccessLogsMessage.FromString(data)
    name = message.identifier.log_name or log
    return message.identifier.node.id, name, entries(message, name)


def entries(message: als_pb2.StreamAccessLogsMessage, log: str) -> tuple[AccessEntry, ...]:
    """Return a message's entries; `log` is the stream's name, sent only in its first message."""
    if message.HasField("http_logs"):
        return tuple(_http(entry) for entry in message.http_logs.log_entry)
    return tuple(_tcp(entry, log) for entry in message.tcp_logs.log_entry)


def _http(entry: accesslog_pb2.HTTPAccessLogEntry) -> AccessEntry:
    request, response = entry.request, entry.response
    facts = HttpFacts(
        method=_method(request.request_method),
        scheme=request.scheme,
        authority=request.authority,
        path=request.path,
        original_path=request.original_path,
        protocol=_PROTOCOLS.get(entry.protocol_version, ""),
        status=response.response_code.value,
        details=response.response_code_details,
        request_id=request.request_id,
        user_agent=request.user_agent,
        forwarded_for=request.forwarded_for,
        request_headers=dict(request.request_headers),
        response_headers={**response.response_headers, **response.response_trailers},
        request_bytes=request.request_body_bytes,
        response_bytes=response.response_body_bytes,
    )
    made = _entry(
        entry.common_properties,
        "http",
        facts,
        request.request_body_bytes,
        response.response_body_bytes,
    )
    return msgspec.structs.replace(made, sampled=_sampled(entry))


def _sampled(entry: accesslog_pb2.HTTPAccessLogEntry) -> bool:
    """Whether an entry is none of those that are always made."""
    response = entry.response
    flags = entry.common_properties.custom_tags.get("response_flags", _ABSENT)
    if not 0 < response.response_code.value < names.FAILED_STATUS or flags != _ABSENT:
        return False
    either = (response.response_headers, response.response_trailers)
    return all(found.get("grpc-status", _GRPC_OK) == _GRPC_OK for found in either)


def _method(number: int) -> str:
    return "" if number == 0 else _METHODS.get(number, "")


def _tcp(entry: accesslog_pb2.TCPAccessLogEntry, log: str) -> AccessEntry:
    sizes = entry.connection_properties
    return _entry(
        entry.common_properties, log or "tcp", None, sizes.received_bytes, sizes.sent_bytes
    )


def _entry(
    common: accesslog_pb2.AccessLogCommon,
    log: str,
    http: HttpFacts | None,
    received: int,
    sent: int,
) -> AccessEntry:
    tags = {key: value for key, value in common.custom_tags.items() if value != _ABSENT}
    return AccessEntry(
        log=log,
        start=common.start_time.ToDatetime(tzinfo=UTC),
        duration=common.duration.ToMicroseconds() / 1e6,
        downstream_remote=_address(common.downstream_remote_address),
        downstream_local=_address(common.downstream_local_address),
        downstream_direct_remote=_address(common.downstream_direct_remote_address),
        upstream_remote=_address(common.upstream_remote_address),
        upstream_local=_address(common.upstream_local_address),
        upstream_cluster=common.upstream_cluster,
        route_name=common.route_name,
        flags=tags.pop("response_flags", ""),
        downstream=_downstream_tls(common.tls_properties),
        upstream=_upstream_tls(tags),
        downstream_failure=common.downstream_transport_failure_reason,
        upstream_failure=common.upstream_transport_failure_reason,
        termination=common.connection_termination_details,
        connection_id=tags.pop("connection_id", ""),
        upstream_connection_id=tags.pop("upstream_connection_id", ""),
        attempts=common.upstream_request_attempt_count,
        bytes_received=received,
        bytes_sent=sent,
        tags=tags,
        http=http,
        open=common.access_log_type == accesslog_pb2.TcpUpstreamConnected,
    )


def _downstream_tls(tls: accesslog_pb2.TLSProperties) -> TlsFacts:
    return TlsFacts(
        version=_TLS_VERSIONS.get(tls.tls_version, ""),
        cipher=_cipher(tls),
        sni=tls.tls_sni_hostname,
        local_sans=_sans(tls.local_certificate_properties),
        peer_sans=_sans(tls.peer_certificate_properties),
        peer_subject=tls.peer_certificate_properties.subject,
    )


def _cipher(tls: accesslog_pb2.TLSProperties) -> str:
    return f"0x{tls.tls_cipher_suite.value:04x}" if tls.HasField("tls_cipher_suite") else ""


def _sans(certificate: Any) -> tuple[str, ...]:
    return tuple(san.uri or san.dns for san in certificate.subject_alt_name)


def _upstream_tls(tags: dict[str, str]) -> TlsFacts:
    """The log entry has no fields for the upstream's TLS: it comes in tags of our own."""
    return TlsFacts(
        version=tags.pop("upstream_tls_version", ""),
        cipher=tags.pop("upstream_tls_cipher", ""),
        sni=tags.pop("upstream_sni", ""),
        local_sans=_split(tags.pop("upstream_local_uri_san", "")),
        peer_sans=_split(tags.pop("upstream_peer_uri_san", "")),
        peer_subject=tags.pop("upstream_peer_subject", ""),
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _address(address: Any) -> str:
    socket = address.socket_address
    if socket.address:
        return f"{socket.address}:{socket.port_value}"
    return str(address.pipe.path)
