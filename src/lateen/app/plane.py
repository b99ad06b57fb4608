"""The control plane's process: API server, store, controllers, compiler, discovery, CA.

    python -m lateen.app.plane LAB STATE RUN SUPERVISOR

Started by the supervisor. Order matters for speed and for truth: the Unix socket answers before
the controllers work, and a pod's discovery socket exists before its proxy is started.
"""

import asyncio
import contextlib
import ctypes
import ipaddress
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from lateen.apiserver import admission, auth, http, kubeconfig, serve, verbs
from lateen.apiserver.local import LocalClient
from lateen.app import (
    istiochecks,
    meshsettings,
    refusals,
    report,
    resolving,
    routes,
    settings,
)
from lateen.app.accounts import AGENT, AccountAuthenticator
from lateen.app.applied import apply_route
from lateen.app.capturing import Taps
from lateen.app.capturing_hops import Hops
from lateen.app.capturing_routes import capture_route
from lateen.app.collecting import Collector
from lateen.app.evidence import EvidenceEngine
from lateen.app.forwarding import Forwarder
from lateen.app.hosting import HostLink
from lateen.app.identities import Identities
from lateen.app.inside import HOSTS, InsideServer
from lateen.app.paths import LabPaths
from lateen.app.pipeline import Pipeline
from lateen.app.podstreams import ShimLink, ShimStreams
from lateen.app.proxies import ProxySockets
from lateen.base.clock import Clock, SystemClock
from lateen.base.tasks import TaskGroup
from lateen.compiler.frontend import annotations, ipv6, unselected
from lateen.controllers import apiservice, injection, manager, sidecar
from lateen.model.diagnostics import Diagnostic, worst_first
from lateen.node import addressing, hostlink
from lateen.observe.ledger import Ledger
from lateen.pki import tokens
from lateen.pki.accounts import AccountTokens
from lateen.pki.authority import Authority
from lateen.store.api import Event, EventType
from lateen.store.sqlite import SqliteStore
from lateen.xds import access_log
from lateen.xds.hub import Hub
from lateen.xds.service import XdsServer

log = logging.getLogger(__name__)

Json = dict[str, Any]

_PR_SET_PDEATHSIG = 1


