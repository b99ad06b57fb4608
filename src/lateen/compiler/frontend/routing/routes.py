"""VirtualService rules to routes: order, scope, destinations and names. Pure."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from lateen.compiler.frontend import precedence, quantities
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing import actions, matches
from lateen.compiler.ir.policy import HashKey
from lateen.compiler.ir.proxy import MeshSettings, cluster_name
from lateen.compiler.ir.routing import (
    Destination,
    HeaderOps,
    Mirror,
    RetryPolicy,
    Route,
    RouteMatch,
    TcpPolicy,
)
from lateen.compiler.ir.workload import Protocol, Resolution, Service
from lateen.model.istio import networking_route
from lateen.model.meta import ObjectRef, Source

L4Match: TypeAlias = networking_route.L4MatchAttributes | networking_route.TLSMatchAttributes

MESH = "mesh"

NO_MATCH = networking_route.HTTPMatchRequest()


class HttpRule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One `http` rule, delegates already followed, and where it is written."""

    spec: networking_route.HTTPRoute
    source: Source
    root: ObjectRef | None = None
    """The VirtualService that delegates to the source's, if another."""
    translated: bool = False
    """Whether it was made of a route of the Gateway API, whose semantics it then has: prefixes
    are of whole segments, and a service that is not there answers 500."""

    def at_match(self, index: int) -> Source:
        """Return where a match was written."""
        return self.source if self.translated else self.source.at(f"match[{index}]")

    def at_destination(self, index: int) -> Source:
        """Return where a destination was written."""
        name = "backendRefs" if self.translated else "route"
        end = "" if self.translated else ".destination"
        return self.source.at(f"{name}[{index}]{end}")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """For whom routes are made: a VirtualService on a port of a sidecar or gateway."""

    settings: MeshSettings
    namespace: str
    name: str
    port: int
    """The port the client dialed: of the service or of the Gateway's server."""
    gateways: tuple[str, ...]
    """`mesh`, or the Gateway as `namespace/name`."""
    client_namespace: str
    client_labels: dict[str, str]
    secure: bool
    """Whether the client dialed in TLS that ends here."""
    service: Callable[[str], Service | None]
    """The host of that name, if the client's namespace knows it."""
    hashed: Callable[[str, int, str], tuple[HashKey, ...]]
    """(hostname, port, subset) -> what its DestinationRule balances by."""
    conduct: Callable[[str, str, bool], TcpPolicy]
    """(hostname, subset, one destination only) -> how a TCP proxy treats connections there."""


def gateway_name(written: str, namespace: str) -> str:
    """Return a gateway reference in full: `mesh`, or `namespace/name`.

    The old form with dots still means something to Istio: `name.namespace` and what may follow.
    """
    if written == MESH or "/" in written:
        return written
    name, *rest = written.split(".")
    return f"{rest[0] if rest else namespace}/{name}"


def http(rules: tuple[HttpRule, ...], context: Context) -> tuple[Route, ...]:
    """Return the routes of a VirtualService, in rule and match order.

    Generation stops after a rule without matches or a match of everything, since nothing behind
    it can be reached. A rule that does nothing (which validation refuses) is left out.
    """
    found: list[Route] = []
    for rule in rules:
        if not acts(rule.spec):
            continue
        for match, condition in _matches(rule, context):
            found.append(_route(rule, match, condition, context))
            if matches.is_catch_all(condition, context.settings.features):
                return tuple(found)
    return tuple(found)


def acts(spec: networking_route.HTTPRoute) -> bool:
    """Whether a rule sends requests anywhere or answers them: of several destinations at least
    one must have a weight."""
    if spec.redirect is not None or spec.direct_response is not None:
        return True
    entries = [entry for entry in spec.route if entry.destination is not None]
    return len(entries) == 1 or any(entry.weight > 0 for entry in entries)


def catch_alls_last(routes: tuple[Route, ...], settings: MeshSettings) -> tuple[Route, ...]:
    """Move routes that match everything behind the others, keeping order otherwise: a gateway
    joins the routes of several VirtualServices for one host."""
    features = settings.features
    marks = [matches.is_catch_all(r.match, features) for r in routes]
    if not any(marks[:-1]):
        return routes
    return tuple(r for r, last in zip(routes, marks, strict=True) if not last) + tuple(
        r for r, last in zip(routes, marks, strict=True) if last
    )


def in_scope(match: networking_route.HTTPMatchRequest, context: Context) -> bool:
    """Whether an `http` match concerns the client and port at hand.

    `gateways`, when written, alone decides; otherwise the client's labels and namespace do.
    """
    if match.port and match.port != context.port:
        return False
    return _at_gateway(match, context) if match.gateways else _from_client(match, context)


