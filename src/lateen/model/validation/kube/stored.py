"""Rules for kinds that nothing here acts on: claims, budgets, Ingresses, NetworkPolicies. Pure.

Words and reasons are the API server's.
"""

from lateen.model.kube.core.storage import PersistentVolumeClaim
from lateen.model.kube.ingress import HTTPIngressPath, Ingress, IngressBackend
from lateen.model.kube.netpolicy import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from lateen.model.kube.policy import PodDisruptionBudget
from lateen.model.validation.kube import metadata, names
from lateen.model.validation.report import Report


def claim(report: Report, obj: PersistentVolumeClaim) -> None:
    """Check a PersistentVolumeClaim."""
    spec = obj.spec
    if not spec.access_modes:
        report.required("spec.accessModes", "at least 1 access mode is required")
    if len(spec.access_modes) > 1 and "ReadWriteOncePod" in spec.access_modes:
        detail = "may not use ReadWriteOncePod with other access modes"
        report.forbidden("spec.accessModes", detail)
    if spec.resources is None or "storage" not in spec.resources.requests:
        # Kubernetes leaves `requests` out here, so that its path leads nowhere.
        report.required("spec.resources.requests[storage]")
    if spec.selector is not None:
        metadata.label_selector(report, spec.selector, "spec.selector")


def budget(report: Report, obj: PodDisruptionBudget) -> None:
    """Check a PodDisruptionBudget."""
    spec = obj.spec
    if spec.min_available is not None and spec.max_unavailable is not None:
        detail = "minAvailable and maxUnavailable cannot be both set"
        report.invalid("spec", {}, detail)
    if spec.selector is not None:
        metadata.label_selector(report, spec.selector, "spec.selector")


def ingress(report: Report, obj: Ingress) -> None:
    """Check an Ingress."""
    spec = obj.spec
    if spec.default_backend is None and not spec.rules:
        detail = "either `defaultBackend` or `rules` must be specified"
        report.invalid("spec", {}, detail)
    if spec.default_backend is not None:
        _backend(report, spec.default_backend, "spec.defaultBackend")
    for index, rule in enumerate(spec.rules):
        path = f"spec.rules[{index}]"
        if rule.host:
            host = rule.host.removeprefix("*.")
            detail = "must be a DNS name, not an IP address"
            if not names.address(rule.host):
                report.invalid(f"{path}.host", rule.host, detail)
            else:
                report.rule(f"{path}.host", rule.host, names.subdomain(host))
        for number, one in enumerate(rule.http.paths if rule.http is not None else ()):
            _path(report, one, f"{path}.http.paths[{number}]")


def _path(report: Report, one: HTTPIngressPath, path: str) -> None:
    if (one.path or one.path_type != "ImplementationSpecific") and not one.path.startswith("/"):
        report.invalid(f"{path}.path", one.path, "must be an absolute path")
    _backend(report, one.backend, f"{path}.backend")


def _backend(report: Report, backend: IngressBackend, path: str) -> None:
    service = backend.service
    if service is not None and backend.resource is not None:
        report.invalid(path, "", "cannot set both resource and service backends")
    elif service is None and backend.resource is None:
        report.required(path, "must specify a service or a resource backend")
    if service is None:
        return
    if service.name:
        report.rule(f"{path}.service.name", service.name, names.label_1035(service.name))
    port = service.port
    at = f"{path}.service.port"
    if port is None or not (port.name or port.number):
        report.required(at, "port name or number is required")
    elif port.name and port.number:
        report.invalid(at, "", "cannot set both port name & port number")
    elif port.name:
        report.rule(f"{at}.name", port.name, names.port_name(port.name))
    else:
        metadata.port_number(report, port.number or 0, f"{at}.number")


def network_policy(report: Report, obj: NetworkPolicy) -> None:
    """Check a NetworkPolicy."""
    spec = obj.spec
    if spec.pod_selector is not None:
        metadata.label_selector(report, spec.pod_selector, "spec.podSelector")
    sides = [
        *((f"spec.ingress[{n}]", "from", r.ports, r.from_) for n, r in enumerate(spec.ingress)),
        *((f"spec.egress[{n}]", "to", r.ports, r.to) for n, r in enumerate(spec.egress)),
    ]
    for path, side, ports, peers in sides:
        for index, port in enumerate(ports):
            _policy_port(report, port, f"{path}.ports[{index}]")
        for index, peer in enumerate(peers):
            _peer(report, peer, f"{path}.{side}[{index}]")


def _policy_port(report: Report, port: NetworkPolicyPort, path: str) -> None:
    if port.port is not None:
        metadata.port_reference(report, port.port, f"{path}.port")
    if port.end_port is None:
        return
    at = f"{path}.endPort"
    if port.port is None:
        report.required(f"{path}.port", "must be specified when `endPort` is specified")
    elif isinstance(port.port, str):
        report.invalid(at, port.end_port, "may not be specified when `port` is non-numeric")
    elif port.end_port < port.port:
        report.invalid(at, port.end_port, "must be greater than or equal to `port`")
    metadata.port_number(report, port.end_port, at)


def _peer(report: Report, peer: NetworkPolicyPeer, path: str) -> None:
    count = sum(one is not None for one in (peer.pod_selector, peer.namespace_selector))
    for selector, name in (
        (peer.pod_selector, "podSelector"),
        (peer.namespace_selector, "namespaceSelector"),
    ):
        if selector is not None:
            metadata.label_selector(report, selector, f"{path}.{name}")
    if peer.ip_block is not None:
        if count:
            report.forbidden(path, "may not specify both ipBlock and another peer")
        _block(report, peer.ip_block, f"{path}.ipBlock")
    elif not count:
        report.required(path, "must specify a peer")


def _block(report: Report, block: IPBlock, path: str) -> None:
    if block.cidr:
        report.rule(f"{path}.cidr", block.cidr, names.network(block.cidr))
    for index, part in enumerate(block.except_):
        report.rule(f"{path}.except[{index}]", part, names.network(part))
