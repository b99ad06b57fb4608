"""Policies that ask for an identity where nobody has one, or for a port that pods do not have.
Pure.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lateen.compiler.frontend import precedence
from lateen.compiler.ir.proxy import ProxyKind, ProxyView
from lateen.compiler.ir.workload import MtlsMode
from lateen.model.istio import security
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import ObjectRef, Source
from lateen.model.snapshot import Snapshot

_IDENTITY = ("principals", "namespaces", "service_accounts", "trust_domains")
_WRITTEN = {"service_accounts": "serviceAccounts", "trust_domains": "trustDomains"}


class PlaintextPort(NamedTuple):
    """A workload's port that takes plaintext only, and who says so."""

    namespace: str
    labels: dict[str, str]
    workload: str
    port: int
    by: str


def findings(
    snapshot: Snapshot, views: Iterable[ProxyView], root_namespace: str
) -> Iterator[Diagnostic]:
    """Yield rules about identities for ports without mutual TLS, and `portLevelMtls` of ports that
    no container has but a Service does."""
    sidecars = [v for v in views if v.node.kind is ProxyKind.SIDECAR and v.inbound is not None]
    plain = [one for view in sidecars for one in _plain(view)]
    for policy in sorted(snapshot.authorization_policies.values(), key=precedence.age):
        yield from _identities(policy, plain, root_namespace)
    for mode in sorted(snapshot.peer_authentications.values(), key=precedence.age):
        yield from _ports(snapshot, mode, sidecars)


def _plain(view: ProxyView) -> Iterator[PlaintextPort]:
    if view.inbound is None:
        return
    labels = dict(view.node.labels)
    for port in view.inbound.ports:
        if port.mode.mode is MtlsMode.DISABLE:
            by = str(port.mode.source.ref) if port.mode.source is not None else "a default"
            yield PlaintextPort(view.node.namespace, labels, view.node.workload, port.port, by)


def _identities(
    policy: security.AuthorizationPolicy, plain: list[PlaintextPort], root_namespace: str
) -> Iterator[Diagnostic]:
    selector = policy.spec.selector
    wanted = selector.match_labels if selector is not None else {}
    home = policy.metadata.namespace
    met = next(
        (
            one
            for one in plain
            if (home in (one.namespace, root_namespace)) and precedence.selects(wanted, one.labels)
        ),
        None,
    )
    if met is None:
        return
    action = policy.spec.action or "ALLOW"
    effect = (
        "the rule never matches, and nobody is refused by it"
        if action == "DENY"
        else "the rule never matches, and lets nobody in"
    )
    for index, rule in enumerate(policy.spec.rules):
        for number, entry in enumerate(rule.from_ or ()):
            for name in _IDENTITY:
                if entry.source is not None and getattr(entry.source, name, None):
                    field = _WRITTEN.get(name, name)
                    path = f"spec.rules[{index}].from[{number}].source.{field}"
                    source = precedence.source("AuthorizationPolicy", policy, path)
                    yield make(
                        "LTN0157",
                        source,
                        field=field,
                        port=met.port,
                        workload=met.workload,
                        by=met.by,
                        effect=effect,
                    )


def _ports(
    snapshot: Snapshot, policy: security.PeerAuthentication, sidecars: list[ProxyView]
) -> Iterator[Diagnostic]:
    """`portLevelMtls` names ports of pods; a Service's own number is another one."""
    wanted = policy.spec.selector.match_labels if policy.spec.selector is not None else {}
    if not wanted:
        return
    home = policy.metadata.namespace
    met = [
        view.inbound
        for view in sidecars
        if view.node.namespace == home and precedence.selects(wanted, dict(view.node.labels))
    ]
    ports = [port for inbound in met if inbound is not None for port in inbound.ports]
    for number in policy.spec.port_level_mtls or {}:
        meant = next((port for port in ports if port.service_port == number), None)
        if meant is None or any(port.port == number for port in ports):
            continue
        ref = ObjectRef("PeerAuthentication", home, policy.metadata.name)
        yield make(
            "LTN0155",
            Source(ref, f"spec.portLevelMtls[{number}]"),
            port=number,
            service=meant.service.hostname,
            target=meant.port,
        )
