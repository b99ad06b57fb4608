"""What one proxy reports of its traffic: access logs and traces, for each side. Pure.

The structured stream that evidence is made from is no part of it: nobody can switch that off.
"""

from lateen.compiler.ir.value import Kept, Value
from lateen.model.meta import Source

STDOUT = "/dev/stdout"
"""Where `kubectl logs -c istio-proxy` reads."""


class LogFile(Value, frozen=True, kw_only=True):
    """One access log. Without `text` and `fields` it has Istio's default line."""

    path: str = STDOUT
    text: str = ""
    """The line, in Envoy's command operators."""
    fields: str | None = None
    """A JSON object of operators, as text; `{}` for Istio's default keys. None: lines of text."""
    omit_empty: bool = False
    filter: str = ""
    """CEL expression that a request must satisfy to be logged."""
    source: Source | None = None
    """The field that asked for it; None for the lab's own setting."""


class Series(Value, frozen=True, kw_only=True):
    """One of Istio's standard metrics, as a Telemetry changes it."""

    metric: str
    """Its name as Prometheus shows it, without `istio_`: `requests_total`."""
    dropped: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    """Labels, each with the CEL expression of its value."""
    removed: tuple[str, ...] = ()
    """Labels that are left out."""


class Metrics(Value, frozen=True, kw_only=True):
    """Istio's standard metrics of one side, for Prometheus. What `changed` does not name is
    counted as it is."""

    reporter: str
    """`source` or `destination`, as the label of that name says."""
    changed: tuple[Series, ...] = ()


Header = tuple[str, str]


class Tracer(Value, frozen=True, kw_only=True):
    """Where spans go: a Zipkin or OpenTelemetry collector."""

    kind: str
    """`zipkin` or `opentelemetry`."""
    host: str
    port: int
    path: str = ""
    timeout: float = 5.0
    """Seconds, of a report over HTTP."""
    headers: tuple[Header, ...] = ()
    grpc: bool = False
    """OpenTelemetry over gRPC; else over HTTP."""
    long_ids: bool = True
    """Zipkin: whether a trace's id has 128 bits."""
    w3c: bool = False
    """Zipkin: whether `traceparent` travels too."""
    environment: bool = False
    """OpenTelemetry: whether OTEL_RESOURCE_ATTRIBUTES of the proxy say more of it."""
    longest_path: int = 0
    """Of the tag that has the path; 0 is Envoy's default."""

    @property
    def cluster(self) -> str:
        """The cluster of the collector's Service."""
        return f"outbound|{self.port}||{self.host}"


class TraceTag(Value, frozen=True, kw_only=True):
    """A tag of every span."""

    name: str
    kind: str
    """`literal`, `environment` (of the proxy) or `header` (of the request)."""
    value: str
    """The value, or the name of what holds it."""
    default: str = ""


class Signals(Kept, frozen=True, kw_only=True):
    """What one side of a proxy reports."""

    logs: tuple[LogFile, ...] = (LogFile(),)
    sources: tuple[Source, ...] = ()
    """The fields that decided; they are all that is left of logs that were switched off."""
    traced: bool = True
    """Whether requests are traced at all; that also adds `x-envoy-decorator-operation`."""
    zipkin: bool = False
    """Whether requests carry Zipkin's headers (B3) where there is no tracer."""
    tracer: Tracer | None = None
    """Where spans go; None: nowhere."""
    tags: tuple[TraceTag, ...] = ()
    istio_tags: bool = True
    """Whether spans say of the proxy what Istio does (`istio.canonical_service` and so on)."""
    by_request_id: bool = True
    """Whether the request's id decides if it is sampled, where it can."""
    sampling: float = 1.0
    """Percent of requests that are sampled unless they come with a decision."""
    metrics: Metrics | None = None
    """What is counted; None: nothing."""


class Telemetry(Value, frozen=True, kw_only=True):
    """Both sides: `client` is a sidecar's outbound and all of a gateway, `server` is inbound."""

    client: Signals = Signals()
    server: Signals = Signals()


DEFAULT = Telemetry()
