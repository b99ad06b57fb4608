"""What is said of Gateways and of routes, from the translation that the mesh runs on. Pure.

Words and reasons are those of Istio's controller.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from lateen.base.jsonvalue import Json, JsonView
from lateen.compiler.frontend.gatewayapi import (
    conditions as aspects,
    listeners,
    objects as gateway_objects,
    translation,
)
from lateen.compiler.frontend.gatewayapi.translation import RouteKey, RouteOutcome, Translation
from lateen.controllers.engine import actions, cache, fields
from lateen.controllers.gatewayapi import addresses, classes, conditions, gateways, policies
from lateen.model.gatewayapi.references import GROUP
from lateen.model.schema import decode, kinds

_INSECURE, _FALLBACK = "InsecureFrontendValidationMode", "AllowInsecureFallback"
_RESOURCES = {
    "HTTPRoute": gateway_objects.HTTP_ROUTES,
    "GRPCRoute": gateway_objects.GRPC_ROUTES,
    "TLSRoute": gateway_objects.TLS_ROUTES,
    "TCPRoute": gateway_objects.TCP_ROUTES,
}


class _Known:
    """What the controllers know, typed, as a snapshot is."""

    def __init__(self, known: cache.Cache) -> None:
        self._known = known

    def of(self, resource: str) -> Mapping[gateway_objects.Key, Any]:
        info = kinds.KINDS[resource]
        found = (
            (fields.namespace(one), fields.name(one), decode.decode_stored(info, one))
            for one in self._known.all(resource)
        )
        return {(space, name): obj for space, name, obj in found if obj is not None}


def written(known: cache.Cache, domain: str, now: datetime) -> tuple[actions.Action, ...]:
    """Return the writes of the statuses that are not what they should be."""
    found = translation.of(gateway_objects.read(_Known(known), domain))
    return (
        *_gateways(found, known, domain, now),
        *_listener_sets(found, known, now),
        *_routes(found, known, now),
        *policies.statuses(found, known, now),
    )


def _gateways(
    found: Translation, known: cache.Cache, domain: str, now: datetime
) -> Iterator[actions.Action]:
    for (namespace, name), every in found.listeners.items():
        states = tuple(state for state in every if state.in_gateway)
        gateway = known.get(gateways.RESOURCE, namespace, name)
        if gateway is None or fields.dying(gateway):
            continue
        before = fields.status(gateway)
        served = addresses.Served(gateway, known, domain)
        said = (
            _accepted(gateway, states, known, served.unsupported()),
            served.programmed(),
            _references(found.references.get((namespace, name))),
            *_insecure(gateway),
        )
        status: Json = {
            **before,
            "conditions": [
                one
                for one in conditions.merged(gateway, said, now)
                if one["type"] != _INSECURE or any(each.type == _INSECURE for each in said)
            ],
            "listeners": _listeners(gateway, states, found, now),
        }
        status.pop("attachedListenerSets", None)  # none is left out, as in Istio
        if sets := _attached_sets(found, (namespace, name)):
            status["attachedListenerSets"] = sets
        if reached := served.addresses():
            status["addresses"] = reached
        if status != before:
            yield actions.SetStatus(gateways.RESOURCE, fields.with_status(gateway, status))


def _attached_sets(found: Translation, owner: gateway_objects.Key) -> int:
    """Return how many ListenerSets a Gateway has with a listener that is sound."""
    return sum(
        outcome.owner == owner and any(state.valid for state in outcome.states)
        for outcome in found.listener_sets.values()
    )


def _listener_sets(
    found: Translation, known: cache.Cache, now: datetime
) -> Iterator[actions.Action]:
    for (namespace, name), outcome in found.listener_sets.items():
        one = known.get(gateways.LISTENER_SETS, namespace, name)
        if one is None or fields.dying(one):
            continue
        before = fields.status(one)
        said = [conditions.StatusCondition(*aspect) for aspect in outcome.aspects]
        status: Json = {**before, "conditions": conditions.merged(one, said, now)}
        status.pop("listeners", None)
        if outcome.states:
            status["listeners"] = _listeners(one, outcome.states, found, now)
        if status != before:
            yield actions.SetStatus(gateways.LISTENER_SETS, fields.with_status(one, status))


def _insecure(gateway: JsonView) -> Iterator[conditions.StatusCondition]:
    """Yield the warning that some clients' certificates are not checked; it goes where all are."""
    frontend = (fields.spec(gateway).get("tls") or {}).get("frontend") or {}
    given = [frontend.get("default") or {}]
    given += [one.get("tls") or {} for one in frontend.get("perPort") or ()]
    if any((one.get("validation") or {}).get("mode") == _FALLBACK for one in given):
        message = "Clients without a valid certificate are let in (AllowInsecureFallback)"
        yield conditions.StatusCondition(_INSECURE, True, "ConfigurationChanged", message)


