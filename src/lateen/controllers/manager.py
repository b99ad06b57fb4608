"""All controllers on one client: what a lab starts.

At first the namespaces and istio-system are made, then the loop lists, watches and works.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lateen.base import clock as clocks, tasks as task_groups
from lateen.base.jsonvalue import Json
from lateen.controllers.cluster import garbage, istiod, namespaces, scheduling
from lateen.controllers.engine import actions, cache, controller, fields, loop
from lateen.controllers.gatewayapi import classes, gateways, teller
from lateen.controllers.injection import injector, webhooks
from lateen.controllers.jobs import cronjob, job
from lateen.controllers.network import apiservice, balancer, endpoints, entryaddresses, ingress
from lateen.controllers.workloads import daemonset, deployment, replicaset, statefulset
from lateen.model import client as api, external
from lateen.model.schema import kinds

log = logging.getLogger(__name__)


_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"


class ControllerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the controllers of a lab need to know."""

    node: str = "lateen"
    """The name of the one node, to which every pod is bound."""
    balancer_pool: tuple[str, ...] = ("192.168.1.50",)
    """Addresses for LoadBalancer Services; istio-ingressgateway comes first and takes the first."""
    api_root: str = ""
    """PEM of the API server's CA, for kube-root-ca.crt."""
    mesh_root: str = ""
    """PEM of the mesh's root, for istio-ca-root-cert."""
    inject: injector.InjectionSettings = msgspec.field(default_factory=injector.InjectionSettings)
    api_address: str = ""
    """Where pods reach the API server; without one there is no Service `kubernetes`."""
    gateway: bool = True
    """Whether istio-system holds an ingress gateway from the start."""
    egress_gateway: bool = False
    """Whether it holds an egress gateway beside that one."""
    external: tuple[tuple[str, Json], ...] = ()
    """(resource, object) of what stands in for hosts outside the mesh."""
    mesh_config: str = ""
    """The mesh's configuration that the ConfigMap `istio` begins with; empty makes none."""


