"""Delegation: a root VirtualService leaves rules to another one. Pure."""

from collections.abc import Callable
from functools import cache

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.origin import Origin
from lateen.compiler.frontend.registry import hosts
from lateen.compiler.frontend.routing.routes import HttpRule, gateway_name
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio import networking_route, types
from lateen.model.istio.networking_route import HTTPMatchRequest, HTTPRoute, VirtualService
from lateen.model.schema import describe

Find = Callable[[str, str], VirtualService | None]
"""(namespace, name) -> VirtualService."""


def http_rules(root: VirtualService, find: Find, settings: MeshSettings) -> tuple[HttpRule, ...]:
    """Return the `http` rules of a VirtualService with delegates followed, one level deep.

    A rule whose delegate is missing, is not a delegate, or is not exported to the root's
    namespace is left out.
    """
    found: list[HttpRule] = []
    for index, spec in enumerate(root.spec.http):
        source = precedence.source("VirtualService", root, f"spec.http[{index}]")
        if spec.delegate is None:
            translated = isinstance(root.metadata, Origin)
            found.append(HttpRule(spec=spec, source=source, translated=translated))
            continue
        child = delegate_of(root, spec, find, settings)
        if child is not None:
            found.extend(_joined(root, spec, child, settings.domain))
    return tuple(found)


def delegate_of(
    root: VirtualService, spec: HTTPRoute, find: Find, settings: MeshSettings
) -> VirtualService | None:
    """Return the VirtualService that a rule delegates to, if it may be used."""
    if spec.delegate is None:
        return None
    own = root.metadata.namespace
    child = find(spec.delegate.namespace or own, spec.delegate.name)
    if child is None or child.spec.hosts:
        return None
    visible = child.spec.export_to or settings.routes_export_to
    if not precedence.exported(visible, child.metadata.namespace, own):
        return None
    return child


def conflicts(root: VirtualService, spec: HTTPRoute, child: VirtualService) -> tuple[int, ...]:
    """Return which of a delegate's rules are left out because they contradict `spec`, a rule of
    the root's."""
    outer = _matches(root, spec)
    return tuple(
        index
        for index, inner in enumerate(child.spec.http)
        if inner.delegate is not None or _intersect_all(outer, _matches(child, inner)) is None
    )


def _matches(owner: VirtualService, spec: HTTPRoute) -> tuple[HTTPMatchRequest, ...]:
    """Return a rule's matches with their gateways in full: a short one is of `owner`'s namespace,
    and what is joined may be of two."""
    namespace = owner.metadata.namespace
    return tuple(
        msgspec.structs.replace(
            match, gateways=tuple(gateway_name(g, namespace) for g in match.gateways)
        )
        if match.gateways
        else match
        for match in spec.match
    )


@cache
def _inherited() -> tuple[str, ...]:
    """Return the fields of a rule that a delegate's rule takes from the root's where it has none:
    all but those whose declarations say otherwise."""
    own = describe.marked(HTTPRoute, "own")
    return tuple(name for name in HTTPRoute.__struct_fields__ if name not in own)


def _joined(
    owner: VirtualService, root: HTTPRoute, child: VirtualService, domain: str
) -> list[HttpRule]:
    found = []
    above = precedence.source("VirtualService", owner).ref
    outer = _matches(owner, root)
    for index, spec in enumerate(child.spec.http):
        if spec.delegate is not None:
            continue
        match = _intersect_all(outer, _matches(child, spec))
        if match is None:
            continue
        inherited = {name: getattr(root, name) for name in _inherited() if not getattr(spec, name)}
        name = "-".join(part for part in (root.name, spec.name) if part)
        merged = msgspec.structs.replace(
            _absolute(spec, child.metadata.namespace, domain), name=name, match=match, **inherited
        )
        source = precedence.source("VirtualService", child, f"spec.http[{index}]")
        found.append(HttpRule(spec=merged, source=source, root=above))
    return found


