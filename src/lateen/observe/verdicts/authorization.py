"""Why authorization refused: which rule, which policies, and whether the client was known. Pure.

Nothing is evaluated again: Envoy says which rule it was, the compiled view where it is written.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from lateen.causes import catalogue
from lateen.causes.cause import Cause
from lateen.compiler.ir.authz import Action, Attribute, Authorization, Pattern, Rule, Test
from lateen.compiler.ir.proxy import ProxyView
from lateen.model.meta import Source
from lateen.observe.requests import hops
from lateen.observe.requests.legs import Leg

_MOST_POLICIES = 4
_ASKED = "ext_authz_"
"""What Envoy's details of external authorization begin with."""


def refine(cause: Cause, leg: Leg, views: Mapping[str, ProxyView]) -> Cause:
    """Tell a client that is not among those allowed from one that nobody could know."""
    found = _authorization(leg, views)
    if cause is not catalogue.RBAC_NOT_ALLOWED or found is None:
        return cause
    rules = _allowing(found, leg)
    if rules and all(rule.asks_token for rule in rules):
        return catalogue.RBAC_NO_TOKEN
    asked = any(rule.asks_identity for rule in rules) and not _client(leg)
    return catalogue.RBAC_NO_IDENTITY if asked else cause


def told(leg: Leg, views: Mapping[str, ProxyView]) -> tuple[list[str], list[Source]]:
    """Return what is to be said of the rules, and the fields they are written in."""
    if hops.refusal(leg.server_entry):
        return _of_filter(leg, views)
    found, name = _authorization(leg, views), hops.refusing_rule(leg.server_entry)
    if found is None:
        return [], []
    if name != hops.NO_RULE:
        return _of_rule(found, name)
    check = found.allowing(http=_is_http(leg))
    policies = check.policies if check is not None else ()
    named = ", ".join(f"{source.ref}" for source in policies[:_MOST_POLICIES])
    more = f" and {len(policies) - _MOST_POLICIES} more" if len(policies) > _MOST_POLICIES else ""
    parts = [f"{named}{more} must allow it"] if named else []
    if client := _client(leg):
        parts.append(f"the client is {client.removeprefix('spiffe://')}")
    return parts, [rule.source for rule in _allowing(found, leg)] or list(policies)


def _of_filter(leg: Leg, views: Mapping[str, ProxyView]) -> tuple[list[str], list[Source]]:
    """A token or an authorizer refused it: by which policies, as far as Envoy tells."""
    view = views.get(leg.server_entry.proxy) if leg.server_entry is not None else None
    if hops.refusal(leg.server_entry).startswith(_ASKED):
        return _of_authorizer(view.authorization if view is not None else None)
    if view is None or view.authentication is None:
        return [], []
    sources = [provider.source for provider in view.authentication.providers]
    named = ", ".join(dict.fromkeys(str(source.ref) for source in sources[:_MOST_POLICIES]))
    return [f"tokens are verified by {named}"], sources


def _of_authorizer(found: Authorization | None) -> tuple[list[str], list[Source]]:
    """An authorizer refused, or gave no answer: which, and by whose rules it is asked."""
    asked = next((c for c in found.http if c.authorizer is not None), None) if found else None
    if asked is None or asked.authorizer is None:
        return [], []
    who = asked.authorizer
    named = ", ".join(str(source.ref) for source in asked.policies[:_MOST_POLICIES])
    words = f"{named} asks {who.name}, {who.host} port {who.port}"
    return [words], [*(rule.source for rule in asked.rules), who.source]


def _of_rule(found: Authorization, name: str) -> tuple[list[str], list[Source]]:
    rule = next((rule for rule in found.rules if rule.name == name), None)
    if rule is None:
        return [f"the rule is {name}"], []
    field = rule.source.path.removeprefix("spec.")
    words = f"it is {field} of {rule.source.ref}"
    asked = any(rule in c.rules for c in found.http + found.tcp if c.action is Action.CUSTOM)
    if asked:
        words += ", whose provider cannot be asked or is one of two"
    return [words], [rule.source]


def _allowing(found: Authorization, leg: Leg) -> tuple[Rule, ...]:
    check = found.allowing(http=_is_http(leg))
    return check.rules if check is not None else ()


def _authorization(leg: Leg, views: Mapping[str, ProxyView]) -> Authorization | None:
    view = views.get(leg.server_entry.proxy) if leg.server_entry is not None else None
    return view.authorization if view is not None else None


def _is_http(leg: Leg) -> bool:
    return leg.server_entry is not None and leg.server_entry.entry.http is not None


def _client(leg: Leg) -> str:
    """Return who the server's proxy knows the client to be; empty without a certificate."""
    names = leg.server_entry.entry.downstream.peer_sans if leg.server_entry is not None else ()
    return names[0] if names else ""


class RefusalSource(NamedTuple):
    """What a refusal was made by: the rule that refused, or the first policy that must allow, and
    whether a rule would if the client were known."""

    rule: Source | None = None
    policy: Source | None = None
    would_allow: bool = False


def grounds(leg: Leg, views: Mapping[str, ProxyView], identity: str) -> RefusalSource:
    """Return what a refusal was made by, as far as the view knows. `identity` is the SPIFFE id that
    the client would have with mutual TLS."""
    found, name = _authorization(leg, views), hops.refusing_rule(leg.server_entry)
    if found is None or not name:
        return RefusalSource()
    if name != hops.NO_RULE:
        rule = next((rule for rule in found.rules if rule.name == name), None)
        return RefusalSource(rule=rule.source if rule is not None else None)
    check = found.allowing(http=_is_http(leg))
    if check is None:
        return RefusalSource()
    would = any(_is_enough(rule, identity) for rule in check.rules)
    return RefusalSource(policy=check.policies[0], would_allow=would)


def _is_enough(rule: Rule, identity: str) -> bool:
    """Whether a rule allows an identity whatever it asks for, by who it is alone."""
    if not identity or not any(not tests for tests in rule.operations or ((),)):
        return False
    return any(all(_fits(test, identity) for test in tests) for tests in rule.sources if len(tests))


def _fits(test: Test, identity: str) -> bool:
    if test.attribute is not Attribute.IDENTITY:
        return False
    return any(_is(pattern, identity) for pattern in test.patterns) != test.negated


def _is(pattern: Pattern, identity: str) -> bool:
    match pattern.kind:
        case "exact":
            return identity == pattern.value
        case "prefix":
            return identity.startswith(pattern.value)
        case "suffix":
            return identity.endswith(pattern.value)
        case "regex":
            return re.fullmatch(pattern.value, identity) is not None
        case kind:
            return kind == "present"


def allowing_policy(leg: Leg, views: Mapping[str, ProxyView]) -> Source | None:
    """Return a policy of action ALLOW that a request which came through had to satisfy."""
    found = _authorization(leg, views)
    check = found.allowing(http=_is_http(leg)) if found is not None else None
    return check.policies[0] if check is not None else None
