"""Fields that mean something to Istio, but not where they stand: the mode, the version or another
field beside them takes their effect away. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from lateen.compiler.frontend.registry import protocols
from lateen.compiler.frontend.routing.routes import MESH, gateway_name
from lateen.compiler.ir.proxy import Features
from lateen.compiler.ir.workload import Protocol, Service
from lateen.model.istio import networking, networking_route
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source

Found = Iterator[Diagnostic]

Match = (
    networking_route.HTTPMatchRequest
    | networking_route.TLSMatchAttributes
    | networking_route.L4MatchAttributes
)

Levels = Iterable[tuple[str, networking.TrafficPolicy | networking.PortTrafficPolicy]]
"""Every policy of a DestinationRule, and where it is written."""

_OWN = frozenset(
    {"server_certificate", "private_key", "credential_name", "credential_names", "tls_certificates"}
)
_SUITES = {"min_protocol_version", "max_protocol_version", "cipher_suites", "ecdh_curves"}
_OF_SERVERS: Mapping[str, tuple[frozenset[str], str]] = {
    "PASSTHROUGH": (_OWN | {"ca_certificates"}, "mode PASSTHROUGH ends no TLS"),
    "SIMPLE": (_OWN | _SUITES, "mode SIMPLE asks clients for no certificate"),
    "ISTIO_MUTUAL": (frozenset({"subject_alt_names"}), "mode ISTIO_MUTUAL is set by the mesh"),
}
"""What acts beside `mode` and `httpsRedirect`, and why the rest does not; other modes use all. Of
certificates beside PASSTHROUGH validation warns."""

_OF_CLIENTS: Mapping[str, tuple[frozenset[str], str]] = {
    "DISABLE": (frozenset(), "mode DISABLE sends plaintext"),
    "SIMPLE": (
        frozenset(
            {
                "ca_certificates",
                "credential_name",
                "subject_alt_names",
                "sni",
                "insecure_skip_verify",
                "ca_crl",
            }
        ),
        "mode SIMPLE shows no certificate",
    ),
    "ISTIO_MUTUAL": (
        frozenset({"sni", "subject_alt_names"}),
        "mode ISTIO_MUTUAL uses the mesh's own certificates",
    ),
}


def of_gateway(spec: networking.GatewaySpec, source: Source) -> Found:
    """Say which TLS settings of servers their mode, or their protocol, leaves without effect."""
    for index, server in enumerate(spec.servers):
        if server.tls is None or server.port is None:
            continue
        at = source.at(f"spec.servers[{index}].tls")
        if not protocols.named(server.port.protocol).is_tls:
            reason = f"protocol {server.port.protocol} ends no TLS"
            yield from _unused(server.tls, frozenset(), reason, at)
            continue
        name = server.tls.ca_cert_credential_name
        if name and not name.endswith("-cacert"):
            yield make("LTN0063", at.at("caCertCredentialName"), name=name)
        if (server.tls.mode or "PASSTHROUGH") in _OF_SERVERS:
            used, reason = _OF_SERVERS[server.tls.mode or "PASSTHROUGH"]
            yield from _unused(server.tls, used, reason, at)


def of_client_tls(levels: Levels, features: Features, source: Source) -> Found:
    """Say which TLS settings of a DestinationRule their mode, or the version, does not use."""
    for path, policy in levels:
        tls = policy.tls
        if tls is None:
            continue
        at = source.at(f"{path}.tls")
        used, reason = _OF_CLIENTS.get(tls.mode or "DISABLE", (None, ""))
        if used is not None:
            yield from _unused(tls, used, reason, at)
        by_user = tls.mode in ("SIMPLE", "MUTUAL")
        if by_user and tls.insecure_skip_verify and not features.insecure_skip_verify:
            yield make(
                "LTN0012",
                at.at("insecureSkipVerify"),
                field="insecureSkipVerify",
                since="1.19",
                version=features.version,
            )


def of_ports(levels: Levels, service: Service, source: Source) -> Found:
    """Say which port settings of a DestinationRule are for ports that the host does not have."""
    ports = _numbers(service)
    for path, policy in levels:
        port = policy.port if isinstance(policy, networking.PortTrafficPolicy) else None
        if port is not None and port.number not in ports:
            yield _idle(source.at(f"{path}.port"), f"{service.hostname} has no port {port.number}")


def of_matches(
    obj: networking.VirtualService, dialled: frozenset[int] | None, source: Source
) -> Found:
    """Say which conditions of a VirtualService do not act. `dialled` are the ports at which anybody
    can meet it; None if nobody knows."""
    namespace, spec = obj.metadata.namespace, obj.spec
    bound = {gateway_name(g, namespace) for g in spec.gateways or (MESH,)}
    for index, rule in enumerate(spec.http):
        yield from _beside_an_answer(rule, source.at(f"spec.http[{index}]"))
    for path, match in _matches(spec):
        at = source.at(path)
        if match.port and dialled is not None and match.port not in dialled:
            yield _idle(at.at("port"), f"nobody can dial port {match.port} here")
        for index, name in enumerate(match.gateways if spec.hosts else ()):
            # Whom a delegate is bound to its root says.
            if gateway_name(name, namespace) not in bound:
                reason = f"the VirtualService is not bound to {name}"
                yield _idle(at.at(f"gateways[{index}]"), reason)
        if isinstance(match, networking_route.HTTPMatchRequest):
            yield from _beside_others(match, at)


def _matches(spec: networking.VirtualServiceSpec) -> Iterator[tuple[str, Match]]:
    """Return every match of a VirtualService, and where it is written."""
    for index, http in enumerate(spec.http):
        for number, match in enumerate(http.match):
            yield f"spec.http[{index}].match[{number}]", match
    for index, tls in enumerate(spec.tls):
        for number, of_tls in enumerate(tls.match):
            yield f"spec.tls[{index}].match[{number}]", of_tls
    for index, tcp in enumerate(spec.tcp):
        for number, of_tcp in enumerate(tcp.match):
            yield f"spec.tcp[{index}].match[{number}]", of_tcp


def _beside_others(match: networking_route.HTTPMatchRequest, at: Source) -> Found:
    """Say which conditions another one beside them takes the effect from."""
    if match.gateways:
        reason = "gateways, where it is written, alone says who is meant"
        for written, name in (
            (match.source_labels, "sourceLabels"),
            (match.source_namespace, "sourceNamespace"),
        ):
            if written:
                yield _idle(at.at(name), reason)
    if match.ignore_uri_case and match.uri is not None and match.uri.regex is not None:
        yield _idle(at.at("ignoreUriCase"), "a regular expression minds case: use (?i)")


def of_sections(spec: networking.VirtualServiceSpec, service: Service, source: Source) -> Found:
    """Say which of `http`, `tls` and `tcp` sidecars never ask for a host: its ports speak something
    else."""
    spoken = {port.protocol for port in service.ports if port.protocol is not Protocol.UDP}
    for section, written, acts in (
        ("http", spec.http, any(p.is_http or p is Protocol.AUTO for p in spoken)),
        ("tls", spec.tls, any(p.is_tls for p in spoken)),
        ("tcp", spec.tcp, any(not p.is_http and not p.is_tls for p in spoken)),
    ):
        if written and not acts:
            told = ", ".join(f"{port.number} {port.protocol.value}" for port in service.ports)
            reason = f"{service.hostname} has no port for it ({told or 'none'})"
            yield _idle(source.at(f"spec.{section}"), reason)


def of_foreign(spec: networking.VirtualServiceSpec, host: str, source: Source) -> Found:
    """Say which sections sidecars never ask for a host that is in no registry."""
    reason = f"nobody registered {host}: sidecars know it by HTTP on port 80 alone"
    for section, written in (("tls", spec.tls), ("tcp", spec.tcp)):
        if written:
            yield _idle(source.at(f"spec.{section}"), reason)


def dialled(
    services: Iterable[Service | None], servers: Iterable[networking.Gateway]
) -> frozenset[int] | None:
    """Return the ports at which clients of services and of gateways meet a VirtualService; None as
    soon as one of the services is not known."""
    found: set[int] = set()
    for service in services:
        if service is None:
            return None
        found |= _numbers(service)
    for gateway in servers:
        found |= {server.port.number for server in gateway.spec.servers if server.port is not None}
    return frozenset(found)


def _numbers(service: Service) -> frozenset[int]:
    return frozenset(port.number for port in service.ports)


def _beside_an_answer(rule: networking_route.HTTPRoute, at: Source) -> Found:
    if rule.redirect is None and rule.direct_response is None:
        return
    for written, name in (
        (rule.timeout, "timeout"),
        (rule.retries, "retries"),
        (rule.mirror, "mirror"),
        (rule.mirrors, "mirrors"),
    ):
        if written:
            yield _idle(at.at(name), "the rule answers by itself")


def _unused(block: msgspec.Struct, used: frozenset[str], reason: str, at: Source) -> Found:
    for field in msgspec.structs.fields(block):
        if field.name in used or field.name in ("mode", "https_redirect"):
            continue
        if getattr(block, field.name) not in (field.default, None, "", (), False):
            yield _idle(at.at(field.encode_name), reason)


def _idle(at: Source, reason: str) -> Diagnostic:
    return make("IST0167", at, reason=reason)
