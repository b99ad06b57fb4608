"""Rules of routes as rules of VirtualServices, one for each match. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from lateen.compiler.frontend.gatewayapi import actions, backends, matches
from lateen.compiler.frontend.gatewayapi.conditions import Denial
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Referrer
from lateen.model.gatewayapi import routes
from lateen.model.istio import networking_route
from lateen.model.meta import Source

NO_BACKEND = 500
"""What is answered where no backend gets anything."""


class MadeRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a VirtualService, and where it was written."""

    spec: networking_route.HTTPRoute
    source: Source

    @property
    def match(self) -> networking_route.HTTPMatchRequest | None:
        """Return its only match."""
        return self.spec.match[0] if self.spec.match else None


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """What a route comes to at one side, gateways or the mesh."""

    rules: tuple[MadeRule, ...]
    problem: Denial | None = None


def http(
    route: routes.HTTPRoute, source: Source, objects: GatewayObjects, *, checked: bool
) -> Converted:
    """Return the rules of an HTTPRoute."""
    who = Referrer("HTTPRoute", route.metadata.namespace)
    found: list[MadeRule] = []
    problems: list[Denial] = []
    for index, rule in enumerate(route.spec.rules):
        at = source.at(f"rules[{index}]")
        name = rule.name or f"{who.namespace}.{route.metadata.name}.{index}"
        given = rule.matches or (routes.HTTPRouteMatch(),)
        for match in given:
            made = matches.http(match)
            prefix = match.path.value if match.path.type == "PathPrefix" else ""
            parts = actions.RuleParts(who, objects, checked=checked)
            parts.take(rule.filters, prefix)
            fields = {**parts.fields, **actions.timing(rule)}
            fields |= _targets(rule.backend_refs, who, objects, parts, checked=checked)
            problems += parts.problems
            spec = networking_route.HTTPRoute(name=name, match=(made,), **fields)
            found.append(MadeRule(spec=spec, source=at))
    return _converted(found, problems)


def grpc(
    route: routes.GRPCRoute, source: Source, objects: GatewayObjects, *, checked: bool
) -> Converted:
    """Return the rules of a GRPCRoute."""
    who = Referrer("GRPCRoute", route.metadata.namespace)
    found: list[MadeRule] = []
    problems: list[Denial] = []
    for index, rule in enumerate(route.spec.rules):
        at = source.at(f"rules[{index}]")
        name = rule.name or f"{who.namespace}.{route.metadata.name}.{index}"
        for match in rule.matches or (None,):
            made = matches.grpc(match) if match is not None else None
            parts = actions.RuleParts(who, objects, checked=checked)
            parts.take(rule.filters, "")
            fields = parts.fields
            fields |= _targets(rule.backend_refs, who, objects, parts, checked=checked)
            problems += parts.problems
            given = (made,) if made is not None else ()
            spec = networking_route.HTTPRoute(name=name, match=given, **fields)
            found.append(MadeRule(spec=spec, source=at))
    return _converted(found, problems)


def _converted(found: list[MadeRule], problems: list[Denial]) -> Converted:
    """A hard problem leaves nothing of the route; of others the first is told."""
    hard = next((each for each in problems if each.hard), None)
    if hard is not None:
        return Converted(rules=(), problem=hard)
    return Converted(rules=tuple(found), problem=problems[0] if problems else None)


def _targets(
    refs: tuple[routes.HTTPBackendRef, ...],
    who: Referrer,
    objects: GatewayObjects,
    parts: actions.RuleParts,
    *,
    checked: bool,
) -> dict[str, Any]:
    """Return where a rule sends to; with nobody to send to, its answer."""
    resolved = [(ref, backends.resolve(ref, who, objects, checked=checked)) for ref in refs]
    parts.problems += [each.problem for _, each in resolved if each.problem is not None]
    found = tuple(
        networking_route.HTTPRouteDestination(
            destination=each.destination, weight=ref.weight, headers=_headers(ref, parts)
        )
        for ref, each in resolved
    )
    if "redirect" in parts.fields:
        return {}
    if not any(each.weight > 0 for each in found):
        return {"direct_response": networking_route.HTTPDirectResponse(status=NO_BACKEND)}
    return {"route": found}


def _headers(
    ref: routes.HTTPBackendRef, parts: actions.RuleParts
) -> networking_route.Headers | None:
    made: networking_route.Headers | None = None
    for each in ref.filters:
        if each.type in ("RequestHeaderModifier", "ResponseHeaderModifier"):
            made = actions.with_headers(made, each)
        else:
            parts.problems.append(actions.unsupported(each.type))
    return made


def ordered(rules: Iterable[MadeRule]) -> tuple[MadeRule, ...]:
    """Return rules in the order in which they are asked: those without a condition last, else the
    most specific first; equal ones stay in the order of their routes' ages."""
    return tuple(sorted(rules, key=lambda rule: matches.rank(rule.match)))


def connections(
    refs: tuple[routes.BackendRef, ...], who: Referrer, objects: GatewayObjects, *, checked: bool
) -> tuple[tuple[networking_route.RouteDestination, ...], Denial | None]:
    """Return where connections go, and the first thing that is wrong. Where nobody gets any they go
    to a service that does not exist, so that they are closed."""
    found: list[networking_route.RouteDestination] = []
    problems: list[Denial] = []
    for ref, each in _each(refs, who, objects, checked=checked):
        if each.problem is not None:
            problems.append(each.problem)
        if ref.weight > 0:
            found.append(
                networking_route.RouteDestination(destination=each.destination, weight=ref.weight)
            )
    if not found:
        nowhere = networking_route.Destination(host=backends.NOWHERE)
        found.append(networking_route.RouteDestination(destination=nowhere))
    hard = next((each for each in problems if each.hard), None)
    return tuple(found), hard or (problems[0] if problems else None)


def _each(
    refs: tuple[routes.BackendRef, ...], who: Referrer, objects: GatewayObjects, *, checked: bool
) -> Iterator[tuple[routes.BackendRef, backends.Backend]]:
    for ref in refs:
        yield ref, backends.resolve(ref, who, objects, checked=checked)
