"""Envoy's tracing, as Istio fills it in: which requests, with what tags, to whom. Pure."""

from functools import cache, lru_cache

from envoy.config.core.v3 import http_service_pb2
from envoy.config.trace.v3 import opentelemetry_pb2, zipkin_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.request_id.uuid.v3 import uuid_pb2
from envoy.extensions.tracers.opentelemetry.resource_detectors.v3 import (
    environment_resource_detector_pb2,
)
from envoy.type.tracing.v3 import custom_tag_pb2
from google.protobuf import any_pb2

from lateen.compiler.backend import names, pack
from lateen.compiler.ir.proxy import MeshSettings, Node, ProxyKind
from lateen.compiler.ir.telemetry import Signals, Tracer, TraceTag

_NAME_LABEL = "service.istio.io/canonical-name"
_REVISION_LABEL = "service.istio.io/canonical-revision"
_UUID = "envoy.request_id.uuid"


def write(
    manager: http_connection_manager_pb2.HttpConnectionManager,
    signals: Signals,
    node: Node,
    settings: MeshSettings,
) -> None:
    """Write what a connection manager traces. Even without a tracer it is worth having: it adds
    `x-envoy-decorator-operation`."""
    if not signals.traced:
        return
    out = manager.tracing
    tracer = signals.tracer
    if tracer is not None:
        out.provider.name = f"envoy.tracers.{tracer.kind}"
        out.provider.typed_config.CopyFrom(_config(tracer, _service(node)))
        if tracer.longest_path:
            out.max_path_tag_length.value = tracer.longest_path
        if node.kind is ProxyKind.ROUTER:
            out.spawn_upstream_span.value = True
        own = _istios(node, settings) if signals.istio_tags else ()
        for tag in sorted((*signals.tags, *own), key=lambda each: each.name):
            out.custom_tags.append(_tag(tag))
    elif signals.zipkin:
        out.provider.name = "envoy.tracers.zipkin"
        out.provider.typed_config.CopyFrom(_nowhere())
    out.client_sampling.value = 100
    out.random_sampling.value = signals.sampling
    out.overall_sampling.value = 100
    if not signals.by_request_id:
        own_id = uuid_pb2.UuidRequestIdConfig()
        own_id.use_request_id_for_trace_sampling.value = False
        manager.request_id_extension.typed_config.CopyFrom(pack.any_of(own_id))


def _service(node: Node) -> str:
    """Return the name under which a proxy's spans are: that of its workload, as in its node."""
    return f"{node.workload or node.pod}.{node.namespace}"


@cache
def _nowhere() -> any_pb2.Any:
    """Zipkin's headers (B3) without a collector: the cluster it reports to has no endpoint."""
    return pack.any_of(
        zipkin_pb2.ZipkinConfig(
            collector_cluster=names.TRACING_CLUSTER,
            collector_endpoint="/api/v2/spans",
            collector_endpoint_version="HTTP_JSON",
            trace_id_128bit=True,
            shared_span_context={"value": False},
        )
    )


@lru_cache(maxsize=256)
def _config(tracer: Tracer, service: str) -> any_pb2.Any:
    if tracer.kind == "zipkin":
        return pack.any_of(_zipkin(tracer))
    return pack.any_of(_opentelemetry(tracer, service))


def _zipkin(tracer: Tracer) -> zipkin_pb2.ZipkinConfig:
    out = zipkin_pb2.ZipkinConfig(
        collector_endpoint_version="HTTP_JSON",
        trace_id_128bit=tracer.long_ids,
        shared_span_context={"value": False},
    )
    if tracer.w3c:
        out.trace_context_option = zipkin_pb2.ZipkinConfig.USE_B3_WITH_W3C_PROPAGATION
    out.collector_service.CopyFrom(_http(tracer))
    return out


def _opentelemetry(tracer: Tracer, service: str) -> opentelemetry_pb2.OpenTelemetryConfig:
    out = opentelemetry_pb2.OpenTelemetryConfig(service_name=service)
    if tracer.grpc:
        out.grpc_service.envoy_grpc.cluster_name = tracer.cluster
        out.grpc_service.envoy_grpc.authority = tracer.host
    else:
        out.http_service.CopyFrom(_http(tracer))
    if tracer.environment:
        detector = out.resource_detectors.add()
        detector.name = "envoy.tracers.opentelemetry.resource_detectors.environment"
        config = environment_resource_detector_pb2.EnvironmentResourceDetectorConfig()
        detector.typed_config.CopyFrom(pack.any_of(config))
    return out


def _http(tracer: Tracer) -> http_service_pb2.HttpService:
    service = http_service_pb2.HttpService()
    service.http_uri.uri = f"http://{tracer.host}{tracer.path}"
    service.http_uri.cluster = tracer.cluster
    service.http_uri.timeout.CopyFrom(pack.duration(tracer.timeout))
    for name, value in tracer.headers:
        header = service.request_headers_to_add.add().header
        header.key, header.value = name, value
    return service


def _tag(tag: TraceTag) -> custom_tag_pb2.CustomTag:
    out = custom_tag_pb2.CustomTag(tag=tag.name)
    if tag.kind == "literal":
        out.literal.value = tag.value
    elif tag.kind == "environment":
        out.environment.name, out.environment.default_value = tag.value, tag.default
    else:
        out.request_header.name, out.request_header.default_value = tag.value, tag.default
    return out


def _istios(node: Node, settings: MeshSettings) -> tuple[TraceTag, ...]:
    """Return the tags that Istio adds by itself."""
    labels = dict(node.labels)
    told = {
        "istio.canonical_revision": labels.get(_REVISION_LABEL) or "latest",
        "istio.canonical_service": labels.get(_NAME_LABEL) or node.workload,
        "istio.mesh_id": settings.mesh_id,
        "istio.namespace": node.namespace,
        "istio.cluster_id": settings.cluster_id,
    }
    return tuple(
        TraceTag(name=name, kind="literal", value=value) for name, value in told.items() if value
    )
