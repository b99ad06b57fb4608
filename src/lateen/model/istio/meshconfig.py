"""Istio's MeshConfig as the ConfigMap `istio` holds it, as far as it is acted on. Pure."""

from typing import Annotated, Any

import msgspec
from msgspec import field

from lateen.model import identity, wellknown
from lateen.model.istio.types import Duration
from lateen.model.schema import decode
from lateen.model.schema.marks import ProtoStruct, doc

NAME = "istio"
"""The ConfigMap's name, in the root namespace."""
KEY = "mesh"
"""The key of its data that holds the configuration, as YAML."""
ROOT_NAMESPACE = wellknown.ISTIO_SYSTEM
DISCOVERY_ADDRESS = "istiod.istio-system.svc:15012"


class LogFormat(ProtoStruct, frozen=True, kw_only=True):
    """What a log file's entries look like; one of the two."""

    text: Annotated[str | None, doc("A line of Envoy's command operators.")] = None
    labels: Annotated[Any, doc("A JSON object of operators; empty for the default.")] = None


class FileAccessLog(ProtoStruct, frozen=True, kw_only=True):
    """An access log in a file."""

    path: Annotated[str, doc("The file; default /dev/stdout.")] = ""
    log_format: Annotated[LogFormat | None, doc("Its entries.")] = None
    omit_empty_values: Annotated[bool, doc("Leave out what has no value.")] = False


class SentHeader(ProtoStruct, frozen=True, kw_only=True):
    """A header of a report."""

    name: Annotated[str, doc("Its name.")] = ""
    value: Annotated[str, doc("Its value.")] = ""
    env_name: Annotated[str, doc("The proxy's variable with it.", compiled=False)] = ""


class Zipkin(ProtoStruct, frozen=True, kw_only=True):
    """A Zipkin collector."""

    service: Annotated[str, doc("Its host.")] = ""
    port: Annotated[int, doc("Its port.")] = 0
    max_tag_length: Annotated[int, doc("Longest path in a span.")] = 0
    enable64bit_trace_id: Annotated[bool, doc("Whether ids of traces are short.")] = False
    path: Annotated[str, doc("Where spans are sent; default /api/v2/spans.")] = ""
    timeout: Annotated[Duration, doc("Of a report; default 5s.")] = ""
    headers: Annotated[tuple[SentHeader, ...], doc("Headers of a report.")] = ()
    trace_context_option: Annotated[
        str,
        doc("Which headers travel.", enum=("USE_B3", "USE_B3_WITH_W3C_PROPAGATION")),
    ] = "USE_B3"


class OpenTelemetryHttp(ProtoStruct, frozen=True, kw_only=True):
    """Reports over HTTP instead of gRPC."""

    path: Annotated[str, doc("Where spans are sent.")] = ""
    timeout: Annotated[Duration, doc("Of a report.")] = ""
    headers: Annotated[tuple[SentHeader, ...], doc("Headers of a report.")] = ()


class ResourceDetectors(ProtoStruct, frozen=True, kw_only=True):
    """Who else says what of the proxy."""

    environment: Annotated[Any, doc("Its variable OTEL_RESOURCE_ATTRIBUTES.")] = None
    dynatrace: Annotated[Any, doc("Dynatrace's files.", compiled=False)] = None


class OpenTelemetry(ProtoStruct, frozen=True, kw_only=True):
    """An OpenTelemetry collector."""

    service: Annotated[str, doc("Its host.")] = ""
    port: Annotated[int, doc("Its port.")] = 0
    max_tag_length: Annotated[int, doc("Longest path in a span.")] = 0
    http: Annotated[OpenTelemetryHttp | None, doc("Over HTTP.")] = None
    grpc: Annotated[Any, doc("Settings of gRPC.", compiled=False)] = None
    resource_detectors: Annotated[ResourceDetectors | None, doc("More of the proxy.")] = None
    dynatrace_sampler: Annotated[Any, doc("Dynatrace's sampling.", compiled=False)] = None
    service_attribute_enrichment: Annotated[str, doc("How services are named.", compiled=False)] = (
        ""
    )


