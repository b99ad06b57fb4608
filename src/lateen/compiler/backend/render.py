"""ProxyView to ResourceSet: each part rendered once for as long as it stays the same. Pure."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from lateen.compiler.backend import authorization as checks, scopes
from lateen.compiler.backend.clusters import clusters
from lateen.compiler.backend.listeners import (
    gateway as listeners_gateway,
    inbound as listeners_inbound,
    outbound as listeners_outbound,
)
from lateen.compiler.backend.memo import Memo
from lateen.compiler.ir.authz import Authorization
from lateen.compiler.ir.jwt import Authentication
from lateen.compiler.ir.patches import Patches
from lateen.compiler.ir.proxy import (
    Elsewhere,
    GatewayConfig,
    GatewayListener,
    HttpListener,
    Inbound,
    InboundPort,
    MeshSettings,
    Node,
    Outbound,
    ProxyKind,
    ProxyView,
    TcpListener,
)
from lateen.compiler.ir.telemetry import Signals
from lateen.compiler.output import Resource, ResourceSet, ResourceType
from lateen.model.meta import Source

if TYPE_CHECKING:
    from lateen.compiler.backend.patches.patcher import Patcher

SYSTEM_ROOTS_PATH: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian and its family keep the machine's CA bundle."""

_Part = HttpListener | TcpListener | GatewayListener | Inbound | InboundPort
_Mine = tuple[_Part, bytes]
"""A listener of its own, and a digest of what it says itself of what is checked there."""
_NO_EXTENSIONS: Mapping[str, Resource] = {}


class Renderer:
    """Renders views. Keep one for the life of the control plane: what it remembers is the speed.

    `system_roots` is the path of the machine's CA bundle as the proxies see it.
    """

    def __init__(self, system_roots: str = SYSTEM_ROOTS_PATH) -> None:
        self._roots = system_roots
        self._mesh: _Mesh | None = None

    def render(self, view: ProxyView) -> ResourceSet:
        """Return all resources of one proxy except its secrets.

        The result depends on the view alone. Parts that an earlier view had too are the same
        `Resource` objects. Other mesh settings may change any byte, so they start anew.
        """
        mesh = self._mesh
        if mesh is None or mesh.settings != view.settings:
            mesh = self._mesh = _Mesh(view.settings, self._roots)
        return mesh.views(view)


