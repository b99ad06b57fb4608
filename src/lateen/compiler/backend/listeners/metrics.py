"""Istio's standard metrics, counted by Envoy's own logger of statistics. Pure.

Upstream Envoy has no `istio.stats`. What a proxy counts by is short: codes, flags, certificates,
the service and the other side. Istio's labels are made of that where the metrics are served
([decision 031](docs/decisions/031-metrics-by-a-logger.md)), which knows the pods.
"""

from functools import lru_cache

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.stats.v3 import stats_pb2

from lateen.compiler.backend import names, pack
from lateen.compiler.ir.telemetry import Metrics, Series

LOGGER = "envoy.access_loggers.stats"

_SERVICE = f"%CLUSTER_METADATA({names.ISTIO_METADATA}:services)%"
_COMMON = (
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("service", _SERVICE),
)
_SIDES = {
    "source": (
        ("peer", f"%UPSTREAM_METADATA({names.ISTIO_METADATA}:workload)%"),
        ("source_principal", "%UPSTREAM_LOCAL_URI_SAN%"),
        ("destination_principal", "%UPSTREAM_PEER_URI_SAN%"),
    ),
    "destination": (
        ("peer", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ("source_principal", "%DOWNSTREAM_PEER_URI_SAN%"),
        ("destination_principal", "%DOWNSTREAM_LOCAL_URI_SAN%"),
    ),
}
_HTTP_ONLY = (
    ("response_code", "%RESPONSE_CODE%"),
    ("grpc_response_status", "%GRPC_STATUS_NUMBER%"),
)
_Unit = stats_pb2.Config.Histogram.Unit
_HISTOGRAMS = (
    ("request_duration_milliseconds", _Unit.Milliseconds, "%DURATION%"),
    ("request_bytes", _Unit.Bytes, "%BYTES_RECEIVED%"),
    ("response_bytes", _Unit.Bytes, "%BYTES_SENT%"),
)
_GRPC = "%FILTER_STATE(envoy.filters.http.grpc_stats:FIELD:{}_message_count)%"
_AT_THE_END = (
    ("tcp_sent_bytes_total", "%BYTES_SENT%"),
    ("tcp_received_bytes_total", "%BYTES_RECEIVED%"),
    ("tcp_connections_closed_total", ""),
)


@lru_cache(maxsize=64)
def http(metrics: Metrics | None) -> tuple[accesslog_pb2.AccessLog, ...]:
    """Return the loggers of an HTTP connection manager; none where nothing is counted."""
    if metrics is None:
        return ()
    config = stats_pb2.Config(stat_prefix=names.METRICS_PREFIX)
    _count(config, metrics, "requests_total")
    for name, unit, value in _HISTOGRAMS:
        if (series := _series(metrics, name)).dropped:
            continue
        histogram = config.histograms.add(unit=unit, value_format=value)
        _write(histogram.stat, metrics, series, http=True)
    of_grpc = stats_pb2.Config(stat_prefix=names.METRICS_PREFIX)
    for way in ("request", "response"):
        _count(of_grpc, metrics, f"{way}_messages_total", _GRPC.format(way))
    messages = accesslog_pb2.AccessLogFilter()
    messages.header_filter.header.name = "content-type"
    messages.header_filter.header.string_match.prefix = "application/grpc"
    return tuple(_loggers((config, None), (of_grpc, messages)))


@lru_cache(maxsize=64)
def tcp(metrics: Metrics | None) -> tuple[accesslog_pb2.AccessLog, ...]:
    """Return the loggers of a TCP proxy: one for when it has connected, one for when it ends."""
    if metrics is None:
        return ()
    opened, ended = (stats_pb2.Config(stat_prefix=names.METRICS_PREFIX) for _ in range(2))
    _count(opened, metrics, "tcp_connections_opened_total", http=False)
    for name, value in _AT_THE_END:
        _count(ended, metrics, name, value, http=False)
    return tuple(
        _loggers((opened, _when("TcpUpstreamConnected")), (ended, _when("TcpConnectionEnd")))
    )


def _when(kind: str) -> accesslog_pb2.AccessLogFilter:
    out = accesslog_pb2.AccessLogFilter()
    out.log_type_filter.types.append(kind)
    return out


def _loggers(
    *made: tuple[stats_pb2.Config, accesslog_pb2.AccessLogFilter | None],
) -> list[accesslog_pb2.AccessLog]:
    """Leave out those that count nothing."""
    return [
        accesslog_pb2.AccessLog(name=LOGGER, typed_config=pack.any_of(config), filter=only)
        for config, only in made
        if config.counters or config.histograms
    ]


def _series(metrics: Metrics, name: str) -> Series:
    return next((one for one in metrics.changed if one.metric == name), Series(metric=name))


def _count(
    config: stats_pb2.Config, metrics: Metrics, name: str, value: str = "", *, http: bool = True
) -> None:
    """Add a counter: of each entry one, or what `value` says."""
    if (series := _series(metrics, name)).dropped:
        return
    counter = config.counters.add(value_format=value)
    if not value:
        counter.value_fixed.value = 1
    _write(counter.stat, metrics, series, http=http)


def _write(out: stats_pb2.Config.Stat, metrics: Metrics, series: Series, *, http: bool) -> None:
    out.name = series.metric
    tags = [
        ("reporter", metrics.reporter),
        *_COMMON,
        *_SIDES[metrics.reporter],
        *(_HTTP_ONLY if http else ()),
    ]
    if series.removed:
        tags.append(("removed", ",".join(series.removed)))
    own = {name for name, _ in series.tags}
    tags = [tag for tag in tags if tag[0] not in own]
    tags += [(name, f"%CEL({expression})%") for name, expression in series.tags]
    for name, value in tags:
        out.tags.add(name=name, value_format=value)
