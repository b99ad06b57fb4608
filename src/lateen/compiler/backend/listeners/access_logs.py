"""Access logs: the text or JSON of `kubectl logs -c istio-proxy`, and the structured stream. Pure.

The structured stream goes to the control plane over the pod's own socket; evidence is made from
it. Listeners log too, because a refused handshake leaves no other trace on the server's side.
"""

import json
from functools import cache, lru_cache

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import grpc_service_pb2, substitution_format_string_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.access_loggers.grpc.v3 import als_pb2
from envoy.type.v3 import percent_pb2
from google.protobuf import message

from lateen.compiler.backend import names, pack
from lateen.compiler.ir.telemetry import LogFile, Signals
from lateen.model.meta import Source

Logs = tuple[LogFile, ...]

FLUSH_SECONDS = 0.1
"""How long finished requests may wait in the proxy before they are sent to the control plane."""
BUFFER_BYTES = 32768

TEXT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
    '%CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    "%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" '
    '"%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% "
    "%ROUTE_NAME%\n"
)
"""Istio's default line."""

JSON_FIELDS = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
"""Istio's default JSON keys."""

CONNECTION_TAGS = {
    "connection_id": "%CONNECTION_ID%",
    "upstream_connection_id": "%UPSTREAM_CONNECTION_ID%",
    "filter_chain": "%FILTER_CHAIN_NAME%",
    "listener_local_address": "%DOWNSTREAM_DIRECT_LOCAL_ADDRESS%",
    "alpn_offered": "%FILTER_STATE(lateen.alpn:PLAIN)%",
    "upstream_sni": "%UPSTREAM_SERVER_NAME%",
    "upstream_tls_version": "%UPSTREAM_TLS_VERSION%",
    "upstream_tls_cipher": "%UPSTREAM_TLS_CIPHER%",
    "upstream_peer_uri_san": "%UPSTREAM_PEER_URI_SAN%",
    "upstream_peer_subject": "%UPSTREAM_PEER_SUBJECT%",
    "upstream_local_uri_san": "%UPSTREAM_LOCAL_URI_SAN%",
    "upstream_host_name": "%UPSTREAM_HOST_NAME%",
    "downstream_local_close": "%DOWNSTREAM_LOCAL_CLOSE_REASON%",
    "downstream_close": "%DOWNSTREAM_DETECTED_CLOSE_TYPE%",
    "upstream_local_close": "%UPSTREAM_LOCAL_CLOSE_REASON%",
    "upstream_close": "%UPSTREAM_DETECTED_CLOSE_TYPE%",
    "response_flags": "%RESPONSE_FLAGS%",
}
"""What evidence needs beside the fields the log entry has of its own."""

_FAILURE = "connection.transport_failure_reason"
_HANDSHAKE_FAILED = f"{_FAILURE} != '' && !{_FAILURE}.startsWith('TLS_error|')"
"""A reason that starts with `TLS_error|` is only the TLS inspector's word for plaintext (such as
`HTTP_REQUEST`); a handshake that failed says `TLS_error:`."""

_METADATA_TAGS = {"source": "route", "cluster_source": "cluster"}


def http(logs: Logs) -> list[accesslog_pb2.AccessLog]:
    """Return the logs of an HTTP connection manager.

    The stream has every request until the control plane asks for fewer (RTDS): then those that the
    request's id chooses, which are the same at every proxy on the way, and all that failed.
    """
    stream = _logger("envoy.access_loggers.http_grpc", _http_stream())
    stream.filter.CopyFrom(_chosen())
    return [*(_file(log) for log in logs), stream]


def tcp(logs: Logs) -> list[accesslog_pb2.AccessLog]:
    """Return the logs of a TCP proxy.

    The stream is also told when a connection is made (`network.tcp_proxy` asks for that): it may
    be kept for hours and carry many requests. The text has one line at the end, as Istio's.
    """
    ended = accesslog_pb2.AccessLogFilter()
    ended.log_type_filter.types.append("TcpConnectionEnd")
    stream = _logger("envoy.access_loggers.tcp_grpc", _tcp_stream("tcp"))
    return [*(_file(log, ended) for log in logs), stream]


def listener(logs: Logs) -> list[accesslog_pb2.AccessLog]:
    """Return the logs of a listener itself.

    The text log has what Istio writes there, connections that matched no chain. The stream also
    has those whose handshake failed: the only trace of a client certificate that was refused.
    """
    stream = _logger("envoy.access_loggers.tcp_grpc", _tcp_stream("listener"))
    either = stream.filter.or_filter.filters
    either.append(_no_route())
    either.append(_satisfies(_HANDSHAKE_FAILED))
    return [*(_file(log, _no_route()) for log in logs), stream]


