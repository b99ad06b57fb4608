"""Objects of the Gateway API to Istio's, and what is said of them. Pure.

As in Istio each listener becomes a Gateway with one server, and all HTTPRoutes and GRPCRoutes of
one host at one listener become one VirtualService. What was made says where it was written.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.gatewayapi import listener_sets, listeners, parents, policies, rules
from lateen.compiler.frontend.gatewayapi.conditions import Denial
from lateen.compiler.frontend.gatewayapi.listener_sets import SetOutcome
from lateen.compiler.frontend.gatewayapi.listeners import ListenerPlace, ListenerState
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Key, Referrer
from lateen.compiler.frontend.gatewayapi.parents import Attachment, Parent, States
from lateen.compiler.frontend.gatewayapi.rules import MadeRule
from lateen.compiler.frontend.origin import Origin
from lateen.model.gatewayapi import gateway, routes
from lateen.model.istio import networking, networking_gateway, networking_route
from lateen.model.meta import Source

GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
"""The label of the pods that are deployed for a Gateway."""
_MESH = "mesh"
_EVERYWHERE = ("*",)
_AT_HOME = (".",)


class RouteKey(NamedTuple):
    """A route of any kind."""

    kind: str
    namespace: str
    name: str


class RouteOutcome(NamedTuple):
    """What comes of one parent of a route."""

    parent: Parent
    problem: Denial | None
    """What is wrong with the references in its rules."""


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What objects of the Gateway API come to."""

    gateways: Mapping[Key, networking.Gateway]
    virtual_services: Mapping[Key, networking.VirtualService]
    listeners: States
    """By Gateway, of those that are looked after."""
    routes: Mapping[RouteKey, tuple[RouteOutcome, ...]]
    references: Mapping[Key, Denial]
    """What is wrong with what whole Gateways refer to."""
    listener_sets: Mapping[Key, SetOutcome]
    """By ListenerSet, of those whose Gateways are looked after."""
    attached: Mapping[ListenerPlace, int]
    """Routes by listener."""
    policies: policies.Policies
    """What BackendTLSPolicies come to."""


def of(objects: GatewayObjects) -> Translation:
    """Translate all that there is."""
    sets = listener_sets.by_gateway(objects)
    states = {
        key: listeners.states(owner, sets.get(key, ()), objects)
        for key, owner in objects.gateways.items()
        if objects.is_looked_after(owner.spec.gateway_class_name)
    }
    work = _Work(objects, states)
    work.requests()
    work.connections()
    return Translation(
        gateways=dict(_gateways(objects, states)),
        virtual_services=work.made(),
        listeners=states,
        references=dict(_references(objects, states)),
        listener_sets=dict(listener_sets.outcomes(objects, states)),
        routes=work.outcomes,
        attached=work.attached,
        policies=policies.of(objects),
    )


def _references(objects: GatewayObjects, states: States) -> Iterator[tuple[Key, Denial]]:
    for key in states:
        problem = listeners.client_certificate_problem(objects.gateways[key], objects)
        if problem is not None:
            yield key, problem


def _gateways(objects: GatewayObjects, states: States) -> Iterator[tuple[Key, networking.Gateway]]:
    for (namespace, _), found in states.items():
        for state in found:
            selector = _selector(state.owner, objects)
            if state.server is None or not selector:
                continue
            spec = networking_gateway.GatewaySpec(servers=(state.server,), selector=selector)
            origin = Origin(
                name=state.internal_name,
                namespace=state.internal_key[0],
                proxies=namespace,
                creation_timestamp=state.owner.metadata.creation_timestamp,
                whole=state.source,
            )
            yield state.internal_key, networking.Gateway(metadata=origin, spec=spec)


def _selector(owner: gateway.Gateway, objects: GatewayObjects) -> dict[str, str]:
    """Return the labels of the pods that serve a Gateway, of its own namespace."""
    if gateway.is_deployed_for([address.type for address in owner.spec.addresses]):
        return {GATEWAY_LABEL: owner.metadata.name}
    namespace = owner.metadata.namespace
    for address in owner.spec.addresses:
        name, _, where = address.value.partition(".")
        if address.type == "Hostname" and where.partition(".")[0] in ("", namespace):
            service = objects.services.get((namespace, name))
            if service is not None and service.spec.selector:
                return dict(service.spec.selector)
    return {}


class _Host(NamedTuple):
    """Where rules are joined: a host at a listener, or of the mesh as a namespace sees it."""

    namespace: str
    gateway: str
    host: str


