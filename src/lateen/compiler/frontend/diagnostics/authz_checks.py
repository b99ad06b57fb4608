"""What is noticed in an AuthorizationPolicy: what has another effect than it seems to. Pure."""

from collections.abc import Iterable, Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.security import authorizers, authz, targeting
from lateen.compiler.ir.authz import Action
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio import security
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source


def findings(
    policy: security.AuthorizationPolicy, settings: MeshSettings, named: authorizers.Named
) -> Iterator[Diagnostic]:
    """Yield the findings of one policy. `named` finds services by their host name."""
    source = precedence.source("AuthorizationPolicy", policy, "spec")
    field = targeting.targets(policy.spec, settings.features)
    if field:
        yield make("LTN0037", source.at(field), field=field)
        return
    version = settings.features.version
    if policy.spec.target_ref is not None and not settings.features.authz_target_ref:
        yield _too_new(source.at("targetRef"), "1.20", version)
    if policy.spec.target_refs and not settings.features.authz_target_refs:
        yield _too_new(source.at("targetRefs"), "1.22", version)
    if authz.action_of(policy) is Action.CUSTOM:
        yield from _custom(policy, source, settings, named)
    for index, rule in enumerate(policy.spec.rules):
        at = source.at(f"rules[{index}]")
        for number, entry in enumerate(rule.from_ or ()):
            if entry.source is not None:
                yield from _source(entry.source, at.at(f"from[{number}].source"), settings)


def rivals(
    policy: security.AuthorizationPolicy, others: Iterable[security.AuthorizationPolicy]
) -> Iterator[Diagnostic]:
    """Yield a finding where another policy's provider is to decide at workloads of this one's:
    then neither is asked (Istio's PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS is off)."""
    if authz.action_of(policy) is not Action.CUSTOM or authz.dry_run(policy):
        return
    own, source = (
        authz.provider_of(policy),
        precedence.source("AuthorizationPolicy", policy, "spec"),
    )
    for other in others:
        if authz.action_of(other) is not Action.CUSTOM or authz.dry_run(other):
            continue
        if authz.provider_of(other) != own and _meet(policy, other):
            ref = precedence.source("AuthorizationPolicy", other).ref
            yield make("LTN0240", source.at("provider.name"), provider=own, other=ref)
            return


def _meet(one: security.AuthorizationPolicy, other: security.AuthorizationPolicy) -> bool:
    """Whether a workload may have the labels that both select."""
    labels, more = (
        p.spec.selector.match_labels if p.spec.selector is not None else {} for p in (one, other)
    )
    return all(labels[key] == more[key] for key in labels.keys() & more.keys())


def _too_new(at: Source, since: str, version: str) -> Diagnostic:
    field = at.path.rpartition(".")[2]
    return make("LTN0012", at, field=field, since=since, version=version)


def _custom(
    policy: security.AuthorizationPolicy,
    source: Source,
    settings: MeshSettings,
    named: authorizers.Named,
) -> Iterator[Diagnostic]:
    provider = authz.provider_of(policy)
    found = next((each for each in settings.authorizers if each.name == provider), None)
    reason = "extensionProviders of the mesh configuration has none that decides by that name"
    if found is not None:
        reason = authorizers.resolved(found, named).fault
    if not reason and not authz.dry_run(policy):
        return
    if authz.dry_run(policy):
        refused = "a dry run does nothing then"
    elif settings.features.authz_custom_by_rule:
        refused = "what its rules match is refused"
    else:
        refused = "everything is refused"
    at = source.at("provider.name")
    reason = reason or "it is a dry run"
    yield make("LTN0038", at, provider=provider, reason=reason, refused=refused)


def _source(
    source: security.AuthorizationSource, at: Source, settings: MeshSettings
) -> Iterator[Diagnostic]:
    features = settings.features
    for known, since, fields in (
        (
            features.authz_service_accounts,
            "1.25",
            (
                ("serviceAccounts", source.service_accounts),
                ("notServiceAccounts", source.not_service_accounts),
            ),
        ),
        (
            features.authz_trust_domains,
            "1.31",
            (
                ("trustDomains", source.trust_domains),
                ("notTrustDomains", source.not_trust_domains),
            ),
        ),
    ):
        for name, values in fields:
            if values and not known:
                yield _too_new(at.at(name), since, features.version)
