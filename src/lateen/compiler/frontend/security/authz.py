"""AuthorizationPolicy: which apply to a workload, and what they check there. Pure.

All that apply count together: neither scope nor age decides between them.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.security import authz_rules, targeting
from lateen.compiler.ir.authz import Action, Authorization, Authorizer, Check, Rule
from lateen.compiler.ir.proxy import Features, MeshSettings
from lateen.compiler.ir.value import Value
from lateen.model.istio import security
from lateen.model.meta import Source

DRY_RUN = "istio.io/dry-run"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_NOBODY_TO_ASK = "-deny-due-to-bad-CUSTOM-action"
_DENY_ALL = "default-deny-all-due-to-bad-CUSTOM-action"


class Compiled(Value, frozen=True, kw_only=True):
    """One policy, on its own."""

    source: Source
    action: Action
    dry_run: bool
    http: tuple[Rule, ...]
    tcp: tuple[Rule, ...]
    provider: str = ""
    """Of CUSTOM: who decides."""
    refuses_all: bool = False
    """Of CUSTOM: whether it refuses everything, and not what its rules match, where nobody can be
    asked."""


def applies(
    policy: security.AuthorizationPolicy, labels: Mapping[str, str], features: Features
) -> bool:
    """Whether a policy with a meaning is for a workload of its namespace, or of any for one of the
    root namespace."""
    return action_of(policy) is not None and targeting.selects(policy.spec, labels, features)


def action_of(policy: security.AuthorizationPolicy) -> Action | None:
    """Return what a match means; None for a word that passed no validation."""
    return Action.__members__.get(policy.spec.action or "ALLOW")


def dry_run(policy: security.AuthorizationPolicy) -> bool:
    """Whether a policy is only rehearsed."""
    return policy.metadata.annotations.get(DRY_RUN, "") in _TRUE


def compile_policy(policy: security.AuthorizationPolicy, settings: MeshSettings) -> Compiled:
    """Return what one policy checks."""
    source = precedence.source("AuthorizationPolicy", policy, "spec")
    action = action_of(policy) or Action.ALLOW
    http = _rules(policy, action, source, settings, tcp=False)
    tcp = _rules(policy, action, source, settings, tcp=True)
    custom = action is Action.CUSTOM
    return Compiled(
        source=source,
        action=action,
        dry_run=dry_run(policy),
        http=http,
        tcp=http if tcp == http else tcp,
        provider=provider_of(policy) if custom else "",
        refuses_all=custom and not settings.features.authz_custom_by_rule,
    )


def provider_of(policy: security.AuthorizationPolicy) -> str:
    """Return the name of the provider that is to decide; empty where none is named."""
    return policy.spec.provider.name if policy.spec.provider is not None else ""


def _rules(
    policy: security.AuthorizationPolicy,
    action: Action,
    source: Source,
    settings: MeshSettings,
    *,
    tcp: bool,
) -> tuple[Rule, ...]:
    """Return a policy's rules; one without any gets a rule that matches nothing."""
    mesh = authz_rules.PolicySurroundings(settings, policy.metadata.namespace)
    if not policy.spec.rules:
        return (Rule(name=_name(policy, action, 0), source=source),)
    made = (
        authz_rules.rule(
            written,
            _name(policy, action, index),
            source.at(f"rules[{index}]"),
            mesh,
            allow=action is Action.ALLOW,
            tcp=tcp,
        )
        for index, written in enumerate(policy.spec.rules)
    )
    return tuple(rule for rule in made if rule is not None)


def _name(policy: security.AuthorizationPolicy, action: Action, index: int) -> str:
    meta = policy.metadata
    name = f"ns[{meta.namespace}]-policy[{meta.name}]-rule[{index}]"
    if action is not Action.CUSTOM:
        return name
    return f"istio-ext-authz-{provider_of(policy)}-{name}"


Find = Callable[[str], Authorizer | None]
"""Returns the provider of a name that can be asked, or None."""


def nobody(name: str) -> Authorizer | None:
    """Find no provider, as in a mesh without any."""
    return None


def join(policies: Iterable[Compiled], find: Find = nobody) -> Authorization | None:
    """Return all that is checked where these policies apply; None where there are none.

    CUSTOM is decided by its provider. What its rules match is refused where that cannot be asked,
    and where policies of one workload name two of them (Istio's
    PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS is off). In a dry run it does nothing.
    """
    by_action: dict[Action, list[Compiled]] = {}
    for policy in policies:
        if policy.action is not Action.CUSTOM or not policy.dry_run:
            by_action.setdefault(policy.action, []).append(policy)
    if not by_action:
        return None
    asked = {policy.provider for policy in by_action.get(Action.CUSTOM, ())}
    authorizer = find(*asked) if len(asked) == 1 else None
    if asked and authorizer is None:
        by_action[Action.CUSTOM] = [_refusing(policy) for policy in by_action[Action.CUSTOM]]
    checks = [(a, by_action[a], authorizer) for a in Action if a in by_action]
    http = tuple(_check(*each, tcp=False) for each in checks)
    tcp = tuple(_check(*each, tcp=True) for each in checks)
    return Authorization(http=http, tcp=http if tcp == http else tcp)


def _refusing(policy: Compiled) -> Compiled:
    """Return a policy whose provider cannot be asked."""
    if policy.refuses_all:
        rule = Rule(name=_DENY_ALL, source=policy.source, operations=((),), sources=((),))
        return msgspec.structs.replace(policy, http=(rule,), tcp=(rule,))
    http, tcp = (
        tuple(msgspec.structs.replace(r, name=f"{r.name}{_NOBODY_TO_ASK}") for r in rules)
        for rules in (policy.http, policy.tcp)
    )
    return msgspec.structs.replace(policy, http=http, tcp=http if tcp == http else tcp)


def _check(
    action: Action, policies: list[Compiled], authorizer: Authorizer | None, *, tcp: bool
) -> Check:
    real = [p for p in policies if not p.dry_run]
    dry = [p for p in policies if p.dry_run]
    return Check(
        action=action,
        rules=tuple(rule for p in real for rule in (p.tcp if tcp else p.http)),
        policies=tuple(p.source for p in real),
        dry_rules=tuple(rule for p in dry for rule in (p.tcp if tcp else p.http)),
        dry_policies=tuple(p.source for p in dry),
        authorizer=authorizer if action is Action.CUSTOM else None,
    )