def l4_in_scope(match: L4Match, context: Context) -> bool:
    """Whether a `tcp` or `tls` match concerns the client and port at hand: on sidecars everything
    that is written must hold, on gateways only port and `gateways` count."""
    if match.port and match.port != context.port:
        return False
    if match.gateways and not _at_gateway(match, context):
        return False
    return MESH not in context.gateways or _from_client(match, context)


def _at_gateway(match: L4Match | networking_route.HTTPMatchRequest, context: Context) -> bool:
    named = {gateway_name(g, context.namespace) for g in match.gateways}
    return not named.isdisjoint(context.gateways)


def _from_client(match: L4Match | networking_route.HTTPMatchRequest, context: Context) -> bool:
    if match.source_namespace and match.source_namespace != context.client_namespace:
        return False
    return precedence.selects(match.source_labels, context.client_labels)


def destination(
    target: networking_route.Destination, context: Context, *, http: bool
) -> tuple[str, int]:
    """Return the host and port a destination means.

    Without a port: the service's only one, else the port dialed. Sidecars look for the destination
    of a request among the services of the dialed port alone, so there it is always that. An
    ExternalName service stands for the host that it names, on its own ports.
    """
    host = hosts.resolve(target.host, context.namespace, context.settings.domain)
    service = context.service(host)
    if service is not None and service.resolution is Resolution.ALIAS:
        host = service.external_name
    if target.port is not None and target.port.number:
        return host, target.port.number
    if service is not None and not (http and MESH in context.gateways):
        numbers = [p.number for p in service.ports if p.protocol is not Protocol.UDP]
        if len(numbers) == 1:
            return host, numbers[0]
    return host, context.port


def weighted(
    targets: tuple[networking_route.RouteDestination, ...], source: Source, context: Context
) -> tuple[Destination, ...]:
    """Return the destinations of a `tcp` or `tls` rule whose source is given."""
    several = len(targets) > 1
    found = []
    for index, entry in enumerate(targets):
        if entry.destination is None or (several and entry.weight <= 0):
            continue
        host, port = destination(entry.destination, context, http=False)
        found.append(
            Destination(
                cluster=cluster_name(host, port, entry.destination.subset),
                weight=entry.weight if several else 100,
                source=source.at(f"route[{index}].destination"),
            )
        )
    return tuple(found)


def conduct(destinations: tuple[Destination, ...], context: Context) -> TcpPolicy:
    """Return how connections to these destinations are treated: the first one's policy counts."""
    _, _, subset, host = destinations[0].cluster.split("|")
    single = len(destinations) == 1
    return context.conduct(host, subset if single else "", single)


def _matches(
    rule: HttpRule, context: Context
) -> Iterator[tuple[networking_route.HTTPMatchRequest, RouteMatch]]:
    if not rule.spec.match:
        yield NO_MATCH, matches.ANY
        return
    for index, match in enumerate(rule.spec.match):
        if in_scope(match, context):
            at, features = rule.at_match(index), context.settings.features
            yield match, matches.translate(match, at, features, segments=rule.translated)


def _route(
    rule: HttpRule,
    match: networking_route.HTTPMatchRequest,
    condition: RouteMatch,
    context: Context,
) -> Route:
    spec = rule.spec
    name = f"{spec.name}.{match.name}" if match.name else spec.name
    path = matches.operation_path(condition)
    if spec.redirect is not None or spec.direct_response is not None:
        return _answer(rule, match, name, condition, context)
    request, host = actions.headers(spec.headers.request if spec.headers else None)
    response, _ = actions.headers(spec.headers.response if spec.headers else None)
    made = _targets(rule, context)
    targets, keys = made.destinations, made.keys
    return Route(
        name=name,
        match=condition,
        source=rule.source,
        root=rule.root,
        destinations=targets,
        rewrite=actions.rewrite(spec.rewrite, made.host or host),
        timeout=quantities.seconds(spec.timeout) or 0.0,
        retries=_retries(spec, keys if len(targets) == 1 else (), context),
        fault=actions.fault(spec.fault, rule.source.at("fault")),
        mirrors=_mirrors(spec, context),
        cors=actions.cors(spec.cors_policy),
        request=actions.join(request, made.request),
        response=actions.join(response, made.response),
        hash_keys=keys,
        decorator=_operation(targets[0].cluster, path)
        if len(targets) == 1
        else _own_operation(condition, context),
        stat_prefix=match.stat_prefix,
        missing_status=500 if rule.translated else 503,
    )