class _Work:
    """One translation as it goes on."""

    def __init__(self, objects: GatewayObjects, states: States) -> None:
        self._objects, self._states = objects, states
        self._joined: dict[_Host, list[MadeRule]] = {}
        self._oldest: dict[_Host, Any] = {}
        self._single: dict[Key, networking.VirtualService] = {}
        self.outcomes: dict[RouteKey, tuple[RouteOutcome, ...]] = {}
        self.attached: Counter[ListenerPlace] = Counter()

    def requests(self) -> None:
        """Translate HTTPRoutes and GRPCRoutes, the oldest first."""
        every: list[routes.HTTPRoute | routes.GRPCRoute] = [
            *self._objects.http_routes.values(),
            *self._objects.grpc_routes.values(),
        ]
        for route in sorted(every, key=_age):
            kind = "HTTPRoute" if isinstance(route, routes.HTTPRoute) else "GRPCRoute"
            self._request_route(kind, route)

    def _request_route(self, kind: str, route: routes.HTTPRoute | routes.GRPCRoute) -> None:
        source = precedence.source(kind, route, "spec")
        sides: dict[bool, rules.Converted] = {}
        outcomes = []
        for parent in self._parents(kind, route, route.spec.hostnames):
            checked = not parent.is_mesh
            if checked not in sides:
                sides[checked] = self._converted(route, source, checked=checked)
            outcomes.append(RouteOutcome(parent, sides[checked].problem))
            self._join(parent, route, sides[checked].rules)
        self._told(kind, route, outcomes)

    def _converted(
        self, route: routes.HTTPRoute | routes.GRPCRoute, source: Source, *, checked: bool
    ) -> rules.Converted:
        if isinstance(route, routes.HTTPRoute):
            return rules.http(route, source, self._objects, checked=checked)
        return rules.grpc(route, source, self._objects, checked=checked)

    def _parents(self, kind: str, route: Any, hostnames: tuple[str, ...]) -> list[Parent]:
        found = parents.of_route(
            kind,
            route.metadata.namespace,
            route.spec.parent_refs,
            hostnames,
            self._states,
            self._objects,
        )
        return list(found)

    def _told(self, kind: str, route: Any, outcomes: list[RouteOutcome]) -> None:
        meta = route.metadata
        self.outcomes[RouteKey(kind, meta.namespace, meta.name)] = tuple(outcomes)
        reached = {each.listener.place for outcome in outcomes for each in outcome.parent.attached}
        self.attached.update(reached)

    def _join(self, parent: Parent, route: Any, made: tuple[MadeRule, ...]) -> None:
        for each in parent.attached:
            named = "/".join(each.listener.internal_key)
            for host in each.hosts if each.listener.valid else ():
                self._add(_Host(each.listener.internal_key[0], named, host), route, made)
        for host in parent.services:
            at = tuple(_on_port(rule, parent.ref.port) for rule in made)
            self._add(_Host(route.metadata.namespace, _MESH, host), route, at)

    def _add(self, where: _Host, route: Any, made: tuple[MadeRule, ...]) -> None:
        if made:
            self._joined.setdefault(where, []).extend(made)
            self._oldest.setdefault(where, route)

    def made(self) -> dict[Key, networking.VirtualService]:
        """Return the VirtualServices."""
        found = dict(self._single)
        for where, joined in self._joined.items():
            ordered = rules.ordered(joined)
            name = f"{where.gateway.rpartition('/')[2]}~{where.host}~istio-autogenerated"
            consumed = where.gateway == _MESH and not self._is_producer(where)
            origin = Origin(
                name=name,
                namespace=where.namespace,
                creation_timestamp=None
                if consumed
                else self._oldest[where].metadata.creation_timestamp,
                whole=ordered[0].source,
                parts=tuple((f"spec.http[{i}]", rule.source) for i, rule in enumerate(ordered)),
            )
            spec = networking_route.VirtualServiceSpec(
                hosts=(where.host,),
                gateways=(where.gateway,),
                http=tuple(rule.spec for rule in ordered),
                export_to=_AT_HOME if consumed else _EVERYWHERE,
            )
            found[where.namespace, name] = networking.VirtualService(metadata=origin, spec=spec)
        return found

    def _is_producer(self, where: _Host) -> bool:
        """Whether routes of a namespace to a host of the mesh are for every client: those beside
        the service are."""
        tail = f".{where.namespace}.svc.{self._objects.domain}"
        if where.host.endswith(tail):
            return True
        owners = (ns for (ns, _), e in self._objects.entries.items() if where.host in e.spec.hosts)
        return where.namespace in owners

    def connections(self) -> None:
        """Translate TLSRoutes and TCPRoutes, the oldest first."""
        for route in sorted(self._objects.tls_routes.values(), key=_age):
            self._connection_route("TLSRoute", route, route.spec.hostnames)
        for other in sorted(self._objects.tcp_routes.values(), key=_age):
            self._connection_route("TCPRoute", other, ())

    def _connection_route(
        self, kind: str, route: routes.TLSRoute | routes.TCPRoute, hostnames: tuple[str, ...]
    ) -> None:
        who = Referrer(kind, route.metadata.namespace)
        refs = route.spec.rules[0].backend_refs if route.spec.rules else ()
        outcomes = []
        for parent in self._parents(kind, route, hostnames):
            targets, problem = rules.connections(
                refs, who, self._objects, checked=not parent.is_mesh
            )
            outcomes.append(RouteOutcome(parent, problem))
            if problem is None or not problem.hard:
                self._connect(kind, route, parent, hostnames, targets)
        self._told(kind, route, outcomes)

    def _connect(
        self,
        kind: str,
        route: routes.TLSRoute | routes.TCPRoute,
        parent: Parent,
        hostnames: tuple[str, ...],
        targets: tuple[networking_route.RouteDestination, ...],
    ) -> None:
        for each in parent.attached:
            if each.listener.valid and each.hosts:
                self._put(kind, route, _at_listener(each, targets))
        port = parent.ref.port or 0
        for host in parent.services:
            names = tuple(hostnames) or (host,)
            tls = kind == "TLSRoute"
            spec = networking_route.VirtualServiceSpec(
                hosts=(host,),
                gateways=(_MESH,),
                tls=(_by_name(names, targets, port),) if tls else (),
                tcp=() if tls else (_all(targets, port),),
                export_to=_EVERYWHERE,
            )
            self._put(kind, route, spec)

    def _put(self, kind: str, route: Any, spec: networking_route.VirtualServiceSpec) -> None:
        at = precedence.source(kind, route, "spec.rules[0]")
        meta = route.metadata
        gateway_name = spec.gateways[0].rpartition("/")[2]
        name = f"{meta.name}~{gateway_name}~{spec.hosts[0]}~{kind.lower()}"
        origin = Origin(
            name=name,
            namespace=meta.namespace,
            creation_timestamp=meta.creation_timestamp,
            whole=at,
        )
        self._single[meta.namespace, name] = networking.VirtualService(metadata=origin, spec=spec)


