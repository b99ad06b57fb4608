"""The front end as a whole: a snapshot in, a mesh out. Pure.

`Frontend` keeps what it computed, so that building again after one changed object costs little
and leaves every value that did not change the same object. What it returns is always what a new
`Frontend` would return for that snapshot.
"""

from collections.abc import Callable, Mapping

from lateen.compiler.frontend.diagnostics import findings
from lateen.compiler.frontend.graph import (
    authentications,
    authorizations,
    collections,
    destinations,
    envoyfilters,
    mesh_config,
    pods,
    routers,
    sidecars,
    translated,
)
from lateen.compiler.frontend.graph.collections import Collections, FetchedKeys, Key, Objects
from lateen.compiler.frontend.graph.incremental import Graph
from lateen.compiler.frontend.graph.sidecar_scopes import SidecarScopes
from lateen.compiler.ir.proxy import MeshSettings, ProxyKind, ProxyView
from lateen.model.istio import meshconfig
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef, Source

View = Callable[[Key], ProxyView]
Find = Callable[[], tuple[Diagnostic, ...]]


class Superseded(RuntimeError):
    """A view was asked of a mesh after its front end went on to the next snapshot."""


class Mesh:
    """The mesh of one snapshot: a view per pod with a proxy.

    Views are made when asked for. Ask before the front end builds the next mesh; what was asked
    for by then stays.
    """

    def __init__(self, proxies: tuple[ObjectRef, ...], make: View, find: Find) -> None:
        self._proxies = proxies
        self._make: View | None = make
        self._find = find
        self._found: tuple[Diagnostic, ...] | None = None
        self._views: dict[ObjectRef, ProxyView] = {}

    def proxies(self) -> tuple[ObjectRef, ...]:
        """Return the pods that run a proxy, by namespace and name."""
        return self._proxies

    def view(self, pod: ObjectRef) -> ProxyView:
        """Return the whole input of one proxy's configuration; while nothing in it changes, the
        same object from mesh to mesh. Raises KeyError for a pod without a proxy."""
        found = self._views.get(pod)
        if found is None:
            if self._make is None:
                raise Superseded(f"{pod}: ask the newest mesh for this view")
            found = self._views[pod] = self._make((pod.namespace, pod.name))
        return found

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What compiling noticed, object by object: fields and kinds without effect here,
        references to nothing, servers and policies that are left out."""
        if self._found is None:
            if self._make is None:
                raise Superseded("ask the newest mesh for its diagnostics")
            self._found = self._find()
        return self._found

    def close(self) -> None:
        """Called by the front end before it builds the next mesh."""
        self._make = None


class Frontend:
    """Compiles snapshots under a lab's settings, and those of the mesh configuration in them."""

    def __init__(self, settings: MeshSettings) -> None:
        self._given = settings
        self._mesh_config: object = None
        self._mesh: Mesh | None = None
        self._key_sets: dict[str, FetchedKeys] = {}
        self._start(settings)

    def _start(self, settings: MeshSettings) -> None:
        """Begin with nothing known: what the whole mesh is set to may change any value."""
        self.settings = settings
        self._graph = Graph()
        self._translator = translated.Translator(settings.domain)
        self._collections = Collections(self._graph, settings)
        self._destinations = destinations.Destinations(self._graph, self._collections, settings)
        scopes = SidecarScopes(self._graph, self._destinations)
        self._pods = pods.Pods(self._graph, self._destinations, scopes)
        self._sidecars = sidecars.Sidecars(self._graph, self._destinations, scopes)
        self._routers = routers.Routers(self._graph, self._destinations)
        self._authorizations = authorizations.Authorizations(
            self._graph, self._collections, settings, self._destinations.registry.named
        )
        self._envoy_filters = envoyfilters.EnvoyFilters(self._graph, self._collections, settings)
        self._authentications = authentications.Authentications(
            self._graph, self._collections, settings
        )
        for address, fetched in self._key_sets.items():
            self._collections.key_sets.put(address, fetched)
        self._findings = findings.Findings(self._graph, self._destinations, self._pods.telemetries)
        self._proxies: dict[Key, ProxyKind] = {}
        self._views: dict[Key, ProxyView] = {}
        self._listed: tuple[ObjectRef, ...] = ()

    def learn_keys(self, address: str, fetched: FetchedKeys) -> bool:
        """Take over what came of fetching a key set. It counts from the next mesh on. Return
        whether it is anything new."""
        if self._key_sets.get(address) == fetched:
            return False
        self._key_sets[address] = fetched
        self._collections.key_sets.put(address, fetched)
        return True

    def build(self, snapshot: Objects) -> Mesh:
        """Return the mesh of a snapshot. Never raises on objects that decoding accepted."""
        if self._mesh is not None:
            self._mesh.close()
        obj = snapshot.of(collections.CONFIG_MAPS).get(
            (self._given.root_namespace, meshconfig.NAME)
        )
        if obj is not self._mesh_config:
            self._mesh_config = obj
            settings = mesh_config.applied(self._given, obj)
            if settings != self.settings:
                self._start(settings)
        self._graph.sweep()
        changed = self._collections.update(self._translator.over(snapshot))
        self._list_proxies(snapshot.of(collections.PODS), changed.get(collections.PODS, set()))
        self._findings.update(snapshot, changed)
        self._mesh = Mesh(self._listed, self._view, self._diagnose)
        return self._mesh

    def _diagnose(self) -> tuple[Diagnostic, ...]:
        routing = [key for key, kind in self._proxies.items() if kind is ProxyKind.ROUTER]
        scopes = dict.fromkeys(self._pods.router_scope.get(key) for key in sorted(routing))
        opened = dict.fromkeys(finding for s in scopes for finding in self._routers.findings(s))
        return (*self._findings.all(), *opened)

    def _list_proxies(self, objects: Mapping[Key, object], changed: set[Key]) -> None:
        before = len(self._proxies)
        moved = False
        for key in changed:
            kind = pods.kind_of(self._collections.pods.get(key))
            if kind is self._proxies.get(key):
                continue
            moved = True
            if kind is None:
                del self._proxies[key]
                self._views.pop(key, None)
            else:
                self._proxies[key] = kind
        if moved or len(self._proxies) != before:
            self._listed = tuple(ObjectRef("Pod", *key) for key in sorted(self._proxies))
            sidecar_pods = [k for k, kind in self._proxies.items() if kind is ProxyKind.SIDECAR]
            self._sidecars.keep_only(self._pods.scope.get(key) for key in sidecar_pods)

    def _view(self, key: Key) -> ProxyView:
        node = self._pods.node.get(key)
        if node is None:
            raise KeyError(f"pod {key[0]}/{key[1]} runs no proxy")
        last = self._views.get(key)
        authorization = self._authorizations.of(key)
        authentication = self._authentications.of(key)
        patches = self._envoy_filters.of(key)
        if last is not None and (
            last.authorization is not authorization
            or last.authentication is not authentication
            or last.patches is not patches
        ):
            last = None
        if node.kind is ProxyKind.ROUTER:
            config = self._routers.config(self._pods.router_scope.get(key))
            if last is not None and last.node is node and last.gateway is config:
                return last
            made = ProxyView(
                node=node,
                settings=self.settings,
                gateway=config,
                authorization=authorization,
                authentication=authentication,
                patches=patches,
            )
        else:
            scope = self._pods.scope.get(key)
            outbound = self._sidecars.outbound_for(scope, node.ip)
            subject = (
                Source(ObjectRef("Sidecar", *scope.sidecar), "spec") if scope.sidecar else None
            )
            inbound = self._pods.inbound.get(key)
            if (
                last is not None
                and last.node is node
                and last.inbound is inbound
                and last.outbound is outbound
                and last.sidecar == subject
            ):
                return last
            made = ProxyView(
                node=node,
                settings=self.settings,
                outbound=outbound,
                inbound=inbound,
                authorization=authorization,
                authentication=authentication,
                patches=patches,
                sidecar=subject,
            )
        self._views[key] = made
        return made