class _Mesh:
    """Everything rendered under one value of the mesh's settings."""

    def __init__(self, settings: MeshSettings, system_roots: str) -> None:
        self.settings = settings
        self.views: Memo[ProxyView, ResourceSet] = Memo(self._make)
        self._sides = {
            kind: scopes.ScopeRenderer(kind, settings, system_roots) for kind in ProxyKind
        }
        self._checks = {kind: self._checking(kind) for kind in ProxyKind}
        self._mine: Memo[Node, dict[_Mine, Resource]] = Memo(lambda _node: {})
        self._inbound: Memo[InboundPort, Resource] = Memo(self._make_inbound)
        self._fixed = {kind: self._make_fixed(kind) for kind in ProxyKind}
        self._patchers: Memo[Patches, Patcher] | None = None
        self._virtual_outbound: dict[Elsewhere | None, Memo[Signals, Resource]] = {}

    def _make_fixed(self, kind: ProxyKind) -> dict[str, Resource]:
        made = [clusters.black_hole(self.settings)]
        if kind is ProxyKind.SIDECAR:
            made.append(clusters.passthrough(self.settings))
            made.append(clusters.inbound_passthrough(self.settings))
        return scopes.named(scopes.resource(ResourceType.CLUSTER, c, c.name) for c in made)

    def _checking(
        self, kind: ProxyKind
    ) -> Memo[Authentication, Memo[Authorization, checks.Checks]]:
        """Return what makes the filters of a workload: by whose tokens it takes, then by its rules.
        What is made holds a copy: holding the key itself would keep it for ever."""
        gateway = kind is ProxyKind.ROUTER

        def under(tokens: Authentication) -> Memo[Authorization, checks.Checks]:
            own = msgspec.structs.replace(tokens)
            return Memo(lambda rules: checks.of(rules, own, gateway=gateway))

        return Memo(under)

    def _checks_of(self, view: ProxyView) -> checks.Checks:
        if view.authorization is None and view.authentication is None:
            return checks.NONE
        by_rules = self._checks[view.node.kind](view.authentication or checks.NO_TOKENS)
        return by_rules(view.authorization or checks.NO_RULES)

    def _catching(self, signals: Signals, said: Elsewhere | None) -> Resource:
        """Return the listener that all captured connections reach first."""

        def make(reported: Signals) -> Resource:
            made = listeners_outbound.virtual_outbound(self.settings, reported, said)
            return scopes.resource(ResourceType.LISTENER, made, made.name, reported.sources)

        known = self._virtual_outbound.get(said)
        if known is None:
            known = self._virtual_outbound[said] = Memo(make)
        return known(signals)

    def _make_inbound(self, port: InboundPort) -> Resource:
        made = clusters.inbound(port, self.settings)
        return scopes.resource(ResourceType.CLUSTER, made, made.name, (port.source,))

    def _make(self, view: ProxyView) -> ResourceSet:
        kind = view.node.kind
        side = self._sides[kind]
        if view.gateway is not None:
            shared = side.gateway(view.gateway)
        elif view.outbound is not None:
            shared = side.outbound(view.outbound)
        else:
            shared = scopes.EMPTY
        view = _reachable(view, shared.clusters)
        ports = view.inbound.ports if view.inbound is not None else ()
        inbound = scopes.named(self._inbound(port) for port in ports)
        listeners = self._listeners(view)
        if view.outbound is not None:
            signals = view.node.telemetry.client
            common = self._catching(signals, view.outbound.elsewhere)
            listeners = {
                **side.listeners(view.outbound, signals),
                **listeners,
                common.name: common,
            }
        made = ResourceSet(
            {
                ResourceType.CLUSTER: {**shared.clusters, **inbound, **self._fixed[kind]},
                ResourceType.ENDPOINT: shared.endpoints,
                ResourceType.LISTENER: listeners,
                ResourceType.ROUTE: shared.tables,
                ResourceType.EXTENSION: self._extensions(view),
            }
        )
        return made if view.patches is None else self._patched(view, view.patches, made)

    def _patched(self, view: ProxyView, patches: Patches, generated: ResourceSet) -> ResourceSet:
        from lateen.compiler.backend.patches import patcher  # what most meshes never need

        if self._patchers is None:
            self._patchers = Memo(patcher.Patcher)
        return self._patchers(patches).patched(view, generated)

    def _extensions(self, view: ProxyView) -> Mapping[str, Resource]:
        """Return what is asked for by a chain that serves HTTP; every sidecar has one."""
        asked = view.gateway is None or any(
            chain.route_table for listener in view.gateway.listeners for chain in listener.chains
        )
        if view.authorization is None or not asked:
            return _NO_EXTENSIONS
        return scopes.named(self._checks_of(view).extensions)

    def _listeners(self, view: ProxyView) -> dict[str, Resource]:
        """Return the listeners that name the proxy itself (its peer metadata), by name.

        What the node's last view had too is kept; what it no longer has is forgotten.
        """
        known, used = self._mine(view.node), {}
        of_view = self._checks_of(view)
        for part, guarded in _own_parts(view):
            checked = of_view if guarded else checks.NONE
            mine = (part, checked.digest)
            used[mine] = known.get(mine) or self._own(part, checked, view)
        known.clear()
        known.update(used)
        return scopes.named(used.values())

    def _own(self, part: _Part, checked: checks.Checks, view: ProxyView) -> Resource:
        node, settings = view.node, self.settings
        signals = node.telemetry.client
        sources: Iterator[Source | None]
        if isinstance(part, Inbound):
            signals = node.telemetry.server
            made = listeners_inbound.virtual_inbound(part, node, settings, checked)
            sources = _inbound_sources(part)
        elif isinstance(part, InboundPort):
            signals = node.telemetry.server
            made = listeners_inbound.bound(part, node, settings, checked)
            sources = iter((part.source, part.mode.source))
        elif isinstance(part, GatewayListener):
            made = listeners_gateway.listener(part, node, settings, checked)
            sources = (chain.source for chain in part.chains)
        elif isinstance(part, HttpListener):
            made = listeners_outbound.http(part, node, settings)
            sources = iter(())
        else:
            made = listeners_outbound.sniffed(part, node, settings)
            return scopes.listener_resource(made, part, signals.sources)
        decided = (*sources, *signals.sources, *(source for _, source in checked.sources))
        return scopes.resource(ResourceType.LISTENER, made, made.name, decided)


def _reachable(view: ProxyView, clusters: Mapping[str, Resource]) -> ProxyView:
    """Return the view without tracers whose Service the proxy does not know: Envoy refuses a whole
    listener that names a cluster it does not have."""
    told = view.node.telemetry
    known = {
        name: msgspec.structs.replace(side, tracer=None, traced=False)
        for name, side in (("client", told.client), ("server", told.server))
        if side.tracer is not None and side.tracer.cluster not in clusters
    }
    if not known:
        return view
    reports = msgspec.structs.replace(told, **known)
    node = msgspec.structs.replace(view.node, telemetry=reports)
    return msgspec.structs.replace(view, node=node)


def _own_parts(view: ProxyView) -> Iterator[tuple[_Part, bool]]:
    """Yield a proxy's own listeners, and whether requests are checked there."""
    outbound: Outbound | None = view.outbound
    gateway: GatewayConfig | None = view.gateway
    if view.inbound is not None:
        yield view.inbound, True
        yield from ((port, True) for port in view.inbound.ports if port.bind)
    if outbound is not None:
        yield from ((listener, False) for listener in outbound.http)
        yield from ((listener, False) for listener in outbound.tcp if listener.sniffed)
    if gateway is not None:
        yield from ((listener, True) for listener in gateway.listeners)


def _inbound_sources(inbound: Inbound) -> Iterator[Source | None]:
    yield inbound.mode.source
    for port in inbound.ports:
        yield port.source
        yield port.mode.source
    for entry in inbound.port_modes:
        yield entry.mode.source
