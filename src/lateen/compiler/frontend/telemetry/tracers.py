"""Tracers: providers of the mesh configuration that take spans, and the tags of those. Pure."""

from collections.abc import Iterator, Mapping

from lateen.compiler.frontend import quantities
from lateen.compiler.ir.telemetry import Header, Tracer, TraceTag
from lateen.model.istio import meshconfig, telemetry as model

_SPANS = "/api/v2/spans"
_LAST_PORT = 65535


def translate(provider: meshconfig.ExtensionProvider) -> Tracer | None:
    """Return a provider as a tracer; None for one that takes no spans, or has no address."""
    if provider.zipkin is not None:
        made = _zipkin(provider.zipkin)
    elif provider.opentelemetry is not None:
        made = _opentelemetry(provider.opentelemetry)
    else:
        return None
    return made if made.host and 0 < made.port <= _LAST_PORT else None


def tags(written: Mapping[str, model.CustomTag]) -> tuple[TraceTag, ...]:
    """Return the tags that a Telemetry adds, by name; one without a value of its kind adds none."""
    return tuple(tag for name in sorted(written) for tag in _tag(name, written[name]))


def _tag(name: str, tag: model.CustomTag) -> Iterator[TraceTag]:
    if tag.literal is not None:
        if tag.literal.value:
            yield TraceTag(name=name, kind="literal", value=tag.literal.value)
    elif tag.environment is not None:
        if read := tag.environment.name:
            yield TraceTag(
                name=name, kind="environment", value=read, default=tag.environment.default_value
            )
    elif tag.header is not None and (read := tag.header.name):
        yield TraceTag(name=name, kind="header", value=read, default=tag.header.default_value)


def _zipkin(written: meshconfig.Zipkin) -> Tracer:
    seconds = quantities.seconds(written.timeout)
    return Tracer(
        kind="zipkin",
        host=written.service.rpartition("/")[2],
        port=written.port,
        path=written.path or _SPANS,
        timeout=5.0 if seconds is None else seconds,
        headers=_headers(written.headers),
        long_ids=not written.enable64bit_trace_id,
        w3c=written.trace_context_option == "USE_B3_WITH_W3C_PROPAGATION",
        longest_path=written.max_tag_length,
    )


def _opentelemetry(written: meshconfig.OpenTelemetry) -> Tracer:
    http = written.http
    seconds = quantities.seconds(http.timeout) if http is not None else None
    return Tracer(
        kind="opentelemetry",
        host=written.service.rpartition("/")[2],
        port=written.port,
        path="" if http is None else f"/{http.path.removeprefix('/')}",
        timeout=10.0 if seconds is None else seconds,
        headers=() if http is None else _headers(http.headers),
        grpc=http is None,
        environment=written.resource_detectors is not None
        and written.resource_detectors.environment is not None,
        longest_path=written.max_tag_length,
    )


def _headers(written: tuple[meshconfig.SentHeader, ...]) -> tuple[Header, ...]:
    """Values of variables are left out: the plane does not have the proxies' environment."""
    return tuple((each.name, each.value) for each in written if each.name and each.value)