class Manager:
    """Runs every controller of a lab."""

    def __init__(
        self, client: api.ApiClient, clock: clocks.Clock, settings: ControllerSettings
    ) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings
        self._defined: dict[tuple[str, str], tuple[str, bool]] = {}
        self._begun = False

    async def run(self, tasks: task_groups.TaskGroup) -> None:
        """Begin, unless that is done, start the controllers in `tasks`, and return once all of
        them work. Raises ApiError if the API refuses the first objects."""
        if not self._begun:
            await self.begin()
        running = loop.Loop(self._client, self._clock, tasks, self._controllers())
        self._loop = running
        for resource in kinds.KINDS:
            running.follow(resource)
        await running.start()

    def _controllers(self) -> list[controller.Controller]:
        furnishings = namespaces.Furnishings(self._settings.api_root, self._settings.mesh_root)
        return [
            furnishings.controller(),
            deployment.CONTROLLER,
            replicaset.CONTROLLER,
            statefulset.CONTROLLER,
            daemonset.CONTROLLER,
            job.CONTROLLER,
            cronjob.CONTROLLER,
            scheduling.Scheduler(self._settings.node).controller(),
            istiod.CONTROLLER,
            endpoints.CONTROLLER,
            balancer.Balancer(self._settings.balancer_pool).controller(),
            entryaddresses.CONTROLLER,
            classes.CONTROLLER,
            gateways.Deployer(self._settings.inject).controller(),
            teller.Teller(self._settings.inject.mesh.cluster_domain).controller(),
            namespaces.DRAIN,
            garbage.Collector(self._resolve).controller(),
            controller.Controller(
                name="definition-follower",
                watches={_DEFINITIONS: self._definition},
                reconcile=lambda *_: actions.NOTHING,
            ),
        ]

    async def begin(self) -> None:
        """Create what a lab begins with where it is not there yet: before anybody is answered, who
        would find no namespace to write to. Raises ApiError if the API refuses it."""
        self._begun = True
        for name in namespaces.SYSTEM:
            await self._ensure("namespaces", namespaces.namespace(name))
        furnishings = namespaces.Furnishings(self._settings.api_root, self._settings.mesh_root)
        for name in namespaces.SYSTEM:
            for resource, body in furnishings.wanted(name):
                await self._ensure(resource, body)
        if self._settings.mesh_config:
            config = namespaces.mesh_config(self._settings.mesh_config)
            await self._ensure_config(istiod.adoptable(config))
        if self._settings.api_address:
            for resource, body in apiservice.objects(self._settings.api_address):
                await self._ensure(resource, body)
        inject = self._settings.inject
        hooks = webhooks.objects(
            inject.mesh.revision,
            inject.tags,
            inject.system_namespace,
            unlabelled=inject.inject_unlabelled,
            ca_pem=self._settings.api_root,
        )
        for resource, body in hooks:
            await self._ensure(
                resource, ingress.marked(istiod.adoptable(body), ingress.digest_of(body))
            )
        if self._settings.gateway:
            for resource, body in ingress.istio_system(
                self._settings.inject, egress=self._settings.egress_gateway
            ):
                await self._ensure(resource, ingress.marked(body, ingress.digest_of(body)))
        await self._ensure_external()

    async def introduce(self) -> None:
        """Create what stands for the control plane itself: no start waits for it, and none fails
        because the API refuses a part of it, as what somebody else made may have it do."""
        if not self._settings.gateway:
            return
        for resource, body in istiod.objects(self._settings.inject):
            made = ingress.marked(istiod.adoptable(body), ingress.digest_of(body))
            try:
                await self._ensure(resource, made)
            except api.ApiError as error:
                log.warning("%s %s stays as it is: %s", resource, fields.name(body), error.message)

    async def _ensure_external(self) -> None:
        """Create what stands in for hosts outside, and remove what an earlier run of the lab had
        for hosts that are not named any more."""
        wanted = self._settings.external
        for resource, body in wanted:
            digest = fields.annotations(body).get(ingress.MADE_FROM) or ingress.digest_of(body)
            await self._ensure(resource, ingress.marked(body, digest))
        names = {(resource, fields.name(body)) for resource, body in wanted}
        for resource in ("deployments.apps", "secrets"):
            found, _ = await self._client.list(resource, external.NAMESPACE)
            for body in found:
                ours = ingress.MADE_FROM in fields.annotations(body)
                if ours and (resource, fields.name(body)) not in names:
                    await self._client.delete(resource, external.NAMESPACE, fields.name(body))

    async def _ensure(self, resource: str, body: Json) -> None:
        """Create an object; one that an earlier version of Lateen made is brought up to date, one
        that the user changed is left alone."""
        space, name = fields.namespace(body), fields.name(body)
        if await self._created(resource, space, body):
            return
        digest = fields.annotations(body).get(ingress.MADE_FROM)
        if digest is None:
            return
        found = await self._client.get(resource, space, name)
        if fields.annotations(found).get(ingress.MADE_FROM) not in (None, digest):
            await self._client.patch(resource, space, name, body)

    async def _created(self, resource: str, space: str, body: Json) -> bool:
        """Create an object; False where one of its name is there. What a release of Helm may take
        over is applied as Helm applies it: its fields are Helm's then, and no conflict arises."""
        try:
            if istiod.RELEASE not in fields.annotations(body):
                await self._client.create(resource, space, body)
                return True
            await self._client.get(resource, space, fields.name(body))
        except api.ApiError as error:
            if error.reason == "NotFound":
                await self._client.patch(
                    resource,
                    space,
                    fields.name(body),
                    body,
                    content_type=api.APPLY,
                    field_manager=istiod.HELM,
                )
                return True
            if error.reason != "AlreadyExists":
                raise
        return False

    async def _ensure_config(self, body: Json) -> None:
        """Create a ConfigMap, or bring it up to date as long as its data is what was made."""
        space, name = fields.namespace(body), fields.name(body)
        body = ingress.marked(body, ingress.digest_of(body["data"]))
        if await self._created("configmaps", space, body):
            return
        found = await self._client.get("configmaps", space, name)
        ours = fields.annotations(found).get(ingress.MADE_FROM) == ingress.digest_of(
            found.get("data") or {}
        )
        if ours and found.get("data") != body["data"]:
            await self._client.patch("configmaps", space, name, body)

    def _resolve(self, api_version: str, kind: str) -> tuple[str, bool] | None:
        """Return the resource of a kind, also one of a custom resource definition."""
        if (found := kinds.find(api_version, kind)) is not None:
            return found.resource, found.namespaced
        return self._defined.get((api_version.rpartition("/")[0], kind))

    def _definition(self, change: cache.ObjectChange, _: cache.Cache) -> Iterable[controller.Name]:
        """Follow the objects of a custom resource definition as long as it is there."""
        spec = fields.spec(change.object)
        names: Mapping[str, Any] = spec.get("names") or {}
        group, plural = str(spec.get("group", "")), str(names.get("plural", ""))
        resource = f"{plural}.{group}"
        if change.after is None:
            self._loop.leave(resource)
        elif plural and group:
            namespaced = spec.get("scope") == "Namespaced"
            self._defined[group, str(names.get("kind"))] = (resource, namespaced)
            self._loop.follow(resource)
        return ()
