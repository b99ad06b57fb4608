"""Rules for Istio's ServiceEntry. Pure."""

from lateen.model.istio.networking_entry import (
    ServiceEntry,
    ServiceEntrySpec,
    WorkloadEntry,
    WorkloadEntrySpec,
)
from lateen.model.schema import fieldpath
from lateen.model.validation import syntax
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report

_DYNAMIC = frozenset(("HTTP", "TLS", "GRPC", "HTTP2"))


def validate(report: Report, obj: ServiceEntry) -> None:
    """Check a ServiceEntry."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "ServiceEntry")
    if spec.workload_selector is not None:
        shared.selector_labels(
            report, spec.workload_selector.labels, "spec.workloadSelector.labels"
        )
        if spec.endpoints:
            report.error(
                "spec", "only one of WorkloadSelector or Endpoints is allowed in Service Entry"
            )
    _hosts(report, spec)
    _addresses(report, spec)
    _ports(report, spec)
    _BY_RESOLUTION[spec.resolution](report, spec)
    _mixed(report, spec)
    shared.export_to(report, spec.export_to, obj.metadata.namespace, none_allowed=True)


def workload_entry(report: Report, obj: WorkloadEntry) -> None:
    """Check a WorkloadEntry."""
    spec, unix = obj.spec, obj.spec.address.startswith("unix://")
    shared.annotations(report, obj.metadata, "WorkloadEntry")
    if not spec.address and not spec.network:
        report.error("spec.address", "address is required")
    elif unix:
        if not spec.address.removeprefix("unix://").startswith(("/", "@")):
            report.error("spec.address", "unix socket path must be absolute")
        if spec.ports:
            report.error("spec.ports", "unix socket address must not include ports")
    elif spec.address and not syntax.is_ip(spec.address) and syntax.fqdn(spec.address):
        report.error("spec.address", f"{spec.address!r} is not a valid FQDN or an IP address")
    for name, number in spec.ports.items():
        path = fieldpath.join("spec.ports", name)
        report.check(path, syntax.dns_label(name))
        report.check(path, syntax.port(number))
    shared.labels(report, spec.labels, "spec.labels")


def _hosts(report: Report, spec: ServiceEntrySpec) -> None:
    if not spec.hosts:
        report.error("spec.hosts", "service entry must have at least one host")
    for index, host in enumerate(spec.hosts):
        path = f"spec.hosts[{index}]"
        if host == "*":
            report.error(path, "invalid host *")
            continue
        report.check(path, syntax.wildcard_domain(host))
        if syntax.partial_wildcard(host) and spec.resolution != "DYNAMIC_DNS":
            report.warn(
                path, f"partial wildcard {host} is not supported for resolution {spec.resolution}"
            )


def _addresses(report: Report, spec: ServiceEntrySpec) -> None:
    for index, address in enumerate(spec.addresses):
        path = f"spec.addresses[{index}]"
        report.check(path, syntax.ip_or_cidr(address))
        if "/" in address and spec.resolution not in ("NONE", "STATIC"):
            report.error(path, "CIDR addresses are allowed only for NONE/STATIC resolution types")


def _ports(report: Report, spec: ServiceEntrySpec) -> None:
    names: set[str] = set()
    numbers: set[int] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        if port.name in names:
            report.error(f"{path}.name", f'service entry port name "{port.name}" already defined')
        if port.number in numbers:
            report.error(f"{path}.number", f"service entry port {port.number} already defined")
        names.add(port.name)
        numbers.add(port.number)
        report.check(f"{path}.name", syntax.dns_label(port.name))
        report.check(f"{path}.number", syntax.port(port.number))
        if port.protocol and port.protocol.upper() not in syntax.PROTOCOLS:
            report.error(f"{path}.protocol", f"unsupported protocol: {port.protocol}")
        if port.target_port:
            report.check(f"{path}.targetPort", syntax.port(port.target_port))


def _none(report: Report, spec: ServiceEntrySpec) -> None:
    if spec.endpoints:
        report.error("spec.endpoints", "no endpoints should be provided for resolution type none")
    if spec.workload_selector is not None:
        report.warn("spec.workloadSelector", "workloadSelector has no effect with resolution NONE")


def _static(report: Report, spec: ServiceEntrySpec) -> None:
    for index, endpoint in enumerate(spec.endpoints):
        path = f"spec.endpoints[{index}]"
        address = endpoint.address
        if not address:
            if endpoint.network:
                report.warn(path, "endpoint without an address is reached through its network only")
            else:
                report.error(f"{path}.address", "endpoint address is required")
        elif address.startswith("unix://"):
            if endpoint.ports:
                report.error(f"{path}.ports", "unix socket endpoint must not include ports")
            if len(spec.ports) != 1:
                report.error("spec.ports", "exactly 1 service port required for unix endpoints")
        elif not syntax.is_ip(address):
            report.error(f"{path}.address", f"endpoint address {address!r} is not an IP address")
        _declared(report, endpoint, spec, path)


def _dns(report: Report, spec: ServiceEntrySpec) -> None:
    if not spec.endpoints:
        for index, host in enumerate(spec.hosts):
            if syntax.fqdn(host):
                report.error(
                    f"spec.hosts[{index}]",
                    "hosts must be FQDN if no endpoints are provided for resolution mode "
                    f"{spec.resolution}",
                )
    if spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        report.error(
            "spec.endpoints",
            f"there must only be 0 or 1 endpoint for resolution mode {spec.resolution}",
        )
    for index, endpoint in enumerate(spec.endpoints):
        path = f"spec.endpoints[{index}]"
        if not syntax.is_ip(endpoint.address) and syntax.fqdn(endpoint.address):
            report.error(
                f"{path}.address",
                f"endpoint address {endpoint.address!r} is not a valid FQDN or an IP address",
            )
        _declared(report, endpoint, spec, path)
    tcp = any(port.protocol.upper() in ("", "TCP") for port in spec.ports)
    if spec.addresses and tcp and len(spec.hosts) > 1:
        report.warn(
            "spec.hosts",
            "several hosts with addresses and a TCP port go to the first host's endpoints",
        )


def _dynamic(report: Report, spec: ServiceEntrySpec) -> None:
    for index, host in enumerate(spec.hosts):
        if not host.startswith("*"):
            report.error(
                f"spec.hosts[{index}]", "hosts must be wildcarded for resolution DYNAMIC_DNS"
            )
    for given, name in ((spec.addresses, "addresses"), (spec.endpoints, "endpoints")):
        if given:
            report.error(f"spec.{name}", f"no {name} may be set for resolution DYNAMIC_DNS")
    for index, port in enumerate(spec.ports):
        if port.protocol.upper() not in _DYNAMIC:
            report.error(
                f"spec.ports[{index}].protocol",
                "DYNAMIC_DNS supports HTTP, HTTP2, GRPC and TLS only",
            )


_BY_RESOLUTION = {
    "NONE": _none,
    "STATIC": _static,
    "DNS": _dns,
    "DNS_ROUND_ROBIN": _dns,
    "DYNAMIC_DNS": _dynamic,
}


def _declared(
    report: Report, endpoint: WorkloadEntrySpec, spec: ServiceEntrySpec, path: str
) -> None:
    names = {port.name for port in spec.ports}
    for name, number in endpoint.ports.items():
        if name not in names:
            report.error(
                fieldpath.join(f"{path}.ports", name),
                f"endpoint port {name} is not defined by the service entry",
            )
        report.check(fieldpath.join(f"{path}.ports", name), syntax.port(number))
    shared.labels(report, endpoint.labels, f"{path}.labels")


def _mixed(report: Report, spec: ServiceEntrySpec) -> None:
    """Several hosts can be told apart by a Host header or a server name only."""
    if len(spec.hosts) < 2 or spec.resolution in ("NONE", "DYNAMIC_DNS"):
        return
    named = syntax.HTTP_PROTOCOLS | syntax.TLS_PROTOCOLS
    if any(port.protocol.upper() not in named for port in spec.ports):
        report.error("spec.hosts", "multiple hosts provided with non-HTTP, non-TLS ports")
