"""What is noticed in a DestinationRule beside others: which of them it hides, which hides it, and
whom it lets a client trust. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend.graph.destinations import Destinations
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.traffic import rules
from lateen.model.istio import networking
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source

Found = Iterator[Diagnostic]

Levels = Iterator[tuple[str, networking.TrafficPolicy | networking.PortTrafficPolicy]]
"""Every policy of a rule, and where it is written."""


def superseded(
    obj: networking.DestinationRule, merged: tuple[rules.Rule, ...], source: Source
) -> Found:
    """Say that a newer rule alone counts where both are exported: since Istio 1.24 rules with
    different exportTo are not joined, and the newest of them is the one."""
    own = next((rule for rule in merged if source.ref in rule.members), None)
    if own is None or own.selector:
        return
    later = [rule for rule in merged if rule.index > own.index and not rule.selector]
    for rule in reversed(later):
        both = _both(own.export_to, rule.export_to)
        if both:
            where = "every namespace" if "*" in both else ", ".join(sorted(both))
            yield make("LTN0046", source, where=where, host=obj.spec.host, other=rule.source.ref)
            return


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> set[str]:
    """Return the namespaces that two exportTo have in common; `*` is all of them."""
    mine, theirs = set(one) or {"*"}, set(other) or {"*"}
    if "*" in mine:
        return theirs
    return mine if "*" in theirs else mine & theirs


def hides(
    obj: networking.DestinationRule, host: str, source: Source, destinations: Destinations
) -> Found:
    """Say which rule beside a Service is not used by clients of this rule's namespace, because
    this one, less specific, comes first for them."""
    namespace = obj.metadata.namespace
    if not hosts.is_wildcard(host) or namespace == destinations.settings.root_namespace:
        return
    for owner, hostname in destinations.registry.listed():
        if owner == namespace or not hosts.covers(host, hostname):
            continue
        beside = destinations.beside(namespace, owner, hostname)
        if beside is not None and hosts.specificity(beside.host) < hosts.specificity(host):
            yield make(
                "LTN0027",
                source.at("spec.host"),
                other=beside.source.ref,
                namespace=namespace,
                host=obj.spec.host,
            )
            return


def unverified(obj: networking.DestinationRule, levels: Levels, source: Source) -> Found:
    """Say where a server's certificate is not looked at: before Istio 1.21 one without a CA to
    hold it against is any certificate."""
    for path, policy in levels:
        tls = policy.tls
        if tls is None or tls.mode not in ("SIMPLE", "MUTUAL"):
            continue
        if tls.ca_certificates or tls.credential_name:
            continue
        at = source.at(f"{path}.tls")
        if isinstance(policy, networking.PortTrafficPolicy) and policy.port is not None:
            port = policy.port.number
            yield make("IST0129", at, mode=tls.mode, port=port, host=obj.spec.host)
        else:
            yield make("IST0128", at, mode=tls.mode, host=obj.spec.host)
