"""Istio's `telemetry.istio.io` and `extensions.istio.io` API groups. Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.istio.types import (
    Duration,
    IstioStatus,
    PolicyTargetReference,
    ProtoObject,
    WorkloadSelector,
)
from lateen.model.schema.marks import ProtoStruct, doc

MODES = ("CLIENT_AND_SERVER", "CLIENT", "SERVER")


class ProviderRef(ProtoStruct, frozen=True, kw_only=True):
    """Names a provider of the mesh configuration."""

    name: Annotated[str, doc("Its name.", required=True)] = ""


class SideSelector(ProtoStruct, frozen=True, kw_only=True):
    """On which side of a request."""

    mode: Annotated[str, doc("Client, server or both.", enum=MODES)] = "CLIENT_AND_SERVER"


class LogFilter(ProtoStruct, frozen=True, kw_only=True):
    """Which requests are logged."""

    expression: Annotated[str, doc("CEL expression.")] = ""


class AccessLogging(ProtoStruct, frozen=True, kw_only=True):
    """Access logs."""

    match: Annotated[SideSelector | None, doc("Which side.")] = None
    providers: Annotated[tuple[ProviderRef, ...], doc("Where they go.")] = ()
    disabled: Annotated[bool | None, doc("Whether they are off.")] = None
    filter: Annotated[LogFilter | None, doc("Which requests.")] = None


class LiteralTag(ProtoStruct, frozen=True, kw_only=True):
    """A fixed value."""

    value: Annotated[str, doc("The value.")] = ""


class EnvironmentTag(ProtoStruct, frozen=True, kw_only=True):
    """A variable of the proxy."""

    name: Annotated[str, doc("Its name.")] = ""
    default_value: Annotated[str, doc("Where it is not set.")] = ""


class HeaderTag(ProtoStruct, frozen=True, kw_only=True):
    """A header of the request."""

    name: Annotated[str, doc("Its name.")] = ""
    default_value: Annotated[str, doc("Where the request has none.")] = ""


class FormattedTag(ProtoStruct, frozen=True, kw_only=True):
    """A text of Envoy's command operators."""

    value: Annotated[str, doc("The text.")] = ""


class CustomTag(ProtoStruct, frozen=True, kw_only=True):
    """A tag of every span; one of the four."""

    literal: Annotated[LiteralTag | None, doc("A fixed value.")] = None
    environment: Annotated[EnvironmentTag | None, doc("A variable of the proxy.")] = None
    header: Annotated[HeaderTag | None, doc("A header of the request.")] = None
    formatter: Annotated[
        FormattedTag | None, doc("Command operators of Envoy.", compiled=False)
    ] = None


class Tracing(ProtoStruct, frozen=True, kw_only=True):
    """Traces."""

    match: Annotated[SideSelector | None, doc("Which side.")] = None
    providers: Annotated[tuple[ProviderRef, ...], doc("Where they go.")] = ()
    random_sampling_percentage: Annotated[float | None, doc("Share of requests.")] = None
    disable_span_reporting: Annotated[bool | None, doc("Whether spans are dropped.")] = None
    disable_context_propagation: Annotated[
        bool | None, doc("Leave trace headers alone.", compiled=False)
    ] = None
    custom_tags: Annotated[dict[str, CustomTag], doc("More tags, by name.")] = field(
        default_factory=dict
    )
    use_request_id_for_trace_sampling: Annotated[
        bool | None, doc("Whether the request's id decides if it is sampled.")
    ] = None
    enable_istio_tags: Annotated[bool | None, doc("Whether Istio's own tags are added.")] = None


METRICS = (
    "ALL_METRICS",
    "REQUEST_COUNT",
    "REQUEST_DURATION",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "TCP_OPENED_CONNECTIONS",
    "TCP_CLOSED_CONNECTIONS",
    "TCP_SENT_BYTES",
    "TCP_RECEIVED_BYTES",
    "GRPC_REQUEST_MESSAGES",
    "GRPC_RESPONSE_MESSAGES",
)


