"""AuthorizationPolicy: which apply to a workload, and what they check there. Pure.

All that apply count together: neither scope nor age decides between them.
"""

from collections.abc import Iterable, Mapping

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.security import authz_rules, targeting
from lateen.compiler.ir.authz import Action, Authorization, Check, Rule
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
    if action is Action.CUSTOM and not settings.features.authz_custom_by_rule:
        http = tcp = (Rule(name=_DENY_ALL, source=source, operations=((),), sources=((),)),)
    tcp = http if tcp == http else tcp
    return Compiled(source=source, action=action, dry_run=dry_run(policy), http=http, tcp=tcp)


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
    provider = policy.spec.provider.name if policy.spec.provider is not None else ""
    return f"istio-ext-authz-{provider}-{name}{_NOBODY_TO_ASK}"


def join(policies: Iterable[Compiled]) -> Authorization | None:
    """Return all that is checked where these policies apply; None where there are none.

    No provider of the mesh can be asked for CUSTOM: as with a provider that does not exist, what
    its rules match is refused. In a dry run it does nothing.
    """
    by_action: dict[Action, list[Compiled]] = {}
    for policy in policies:
        if policy.action is not Action.CUSTOM or not policy.dry_run:
            by_action.setdefault(policy.action, []).append(policy)
    if not by_action:
        return None
    http = tuple(_check(a, by_action[a], tcp=False) for a in Action if a in by_action)
    tcp = tuple(_check(a, by_action[a], tcp=True) for a in Action if a in by_action)
    return Authorization(http=http, tcp=http if tcp == http else tcp)


def _check(action: Action, policies: list[Compiled], *, tcp: bool) -> Check:
    real = [p for p in policies if not p.dry_run]
    dry = [p for p in policies if p.dry_run]
    return Check(
        action=action,
        rules=tuple(rule for p in real for rule in (p.tcp if tcp else p.http)),
        policies=tuple(p.source for p in real),
        dry_rules=tuple(rule for p in dry for rule in (p.tcp if tcp else p.http)),
        dry_policies=tuple(p.source for p in dry),
    )
