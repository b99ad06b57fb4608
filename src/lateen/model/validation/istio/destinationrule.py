"""Rules for Istio's DestinationRule. Pure."""

from lateen.model.istio.networking_policy import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    DestinationRule,
    OutlierDetection,
    PortTrafficPolicy,
    ProxyProtocol,
    Subset,
    TrafficPolicy,
    TunnelSettings,
)
from lateen.model.validation import syntax
from lateen.model.validation.istio import loadbalancer, shared
from lateen.model.validation.report import Report


def validate(report: Report, obj: DestinationRule) -> None:
    """Check a DestinationRule."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "DestinationRule")
    if spec.host:
        report.check("spec.host", syntax.wildcard_domain(spec.host))
    else:
        report.error("spec.host", "destination rule host is required")
    namespace = obj.metadata.namespace
    if spec.traffic_policy is not None:
        _policy(report, spec.traffic_policy, "spec.trafficPolicy", namespace)
    names: set[str] = set()
    for index, subset in enumerate(spec.subsets):
        path = f"spec.subsets[{index}]"
        if subset.name in names:
            report.error(f"{path}.name", f"duplicate subset names: {subset.name}")
        names.add(subset.name)
        _subset(report, subset, path, namespace)
    shared.export_to(report, spec.export_to, namespace)
    if spec.workload_selector is not None:
        shared.workload_selector(report, spec.workload_selector, "spec.workloadSelector")
        if any(value not in (".", namespace) for value in spec.export_to):
            report.error(
                "spec.exportTo",
                "a DestinationRule with a workloadSelector cannot be exported to other namespaces",
            )


def _subset(report: Report, subset: Subset, path: str, namespace: str) -> None:
    if not subset.name:
        report.error(f"{path}.name", "subset name is required")
    else:
        report.check(f"{path}.name", syntax.dns_label(subset.name))
    shared.labels(report, subset.labels, f"{path}.labels")
    if subset.traffic_policy is not None:
        _policy(report, subset.traffic_policy, f"{path}.trafficPolicy", namespace)


def _policy(report: Report, policy: TrafficPolicy, path: str, namespace: str) -> None:
    if policy == TrafficPolicy():
        report.error(path, "traffic policy must have at least one field")
    if policy.tunnel is not None and policy.proxy_protocol is not None:
        report.error(path, "tunnel and proxyProtocol cannot be set both")
    _blocks(report, policy, path, namespace)
    _tunnel(report, policy.tunnel, f"{path}.tunnel")
    _proxy_protocol(report, policy.proxy_protocol, f"{path}.proxyProtocol")
    for index, entry in enumerate(policy.port_level_settings):
        at = f"{path}.portLevelSettings[{index}]"
        if entry.port is None:
            report.error(f"{at}.port", "portLevelSettings must have a port")
        else:
            report.check(f"{at}.port.number", syntax.port(entry.port.number))
        if entry == PortTrafficPolicy(port=entry.port):
            report.error(at, "port level traffic policy must have at least one field")
        _blocks(report, entry, at, namespace)


def _blocks(
    report: Report, policy: TrafficPolicy | PortTrafficPolicy, path: str, namespace: str
) -> None:
    outliers = policy.outlier_detection
    if outliers is not None:
        _outliers(report, outliers, f"{path}.outlierDetection")
    if policy.connection_pool is not None:
        connection_pool(report, policy.connection_pool, f"{path}.connectionPool")
    if policy.load_balancer is not None:
        loadbalancer.validate(
            report, policy.load_balancer, f"{path}.loadBalancer", outliers=outliers is not None
        )
    if policy.tls is not None:
        _tls(report, policy.tls, f"{path}.tls", namespace)


def _outliers(report: Report, value: OutlierDetection, path: str) -> None:
    shared.duration(report, value.interval, f"{path}.interval")
    shared.duration(report, value.base_ejection_time, f"{path}.baseEjectionTime")
    if value.consecutive_errors:
        report.warn(
            f"{path}.consecutiveErrors",
            "outlier detection consecutive errors is deprecated, use "
            "consecutiveGatewayErrors or consecutive5xxErrors instead",
        )
    failures = value.consecutive_local_origin_failures
    if failures and not value.split_external_local_origin_errors:
        report.error(
            f"{path}.consecutiveLocalOriginFailures",
            "outlier detection consecutive local origin failures is specified, "
            "but split external local origin errors is set to false",
        )
    report.check(f"{path}.maxEjectionPercent", syntax.percent(value.max_ejection_percent))
    report.check(f"{path}.minHealthPercent", syntax.percent(value.min_health_percent))


def connection_pool(report: Report, value: ConnectionPoolSettings, path: str) -> None:
    """Check a `connectionPool`: a DestinationRule's or a Sidecar's."""
    if value.http is None and value.tcp is None:
        report.error(path, "connection pool must have at least one field")
    if value.http is not None:
        http, at = value.http, f"{path}.http"
        for name, number in (
            ("http1MaxPendingRequests", http.http1_max_pending_requests),
            ("http2MaxRequests", http.http2_max_requests),
            ("maxRequestsPerConnection", http.max_requests_per_connection),
            ("maxRetries", http.max_retries),
            ("maxConcurrentStreams", http.max_concurrent_streams),
        ):
            _not_negative(report, f"{at}.{name}", number)
        shared.duration(report, http.idle_timeout, f"{at}.idleTimeout")
        if http.h2_upgrade_policy == "UPGRADE" and http.use_client_protocol:
            report.error(
                f"{at}.useClientProtocol",
                "use client protocol cannot be set with h2UpgradePolicy UPGRADE",
            )
        if (keep := http.http2_keep_alive) is not None:
            if not keep.interval or not keep.timeout:
                report.error(f"{at}.http2KeepAlive", "interval and timeout are required")
            shared.duration(report, keep.interval, f"{at}.http2KeepAlive.interval")
            shared.duration(report, keep.timeout, f"{at}.http2KeepAlive.timeout")
    if value.tcp is not None:
        tcp, at = value.tcp, f"{path}.tcp"
        _not_negative(report, f"{at}.maxConnections", tcp.max_connections)
        shared.duration(report, tcp.connect_timeout, f"{at}.connectTimeout")
        shared.duration(report, tcp.max_connection_duration, f"{at}.maxConnectionDuration")
        shared.duration(report, tcp.idle_timeout, f"{at}.idleTimeout", zero=True)
        if tcp.tcp_keepalive is not None:
            shared.duration(report, tcp.tcp_keepalive.time, f"{at}.tcpKeepalive.time")
            shared.duration(report, tcp.tcp_keepalive.interval, f"{at}.tcpKeepalive.interval")


def _not_negative(report: Report, path: str, number: int) -> None:
    if number < 0:
        report.error(path, f"{path.rpartition('.')[2]} must be non-negative")


def _tls(report: Report, tls: ClientTLSSettings, path: str, namespace: str) -> None:
    files = (
        ("clientCertificate", tls.client_certificate),
        ("privateKey", tls.private_key),
        ("caCertificates", tls.ca_certificates),
        ("caCrl", tls.ca_crl),
    )
    if tls.mode in ("SIMPLE", "MUTUAL") and tls.credential_name:
        for name, value in files:
            if value:
                report.error(f"{path}.{name}", f"cannot specify {name} when credentialName is set")
    elif tls.mode == "MUTUAL":
        if not tls.client_certificate:
            report.error(f"{path}.clientCertificate", "client certificate required for mutual tls")
        if not tls.private_key:
            report.error(f"{path}.privateKey", "private key required for mutual tls")
    if tls.insecure_skip_verify:
        _unverified(report, tls, path)
    if tls.credential_name.startswith("configmap://"):
        owner, slash, _ = tls.credential_name.removeprefix("configmap://").rpartition("/")
        if slash and owner != namespace:
            report.error(
                f"{path}.credentialName", "a ConfigMap must be in the DestinationRule's namespace"
            )


def _unverified(report: Report, tls: ClientTLSSettings, path: str) -> None:
    for name, given in (
        ("caCertificates", bool(tls.ca_certificates)),
        ("subjectAltNames", bool(tls.subject_alt_names)),
        ("credentialName", tls.mode == "SIMPLE" and bool(tls.credential_name)),
    ):
        if given:
            report.error(
                f"{path}.{name}", f"cannot specify {name} when insecureSkipVerify is set to true"
            )


def _tunnel(report: Report, tunnel: TunnelSettings | None, path: str) -> None:
    if tunnel is None:
        return
    if tunnel.protocol not in ("", "CONNECT", "POST"):
        report.error(f"{path}.protocol", "tunnel protocol must be CONNECT or POST")
    if not tunnel.target_host:
        report.error(f"{path}.targetHost", "tunnel target host is required")
    elif not syntax.is_ip(tunnel.target_host):
        report.check(f"{path}.targetHost", syntax.fqdn(tunnel.target_host))
    report.check(f"{path}.targetPort", syntax.port(tunnel.target_port))


def _proxy_protocol(report: Report, value: ProxyProtocol | None, path: str) -> None:
    if value is not None and value.version not in ("V1", "V2"):
        report.error(f"{path}.version", "invalid PROXY protocol version: use V1 or V2")