class Plane:
    """All parts of one lab's control plane, wired."""

    def __init__(self, paths: LabPaths, chosen: settings.LabSettings, clock: Clock) -> None:
        self.paths, self.settings, self.clock = paths, chosen, clock
        self.tasks = TaskGroup("plane")
        self.mesh = meshsettings.mesh_settings(chosen)
        self.store = SqliteStore(paths.store)
        self.authority = Authority.open(paths.authority, clock, self.mesh.trust_domain)
        self.accounts = AccountTokens.open(paths.authority, clock)
        self.hub = Hub(clock)
        self.shim = ShimLink(paths.shim_socket)
        self.ledger = Ledger()
        self.xds = XdsServer(self.hub, self._access_logged, clock)
        self.identities = Identities(
            self.authority, clock, self._publish_secrets, ttl=chosen.certificate_ttl
        )
        self.pipeline = Pipeline(
            self.store,
            self.hub,
            self.identities,
            self.mesh,
            clock,
            system_roots=meshsettings.system_roots(),
        )
        self.sockets = ProxySockets(
            self.xds,
            self.hub,
            paths,
            self.tasks,
            self.pipeline.renew,
            key_logs=chosen.key_log,
        )
        self.inject = injection.Settings(
            mesh=sidecar.Mesh(istio_version=full_version(chosen.istio)),
            inject_unlabelled=chosen.inject_unlabelled,
            native_sidecars=None,
        )
        self.api = verbs.Api(
            self.store,
            clock,
            chain=admission.Chain(
                mutators=[self._inject_sidecar], validators=[istiochecks.check, refusals.check]
            ),
        )
        self.client = LocalClient(self.api)
        self.server: serve.Server | None = None
        self.link: HostLink | None = None
        self.forwarder = Forwarder(self.shim, self.tasks)
        self.taps = Taps(self.shim, self.tasks)
        self.evidence = EvidenceEngine(
            self.shim,
            self.pipeline,
            self.ledger,
            lambda: self.forwarder.ports,
            self.taps,
        )

    def _access_logged(self, proxy: str, batch: access_log.Batch) -> None:
        self.ledger.take(proxy, batch, len(batch.data))

    def _publish_secrets(self, proxy: str, content: Any) -> None:
        self.hub.publish(proxy, "secrets", content)

    def _inject_sidecar(self, review: admission.Review) -> Json:
        assert review.object is not None
        creating = review.verb == "create" and review.info.resource == "pods"
        if not creating or review.subresource or review.namespace is None:
            return review.object
        if not injection.wanted(review.object, review.namespace, self.inject):
            return review.object
        return injection.inject(review.object, review.namespace, self.inject)

    async def start(self) -> None:
        """Bring every part up; returns when the lab can be used."""
        self.store.subscribe("*", self.pipeline.note)
        for note in (self.sockets.note, self.taps.note):
            self.store.subscribe("pods", note)
            for entry in self.store.list("pods").entries:
                note(Event(EventType.ADDED, entry))
        if self.settings.user:
            self.store.subscribe("services", self.forwarder.note)
            for entry in self.store.list("services").entries:
                self.forwarder.note(Event(EventType.ADDED, entry))
        else:
            self.link = HostLink(self.shim, self.paths, self.settings.pool)
            self.tasks.start(self.link.run(self.clock), "host link")
        self.pipeline.load()
        self.tasks.start(self.pipeline.run(), "pipeline")
        collector = Collector(self.clock, lambda: self.pipeline.changed_at)
        self.tasks.start(collector.run(), "garbage collection")
        self.tasks.start(self.identities.run(), "identities")
        await self._serve()
        await manager.Manager(self.client, self.clock, self._controllers()).run(self.tasks)

    def _controllers(self) -> manager.Settings:
        return manager.Settings(
            balancer_pool=balancer_addresses(self.settings.pool),
            api_root=self.authority.root_pem,
            mesh_root=self.authority.root_pem,
            api_address=addressing.Plan().node_ip,
            inject=self.inject,
        )

    async def _serve(self) -> None:
        admin = tokens.token_file(self.paths.admin_token)
        agent = tokens.token_file(self.paths.agent_token)
        known = auth.FixedTokens({admin: auth.ADMIN, agent: AGENT})
        app = http.build_app(
            self.api,
            ShimStreams(self.shim, self.paths.logs),
            auth.FirstOf(known, AccountAuthenticator(self.accounts, self.store)),
            issuer=self.accounts,
            extra_routes=self.routes(),
        )
        self.server, tls = serve.Server(app), self._tls()
        listener = serve.loopback(self.settings.api_port)
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
            settings.save(settings.with_api_port(self.settings, port), self.paths.settings)

    def _tls(self) -> serve.Tls:
        hosts = ["127.0.0.1", "localhost", *HOSTS, apiservice.ADDRESS, addressing.Plan().node_ip]
        made = self.authority.server_certificate(hosts)
        chain, key = self.paths.run / "api.crt", self.paths.run / "api.key"
        for path, text in ((chain, made.chain_pem), (key, made.key_pem)):
            kubeconfig.write(path, text)
        return serve.Tls(certificate=chain, key=key)

    def routes(self) -> list[BaseRoute]:
        """Return the lab's own routes."""
        resolve = resolving.route(self.settings.dns_forward)
        capture = capture_route(self.taps, self._pod_names)
        hops = Hops(self.ledger, self.pipeline, self.clock)
        applied = apply_route(self.api)
        more = [resolve, capture, applied, *hops.routes(), *self.evidence.routes()]
        return routes.lab_routes(self.status, self.config, more)

    def _pod_names(self) -> dict[str, str]:
        """Return `namespace/name` of every Pod by its uid."""
        return {
            entry.value["metadata"]["uid"]: f"{entry.key.namespace}/{entry.key.name}"
            for entry in self.store.list("pods").entries
        }

    def status(self) -> Json:
        """Return the lab's state as one document."""
        current = self.pipeline.current
        kinds = {proxy: view.node.kind.value for proxy, view in self.pipeline.views.items()}
        return {
            "lab": self.paths.lab,
            "istio": self.settings.istio,
            "written": self.store.revision,
            "revision": self.store.revision if not self.pipeline.pending else current.revision,
            "pending": self._pending(),
            "pods": report.pods(entry.value for entry in self.store.list("pods").entries),
            "proxies": report.proxies(self.hub.statuses(), kinds),
            "diagnostics": report.diagnostic_lines(self._findings(), current.snapshot),
            "gateways": report.gateways(current.snapshot, self.forwarder.ports),
        }

    def _pending(self) -> bool:
        """Whether something written has not had its effect yet, as far as the plane's part goes."""
        deployments = (entry.value for entry in self.store.list("deployments.apps").entries)
        return (
            self.pipeline.pending
            or (self.link is not None and not self.link.settled)
            or report.progressing(deployments)
            or report.lagging(self.pipeline.current.snapshot)
        )

    def _findings(self) -> list[Diagnostic]:
        current = self.pipeline.current
        idle = unselected.findings(current.snapshot, self.mesh.root_namespace)
        notes = annotations.findings(current.snapshot)
        other = ipv6.findings(current.snapshot)
        return worst_first((*current.diagnostics, *idle, *notes, *other))

    def config(self, proxy: str) -> Json | None:
        """Return the resources of a proxy, by type and name, with their sources."""
        if proxy not in self.pipeline.views:
            return None
        return report.resources(self.hub.config(proxy))

    async def stop(self) -> None:
        """End every part, the store last."""
        if self.server is not None:
            await self.server.close()
        await self.tasks.stop()
        self.taps.close()
        await self.xds.stop()
        self.store.close()


def balancer_addresses(network: str) -> tuple[str, ...]:
    """Return the addresses for LoadBalancer Services, in the order they are given out."""
    upper = ipaddress.IPv4Network(hostlink.Pool(network).balancers)
    return tuple(str(address) for address in upper.hosts())


def full_version(version: str) -> str:
    """Return a version with its patch: `1.17` is `1.17.0`."""
    return version if version.count(".") == 2 else f"{version}.0"


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when the supervisor ends, and check that it has not."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


async def run(paths: LabPaths) -> None:
    """Run the plane until SIGTERM."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    plane = Plane(paths, settings.load(paths.settings), SystemClock())
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
    try:
        asyncio.run(run(LabPaths(lab, Path(state), Path(directory))))
    except Exception:
        log.exception("the control plane ended")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
