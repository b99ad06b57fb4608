"""Rules for Services. Pure.

Words and reasons are the API server's.
"""

from collections.abc import Iterable

from lateen.model.kube.core.service import Service, ServicePort, ServiceSpec
from lateen.model.validation.kube import metadata, names
from lateen.model.validation.report import Report

_NO_HEADLESS = ("LoadBalancer", "NodePort")
_LONGEST_AFFINITY = 86400


def service(report: Report, obj: Service) -> None:
    """Check a Service."""
    spec = obj.spec
    headless = spec.cluster_ip == "None"
    if spec.type == "ExternalName":
        _external(report, spec)
    elif not spec.ports and not headless:
        report.required("spec.ports")
    if headless and spec.type in _NO_HEADLESS:
        detail = f"may not be set to 'None' for {spec.type} services"
        report.invalid("spec.clusterIPs[0]", "None", detail)
    _ports(report, spec)
    metadata.label_map(report, spec.selector, "spec.selector")
    for index, address in enumerate(spec.external_ips):
        report.rule(f"spec.externalIPs[{index}]", address, names.address(address))
    _sources(report, spec)
    _outside(report, spec)
    config = spec.session_affinity_config
    if config is not None and config.client_ip is not None:
        path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        seconds = config.client_ip.timeout_seconds
        if seconds is not None and not 1 <= seconds <= _LONGEST_AFFINITY:
            detail = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
            report.invalid(path, seconds, detail)


def _external(report: Report, spec: ServiceSpec) -> None:
    if spec.cluster_ip:
        report.forbidden("spec.clusterIPs", "may not be set for ExternalName services")
    if not spec.external_name:
        report.required("spec.externalName")
    else:
        name = spec.external_name
        report.rule("spec.externalName", name, names.subdomain(name.removesuffix(".")))


def _ports(report: Report, spec: ServiceSpec) -> None:
    seen_names: set[str] = set()
    seen: set[tuple[int, str]] = set()
    seen_on_nodes: set[tuple[int, str]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        protocol = port.protocol or "TCP"
        _port(report, port, path, several=len(spec.ports) > 1)
        if port.name and port.name in seen_names:
            report.duplicate(f"{path}.name", port.name)
        seen_names.add(port.name)
        if (port.port, protocol) in seen:
            shown = f'{{"port":{port.port},"protocol":"{protocol}"}}'
            report.error(path, f"Duplicate value: {shown}", "FieldValueDuplicate")
        seen.add((port.port, protocol))
        if not port.node_port:
            continue
        at = f"{path}.nodePort"
        if (spec.type or "ClusterIP") in ("ClusterIP", "ExternalName"):
            report.forbidden(at, f"may not be used when `type` is '{spec.type or 'ClusterIP'}'")
        elif (port.node_port, protocol) in seen_on_nodes:
            report.duplicate(at, port.node_port)
        seen_on_nodes.add((port.node_port, protocol))


def _port(report: Report, port: ServicePort, path: str, *, several: bool) -> None:
    if port.name or several:
        metadata.dns_label(report, port.name, f"{path}.name")
    metadata.port_number(report, port.port, f"{path}.port")
    if port.target_port not in (None, "", 0):
        metadata.port_reference(report, port.target_port or 0, f"{path}.targetPort")
    if port.app_protocol:
        at = f"{path}.appProtocol"
        report.rule(at, port.app_protocol, names.label_key(port.app_protocol))


def _sources(report: Report, spec: ServiceSpec) -> None:
    ranges: Iterable[str] = spec.load_balancer_source_ranges
    if ranges and spec.type != "LoadBalancer":
        report.forbidden(
            "spec.loadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'"
        )
        return
    for index, text in enumerate(ranges):
        at = f"spec.loadBalancerSourceRanges[{index}]"
        report.rule(at, text, names.network(text.strip()))


def _outside(report: Report, spec: ServiceSpec) -> None:
    """Check what only Services that answer to the outside have."""
    reached = spec.type in _NO_HEADLESS or (spec.type != "ExternalName" and spec.external_ips)
    if spec.external_traffic_policy and not reached:
        report.invalid(
            "spec.externalTrafficPolicy",
            spec.external_traffic_policy,
            "may only be set for externally-accessible services",
        )
    for field, value in (
        ("loadBalancerClass", spec.load_balancer_class),
        ("allocateLoadBalancerNodePorts", spec.allocate_load_balancer_node_ports),
    ):
        if value is not None and spec.type != "LoadBalancer":
            report.forbidden(f"spec.{field}", "may only be used when `type` is 'LoadBalancer'")
