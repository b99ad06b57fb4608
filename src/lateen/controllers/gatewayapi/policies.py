"""What is said of BackendTLSPolicies, by their targets and the Gateways that lead there. Pure."""

from collections.abc import Iterator
from datetime import datetime

from lateen.base.jsonvalue import Json, JsonView
from lateen.compiler.frontend.gatewayapi import objects as gateway_objects
from lateen.compiler.frontend.gatewayapi.policies import TargetOutcome, reaching
from lateen.compiler.frontend.gatewayapi.translation import Translation
from lateen.controllers.engine import actions, cache, fields
from lateen.controllers.gatewayapi import classes, conditions
from lateen.model.gatewayapi.references import GROUP

_MESH = "istio.io/mesh-controller"
_MOST = 16
"""As many ancestors as a status may have; more are cut, as in Istio."""


def statuses(found: Translation, known: cache.Cache, now: datetime) -> Iterator[actions.Action]:
    """Yield the writes of the statuses that are not what they should be."""
    owners = {
        "/".join(state.internal_key): (namespace, name)
        for (namespace, name), states in found.listeners.items()
        for state in states
    }
    leading = reaching(found.virtual_services.values(), owners)
    for (namespace, name), outcomes in found.policies.outcomes.items():
        policy = known.get(gateway_objects.POLICIES, namespace, name)
        if policy is None or fields.dying(policy):
            continue
        before = fields.status(policy)
        status = {**before, "ancestors": _ancestors(policy, outcomes, leading, now)}
        if status != before:
            yield actions.SetStatus(gateway_objects.POLICIES, fields.with_status(policy, status))


def _ancestors(
    policy: JsonView,
    outcomes: tuple[TargetOutcome, ...],
    leading: dict[str, tuple[gateway_objects.Key, ...]],
    now: datetime,
) -> list[Json]:
    old = list(fields.status(policy).get("ancestors") or ())
    others = [dict(one) for one in old if one.get("controllerName") not in (_MESH, classes.GATEWAY)]
    known = {str(one.get("ancestorRef")): one.get("conditions") or () for one in old}
    generation = int(fields.meta(policy).get("generation") or 0)
    made = []
    for ref, who, outcome in _each(outcomes, leading):
        said = [conditions.StatusCondition(*aspect) for aspect in outcome.aspects]
        merged = conditions.merged_into(known.get(str(ref), ()), said, generation, now)
        made.append({"ancestorRef": ref, "controllerName": who, "conditions": merged})
    return [*others, *made][:_MOST]


def _each(
    outcomes: tuple[TargetOutcome, ...], leading: dict[str, tuple[gateway_objects.Key, ...]]
) -> Iterator[tuple[Json, str, TargetOutcome]]:
    """Yield whom an entry is about, who says it, and what: each target, then each Gateway once,
    with what is wrong where anything is."""
    gateways: dict[str, TargetOutcome] = {}
    for outcome in outcomes:
        target = outcome.target
        ref = {"group": target.group, "kind": target.kind, "name": target.name}
        if target.section_name:
            ref["sectionName"] = target.section_name
        yield ref, _MESH, outcome
        for _, name in (key for host in outcome.hosts for key in leading.get(host, ())):
            before = gateways.get(name)
            if before is None or all(aspect.holds for aspect in before.aspects):
                gateways[name] = outcome
    for name, outcome in sorted(gateways.items()):
        yield {"group": GROUP, "kind": "Gateway", "name": name}, classes.GATEWAY, outcome