def sources(signals: Signals) -> tuple[tuple[str, Source], ...]:
    """Return what to note at a listener: the last of the fields that decided what it reports."""
    return tuple(("telemetry", source) for source in signals.sources[-1:])


@cache
def _chosen() -> accesslog_pb2.AccessLogFilter:
    out = accesslog_pb2.AccessLogFilter()
    either = out.or_filter.filters
    drawn = either.add().runtime_filter
    drawn.runtime_key = names.REPORTED_KEY
    drawn.percent_sampled.numerator = names.REPORTED_OF
    drawn.percent_sampled.denominator = percent_pb2.FractionalPercent.MILLION
    failed = either.add().status_code_filter.comparison
    failed.op = accesslog_pb2.ComparisonFilter.GE
    failed.value.default_value = names.FAILED_STATUS
    failed.value.runtime_key = "lateen.access_log.failed_status"
    either.add().response_flag_filter.SetInParent()  # any flag there is
    of_grpc = either.add().and_filter.filters
    content = of_grpc.add().header_filter.header
    content.name = "content-type"
    content.string_match.prefix = "application/grpc"
    status = of_grpc.add().grpc_status_filter
    status.statuses.append(accesslog_pb2.GrpcStatusFilter.OK)
    status.exclude = True
    return out


def _no_route() -> accesslog_pb2.AccessLogFilter:
    return accesslog_pb2.AccessLogFilter(
        response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=["NR"])
    )


def _satisfies(expression: str) -> accesslog_pb2.AccessLogFilter:
    out = accesslog_pb2.AccessLogFilter()
    out.extension_filter.name = "envoy.access_loggers.extension_filters.cel"
    out.extension_filter.typed_config.CopyFrom(
        pack.any_of(cel_pb2.ExpressionFilter(expression=expression))
    )
    return out


def _logger(name: str, config: message.Message) -> accesslog_pb2.AccessLog:
    return accesslog_pb2.AccessLog(name=name, typed_config=pack.any_of(config))


def _file(
    log: LogFile, only: accesslog_pb2.AccessLogFilter | None = None
) -> accesslog_pb2.AccessLog:
    """Return a log file; both `only` and the log's own filter must hold for an entry."""
    out = _logger("envoy.access_loggers.file", _layout(log))
    wanted = [] if only is None else [only]
    if log.filter:
        wanted.append(_satisfies(log.filter))
    if len(wanted) == 1:
        out.filter.CopyFrom(wanted[0])
    elif wanted:
        out.filter.and_filter.filters.extend(wanted)
    return out


@lru_cache(maxsize=64)
def _layout(log: LogFile) -> file_pb2.FileAccessLog:
    layout = substitution_format_string_pb2.SubstitutionFormatString(
        omit_empty_values=log.omit_empty
    )
    if log.fields is not None:
        layout.json_format.update(json.loads(log.fields) or JSON_FIELDS)
    else:
        text = log.text or TEXT_FORMAT
        layout.text_format_source.inline_string = text if text.endswith("\n") else text + "\n"
    return file_pb2.FileAccessLog(path=log.path, log_format=layout)


@cache
def _common(name: str) -> als_pb2.CommonGrpcAccessLogConfig:
    common = als_pb2.CommonGrpcAccessLogConfig(
        log_name=name,
        grpc_service=grpc_service_pb2.GrpcService(
            envoy_grpc=grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=names.XDS_CLUSTER)
        ),
        transport_api_version="V3",
        buffer_flush_interval=pack.duration(FLUSH_SECONDS),
        buffer_size_bytes={"value": BUFFER_BYTES},
    )
    for tag, operator in CONNECTION_TAGS.items():
        common.custom_tags.add(tag=tag, value=operator)
    for tag, kind in _METADATA_TAGS.items():
        metadata = common.custom_tags.add(tag=tag).metadata
        getattr(metadata.kind, kind).SetInParent()
        metadata.metadata_key.key = names.SOURCE_METADATA
        metadata.metadata_key.path.add(key="source")
    return common


@cache
def _http_stream() -> als_pb2.HttpGrpcAccessLogConfig:
    return als_pb2.HttpGrpcAccessLogConfig(
        common_config=_common("http"),
        additional_request_headers_to_log=[
            "x-forwarded-client-cert",
            "x-envoy-attempt-count",
            "x-b3-traceid",
        ],
        additional_response_headers_to_log=[
            "x-envoy-upstream-service-time",
            "server",
            "grpc-status",
        ],
        additional_response_trailers_to_log=["grpc-status"],
    )


@cache
def _tcp_stream(name: str) -> als_pb2.TcpGrpcAccessLogConfig:
    return als_pb2.TcpGrpcAccessLogConfig(common_config=_common(name))
