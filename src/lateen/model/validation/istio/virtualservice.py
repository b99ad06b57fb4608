"""Rules for Istio's VirtualService as a whole, and for its TLS and TCP routes. Pure."""

import re

from lateen.model.istio.networking_route import (
    L4MatchAttributes,
    TLSMatchAttributes,
    VirtualService,
    VirtualServiceSpec,
)
from lateen.model.validation import syntax
from lateen.model.validation.istio import destinations, httproute, routeorder, shared
from lateen.model.validation.report import Report

_AUTO_SNI = re.compile(r"outbound_\.\d{1,5}_\._\..+")


def validate(report: Report, obj: VirtualService) -> None:
    """Check a VirtualService."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "VirtualService")
    delegate = not spec.hosts
    if delegate:
        _delegate(report, spec)
    else:
        _hosts(report, spec)
    destinations.gateways(report, spec.gateways, "spec.gateways")
    if not (spec.http or spec.tls or spec.tcp):
        report.error("spec", "http, tcp or tls must be provided in virtual service")
    real_gateways = bool(set(spec.gateways) - {destinations.MESH})
    for index, rule in enumerate(spec.http):
        httproute.validate(
            report, rule, f"spec.http[{index}]", delegate=delegate, claims=real_gateways
        )
    _tls(report, spec)
    _tcp(report, spec)
    shared.export_to(report, spec.export_to, obj.metadata.namespace)
    routeorder.warn(report, spec)


def _delegate(report: Report, spec: VirtualServiceSpec) -> None:
    for given, name in ((spec.gateways, "gateways"), (spec.tls, "tls"), (spec.tcp, "tcp")):
        if given:
            report.error(
                f"spec.{name}",
                f"a delegate virtual service (one without hosts) cannot have {name}",
            )
    if not spec.http:
        report.error("spec.http", "a delegate virtual service must have http routes")


def _hosts(report: Report, spec: VirtualServiceSpec) -> None:
    mesh = not spec.gateways or destinations.MESH in spec.gateways
    sni = any(match.sni_hosts for rule in spec.tls for match in rule.match)
    for index, host in enumerate(spec.hosts):
        path = f"spec.hosts[{index}]"
        if host == "*" and mesh:
            report.error(
                path,
                "wildcard host * is not allowed for virtual services bound to the mesh gateway",
            )
        elif not (syntax.is_ip(host) or (not mesh and sni and _AUTO_SNI.fullmatch(host))):
            report.check(path, syntax.wildcard_domain(host))
        for earlier in spec.hosts[:index]:
            if syntax.covers(earlier, host) or syntax.covers(host, earlier):
                report.error(
                    path, f"duplicate hosts in virtual service: {host} overlaps with {earlier}"
                )
                break


def _tls(report: Report, spec: VirtualServiceSpec) -> None:
    for index, rule in enumerate(spec.tls):
        path = f"spec.tls[{index}]"
        if not rule.match:
            report.error(f"{path}.match", "TLS route must have at least one match condition")
        for number, match in enumerate(rule.match):
            _tls_match(report, match, spec.hosts, f"{path}.match[{number}]")
        if not rule.route:
            report.error(f"{path}.route", "TLS route is required")
        destinations.weights(report, rule.route, f"{path}.route")


def _tls_match(
    report: Report, match: TLSMatchAttributes, hosts: tuple[str, ...], path: str
) -> None:
    if not match.sni_hosts:
        report.error(f"{path}.sniHosts", "TLS match must have at least one SNI host")
    for index, host in enumerate(match.sni_hosts):
        at = f"{path}.sniHosts[{index}]"
        if syntax.is_ip(host):
            report.warn(at, f"using an IP address ({host}) as SNI host is not valid in TLS")
        elif not _AUTO_SNI.fullmatch(host):
            report.check(at, syntax.wildcard_domain(host))
        if not any(syntax.covers(pattern, host) for pattern in hosts):
            report.error(
                at,
                f"SNI host {host!r} is not a compatible subset of any of the virtual service hosts",
            )
    _l4(report, match, path)


def _tcp(report: Report, spec: VirtualServiceSpec) -> None:
    for index, rule in enumerate(spec.tcp):
        path = f"spec.tcp[{index}]"
        for number, match in enumerate(rule.match):
            _l4(report, match, f"{path}.match[{number}]")
        if not rule.route:
            report.error(f"{path}.route", "TCP route is required")
        destinations.weights(report, rule.route, f"{path}.route")


def _l4(report: Report, match: L4MatchAttributes | TLSMatchAttributes, path: str) -> None:
    for index, subnet in enumerate(match.destination_subnets):
        report.check(f"{path}.destinationSubnets[{index}]", syntax.ip_or_cidr(subnet))
    if match.port:
        report.check(f"{path}.port", syntax.port(match.port))
    shared.labels(report, match.source_labels, f"{path}.sourceLabels")
    destinations.gateways(report, match.gateways, f"{path}.gateways")
    if match.source_namespace:
        report.check(f"{path}.sourceNamespace", syntax.dns_label(match.source_namespace))