class CheckedBody(ProtoStruct, frozen=True, kw_only=True):
    """How much of a request's body an authorizer is shown."""

    max_request_bytes: Annotated[int, doc("At most so much.")] = 0
    allow_partial_message: Annotated[
        bool, doc("Of a longer one its beginning; else it is refused.")
    ] = False
    pack_as_bytes: Annotated[bool, doc("As bytes, where it need be no text.")] = False


class GrpcAuthorizer(ProtoStruct, frozen=True, kw_only=True):
    """A service that decides over Envoy's gRPC API of external authorization."""

    service: Annotated[str, doc("Its host, `NAMESPACE/HOST` where several have it.")] = ""
    port: Annotated[int, doc("Its port.")] = 0
    timeout: Annotated[Duration, doc("How long it may take; default 600s.")] = ""
    fail_open: Annotated[bool, doc("Let requests pass where it cannot be asked.")] = False
    clear_route_cache: Annotated[
        bool, doc("Choose the route again; Istio does not read it.", compiled=False)
    ] = False
    status_on_error: Annotated[str, doc("Status where it cannot be asked; default 403.")] = ""
    include_request_body_in_check: Annotated[CheckedBody | None, doc("Show it the body.")] = None


class HttpAuthorizer(GrpcAuthorizer, frozen=True, kw_only=True):
    """A service that decides by the status it answers a copy of the request's head with."""

    path_prefix: Annotated[str, doc("Before the request's path.")] = ""
    include_headers_in_check: Annotated[
        tuple[str, ...], doc("The old name of includeRequestHeadersInCheck.")
    ] = ()
    include_request_headers_in_check: Annotated[
        tuple[str, ...], doc("Headers it is shown: exact, `p*` or `*s`.")
    ] = ()
    include_additional_headers_in_check: Annotated[
        dict[str, str], doc("Headers it is sent beside those.")
    ] = field(default_factory=dict)
    headers_to_upstream_on_allow: Annotated[
        tuple[str, ...], doc("Of its answer, those the application is sent.")
    ] = ()
    headers_to_downstream_on_deny: Annotated[
        tuple[str, ...], doc("Of its refusal, those the client gets; default all.")
    ] = ()
    headers_to_downstream_on_allow: Annotated[
        tuple[str, ...], doc("Of its consent, those the client gets.")
    ] = ()


class ExtensionProvider(ProtoStruct, frozen=True, kw_only=True):
    """A named place for logs, traces, metrics or decisions; one of the kinds."""

    name: Annotated[str, doc("How others name it.", required=True)] = ""
    envoy_file_access_log: Annotated[FileAccessLog | None, doc("A log file.")] = None
    zipkin: Annotated[Zipkin | None, doc("Zipkin.")] = None
    prometheus: Annotated[Any, doc("Prometheus.")] = None
    stackdriver: Annotated[Any, doc("Stackdriver.")] = None
    envoy_http_als: Annotated[Any, doc("gRPC access log service for HTTP.", compiled=False)] = None
    envoy_tcp_als: Annotated[Any, doc("gRPC access log service for TCP.", compiled=False)] = None
    envoy_otel_als: Annotated[Any, doc("OpenTelemetry logs.", compiled=False)] = None
    envoy_ext_authz_http: Annotated[
        HttpAuthorizer | None, doc("External authorization over HTTP.")
    ] = None
    envoy_ext_authz_grpc: Annotated[
        GrpcAuthorizer | None, doc("External authorization over gRPC.")
    ] = None
    opentelemetry: Annotated[OpenTelemetry | None, doc("OpenTelemetry traces.")] = None
    opencensus: Annotated[Any, doc("OpenCensus.", compiled=False)] = None
    datadog: Annotated[Any, doc("Datadog.", compiled=False)] = None
    lightstep: Annotated[Any, doc("Lightstep.", compiled=False)] = None
    skywalking: Annotated[Any, doc("SkyWalking.", compiled=False)] = None
    sds: Annotated[Any, doc("A secret service.", compiled=False)] = None


