"""The control plane's process: API server, store, controllers, compiler, discovery, CA.

    python -m lateen.app.plane LAB STATE RUN SUPERVISOR

Started by the supervisor. Order matters for speed and for truth: the Unix socket answers before
the controllers work, and a pod's discovery socket exists before its proxy is started.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lateen.apiserver.access import auth
from lateen.apiserver.kinds import definitions
from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.apiserver.serving import http, kubeconfig, serve
from lateen.apiserver.serving.local import LocalClient
from lateen.apiserver.writing import admission, verbs
from lateen.app import process
from lateen.app.admission import builtin, istio, lab as refusals
from lateen.app.admission.proxies import ProxyDefaults
from lateen.app.api import resolving, routes
from lateen.app.api.accounts import AGENT, AccountAuthenticator
from lateen.app.api.applied import apply_route
from lateen.app.lab import planelog, settings
from lateen.app.lab.paths import LabPaths, images_root
from lateen.app.mesh.servicesync import Rules
from lateen.app.reach.images import Images
from lateen.app.reach.ingress import Outside
from lateen.app.reach.planestreams import PlaneStreams
from lateen.app.reach.podapi import HOSTS, InsideServer
from lateen.app.reach.podstreams import ShimLink, ShimStreams
from lateen.app.reach.processes import Processes
from lateen.base import byname, parentdeath
from lateen.base.clock import Clock, SystemClock
from lateen.base.jsonvalue import Json
from lateen.base.tasks import TaskGroup
from lateen.controllers import manager
from lateen.controllers.cluster import istiod
from lateen.controllers.engine import fields
from lateen.controllers.injection import injector, sidecar
from lateen.controllers.network import apiservice
from lateen.model.identity import TRUST_DOMAIN
from lateen.model.istio import meshconfig
from lateen.model.labapi import contract
from lateen.model.labapi.contract import LabPath
from lateen.model.labapi.page import PageRequest
from lateen.model.messages import diagnostics
from lateen.model.meta import ObjectRef, Source
from lateen.node import permission
from lateen.node.net import addressing, hostlink
from lateen.pki import tokens
from lateen.pki.accounts import AccountTokens
from lateen.pki.authority import Authority
from lateen.pki.svid import PkiError
from lateen.store.api import StorageFullError, StoreError
from lateen.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from lateen.app.istiod.door import Door
    from lateen.app.meshplane import MeshPlane

log = logging.getLogger(__name__)


class DamagedError(Exception):
    """What the lab kept cannot be used; to be started again would not help."""


class Plane:
    """All parts of one lab's control plane, wired."""

    def __init__(self, paths: LabPaths, chosen: settings.LabSettings, clock: Clock) -> None:
        self.paths, self.settings, self.clock = paths, chosen, clock
        self.tasks = TaskGroup("plane")
        self.store = SqliteStore(paths.store)
        self.authority = Authority.open(paths.authority, clock, TRUST_DOMAIN)
        self.accounts = AccountTokens.open(paths.authority, clock)
        self.shim = ShimLink(paths.shim_socket)
        self.outside = Outside(self.shim, paths, chosen, self.tasks)
        self.rules = Rules(self.store)
        self.inject = injector.InjectionSettings(
            mesh=sidecar.InjectedMesh(
                istio_version=full_version(chosen.istio), revision=chosen.revision
            ),
            tags=tuple(chosen.revision_tags),
            inject_unlabelled=chosen.inject_unlabelled,
            native_sidecars=None,
        )
        self.mesh_config = meshconfig.written(
            log="/dev/stdout" if chosen.access_log else "",
            encoding=chosen.access_log,
            allow_any=chosen.allow_any,
        )
        self.proxy_defaults = ProxyDefaults(self.store, self.inject, self.mesh_config)
        self.api = verbs.Api(
            self.store,
            clock,
            chain=admission.Chain(
                mutators=[self._inject_sidecar],
                validators=[
                    istio.check,
                    *refusals.checks(chosen.host_paths),
                    *builtin.checks(self.inject),
                ],
            ),
        )
        definitions.furnish(self.api.resources, self.store, clock)
        self.client = LocalClient(self.api)
        self.server: serve.ApiServer | None = None
        self.findings: list[diagnostics.Diagnostic] = []
        """What there is to say of the lab itself."""
        self._mesh: asyncio.Task[MeshPlane] | None = None
        self._opening = asyncio.Lock()
        self._pages: Any = None
        """What serves the page, once somebody asked for it."""
        self._door: Door | None = None
        """What answers for istiod's pod, once somebody asked."""
        self._names: Any = None
        """What knows the names outside, where the lab has a way out and it is loaded."""

    def _inject_sidecar(self, review: admission.Review) -> Json:
        assert review.object is not None
        creating = review.verb == "create" and review.info.resource == "pods"
        if not creating or review.subresource or review.namespace is None:
            return review.object
        if (plane := istiod.recognized(review.object, fields.name(review.namespace))) is not None:
            return plane
        inject = self.proxy_defaults.settings()
        if not injector.wanted(review.object, review.namespace, inject):
            return review.object
        return injector.inject(review.object, review.namespace, inject)

    async def start(self) -> None:
        """Bring every part up; returns when the lab can be used."""
        answering = asyncio.Event()
        self._mesh = self.tasks.start(self._load_mesh(answering), "mesh")
        if self.settings.egress:
            self.tasks.start(self._let_out(), "egress")
        self.outside.start(self.store, self.clock)
        controllers = manager.Manager(self.client, self.clock, self._controllers())
        await controllers.begin()
        await self._serve()
        answering.set()
        await controllers.run(self.tasks)
        await self._mesh
        if self.paths.page_port.exists():  # it was open before this plane
            self.tasks.start(self._open_page(), "page")
        await controllers.introduce()

    async def _let_out(self) -> None:
        """Carry pods' connections to the outside, for ever."""
        wayout = await _loaded("lateen.app.egress.wayout")
        self._names = wayout.names(self.settings)
        assert self._mesh is not None, "the mesh was begun before"
        mesh = await self._mesh
        told = wayout.EgressObserver(self.store, self.findings, mesh.left)
        node_ip, shim = addressing.Plan().node_ip, self.paths.shim_socket
        await wayout.relay(self.settings, shim, node_ip, told.passed, self.clock).run()

    async def _resolve(self, query: bytes) -> bytes:
        """Answer for a name outside. Raises OSError, TimeoutError, ValueError."""
        if self._names is not None:
            answer: bytes = await self._names.answer(query)
            return answer
        if self.settings.egress:
            raise OSError("the way out is not loaded yet")
        return await resolving.ask(self.settings.dns_forward, query)

    async def _outside_addresses(self, name: str) -> tuple[str, ...]:
        """Return what a name outside means for this lab. Raises OSError."""
        if self._names is None:
            raise OSError("the way out is not loaded yet")
        found: tuple[str, ...] = await self._names.addresses(name)
        return found

    async def _load_mesh(self, answering: asyncio.Event) -> "MeshPlane":
        """Load the mesh's part once the API server answers, and start it.

        The discovery service goes first: a proxy starts when its socket is there, and needs longer
        for that than the compiler for loading.
        """
        await answering.wait()
        with process.loading():
            proxies = await _loaded(*_DISCOVERY)
            serving = proxies.Proxies(self.paths, self.settings, self.clock, self.tasks)
            serving.follow(self.store)
            module = await _loaded(*_MESH)
        make: type[MeshPlane] = module.MeshPlane
        mesh = make(
            self.paths,
            self.settings,
            self.clock,
            self.store,
            self.authority,
            self.shim,
            self.outside,
            self.rules,
            serving,
            self.tasks,
            self.findings,
            self._outside_addresses if self.settings.egress else None,
        )
        mesh.start()
        return mesh

    def _controllers(self) -> manager.ControllerSettings:
        return manager.ControllerSettings(
            balancer_pool=balancer_addresses(self.settings.pool),
            api_root=self.authority.root_pem,
            mesh_root=self.authority.root_pem,
            api_address=addressing.Plan().node_ip,
            inject=self.inject,
            mesh_config=self.mesh_config,
            external=self._external(),
            egress_gateway=self.settings.egress_gateway,
        )

    def _external(self) -> tuple[tuple[str, Json], ...]:
        """Return what stands in for hosts outside, and leave the agent the roots that containers
        trust: an authority of its own signs for these hosts, no proxy's identity leads to it."""
        if not self.settings.external:
            return ()
        from lateen.app.lab import externalobjects  # few labs need what it loads

        authority = Authority.open(self.paths.authority / "external", self.clock, TRUST_DOMAIN)
        self.paths.trust.write_text(externalobjects.trusted(authority.root_pem), encoding="utf-8")
        self.paths.trust.chmod(0o644)  # whoever the containers run as
        return tuple(externalobjects.objects(self.settings, authority))

    async def _serve(self) -> None:
        admin = tokens.token_file(self.paths.admin_token)
        agent = tokens.token_file(self.paths.agent_token)
        known = auth.FixedTokens({admin: auth.ADMIN, agent: AGENT})
        pods = ShimStreams(self.shim, self.paths.logs)
        app = http.build_app(
            self.api,
            PlaneStreams(pods, self._istiod, self.paths.plane_log),
            auth.FirstOf(known, AccountAuthenticator(self.accounts, self.store)),
            issuer=self.accounts,
            routes=self.routes(),
        )
        self.server, tls = serve.ApiServer(app), self._tls()
        listener = self._loopback()
        port = listener.getsockname()[1]
        await self.server.listen(serve.unix(self.paths.api_socket))
        await self.server.listen(listener, tls)
        inside = InsideServer(app, tls, self.paths.shim_socket, addressing.Plan().node_ip)
        self.tasks.start(inside.run(self.clock), "API server for pods")
        text = kubeconfig.content(
            name=f"lateen-{self.paths.lab}",
            server=f"https://127.0.0.1:{port}",
            ca_pem=self.authority.root_pem.encode(),
            token=admin,
        )
        kubeconfig.write(self.paths.kubeconfig, text)
        if port != self.settings.api_port:
            if self.settings.api_port:
                self._moved(port)
            settings.save(settings.with_api_port(self.settings, port), self.paths.settings)

    async def _istiod(self) -> "Door":
        """Return what answers for istiod's pod, once the mesh's part is loaded."""
        assert self._mesh is not None, "serving begins after the mesh was begun"
        mesh = await asyncio.shield(self._mesh)
        if self._door is None:
            opening = byname.module("lateen.app.istiod.opening")
            told = self.inject.mesh
            kinds = mesh.proxy_kinds
            inject = self.proxy_defaults.settings
            seen = (self.store, mesh.hub, kinds, told.istio_version, told.revision, inject)
            accounts = AccountAuthenticator(self.accounts, self.store)
            made = opening.door(self.paths.run, opening.Known(*seen), accounts, self.authority)
            self._door = made
        return self._door

    def _loopback(self) -> socket.socket:
        """Bind the port that the lab has, or another one if somebody took it while no plane was
        there: whoever reads the kubeconfig finds us all the same. Raises OSError."""
        try:
            return serve.loopback(self.settings.api_port)
        except OSError as error:
            if not self.settings.api_port:
                raise
            log.warning("port %d of 127.0.0.1: %s", self.settings.api_port, error.strerror)
            return serve.loopback(0)

    def _moved(self, port: int) -> None:
        source = Source(ObjectRef("Service", "default", apiservice.NAME))
        before = self.settings.api_port
        self.findings.append(diagnostics.make("LTN0009", source, port=before, now=port))

    def _tls(self) -> serve.Tls:
        hosts = ["127.0.0.1", "localhost", *HOSTS, apiservice.ADDRESS, addressing.Plan().node_ip]
        made = self.authority.server_certificate(hosts)
        chain, key = self.paths.run / "api.crt", self.paths.run / "api.key"
        for path, text in ((chain, made.chain_pem), (key, made.key_pem)):
            kubeconfig.write(path, text)
        return serve.Tls(certificate=chain, key=key)

    def routes(self) -> list[Route]:
        """Return the lab's own routes."""
        resolves = self.settings.egress or self.settings.dns_forward
        processes = Processes(self.paths.processes)
        return [
            apply_route(self.api),
            resolving.route(self._resolve if resolves else None),
            processes.route(),
            Images(images_root(), self.settings.mirrors, processes, self.clock).route(),
            self.rules.route(),
            routes.owned(contract.PAGE, self._serve_page),
            routes.owned(contract.LIVE, self._serve_live),
            *(self._meshed(endpoint) for endpoint in contract.OF_THE_MESH),
        ]

    async def _serve_page(self, call: exchange.Call, _names: Names) -> exchange.Response:
        wanted = routes.decoded(call, PageRequest)
        pages = await self._loaded_pages()
        return routes.answer(await pages.answer(wanted, self._on_the_page()))

    async def _serve_live(self, _call: exchange.Call, _names: Names) -> exchange.Response:
        response: exchange.Response = (await self._loaded_pages()).live.response()
        return response

    async def _open_page(self) -> None:
        pages = await self._loaded_pages()
        await pages.open(self._on_the_page())

    async def _loaded_pages(self) -> Any:
        """Load what serves the page: a lab whose page is never opened has none of it."""
        async with self._opening:
            if self._pages is None:
                live = await _loaded("lateen.page.gate", "lateen.app.paging.live")
                listener = await _loaded("lateen.app.paging.listener")
                assert self._mesh is not None, "serving begins after the mesh was begun"
                mesh = await asyncio.shield(self._mesh)
                told = live.Live(mesh.hops, mesh.status, self.clock, self.tasks)
                self._pages = listener.Pages(self.paths, self.api, self.clock, told)
        return self._pages

    def _on_the_page(self) -> list[Route]:
        return [self._meshed(endpoint) for endpoint in contract.OF_THE_MESH]

    def _meshed(self, endpoint: LabPath) -> Route:
        """Return a route that the mesh's part serves, once it is loaded."""

        async def serve(call: exchange.Call, names: Names) -> exchange.Response:
            assert self._mesh is not None, "serving begins after the mesh was begun"
            mesh = await asyncio.shield(self._mesh)
            return await mesh.serving[endpoint](call, names)

        sends = endpoint is contract.REQUEST
        limit = routes.MOST_SENT if sends else exchange.MAX_BODY
        return routes.owned(endpoint, serve, limit=limit)

    async def stop(self) -> None:
        """End every part, the store last."""
        if self.server is not None:
            await self.server.close()
        if self._pages is not None:
            await self._pages.close()
        mesh = self._mesh
        if self._door is not None:
            await self._door.stop()
        await self.tasks.stop()
        if mesh is not None and not mesh.cancelled() and mesh.exception() is None:
            await mesh.result().stop()
        self.store.close()