def _accepted(
    gateway: JsonView,
    states: tuple[listeners.ListenerState, ...],
    known: cache.Cache,
    unsupported: str,
) -> conditions.StatusCondition:
    if problem := gateways.parameters_problem(gateway, known):
        return conditions.StatusCondition(aspects.ACCEPTED, False, "InvalidParameters", problem)
    if unsupported:
        return conditions.StatusCondition(
            aspects.ACCEPTED, False, "UnsupportedAddress", unsupported
        )
    valid = sum(state.valid for state in states)
    if valid == len(states):
        return conditions.StatusCondition(aspects.ACCEPTED, True, "Accepted", "Resource accepted")
    how = "One or more" if valid else "None"
    verb = "are invalid" if valid else "are valid"
    message = f"{how} of the Gateway's listeners {verb}"
    return conditions.StatusCondition(aspects.ACCEPTED, valid > 0, "ListenersNotValid", message)


def _references(problem: aspects.Denial | None) -> conditions.StatusCondition:
    if problem is not None:
        return conditions.StatusCondition(aspects.RESOLVED, False, *problem[:2])
    return conditions.StatusCondition(
        aspects.RESOLVED, True, "ResolvedRefs", "All references resolved"
    )


def _listeners(
    gateway: JsonView,
    states: tuple[listeners.ListenerState, ...],
    found: Translation,
    now: datetime,
) -> list[Json]:
    before = {str(one.get("name")): one for one in fields.status(gateway).get("listeners") or ()}
    generation = int(fields.meta(gateway).get("generation") or 0)
    return [
        {
            "name": state.spec.name,
            "supportedKinds": [{"group": GROUP, "kind": kind} for kind in state.kinds],
            "attachedRoutes": found.attached.get(state.place, 0),
            "conditions": conditions.merged_into(
                before.get(state.spec.name, {}).get("conditions") or (),
                [conditions.StatusCondition(*aspect) for aspect in state.aspects],
                generation,
                now,
            ),
        }
        for state in states
    ]


def _routes(found: Translation, known: cache.Cache, now: datetime) -> Iterator[actions.Action]:
    for key, outcomes in found.routes.items():
        route = known.get(_RESOURCES[key.kind], key.namespace, key.name)
        if route is None or fields.dying(route):
            continue
        before = fields.status(route)
        parents = _parents(route, key, outcomes, now)
        if parents != list(before.get("parents") or ()):
            status = {**before, "parents": parents}
            yield actions.SetStatus(_RESOURCES[key.kind], fields.with_status(route, status))


def _parents(
    route: JsonView, key: RouteKey, outcomes: tuple[RouteOutcome, ...], now: datetime
) -> list[Json]:
    """Return the entries of a route's parents: those of other controllers stay, ours are those of
    the references that mean anything, each as it is written."""
    old = list(fields.status(route).get("parents") or ())
    others = [dict(one) for one in old if one.get("controllerName") != classes.GATEWAY]
    ours = {_same(one.get("parentRef") or {}): one for one in old if one not in others}
    generation = int(fields.meta(route).get("generation") or 0)
    made = []
    for outcome in outcomes:
        ref = _ref(outcome)
        before = ours.get(_same(ref), {}).get("conditions") or ()
        said = (_route_accepted(outcome), _references(outcome.problem))
        made.append(
            {
                "parentRef": ref,
                "controllerName": classes.GATEWAY,
                "conditions": conditions.merged_into(before, said, generation, now),
            }
        )
    return [*others, *made]


def _same(ref: JsonView) -> tuple[tuple[str, Any], ...]:
    """Return what tells a reference from others, in whatever order its fields stand."""
    return tuple(sorted(ref.items()))


def _ref(outcome: RouteOutcome) -> Json:
    ref = outcome.parent.ref
    made: Json = {"group": ref.group, "kind": ref.kind, "name": ref.name}
    if ref.namespace:
        made["namespace"] = ref.namespace
    if ref.section_name:
        made["sectionName"] = ref.section_name
    if ref.port is not None:
        made["port"] = ref.port
    return made


def _route_accepted(outcome: RouteOutcome) -> conditions.StatusCondition:
    parent = outcome.parent
    if parent.denial is not None:
        return conditions.StatusCondition(aspects.ACCEPTED, False, *parent.denial[:2])
    number = len(parent.attached)
    more = f", bound to {number} parents" if number > 1 else ""
    return conditions.StatusCondition(aspects.ACCEPTED, True, "Accepted", f"Route was valid{more}")