class ProxyStatsMatcher(ProtoStruct, frozen=True, kw_only=True):
    """Statistics that proxies keep beside Istio's own."""

    inclusion_prefixes: Annotated[tuple[str, ...], doc("Those whose names begin so.")] = ()
    inclusion_suffixes: Annotated[tuple[str, ...], doc("Those whose names end so.")] = ()
    inclusion_regexps: Annotated[tuple[str, ...], doc("Those whose names match as a whole.")] = ()


class DefaultProviders(ProtoStruct, frozen=True, kw_only=True):
    """Which providers count where a Telemetry names none."""

    access_logging: Annotated[tuple[str, ...], doc("For logs.")] = ()
    tracing: Annotated[tuple[str, ...], doc("For traces: the first.")] = ()
    metrics: Annotated[tuple[str, ...], doc("For metrics.")] = ()


class ProxyTracing(ProtoStruct, frozen=True, kw_only=True):
    """Traces of every proxy."""

    sampling: Annotated[float | None, doc("Percent of requests that are sampled.")] = None
    custom_tags: Annotated[Any, doc("More tags.", compiled=False)] = None
    zipkin: Annotated[Any, doc("Where Zipkin is.", compiled=False)] = None


class DefaultConfig(ProtoStruct, frozen=True, kw_only=True):
    """Settings of every proxy."""

    tracing: Annotated[ProxyTracing | None, doc("Traces.")] = None
    concurrency: Annotated[int | None, doc("Worker threads; 0 is one a CPU.")] = None
    hold_application_until_proxy_starts: Annotated[
        bool | None, doc("Whether the application waits for its proxy.")
    ] = None
    termination_drain_duration: Annotated[
        str | None, doc("How long a proxy lets connections end.")
    ] = None
    proxy_metadata: Annotated[Any, doc("Variables of the proxy.")] = None
    proxy_stats_matcher: Annotated[ProxyStatsMatcher | None, doc("Statistics to keep.")] = None
    discovery_address: Annotated[
        str, doc("Where istiod is; here each pod has a socket.", compiled=False)
    ] = DISCOVERY_ADDRESS


class OutboundTrafficPolicy(ProtoStruct, frozen=True, kw_only=True):
    """What becomes of traffic to hosts that nobody registered."""

    mode: Annotated[
        str | None, doc("Refused, or let through.", enum=("REGISTRY_ONLY", "ALLOW_ANY"))
    ] = None


class MeshConfig(ProtoStruct, frozen=True, kw_only=True):
    """Mesh-wide settings. What is unset keeps the lab's own value."""

    access_log_file: Annotated[str | None, doc("Log file; empty for none.")] = None
    access_log_format: Annotated[str | None, doc("Its entries; empty for the default.")] = None
    access_log_encoding: Annotated[str | None, doc("Lines or JSON.", enum=("TEXT", "JSON"))] = None
    outbound_traffic_policy: Annotated[
        OutboundTrafficPolicy | None, doc("Traffic to unknown hosts.")
    ] = None
    enable_auto_mtls: Annotated[bool | None, doc("Mutual TLS where both sides can.")] = None
    connect_timeout: Annotated[Duration, doc("Time to connect; default 10s.")] = ""
    enable_tracing: Annotated[bool | None, doc("Whether requests are traced.")] = None
    extension_providers: Annotated[tuple[ExtensionProvider, ...], doc("Providers.")] = ()
    default_providers: Annotated[DefaultProviders | None, doc("Defaults.")] = None
    default_config: Annotated[DefaultConfig | None, doc("Settings of proxies.")] = None
    trust_domain: Annotated[str, doc("Of all identities; default cluster.local.")] = ""
    trust_domain_aliases: Annotated[tuple[str, ...], doc("Others that count as it.")] = ()
    default_service_export_to: Annotated[
        tuple[str, ...], doc("Who sees Services and ServiceEntries; default `*`.")
    ] = ()
    default_virtual_service_export_to: Annotated[
        tuple[str, ...], doc("Who follows VirtualServices; default `*`.")
    ] = ()
    default_destination_rule_export_to: Annotated[
        tuple[str, ...], doc("Who follows DestinationRules; default `*`.")
    ] = ()
    root_namespace: Annotated[str, doc("Whose policies are the mesh's.", compiled=False)] = (
        ROOT_NAMESPACE
    )
    enable_prometheus_merge: Annotated[bool, doc("One place for all of a pod's metrics.")] = True


