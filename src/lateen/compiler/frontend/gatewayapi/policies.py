"""BackendTLSPolicies: TLS towards a service as a DestinationRule, and what is said of each. Pure.

Words and reasons of the conditions are those of Istio's controller.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.gatewayapi import listeners, objects as gateway_objects
from lateen.compiler.frontend.gatewayapi.conditions import ACCEPTED, RESOLVED, Aspect, Denial
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Key
from lateen.compiler.frontend.origin import Origin
from lateen.compiler.ir.policy import SYSTEM_ROOTS
from lateen.model.gatewayapi.policy import BackendTLSPolicy, PolicyTarget
from lateen.model.istio import networking, networking_policy, types
from lateen.model.meta import Source

_IGNORED = "istio.io/ignore-policy-attachment"
_VALID = "Configuration is valid"
_ENTRIES = ("networking.istio.io", "ServiceEntry")
_UNRESOLVED = "configmap://unresolved/invalid"
"""The CA of a policy whose own cannot be had: TLS must fail, never become plaintext."""


class TargetOutcome(NamedTuple):
    """What comes of one target of a policy."""

    target: PolicyTarget
    hosts: tuple[str, ...]
    """Its hosts in the mesh; none if it is not there."""
    aspects: tuple[Aspect, Aspect]


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """What all BackendTLSPolicies come to."""

    rules: Mapping[Key, networking_policy.DestinationRule]
    outcomes: Mapping[Key, tuple[TargetOutcome, ...]]


class _Claim(NamedTuple):
    """The oldest policy for a host, or for one port of it."""

    policy: BackendTLSPolicy
    port: int
    """0 for the whole host."""


def of(objects: GatewayObjects) -> Policies:
    """Translate all policies, the oldest first: of two for the same part of a target the older
    holds, and of two of one age the one whose name comes first."""
    taken: set[tuple[str, str, str, str, str]] = set()
    claims: dict[str, list[_Claim]] = {}
    outcomes: dict[Key, tuple[TargetOutcome, ...]] = {}
    for policy in sorted(objects.policies.values(), key=precedence.age):
        meta = policy.metadata
        problem = _problem(policy, objects)
        told = []
        for target in policy.spec.target_refs:
            hosts, ports = _target(target, meta.namespace, objects)
            part = (meta.namespace, target.group, target.kind, target.name, target.section_name)
            port = ports.get(target.section_name, 0) if target.section_name else 0
            found = bool(hosts) and (not target.section_name or port > 0)
            said = _aspects(found, part in taken, problem)
            told.append(TargetOutcome(target, hosts if found else (), said))
            if found and part not in taken and problem != _IGNORING:
                taken.add(part)
                for host in hosts:
                    claims.setdefault(host, []).append(_Claim(policy, port))
        outcomes[meta.namespace, meta.name] = tuple(told)
    return Policies(rules=dict(_rules(claims, objects)), outcomes=outcomes)


_IGNORING = Denial("Invalid", f"Policy is ignored, as annotation {_IGNORED} asks")


def reaching(
    routed: Iterable[networking.VirtualService], owners: Mapping[str, Key]
) -> dict[str, tuple[Key, ...]]:
    """Return the Gateways by the hosts that their routes send to. `owners`: Gateways by the names
    of their listeners' internal ones."""
    found: dict[str, dict[Key, None]] = {}
    for obj in routed:
        owner = owners.get(next(iter(obj.spec.gateways), ""))
        if owner is None:
            continue
        targets = [each.destination for rule in obj.spec.http for each in rule.route]
        targets += [each.destination for rule in obj.spec.tls for each in rule.route]
        targets += [each.destination for rule in obj.spec.tcp for each in rule.route]
        for destination in targets:
            if destination is not None:
                found.setdefault(destination.host, {})[owner] = None
    return {host: tuple(sorted(keys)) for host, keys in found.items()}


