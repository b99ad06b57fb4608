"""The mesh's part of the control plane: compiler, discovery service, certificates, evidence.

Loaded while the API server already answers (see `app.plane`): it is two thirds of what there is to
load, and a start has other things to do meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Serve
from lateen.app.api import report, routes
from lateen.app.capture import openings
from lateen.app.capture.hops import Hops
from lateen.app.capture.taps import Taps
from lateen.app.foresight.findings import Analyzing
from lateen.app.foresight.serving import Explaining
from lateen.app.lab import meshsettings
from lateen.app.lab.paths import LabPaths
from lateen.app.lab.settings import LabSettings
from lateen.app.mesh.findings import FindingSet, Noticing
from lateen.app.mesh.gcpolicy import Collector
from lateen.app.mesh.identities import Identities
from lateen.app.mesh.pipeline import Pipeline, Round
from lateen.app.mesh.proxies import Proxies
from lateen.app.mesh.reporting import Reporting
from lateen.app.mesh.servicesync import Rules
from lateen.app.reach.ingress import Outside
from lateen.app.reach.podstreams import ShimLink
from lateen.app.requests.engine import EvidenceEngine, Knowledge
from lateen.app.requests.jwks import RESOURCE as TOKENS, KeyFetching, Outside as LookUp
from lateen.base.clock import Clock
from lateen.base.tasks import TaskGroup
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.contract import LabPath
from lateen.model.labapi.status import Status
from lateen.model.messages.diagnostics import Diagnostic
from lateen.observe.requests.ledger import Ledger
from lateen.pki.authority import Authority
from lateen.store.api import Event, EventType, Store
from lateen.xds import als
from lateen.xds.hub import Hub

_LOOKS = 3
"""How often a state is looked through that is another one by the time it is shown."""


class MeshPlane:
    """Follows the store, keeps every proxy's configuration, and tells how it was used."""

    def __init__(
        self,
        paths: LabPaths,
        chosen: LabSettings,
        clock: Clock,
        store: Store,
        authority: Authority,
        shim: ShimLink,
        outside: Outside,
        rules: Rules,
        proxies: Proxies,
        tasks: TaskGroup,
        findings: Sequence[Diagnostic] = (),
        look_up: LookUp | None = None,
    ) -> None:
        self._of_the_lab = findings
        self._lab, self._istio, self._clock = paths.lab, chosen.istio, clock
        self._store, self._outside, self._tasks, self._rules = store, outside, tasks, rules
        self._mesh = meshsettings.mesh_settings(chosen)
        self._proxies, self._hub = proxies, proxies.hub
        self._reporting = Reporting(self._hub, clock, chosen.full_log_rate)
        self._ledger = Ledger(shares=self._reporting.at)
        self._identities = Identities(
            authority, clock, self._publish_secrets, ttl=chosen.certificate_ttl
        )
        self._pipeline = Pipeline(
            *(store, self._hub, self._identities, self._mesh, clock),
            system_roots=meshsettings.system_roots(),
        )
        proxies.subscribe(self._pipeline.renew, self._access_logged)
        self._key_fetching = self._fetching(shim, look_up)
        self._noticing = Noticing(self._mesh.root_namespace)
        self._taps = Taps(shim, tasks)
        readings = self._taps.openings.reading
        hops = Hops(self._ledger, self._pipeline, clock, readings, self._reporting)
        self.hops = hops
        unlabelled = chosen.inject_unlabelled
        analyzing = Analyzing(self._pipeline, store, self._mesh, inject_unlabelled=unlabelled)
        explaining = Explaining(
            self._pipeline, self._mesh, chosen.images, clock, injected=unlabelled
        )
        evidence = EvidenceEngine(
            *(shim, self._pipeline, self._ledger, lambda: outside.ports),
            *(self._taps, self._reporting),
            Knowledge(self._findings, self._rejected, explaining.proved),
            roots=paths.trust.read_text(encoding="utf-8") if chosen.external else "",
        )
        self.serving: Mapping[LabPath, Serve] = {
            contract.STATUS: self._serve_status,
            contract.CONFIG: self._serve_config,
            contract.CAPTURE: openings.capture(self._taps, self._pod_names),
            contract.TAP: hops.tap,
            contract.EDGES: hops.edges,
            contract.REQUEST: evidence.serve,
            contract.EXPLAIN: explaining.serve,
            contract.ANALYZE: analyzing.serve,
        }
        """What serves the lab's own paths, by their endpoints."""

    def _fetching(self, shim: ShimLink, look_up: LookUp | None) -> KeyFetching:
        return KeyFetching(
            shim,
            self._clock,
            lambda: self._pipeline.current.snapshot,
            look_up,
            trim=self._mesh.features.jwt_issuer_trims_slash,
            learn=self._pipeline.learn_keys,
        )

    def start(self) -> None:
        """Take in what is stored, follow what changes, and begin to serve proxies."""
        self._store.subscribe("*", self._pipeline.note)
        self._store.subscribe("pods", self._taps.note)
        for entry in self._store.list("pods").entries:
            self._taps.note(Event(EventType.ADDED, entry))
        self._pipeline.load()
        self._store.subscribe(TOKENS, self._key_fetching.note)
        for entry in self._store.list(TOKENS).entries:
            self._key_fetching.note(Event(EventType.ADDED, entry))
        self._tasks.start(self._pipeline.run(), "pipeline")
        self._tasks.start(self._pipeline.gather(), "endpoints")
        self._tasks.start(self._pipeline.hurry(), "turns")
        self._tasks.start(self._identities.run(), "identities")
        self._tasks.start(self._reporting.run(), "reporting")
        collector = Collector(self._clock, lambda: self._pipeline.changed_at)
        self._tasks.start(collector.run(), "garbage collection")

    @property
    def hub(self) -> Hub:
        """Who has which configuration."""
        return self._hub

    def proxy_kinds(self) -> dict[str, str]:
        """Return of each proxy (`namespace/pod`) whether it is a sidecar or a gateway."""
        return {proxy: view.node.kind.value for proxy, view in self._pipeline.views.items()}

    async def stop(self) -> None:
        """End what is not a task."""
        self._taps.close()
        await self._key_fetching.stop()
        await self._proxies.stop()

    def _access_logged(self, proxy: str, batch: als.LogBatch) -> None:
        self._reporting.count(batch)
        self._ledger.take(proxy, batch, len(batch.data))

    def left(self, pod: str, entry: als.AccessEntry) -> None:
        """Take note of what left a pod (`namespace/name`) that has no proxy to tell of it."""
        self._ledger.take(pod, [entry], 0)

    def _publish_secrets(self, proxy: str, content: Any) -> None:
        self._hub.publish(proxy, "secrets", content)

    def _pod_names(self) -> dict[str, str]:
        """Return `namespace/name` of every Pod by its uid."""
        return {
            entry.value["metadata"]["uid"]: f"{entry.key.namespace}/{entry.key.name}"
            for entry in self._store.list("pods").entries
        }

    async def _serve_status(self, _call: exchange.Call, _names: Names) -> exchange.Response:
        return routes.answer(await self.status())

    async def _serve_config(self, _call: exchange.Call, names: Names) -> exchange.Response:
        proxy = f"{names['namespace']}/{names['pod']}"
        if proxy not in self._pipeline.views:
            raise ApiError(404, "NotFound", f"no proxy {proxy}: see `lateen status`")
        return routes.answer(report.resources(self._hub.config(proxy)))

    async def status(self) -> Status:
        """Return the lab's state as one document."""
        current, noticed = await self._noticed_now()
        kinds = self.proxy_kinds()
        return Status(
            lab=self._lab,
            istio=self._istio,
            written=self._store.revision,
            revision=(current.revision if self._pipeline.pending else self._store.revision),
            pending=self._pending() or noticed.lagging or current is not self._pipeline.current,
            ruled=self._rules.settled,
            pods=report.pods(entry.value for entry in self._store.list("pods").entries),
            proxies=report.proxies(self._hub.statuses(), kinds),
            diagnostics=noticed.lines,
            reported=self._reporting.one_in,
            gateways=report.gateways(current.snapshot, self._outside.ports),
        )

    def _pending(self) -> bool:
        """Whether something written has not had its effect yet, but for pods and proxies."""
        deployments = (entry.value for entry in self._store.list("deployments.apps").entries)
        return (
            self._pipeline.pending
            or self._key_fetching.pending
            or not self._outside.settled
            or report.progressing(deployments)
            or not self._rules.settled
        )

    async def _noticed_now(self) -> tuple[Round, FindingSet]:
        """Return the newest round with what it shows, as far as it does not change meanwhile."""
        looks = 0
        while True:
            looks += 1
            current, lab = self._pipeline.current, (*self._of_the_lab, *self._outside.findings)
            compiled = await self._pipeline.diagnostics()
            known = (*lab, *compiled, *self._pipeline.missing, *self._pipeline.patched)
            noticed = await self._noticing.of(current.snapshot, known)
            if current is self._pipeline.current or looks == _LOOKS:
                return current, noticed

    async def _findings(self) -> Sequence[Diagnostic]:
        """Return what is noticed of the newest state."""
        return (await self._noticed_now())[1].found

    def _rejected(self, proxy: str) -> list[str]:
        """Return what a proxy did not take of its configuration, in words."""
        statuses = [each for each in self._hub.statuses() if each.proxy == proxy]
        return [text for each in report.proxies(statuses, {}) for text in each.problems]