class MetricSelector(ProtoStruct, frozen=True, kw_only=True):
    """Which metrics, on which side."""

    metric: Annotated[str, doc("One of Istio's own, or all.", enum=METRICS)] = "ALL_METRICS"
    custom_metric: Annotated[
        str, doc("One that is not Istio's; no proxy here has any.", compiled=False)
    ] = ""
    mode: Annotated[str, doc("Client, server or both.", enum=MODES)] = "CLIENT_AND_SERVER"


class TagOverride(ProtoStruct, frozen=True, kw_only=True):
    """What becomes of a metric's label."""

    operation: Annotated[str, doc("Set it, or leave it out.", enum=("UPSERT", "REMOVE"))] = "UPSERT"
    value: Annotated[str, doc("CEL expression of its value.")] = ""


class MetricsOverride(ProtoStruct, frozen=True, kw_only=True):
    """A change of metrics."""

    match: Annotated[MetricSelector | None, doc("Which ones; unset: all.")] = None
    disabled: Annotated[bool | None, doc("Whether they are off.")] = None
    tag_overrides: Annotated[dict[str, TagOverride], doc("Changes of labels, by name.")] = field(
        default_factory=dict
    )


class Metrics(ProtoStruct, frozen=True, kw_only=True):
    """Metrics."""

    providers: Annotated[tuple[ProviderRef, ...], doc("Where they go.")] = ()
    overrides: Annotated[tuple[MetricsOverride, ...], doc("Changes to single metrics.")] = ()
    reporting_interval: Annotated[
        Duration, doc("Time between reports of TCP; here when it ends.", compiled=False)
    ] = ""


class TelemetrySpec(ProtoStruct, frozen=True, kw_only=True):
    """For which workloads, which signals."""

    selector: Annotated[WorkloadSelector | None, doc("Workloads; unset: the namespace.")] = None
    target_ref: Annotated[PolicyTargetReference | None, doc("One target.", compiled=False)] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], doc("Targets.", compiled=False)] = ()
    tracing: Annotated[tuple[Tracing, ...], doc("Traces.")] = ()
    metrics: Annotated[tuple[Metrics, ...], doc("Metrics.")] = ()
    access_logging: Annotated[tuple[AccessLogging, ...], doc("Access logs.")] = ()


class Telemetry(ProtoObject, frozen=True, kw_only=True):
    """Decides which signals proxies send."""

    spec: Annotated[TelemetrySpec, doc("The signals.")] = TelemetrySpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()


class WasmPluginSpec(ProtoStruct, frozen=True, kw_only=True):
    """A WebAssembly filter."""

    selector: Annotated[WorkloadSelector | None, doc("Workloads; unset: the namespace.")] = None
    target_ref: Annotated[PolicyTargetReference | None, doc("One target.")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], doc("Targets.")] = ()
    url: Annotated[str, doc("Where the module is.", required=True)] = ""
    sha256: Annotated[str, doc("Its hash.")] = ""
    image_pull_policy: Annotated[
        str,
        doc("When it is fetched.", enum=("UNSPECIFIED_POLICY", "IfNotPresent", "Always")),
    ] = "UNSPECIFIED_POLICY"
    image_pull_secret: Annotated[str, doc("Registry credential.")] = ""
    verification_key: Annotated[str, doc("Key that signed it.")] = ""
    plugin_config: Annotated[Any, doc("Its configuration.")] = None
    plugin_name: Annotated[str, doc("Its name.")] = ""
    phase: Annotated[
        str,
        doc("Where in the chain.", enum=("UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS")),
    ] = "UNSPECIFIED_PHASE"
    priority: Annotated[int | None, doc("Higher comes first.")] = None
    fail_strategy: Annotated[
        str,
        doc("What a failure means.", enum=("FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD")),
    ] = "FAIL_CLOSE"
    vm_config: Annotated[Any, doc("Settings of the virtual machine.")] = None
    match: Annotated[tuple[Any, ...], doc("Which traffic.")] = ()
    type: Annotated[
        str,
        doc("HTTP or network filter.", enum=("UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK")),
    ] = "UNSPECIFIED_PLUGIN_TYPE"


class WasmPlugin(ProtoObject, frozen=True, kw_only=True):
    """Adds a WebAssembly filter to proxies."""

    spec: Annotated[WasmPluginSpec, doc("The filter.")] = WasmPluginSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()