def _target(
    target: PolicyTarget, namespace: str, objects: GatewayObjects
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return a target's hosts and the numbers of its ports by name; nothing if it is not there."""
    if (target.group, target.kind) == ("", "Service"):
        service = objects.services.get((namespace, target.name))
        if service is not None:
            host = gateway_objects.hostname(namespace, target.name, objects.domain)
            return (host,), {port.name: port.port for port in service.spec.ports}
    elif (target.group, target.kind) == _ENTRIES:
        entry = objects.entries.get((namespace, target.name))
        if entry is not None:
            return tuple(entry.spec.hosts), {port.name: port.number for port in entry.spec.ports}
    return (), {}


def _problem(policy: BackendTLSPolicy, objects: GatewayObjects) -> Denial | None:
    """Return why a policy's CA cannot be had."""
    check = policy.spec.validation
    if policy.metadata.annotations.get(_IGNORED) == "true":
        return _IGNORING
    if check.well_known_ca_certificates:
        if check.well_known_ca_certificates == "System":
            return None
        named = check.well_known_ca_certificates
        return Denial("Invalid", f"Unknown wellKnownCACertificates: {named}")
    for ref in check.ca_certificate_refs[:1]:
        if ref.group or ref.kind != "ConfigMap":
            named = f"{ref.group}/{ref.kind}"
            return Denial("InvalidKind", f"Certificate reference of kind {named} is not supported")
        held = objects.config_maps.get((policy.metadata.namespace, ref.name))
        if held is not None and listeners.is_pem(held.data.get("ca.crt", "")):
            return None
        return Denial(
            "InvalidCACertificateRef", f"Certificate reference {ref.name} is not a CA in ca.crt"
        )
    return Denial("InvalidCACertificateRef", "No certificate reference is given")


def _aspects(found: bool, conflicted: bool, problem: Denial | None) -> tuple[Aspect, Aspect]:
    accepted = Aspect(ACCEPTED, True, "Accepted", _VALID)
    resolved = Aspect(RESOLVED, True, "ResolvedRefs", _VALID)
    if problem is not None and problem.reason in ("InvalidCACertificateRef", "InvalidKind"):
        accepted = Aspect(ACCEPTED, False, "NoValidCACertificate", problem.message)
        resolved = Aspect(RESOLVED, False, problem.reason, problem.message)
    elif problem is not None:
        accepted = Aspect(ACCEPTED, False, problem.reason, problem.message)
    if not found:
        accepted = Aspect(ACCEPTED, False, "TargetNotFound", "targetRefs invalid")
    elif conflicted:
        message = "Another policy for the same target is older, or comes first by its name"
        accepted = Aspect(ACCEPTED, False, "Conflicted", message)
    return accepted, resolved


def _rules(
    claims: Mapping[str, list[_Claim]], objects: GatewayObjects
) -> Iterator[tuple[Key, networking_policy.DestinationRule]]:
    for host, held in claims.items():
        first = held[0]
        meta = first.policy.metadata
        name = f"{host}~istio-autogenerated-k8s-gateway"
        whole = next((_tls(each, objects) for each in held if not each.port), None)
        ports = tuple(
            networking_policy.PortTrafficPolicy(
                port=types.PortSelector(number=each.port), tls=_tls(each, objects)
            )
            for each in held
            if each.port
        )
        spec = networking_policy.DestinationRuleSpec(
            host=host,
            traffic_policy=networking_policy.TrafficPolicy(tls=whole, port_level_settings=ports),
        )
        origin = Origin(
            name=name,
            namespace=meta.namespace,
            creation_timestamp=meta.creation_timestamp,
            whole=_source(first),
        )
        made = networking_policy.DestinationRule(metadata=origin, spec=spec)
        yield (meta.namespace, name), made


def _source(claim: _Claim) -> Source:
    return precedence.source("BackendTLSPolicy", claim.policy, "spec.validation")


def _tls(claim: _Claim, objects: GatewayObjects) -> networking_policy.ClientTLSSettings:
    """Return the TLS of a policy: with a name for the server, which its certificate must have
    unless others are listed."""
    policy = claim.policy
    check = policy.spec.validation
    names = tuple(name.hostname or name.uri for name in check.subject_alt_names)
    system = bool(check.well_known_ca_certificates) and _problem(policy, objects) is None
    credential = _UNRESOLVED
    for ref in check.ca_certificate_refs[:1]:
        if not ref.group and ref.kind == "ConfigMap":
            credential = f"configmap://{policy.metadata.namespace}/{ref.name}"
    return networking_policy.ClientTLSSettings(
        mode="SIMPLE",
        sni=check.hostname,
        subject_alt_names=names or (check.hostname,),
        ca_certificates=SYSTEM_ROOTS if system else "",
        credential_name="" if system else credential,
    )