def _answer(
    rule: HttpRule,
    match: networking_route.HTTPMatchRequest,
    name: str,
    condition: RouteMatch,
    context: Context,
) -> Route:
    spec = rule.spec
    redirect, direct = spec.redirect, spec.direct_response
    request, _ = actions.headers(spec.headers.request if spec.headers else None)
    response, _ = actions.headers(spec.headers.response if spec.headers else None)
    return Route(
        name=name,
        match=condition,
        source=rule.source,
        root=rule.root,
        redirect=actions.redirect(redirect, context.port, secure=context.secure)
        if redirect is not None
        else None,
        direct_response=actions.direct_response(direct)
        if direct is not None and redirect is None
        else None,
        cors=actions.cors(spec.cors_policy),
        request=request,
        response=response,
        decorator=_own_operation(condition, context),
        stat_prefix=match.stat_prefix,
    )


def _retries(
    spec: networking_route.HTTPRoute, keys: tuple[HashKey, ...], context: Context
) -> RetryPolicy:
    """With a consistent hash, avoiding the host just tried would mean giving up the hash. As in
    Istio that counts where there is one destination; `keys` are its."""
    features = context.settings.features
    made = actions.retries(spec.retries, features)
    if not keys or not features.hash_retries_same_host:
        return made
    if spec.retries is not None and spec.retries.retry_ignore_previous_hosts:
        return made
    return msgspec.structs.replace(made, avoid_previous_hosts=False)


def _own_operation(condition: RouteMatch, context: Context) -> str:
    return f"{context.name}:{context.port}{matches.operation_path(condition)}"


def _operation(cluster: str, path: str) -> str:
    _, port, _, host = cluster.split("|")
    return f"{host}:{port}{path}"


class _Targets(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A rule's destinations, what a single one adds to the route, and what is hashed."""

    destinations: tuple[Destination, ...]
    request: HeaderOps
    response: HeaderOps
    host: str
    keys: tuple[HashKey, ...]


def _targets(rule: HttpRule, context: Context) -> _Targets:
    """Return where a rule sends requests. Header changes of a single destination are the route's;
    with several, those of weight 0 get nothing and are left out."""
    several = sum(e.destination is not None for e in rule.spec.route) > 1
    found: list[Destination] = []
    keys: tuple[HashKey, ...] = ()
    request = response = actions.NO_HEADERS
    rewritten = ""
    for index, entry in enumerate(rule.spec.route):
        target = entry.destination
        if target is None or (several and entry.weight <= 0):
            continue
        host, port = destination(target, context, http=True)
        keys += context.hashed(host, port, target.subset)
        if entry.headers is not None:
            request, rewritten = actions.headers(entry.headers.request)
            response, _ = actions.headers(entry.headers.response)
        else:
            request, response, rewritten = actions.NO_HEADERS, actions.NO_HEADERS, ""
        found.append(
            Destination(
                cluster=cluster_name(host, port, target.subset),
                weight=entry.weight if several else 100,
                request=request if several else actions.NO_HEADERS,
                response=response if several else actions.NO_HEADERS,
                host_rewrite=rewritten if several else "",
                source=rule.at_destination(index),
            )
        )
    if several:
        request = response = actions.NO_HEADERS
        rewritten = ""
    return _Targets(
        destinations=tuple(found),
        request=request,
        response=response,
        host=rewritten,
        keys=tuple(dict.fromkeys(keys)),
    )


def _mirrors(spec: networking_route.HTTPRoute, context: Context) -> tuple[Mirror, ...]:
    """Return mirrors; without a percentage everything is copied, with 0 nothing."""
    wanted: list[tuple[networking_route.Destination, float]] = []
    if spec.mirror is not None:
        share = 100.0
        if spec.mirror_percentage is not None:
            share = spec.mirror_percentage.value or 0.0
        elif spec.mirror_percent is not None:
            share = float(spec.mirror_percent)
        wanted.append((spec.mirror, share))
    for extra in spec.mirrors:
        if extra.destination is not None:
            share = 100.0 if extra.percentage is None else extra.percentage.value or 0.0
            wanted.append((extra.destination, share))
    found = []
    for target, share in wanted:
        ppm = quantities.parts_per_million(share)
        if ppm:
            host, port = destination(target, context, http=True)
            found.append(
                Mirror(
                    cluster=cluster_name(host, port, target.subset),
                    ppm=ppm,
                    host_suffix=context.settings.features.shadow_host_suffix,
                )
            )
    return tuple(found)
