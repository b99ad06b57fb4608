"""Why authorization refused: which rule, which policies, and whether the client was known. Pure.

Nothing is evaluated again: Envoy says which rule it was, the compiled view where it is written.
"""

from collections.abc import Mapping

from lateen.compiler.ir.authz import Action, Authorization, Rule
from lateen.compiler.ir.proxy import ProxyView
from lateen.model.meta import Source
from lateen.observe.requests import failures, hops
from lateen.observe.requests.failures import Cause
from lateen.observe.requests.journey import Leg

CODES = frozenset(c.code for c in (failures.DENIED, failures.NOT_ALLOWED, failures.NO_IDENTITY))
_MOST_POLICIES = 4


def refine(cause: Cause, leg: Leg, views: Mapping[str, ProxyView]) -> Cause:
    """Tell a client that is not among those allowed from one that nobody could know."""
    found = _authorization(leg, views)
    if cause is not failures.NOT_ALLOWED or found is None or _client(leg):
        return cause
    asked = any(rule.asks_identity for rule in _allowing(found, leg))
    return failures.NO_IDENTITY if asked else cause


def told(leg: Leg, views: Mapping[str, ProxyView]) -> tuple[list[str], list[Source]]:
    """Return what is to be said of the rules, and the fields they are written in."""
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


def _of_rule(found: Authorization, name: str) -> tuple[list[str], list[Source]]:
    rule = next((rule for rule in found.rules if rule.name == name), None)
    if rule is None:
        return [f"the rule is {name}"], []
    field = rule.source.path.removeprefix("spec.")
    words = f"it is {field} of {rule.source.ref}"
    asked = any(rule in c.rules for c in found.http + found.tcp if c.action is Action.CUSTOM)
    if asked:
        words += ", whose provider is not there to be asked"
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
