"""What is valid in Istio and has no effect here yet: nothing is ignored in silence. Pure.

Every struct of the compiled kinds names the fields that the front end reads. Any other field that
an object sets is reported, so that a field added to the model is reported until it is compiled.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from lateen.compiler.frontend.routing import matches
from lateen.model.istio import (
    meshconfig,
    networking,
    networking_entry,
    networking_policy,
    networking_proxy,
    networking_route,
    security,
    telemetry,
    types,
)
from lateen.model.messages import diagnostics
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import Source
from lateen.model.schema import fieldpath

_ALL = frozenset({"*"})


def _only(*names: str) -> frozenset[str]:
    return frozenset(names)


INERT: dict[type[msgspec.Struct], frozenset[str]] = {
    networking.OutlierDetection: _only("consecutive_errors"),
}
"""What does nothing in Istio either, and is told of as such elsewhere."""

COMPILED: dict[type[msgspec.Struct], frozenset[str]] = {
    types.Percent: _ALL,
    types.PortSelector: _ALL,
    types.StringMatch: _ALL,
    types.WorkloadSelector: _only("match_labels"),
    types.Port: _only("number", "protocol", "name"),
    networking.GatewaySpec: _only("servers", "selector"),
    networking.Server: _only("port", "bind", "hosts", "tls", "name"),
    networking.TLSCertificate: _only("server_certificate", "private_key"),
    networking.ServerTLSSettings: _only(
        "https_redirect",
        "mode",
        "server_certificate",
        "private_key",
        "ca_certificates",
        "credential_name",
        "credential_names",
        "ca_cert_credential_name",
        "tls_certificates",
        "subject_alt_names",
        "min_protocol_version",
        "max_protocol_version",
        "cipher_suites",
        "insecure_skip_verify",
        "ca_crl",
        "verify_certificate_spki",
        "verify_certificate_hash",
        "ecdh_curves",
    ),
    networking.DestinationRuleSpec: _only(
        "host", "traffic_policy", "subsets", "export_to", "workload_selector"
    ),
    networking.Subset: _only("name", "labels", "traffic_policy"),
    networking.TrafficPolicy: _only(
        "load_balancer",
        "connection_pool",
        "outlier_detection",
        "tls",
        "port_level_settings",
        "tunnel",
        "proxy_protocol",
        "retry_budget",
    ),
    networking_policy.TunnelSettings: _ALL,
    networking_policy.ProxyProtocol: _ALL,
    networking_policy.RetryBudget: _ALL,
    networking_policy.CookieAttribute: _ALL,
    networking_policy.HTTP2Keepalive: _ALL,
    networking.PortTrafficPolicy: _only(
        "port", "load_balancer", "connection_pool", "outlier_detection", "tls"
    ),
    networking.LoadBalancerSettings: _only(
        "simple", "consistent_hash", "locality_lb_setting", "warmup_duration_secs", "warmup"
    ),
    networking.WarmupConfiguration: _ALL,
    networking.LocalityLoadBalancerSetting: _ALL,
    networking.LocalityDistribute: _ALL,
    networking.LocalityFailover: _ALL,
    networking.ConsistentHashLB: _ALL,
    networking.HTTPCookie: _ALL,
    networking.RingHash: _only("minimum_ring_size"),
    networking.MagLev: _only("table_size"),
    networking.ConnectionPoolSettings: _only("tcp", "http"),
    networking.TCPSettings: _only(
        "max_connections",
        "connect_timeout",
        "tcp_keepalive",
        "max_connection_duration",
        "idle_timeout",
    ),
    networking.TcpKeepalive: _only("probes", "time", "interval"),
    networking.HTTPSettings: _only(
        "http1_max_pending_requests",
        "http2_max_requests",
        "max_requests_per_connection",
        "max_retries",
        "idle_timeout",
        "h2_upgrade_policy",
        "use_client_protocol",
        "max_concurrent_streams",
        "http2_keep_alive",
    ),
    networking.OutlierDetection: _only(
        "split_external_local_origin_errors",
        "consecutive_local_origin_failures",
        "consecutive_gateway_errors",
        "consecutive_5xx_errors",
        "interval",
        "base_ejection_time",
        "max_ejection_percent",
        "min_health_percent",
    ),
    networking.ClientTLSSettings: _only(
        "mode",
        "client_certificate",
        "private_key",
        "ca_certificates",
        "credential_name",
        "subject_alt_names",
        "sni",
        "insecure_skip_verify",
        "ca_crl",
    ),
    networking_route.VirtualServiceSpec: _only(
        "hosts", "gateways", "http", "tls", "tcp", "export_to"
    ),
    networking_route.HTTPRoute: _only(
        "name",
        "match",
        "route",
        "redirect",
        "direct_response",
        "delegate",
        "rewrite",
        "timeout",
        "retries",
        "fault",
        "mirror",
        "mirrors",
        "mirror_percent",
        "mirror_percentage",
        "cors_policy",
        "headers",
    ),
    networking_route.HTTPMatchRequest: _only(
        "name",
        "uri",
        "scheme",
        "method",
        "authority",
        "headers",
        "port",
        "source_labels",
        "gateways",
        "query_params",
        "ignore_uri_case",
        "without_headers",
        "source_namespace",
        "stat_prefix",
    ),
    networking_route.HTTPRouteDestination: _only("destination", "weight", "headers"),
    networking_route.Destination: _only("host", "subset", "port"),
    networking_route.Headers: _only("request", "response"),
    networking_route.HeaderOperations: _only("set", "add", "remove"),
    networking_route.HTTPRedirect: _only(
        "uri", "prefix_rewrite", "authority", "port", "derive_port", "scheme", "redirect_code"
    ),
    networking_route.HTTPDirectResponse: _only("status", "body"),
    networking_route.HTTPBody: _only("string", "bytes"),
    networking_route.Delegate: _only("name", "namespace"),
    networking_route.HTTPRewrite: _only("uri", "authority", "uri_regex_rewrite"),
    networking_route.RegexRewrite: _only("match", "rewrite"),
    networking_route.HTTPRetry: _only(
        "attempts",
        "per_try_timeout",
        "retry_on",
        "retry_remote_localities",
        "retry_ignore_previous_hosts",
        "backoff",
    ),
    networking_route.CorsPolicy: _only(
        "allow_origin",
        "allow_origins",
        "allow_methods",
        "allow_headers",
        "expose_headers",
        "max_age",
        "allow_credentials",
        "unmatched_preflights",
    ),
    networking_route.HTTPFaultInjection: _only("delay", "abort"),
    networking_route.FaultDelay: _only("percent", "fixed_delay", "percentage"),
    networking_route.FaultAbort: _only("http_status", "grpc_status", "percentage"),
    networking_route.HTTPMirrorPolicy: _only("destination", "percentage"),
    networking_route.L4MatchAttributes: _only(
        "destination_subnets", "port", "source_labels", "gateways", "source_namespace"
    ),
    networking_route.TLSMatchAttributes: _only(
        "sni_hosts",
        "destination_subnets",
        "port",
        "source_labels",
        "gateways",
        "source_namespace",
    ),
    networking_route.RouteDestination: _only("destination", "weight"),
    networking_route.TLSRoute: _only("match", "route"),
    networking_route.TCPRoute: _only("match", "route"),
    networking_proxy.SidecarSpec: _ALL,
    networking_proxy.IstioIngressListener: _only(
        "port", "capture_mode", "default_endpoint", "connection_pool"
    ),
    networking_proxy.IstioEgressListener: _ALL,
    networking_proxy.OutboundTrafficPolicy: _ALL,
    networking_entry.ServiceEntrySpec: _ALL,
    networking_entry.ServicePort: _ALL,
    networking_entry.WorkloadEntrySpec: _only(
        "address", "ports", "labels", "locality", "weight", "service_account"
    ),
    networking_entry.EntrySelector: _ALL,
    security.PeerAuthenticationSpec: _only("selector", "mtls", "port_level_mtls"),
    security.MutualTLS: _only("mode"),
    telemetry.TelemetrySpec: _only("selector", "tracing", "access_logging"),
    telemetry.AccessLogging: _ALL,
    telemetry.SideSelector: _ALL,
    telemetry.LogFilter: _ALL,
    telemetry.ProviderRef: _ALL,
    telemetry.Tracing: _only(
        "match", "providers", "random_sampling_percentage", "disable_span_reporting"
    ),
    meshconfig.MeshConfig: _only(
        "access_log_file",
        "access_log_format",
        "access_log_encoding",
        "outbound_traffic_policy",
        "enable_auto_mtls",
        "connect_timeout",
        "enable_tracing",
        "extension_providers",
        "default_providers",
        "default_config",
        "trust_domain",
        "trust_domain_aliases",
        "default_service_export_to",
        "default_virtual_service_export_to",
        "default_destination_rule_export_to",
    ),
    meshconfig.OutboundTrafficPolicy: _ALL,
    meshconfig.DefaultConfig: _only(
        "tracing",
        "proxy_stats_matcher",
        "concurrency",
        "hold_application_until_proxy_starts",
        "termination_drain_duration",
        "proxy_metadata",
    ),
    meshconfig.ProxyStatsMatcher: _ALL,
    meshconfig.ProxyTracing: _only("sampling"),
    meshconfig.DefaultProviders: _only("access_logging", "tracing"),
    meshconfig.ExtensionProvider: _only(
        "name", "envoy_file_access_log", "zipkin", "prometheus", "stackdriver"
    ),
    meshconfig.FileAccessLog: _ALL,
    meshconfig.LogFormat: _ALL,
    meshconfig.Zipkin: _only(),
    security.AuthorizationPolicySpec: _ALL,
    security.AuthorizationRule: _ALL,
    security.RuleFrom: _ALL,
    security.RuleTo: _ALL,
    security.AuthorizationSource: _ALL,
    security.Operation: _ALL,
    security.AuthorizationCondition: _ALL,
    security.ExtensionProvider: _ALL,
    types.PolicyTargetReference: _ALL,
}


def unread(spec: msgspec.Struct, source: Source) -> tuple[Diagnostic, ...]:
    """Return a finding for every field set in a spec that the front end does not read."""
    return tuple(_struct(spec, source))


_EFFECTS = {
    "EnvoyFilter": "proxies are configured without its patches",
    "RequestAuthentication": "no token is verified, requests with a bad one are let in",
    "WasmPlugin": "proxies run without its filter",
}
"""What differs from a cluster, for kinds that change traffic or who may send it."""


def kind_not_acted_on(kind: str, source: Source) -> Diagnostic:
    """Return the finding for an object of a kind that is not compiled: a warning if traffic or
    security is another with it."""
    effect = _EFFECTS.get(kind)
    if effect is None:
        return diagnostics.make("LTN0011", source, kind=kind)
    return diagnostics.make("LTN0060", source, kind=kind, effect=effect)


def _struct(value: msgspec.Struct, source: Source) -> Iterator[Diagnostic]:
    defaults, compiled = _layout(type(value))
    for attribute, name, default in defaults:
        found = getattr(value, attribute)
        if found == default:
            continue
        at = source.at(name)
        if attribute in INERT.get(type(value), ()):
            continue
        if attribute not in compiled:
            yield diagnostics.make("LTN0010", at, field=name)
            continue
        yield from _nested(found, at)
        if attribute in ("headers", "without_headers") and isinstance(found, dict):
            yield from _claims(found, at)


def _nested(found: Any, at: Source) -> Iterator[Diagnostic]:
    if isinstance(found, msgspec.Struct):
        yield from _struct(found, at)
    elif isinstance(found, tuple):
        for index, item in enumerate(found):
            if isinstance(item, msgspec.Struct):
                yield from _struct(item, Source(at.ref, f"{at.path}[{index}]"))
    elif isinstance(found, dict):
        for key, item in found.items():
            if isinstance(item, msgspec.Struct):
                yield from _struct(item, Source(at.ref, fieldpath.join(at.path, str(key))))


def _claims(conditions: dict[str, Any], at: Source) -> Iterator[Diagnostic]:
    for name in conditions:
        if name.startswith(matches.CLAIMS_PREFIX):
            there = Source(at.ref, fieldpath.join(at.path, name))
            yield diagnostics.make(
                "LTN0062", there, field=name, what="the route that matches by it"
            )


@cache
def _layout(
    struct: type[msgspec.Struct],
) -> tuple[tuple[tuple[str, str, Any], ...], frozenset[str]]:
    """Return (attribute, JSON name, default) of each field, and the attributes that are read."""
    rows = tuple((f.name, f.encode_name, _default(f)) for f in msgspec.structs.fields(struct))
    compiled = COMPILED.get(struct, frozenset())
    if compiled is _ALL:
        compiled = frozenset(attribute for attribute, _, _ in rows)
    return rows, compiled


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