_FURTHER = {
    "": """
        proxyListenPort proxyInboundListenPort proxyHttpPort tcpKeepalive protocolDetectionTimeout
        ingressClass ingressService ingressControllerMode ingressSelector
        enableEnvoyAccessLogService disableEnvoyListenerLog inboundTrafficPolicy configSources
        caCertificates localityLbSetting
        zoneAwareLbSetting dnsRefreshRate h2UpgradePolicy inboundClusterStatName
        outboundClusterStatName certificates thriftConfig serviceSettings
        verifyCertificateAtClient ca discoverySelectors pathNormalization defaultHttpRetryPolicy
        defaultInboundHttpRetryPolicy meshMTLS tlsDefaults hboneIdleTimeout serviceScopeConfigs
        serviceEntryVisibility defaultTrafficPolicy
        """,
    "defaultConfig": """
        configPath binaryPath serviceCluster tracingServiceName drainDuration
        discoveryRefreshDelay zipkinAddress statsdUdpAddress proxyAdminPort controlPlaneAuthPolicy
        customConfigFile statNameLength proxyBootstrapTemplatePath interceptionMode sds
        envoyAccessLogService envoyMetricsService envoyMetricsServiceAddress
        runtimeValues statusPort extraStatTags gatewayTopology meshId
        readinessProbe caCertificatesPem image
        privateKeyProvider proxyHeaders fileFlushInterval fileFlushMinSizeKb statsCompression
        connectionSettings
        """,
    "defaultConfig.tracing": """
        lightstep datadog stackdriver openCensusAgent maxPathTagLength tlsSettings enableIstioTags
        """,
    "outboundTrafficPolicy": "tls",
}
"""Fields that Istio has and this model does not, by the field that holds them."""


def is_istios(path: str) -> bool:
    """Whether a path that is not modelled is a field of Istio's MeshConfig, as of 1.32."""
    holder, _, name = path.rpartition(".")
    return name in _FURTHER.get(holder, "").split()


class Parsed(msgspec.Struct, frozen=True):
    """A configuration, and what of it could not be read. Its defaults are an empty one's."""

    config: MeshConfig = MeshConfig()
    unknown: tuple[str, ...] = ()
    """Paths of fields that are not modelled."""
    problems: tuple[decode.Problem, ...] = field(default=())


def written(*, log: str, encoding: str, allow_any: bool) -> str:
    """Return the configuration that an installation of Istio writes, as YAML, with what this lab
    sets otherwise: `log` is the access log's file, empty for none."""
    lines = [
        *([f"accessLogEncoding: {encoding}"] if log and encoding != "TEXT" else []),
        *([f"accessLogFile: {log}"] if log else []),
        f"defaultConfig:\n  discoveryAddress: {DISCOVERY_ADDRESS}",
        "defaultProviders:\n  metrics:\n  - prometheus",
        "enablePrometheusMerge: true",
        *([] if allow_any else ["outboundTrafficPolicy:\n  mode: REGISTRY_ONLY"]),
        f"rootNamespace: {ROOT_NAMESPACE}",
        f"trustDomain: {identity.TRUST_DOMAIN}",
    ]
    return "\n".join(lines)


def parse(text: str) -> Parsed:
    """Read the YAML of a mesh configuration. A field that cannot be read counts as unset."""
    import yaml

    try:
        body = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        return Parsed(problems=(decode.Problem("", "type", f"not YAML: {error}"),))
    found = decode.decode_struct(MeshConfig, {} if body is None else body)
    return Parsed(
        config=found.object if isinstance(found.object, MeshConfig) else MeshConfig(),
        unknown=tuple(p.path for p in found.problems if p.kind == "unknown"),
        problems=tuple(p for p in found.problems if p.kind != "unknown"),
    )