def _at_listener(
    each: Attachment, targets: tuple[networking_route.RouteDestination, ...]
) -> networking_route.VirtualServiceSpec:
    """Return the spec for a listener: by server name where TLS is passed on."""
    state: ListenerState = each.listener
    named = "/".join(state.internal_key)
    tls = state.server.tls if state.server is not None else None
    passes = tls is not None and tls.mode == "PASSTHROUGH"
    return networking_route.VirtualServiceSpec(
        hosts=each.hosts,
        gateways=(named,),
        tls=(_by_name(each.hosts, targets, 0),) if passes else (),
        tcp=() if passes else (_all(targets, 0),),
        export_to=_EVERYWHERE,
    )


def _by_name(
    names: tuple[str, ...], targets: tuple[networking_route.RouteDestination, ...], port: int
) -> networking_route.TLSRoute:
    match = networking_route.TLSMatchAttributes(sni_hosts=names, port=port)
    return networking_route.TLSRoute(match=(match,), route=targets)


def _all(
    targets: tuple[networking_route.RouteDestination, ...], port: int
) -> networking_route.TCPRoute:
    match = (networking_route.L4MatchAttributes(port=port),) if port else ()
    return networking_route.TCPRoute(match=match, route=targets)


def _on_port(rule: MadeRule, port: int | None) -> MadeRule:
    """Return a rule for one port of a service."""
    if port is None:
        return rule
    match = rule.match or networking_route.HTTPMatchRequest()
    on_port = msgspec.structs.replace(match, port=port)
    return msgspec.structs.replace(rule, spec=msgspec.structs.replace(rule.spec, match=(on_port,)))


def _age(route: Any) -> tuple[str, str, str]:
    meta = route.metadata
    return (meta.creation_timestamp or "", meta.namespace, meta.name)
