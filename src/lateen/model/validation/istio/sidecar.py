"""Rules for Istio's Sidecar and ProxyConfig. Pure."""

from lateen.model.istio.networking_proxy import (
    IstioEgressListener,
    IstioIngressListener,
    OutboundTrafficPolicy,
    ProxyConfig,
    Sidecar,
)
from lateen.model.validation import syntax
from lateen.model.validation.istio import destinationrule, destinations, shared
from lateen.model.validation.report import Report

_OWN_ADDRESSES = ("", "127.0.0.1", "0.0.0.0", "::1", "::")


def validate(report: Report, obj: Sidecar) -> None:
    """Check a Sidecar."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "Sidecar")
    if spec.workload_selector is not None:
        labels = spec.workload_selector.labels
        shared.selector_labels(report, labels, "spec.workloadSelector.labels")
    said = (spec.outbound_traffic_policy, spec.inbound_connection_pool)
    if not (spec.egress or spec.ingress) and not any(one is not None for one in said):
        report.error("spec", "sidecar: empty configuration provided")
    _ingress(report, spec.ingress)
    _egress(report, spec.egress, obj.metadata.namespace)
    if spec.inbound_connection_pool is not None:
        pool = spec.inbound_connection_pool
        destinationrule.connection_pool(report, pool, "spec.inboundConnectionPool")
    if spec.outbound_traffic_policy is not None:
        _outbound(report, spec.outbound_traffic_policy, "spec.outboundTrafficPolicy")


def _ingress(report: Report, listeners: tuple[IstioIngressListener, ...]) -> None:
    numbers: set[int] = set()
    for index, listener in enumerate(listeners):
        path = f"spec.ingress[{index}]"
        port = listener.port
        if port is None:
            report.error(f"{path}.port", "sidecar: port is required for ingress listeners")
            continue
        _protocol(report, port.protocol, f"{path}.port.protocol")
        report.check(f"{path}.port.number", syntax.port(port.number))
        if port.number in numbers:
            report.error(
                f"{path}.port.number", "sidecar: ports on IP bound listeners must be unique"
            )
        numbers.add(port.number)
        _address(report, listener.bind, f"{path}.bind")
        if listener.default_endpoint:
            report.check(f"{path}.defaultEndpoint", _endpoint(listener.default_endpoint))
        if listener.connection_pool is not None:
            pool = listener.connection_pool
            destinationrule.connection_pool(report, pool, f"{path}.connectionPool")


def _endpoint(text: str) -> str:
    if text.startswith("unix://"):
        path = text.removeprefix("unix://")
        return "" if path.startswith(("/", "@")) else f"sidecar: {path!r} is not an absolute path"
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or bare not in _OWN_ADDRESSES:
        return (
            "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>, 0.0.0.0:<port>, "
            "[::1]:<port>, [::]:<port>, unix://filepath or unset"
        )
    if not (port.isascii() and port.isdigit()):
        return f"sidecar: defaultEndpoint port ({port}) is not a number"
    return syntax.port(int(port))


def _egress(report: Report, listeners: tuple[IstioEgressListener, ...], namespace: str) -> None:
    numbers: set[int] = set()
    sockets: set[str] = set()
    for index, listener in enumerate(listeners):
        path = f"spec.egress[{index}]"
        port = listener.port
        if port is None:
            if index != len(listeners) - 1:
                report.error(
                    path,
                    "sidecar: the egress listener with empty port should be the last listener in "
                    "the list",
                )
        else:
            _protocol(report, port.protocol, f"{path}.port.protocol")
            if port.number == 0:
                _socket(report, listener, path)
                if listener.bind in sockets:
                    report.error(f"{path}.bind", "sidecar: unix domain sockets must be unique")
                sockets.add(listener.bind)
            else:
                report.check(f"{path}.port.number", syntax.port(port.number))
                _address(report, listener.bind, f"{path}.bind")
                if port.number in numbers:
                    report.error(
                        f"{path}.port.number",
                        "sidecar: ports on IP bound listeners must be unique",
                    )
                numbers.add(port.number)
        _hosts(report, listener.hosts, namespace, f"{path}.hosts")


def _socket(report: Report, listener: IstioEgressListener, path: str) -> None:
    if not listener.bind.startswith(("unix:///", "unix://@")):
        report.error(f"{path}.bind", "sidecar: without a port number bind must be a unix:// path")
    if listener.capture_mode == "IPTABLES":
        report.error(
            f"{path}.captureMode",
            "sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners",
        )


def _hosts(report: Report, hosts: tuple[str, ...], namespace: str, path: str) -> None:
    """Check the hosts of one egress listener. One that an entry before it covers is warned of."""
    if not hosts:
        report.error(path, "sidecar: egress listener must contain at least one host")
    seen: dict[str, set[str]] = {}
    for index, written in enumerate(hosts):
        at = f"{path}[{index}]"
        owner, slash, host = written.partition("/")
        if not slash:
            report.error(at, "host must be of form namespace/dnsName")
            continue
        known = seen.setdefault(namespace if owner == "." else owner, set())
        if host in known or "*" in known or (host == "*" and known):
            report.warn(at, f"duplicated egress host: {written}")
        known.add(host)
        report.check(at, _host(owner, host))


def _host(owner: str, host: str) -> str:
    if not owner or not host:
        return "config namespace and dnsName in host entry cannot be empty"
    namespace = owner.removeprefix("~")
    if namespace not in ("", "*", ".") and syntax.dns_label(namespace):
        return f"invalid namespace value {owner!r} in sidecar"
    if host == "*":
        return ""
    if "." not in host:
        return f"short names (non FQDN) are not allowed: {host}"
    if syntax.partial_wildcard(host):
        return f"partial wildcard {host!r} not allowed"
    return syntax.wildcard_domain(host)


def _outbound(report: Report, policy: OutboundTrafficPolicy, path: str) -> None:
    if policy.egress_proxy is None:
        return
    if policy.mode != "ALLOW_ANY":
        report.error(
            path,
            "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode",
        )
    if policy.egress_proxy.port is None:
        report.error(f"{path}.egressProxy.port", "sidecar: egress_proxy port must be non-nil")
    destinations.destination(report, policy.egress_proxy, f"{path}.egressProxy")


def _protocol(report: Report, protocol: str, path: str) -> None:
    if protocol.upper() not in syntax.PROTOCOLS:
        report.error(path, f"unsupported protocol: {protocol}")


def _address(report: Report, bind: str, path: str) -> None:
    if bind and not syntax.is_ip(bind):
        report.error(path, f"{bind} is not a valid IP")


def proxy_config(report: Report, obj: ProxyConfig) -> None:
    """Check a ProxyConfig."""
    shared.annotations(report, obj.metadata, "ProxyConfig")
    shared.workload_selector(report, obj.spec.selector, "spec.selector")
    if obj.spec.concurrency is not None and obj.spec.concurrency < 0:
        report.error("spec.concurrency", "concurrency must be greater than or equal to 0")