def _absolute(spec: HTTPRoute, namespace: str, domain: str) -> HTTPRoute:
    """Write short destination hosts out: they mean the delegate's namespace, not the root's."""

    def widen(target: networking_route.Destination) -> networking_route.Destination:
        return msgspec.structs.replace(target, host=hosts.resolve(target.host, namespace, domain))

    return msgspec.structs.replace(
        spec,
        route=tuple(
            msgspec.structs.replace(r, destination=widen(r.destination))
            if r.destination is not None
            else r
            for r in spec.route
        ),
        mirror=widen(spec.mirror) if spec.mirror is not None else None,
        mirrors=tuple(
            msgspec.structs.replace(m, destination=widen(m.destination))
            if m.destination is not None
            else m
            for m in spec.mirrors
        ),
    )


def _intersect_all(
    root: tuple[HTTPMatchRequest, ...], child: tuple[HTTPMatchRequest, ...]
) -> tuple[HTTPMatchRequest, ...] | None:
    """Return the child's matches narrowed by the root's, or None if the rule is impossible:
    one match that contradicts the root drops the whole rule."""
    if not root:
        return child
    if not child:
        return root
    found: list[HTTPMatchRequest] = []
    for inner in child:
        within = [_intersect(outer, inner) for outer in root if not _conflict(outer, inner)]
        if not within:
            return None
        found += within
    return tuple(found)


def _conflict(outer: HTTPMatchRequest, inner: HTTPMatchRequest) -> bool:
    both = outer.uri is not None and inner.uri is not None
    if both and outer.ignore_uri_case != inner.ignore_uri_case:
        return True
    for name in ("uri", "scheme", "method", "authority"):
        mine, theirs = getattr(outer, name), getattr(inner, name)
        if mine is not None and theirs is not None and _wider(mine, theirs):
            return True
    for table in ("headers", "query_params", "without_headers"):
        mine, theirs = getattr(outer, table), getattr(inner, table)
        if any(name in theirs and _wider(mine[name], theirs[name]) for name in mine):
            return True
    if outer.port and inner.port and outer.port != inner.port:
        return True
    if outer.source_namespace and inner.source_namespace != outer.source_namespace:
        return True
    if outer.gateways and not set(inner.gateways) <= set(outer.gateways):
        return True
    return any(
        outer.source_labels.get(key, wanted) != wanted
        for key, wanted in inner.source_labels.items()
    )


def _wider(outer: types.StringMatch, inner: types.StringMatch) -> bool:
    """Whether `inner` is not taken to lie within `outer`: as on Istio nothing lies within a regular
    expression, nor within a condition that asks for presence alone."""
    if outer.regex is not None or inner.regex is not None:
        return True
    if outer.exact is not None:
        return inner.exact != outer.exact
    text = inner.exact if inner.exact is not None else inner.prefix
    return outer.prefix is None or text is None or not text.startswith(outer.prefix)


def _intersect(outer: HTTPMatchRequest, inner: HTTPMatchRequest) -> HTTPMatchRequest:
    names = "-".join(part for part in (outer.name, inner.name) if part)
    return msgspec.structs.replace(
        inner,
        name=names,
        uri=inner.uri or outer.uri,
        ignore_uri_case=inner.ignore_uri_case or outer.ignore_uri_case,
        scheme=inner.scheme or outer.scheme,
        method=inner.method or outer.method,
        authority=inner.authority or outer.authority,
        headers=outer.headers | inner.headers,
        query_params=outer.query_params | inner.query_params,
        without_headers=outer.without_headers | inner.without_headers,
        port=inner.port or outer.port,
        source_labels=outer.source_labels | inner.source_labels,
        source_namespace=inner.source_namespace or outer.source_namespace,
        gateways=inner.gateways or outer.gateways,
        stat_prefix=inner.stat_prefix or outer.stat_prefix,
    )