_DISCOVERY = (
    "google.protobuf.descriptor_pool",
    "grpc.aio",
    "envoy.config.core.v3.base_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "lateen.xds.service",
    "lateen.app.mesh.proxies",
)
_MESH = (
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "lateen.compiler.frontend.assemble",
    "lateen.compiler.backend.clusters.clusters",
    "lateen.compiler.backend.listeners.outbound",
    "lateen.compiler.backend.render",
    "lateen.app.capture.taps",
    "lateen.app.requests.engine",
    "lateen.app.meshplane",
)
"""What the two parts are made of, in steps of a few milliseconds, the part itself last."""
_STEP = 0.001
"""Seconds between two steps for the event loop alone."""


async def _loaded(*steps: str) -> Any:
    """Load modules one by one, answering in between what has come in; returns the last.

    In a thread they would take half as long again: it and the event loop would wait in turn for
    each other's hold of the interpreter.
    """
    for name in steps[:-1]:
        byname.module(name)
        await asyncio.sleep(_STEP)
    return byname.module(steps[-1])


def balancer_addresses(network: str) -> tuple[str, ...]:
    """Return the addresses for LoadBalancer Services, in the order they are given out."""
    upper = ipaddress.IPv4Network(hostlink.Pool(network).balancers)
    return tuple(str(address) for address in upper.hosts())


def full_version(version: str) -> str:
    """Return a version with its patch: `1.17` is `1.17.0`."""
    return version if version.count(".") == 2 else f"{version}.0"


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when the supervisor ends, and check that it has not."""
    parentdeath.ask(signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


async def run(paths: LabPaths) -> None:
    """Run the plane until SIGTERM."""
    stopping = asyncio.Event()
    process.take_turns()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        plane = Plane(paths, settings.load(paths.settings), SystemClock())
    except StorageFullError:
        raise  # later there may be space
    except (StoreError, PkiError) as error:
        raise DamagedError(str(error)) from error
    try:
        await plane.start()
        await stopping.wait()
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(plane.stop(), 5.0)


def main(argv: list[str]) -> int:
    """Run the plane of one lab; a fault ends it with a message in its log."""
    die_with_parent(int(argv[4]))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    lab, state, directory = argv[1:4]
    paths = LabPaths(lab, Path(state), Path(directory))
    logging.getLogger().addHandler(planelog.handler(paths.plane_log))
    try:
        asyncio.run(run(paths))
    except DamagedError as error:
        sys.stderr.write(f"lateen: {error}\n")
        return permission.EXIT_REFUSED
    except Exception:
        log.exception("the control plane ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
