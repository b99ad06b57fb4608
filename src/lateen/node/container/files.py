"""Gathers what a pod's containers need: variables, volumes, mounts. The shell around `podenv`,
`volumes` and `launch`."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from lateen.base.jsonvalue import Json
from lateen.kube.informer import Informer
from lateen.model.client import ApiClient, ApiError
from lateen.model.kube.core.container import Container
from lateen.model.kube.core.pod import PodSpec
from lateen.node.container import environment, imagesource, launch, logs, references, volumes
from lateen.node.container.imagesource import ImageService, TakenImage
from lateen.node.container.launch import LabFacts
from lateen.node.container.plan import PROXY
from lateen.node.container.references import Missing, Objects, PodFields
from lateen.node.container.usage import Stored
from lateen.node.oci.errors import ImageError
from lateen.node.oci.remote import credentials
from lateen.node.shim.protocol import ContainerSpec, Mount
from lateen.node.shim.walls import limits
from lateen.node.standins import selfsigned

TOKEN_SECONDS = 3600
_TERMINATION_LIMIT = 4096


class MountFailed(Missing):
    """A volume cannot be filled (yet): the container waits in ContainerCreating."""


class TokenSource(Protocol):
    """Issues service account tokens (the API server's TokenRequest)."""

    async def token(
        self, namespace: str, account: str, audience: str, seconds: int, pod: Json
    ) -> str:
        """Return a token bound to a pod. Raises ApiError, OSError."""
        ...


class Places(msgspec.Struct, frozen=True):
    """Directories of the lab, as seen inside it."""

    run: Path
    state: Path

    @property
    def logs(self) -> Path:
        """Container logs."""
        return self.state / "logs"

    def xds(self, uid: str) -> Path:
        """A pod's own run directory: its discovery socket, and nothing else."""
        return self.run / "pods" / uid

    def volumes(self, uid: str, owner: volumes.Owner | None = None) -> volumes.VolumeStore:
        """A pod's volumes."""
        places = (self.run / "volumes" / uid, self.state / "volumes" / uid)
        return volumes.VolumeStore(*places, owner or volumes.Owner())


class Caches(msgspec.Struct, frozen=True):
    """Local copies of what pods refer to."""

    config_maps: Informer
    secrets: Informer
    services: Informer


class PodFiles:
    """One pod's material."""

    def __init__(
        self,
        body: Json,
        lab: LabFacts,
        places: Places,
        caches: Caches,
        client: ApiClient,
        tokens: TokenSource | None,
        images: ImageService | None,
    ) -> None:
        self.body = body
        self._images = images
        self.spec = PodSpec()
        self.uid: str = body["metadata"]["uid"]
        self._lab = lab
        self._places = places
        self._caches = caches
        self._client = client
        self._tokens = tokens
        self._issued: dict[str, str] = {}
        self._issuing = asyncio.Lock()
        self._volumes: list[Json] = list(body["spec"].get("volumes") or ())
        self.take(body)
        self._owner = volumes.owner(self.spec) if lab.real_root else volumes.Owner()
        self._store = places.volumes(self.uid, self._owner)

    def take(self, body: Json) -> bool:
        """Take a newer version of the Pod object; tell whether it has more containers."""
        before = len(self.spec.ephemeral_containers)
        self.body = body
        if self.spec.containers and len(body["spec"].get("ephemeralContainers") or ()) == before:
            return False
        self.spec = msgspec.convert(body["spec"], PodSpec)
        self._used = references.names_used(self.spec, self._volumes)
        self._containers = {c.name: c for c in references.containers(self.spec)}
        return True

    def without_effect(self) -> dict[str, str]:
        """Return Events, by reason, about fields of the spec that have no effect here."""
        users = () if self._lab.real_root else launch.without_users(self.spec)
        fields = launch.without_effect(self.spec)
        told = {
            "NoSuchUser": (
                users,
                "since this lab has no other user than 0, as a lab of root would have",
            ),
            "HostNetworkIgnored": (
                launch.without_host_network(self.spec),
                "since a lab's pods share nothing with their node, but that no sidecar is injected "
                "because of it",
            ),
            "NoEffect": (fields, "since a lab's pods share nothing with their node"),
        }
        return {k: f"{', '.join(f)}: no effect, {why}" for k, (f, why) in told.items() if f}

    def container(self, name: str) -> Container:
        """Return a container of the spec. Raises KeyError."""
        return self._containers[name]

    def uses(self, kind: str, name: str) -> bool:
        """Whether the pod refers to a `configmap` or `secret` of this name."""
        return name in self._used[0 if kind == "configmap" else 1]

    def fields(self, ip: str, host_ip: str) -> PodFields:
        """Return what fieldRef can name."""
        metadata = self.body["metadata"]
        return PodFields(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=self.uid,
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            node_name=self._lab.node_name,
            service_account=self.spec.service_account_name or "default",
            host_ip=host_ip,
            ip=ip,
        )

    async def prepare(
        self, name: str, pod: PodFields, pulling: Callable[[], None]
    ) -> tuple[ContainerSpec, TakenImage]:
        """Return what the shim is told of a container, its log left open, and its image.

        `pulling` is told before a registry is asked. Raises Missing, launch.ImageUnknownError,
        OSError.
        """
        container = self._containers[name]
        taken = TakenImage() if name == PROXY else await self._image(container, pod, pulling)
        found = await self._objects(pod.namespace)
        if name == PROXY:
            found = _forgiving(found, self._used)
        env = environment.environment(
            container,
            pod,
            found,
            self._lab.capacity,
            service_links=self.spec.enable_service_links is not False,
        )
        sources = await self._sources(pod, found)
        given = launch.Inputs(
            container=container,
            pod=pod,
            spec=self.spec,
            env=env,
            mounts=self._mounts(container, env, sources),
            log="",
            xds=str(self._xds_directory()) if name == PROXY else "",
            image=taken.image,
        )
        lab = self._lab
        if taken.command is not None:
            lab = launch.with_command(lab, container.image, taken.command)
            given = replace(given, env={**taken.command.env, **given.env})
        spec = launch.container_spec(lab, given)
        for file, subject in launch.certificates(spec).items():
            path = Path(self._lab.cache, file)
            await asyncio.to_thread(_certificate, path, subject, self._lab)
        return spec, taken

    async def _image(
        self, container: Container, pod: PodFields, pulling: Callable[[], None]
    ) -> TakenImage:
        """Choose a container's image, with the credentials that the pod names."""
        names = frozenset(one.name for one in self.spec.image_pull_secrets)
        secrets = await self._found(self._caches.secrets, "secrets", pod.namespace, names)
        configs = tuple(filter(None, map(_pull_config, secrets.values())))
        return await imagesource.choose(self._images, self._lab, container, configs, pulling)

    def with_outputs(self, spec: ContainerSpec, name: str, attempt: int) -> ContainerSpec:
        """Return the spec of one run: with its own log and termination message file."""
        message = self._termination_file(name, attempt)
        message.parent.mkdir(parents=True, exist_ok=True)
        message.touch()
        message.chmod(0o666)  # whoever the container runs as
        path = self._containers[name].termination_message_path or launch.TERMINATION_LOG
        mount = Mount(str(message), os.path.normpath(path))
        return spec._replace(
            log=str(logs.path(self._log_directory(), name, attempt)), mounts=(*spec.mounts, mount)
        )

    def last_words(self, name: str, attempt: int, *, failed: bool) -> str:
        """Return a run's termination message, by its container's policy."""
        file = self._termination_file(name, attempt)
        text = ""
        with contextlib.suppress(OSError), file.open("rb") as said:  # of whatever length
            text = said.read(_TERMINATION_LIMIT).decode(errors="replace")
        file.unlink(missing_ok=True)
        policy = self._containers[name].termination_message_policy
        if not text and failed and policy == "FallbackToLogsOnError":
            text = logs.last_words(logs.path(self._log_directory(), name, attempt))
        logs.prune(self._log_directory() / name, attempt)
        return text

    async def refresh(self, pod: PodFields) -> None:
        """Write the file volumes anew after something that they show has changed."""
        found = _forgiving(await self._objects(pod.namespace), self._used)
        async with self._issuing:
            self._issued.clear()
        sources = await self._sources(pod, found)
        for volume in self._volumes:
            if volumes.is_files(volume):
                with contextlib.suppress(Missing):
                    self._store.publish(volume["name"], volumes.contents(volume, sources))

    @property
    def has_tokens(self) -> bool:
        """Whether a volume holds a token, which has to be renewed."""
        return self._tokens is not None and bool(_audiences(self._volumes))

    def stored(self) -> tuple[Stored, ...]:
        """Return what the pod's containers can fill on disk."""
        bodies = {one["name"]: one.get("emptyDir") or {} for one in self._volumes}
        on_disk = (
            Stored(str(path), str(bodies[name].get("sizeLimit") or ""), name)
            for name, path in self._store.on_disk()
            if name in bodies
        )
        beside = self._termination_file("", 0).parent
        return (Stored(str(beside), limits.BESIDE_VOLUMES), *on_disk)

    def remove(self) -> None:
        """Remove the pod's volumes and logs, and its run directory unless the plane uses it."""
        self._store.remove()
        logs.remove(self._log_directory())
        with contextlib.suppress(OSError):
            self._places.xds(self.uid).rmdir()

    def xds_socket(self) -> Path:
        """Return the path of the proxy's discovery socket."""
        return self._places.xds(self.uid) / "xds.sock"

    def _xds_directory(self) -> Path:
        directory = self._places.xds(self.uid)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory

    def _log_directory(self) -> Path:
        metadata = self.body["metadata"]
        return logs.directory(self._places.logs, metadata["namespace"], metadata["name"], self.uid)

    def _termination_file(self, name: str, attempt: int) -> Path:
        return self._places.run / "volumes" / self.uid / ".termination" / f"{name}-{attempt}"

    async def _objects(self, namespace: str) -> Objects:
        caches, (config_maps, secrets) = self._caches, self._used
        maps = await self._found(caches.config_maps, "configmaps", namespace, config_maps)
        keys = await self._found(caches.secrets, "secrets", namespace, secrets)
        return Objects(
            config_maps={name: references.config_map_data(body) for name, body in maps.items()},
            secrets={name: references.secret_data(body) for name, body in keys.items()},
            services=caches.services.values(),
            binary={name: frozenset(body.get("binaryData") or ()) for name, body in maps.items()},
        )

    async def _found(
        self, cache: Informer, resource: str, namespace: str, names: frozenset[str]
    ) -> dict[str, Json]:
        found = {name: await self._find(cache, resource, namespace, name) for name in names}
        return {name: body for name, body in found.items() if body}

    async def _find(self, cache: Informer, resource: str, namespace: str, name: str) -> Json | None:
        """Look in the local copy, then ask: the watch may be a moment behind."""
        if (body := cache.get(namespace, name)) is not None:
            return body
        try:
            return await self._client.get(resource, namespace, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise OSError(error.message) from error

    async def _sources(self, pod: PodFields, found: Objects) -> volumes.Sources:
        tokens = await self._granted(pod)
        capacity = self._lab.capacity
        return volumes.Sources(pod, found, self._containers, capacity, tokens, self._owner)

    async def _granted(self, pod: PodFields) -> dict[str, str]:
        """Return the pod's tokens by audience: the volumes' own, the same in every container."""
        issuer = self._tokens
        async with self._issuing:
            for audience in _audiences(self._volumes):
                if issuer is None or audience in self._issued:
                    continue
                try:
                    self._issued[audience] = await issuer.token(
                        pod.namespace, pod.service_account, audience, TOKEN_SECONDS, self.body
                    )
                except ApiError as error:
                    raise OSError(error.message) from error
            return dict(self._issued)

    def _mounts(
        self, container: Container, env: Mapping[str, str], sources: volumes.Sources
    ) -> tuple[Mount, ...]:
        named = {volume["name"]: volume for volume in self._volumes}
        mounts = []
        for mount in container.volume_mounts:
            if mount.name not in named:
                raise MountFailed(f"volume {mount.name} not found")
            try:
                base = self._directory(named[mount.name], sources)
            except Missing as error:
                raise MountFailed(
                    f'MountVolume.SetUp failed for volume "{mount.name}" : {error}'
                ) from error
            sub = (
                environment.expand(mount.sub_path_expr, env)
                if mount.sub_path_expr
                else mount.sub_path
            )
            if not within(sub):
                raise Missing(f"subPath {sub} leads out of the volume")
            files = volumes.is_files(named[mount.name])
            read_only = bool(mount.read_only) or files
            target = os.path.normpath(mount.mount_path)
            mounts.append(Mount(base[0], target, read_only, os.path.join(base[1], sub)))
        return tuple(sorted(mounts, key=lambda mount: mount.target.count("/")))

    def _directory(self, volume: Json, sources: volumes.Sources) -> tuple[str, str]:
        """Return a directory that is not of a container's making, and what of it is mounted."""
        name = volume["name"]
        if volumes.is_files(volume):
            return str(self._store.publish(name, volumes.contents(volume, sources))), ""
        match volumes.kind_of(volume):
            case "emptyDir":
                body = volume.get("emptyDir") or {}
                limit = int(references.quantity(body.get("sizeLimit") or 0))
                in_memory = body.get("medium") == "Memory"
                return str(self._store.empty(name, in_memory=in_memory, limit=limit)), ""
            case "hostPath":
                return volumes.host_path(volume, self._lab.host_paths)
            case _:
                raise volumes.unsupported(volume)


def _pull_config(secret: Json) -> Mapping[str, Any] | None:
    """Return what a pull secret holds, in the form of Docker's config.json: the credentials alone,
    no programs that are asked for some. One that cannot be read counts as none, as for a kubelet.
    """
    data = references.secret_data(secret)
    with contextlib.suppress(ImageError):
        if text := data.get(".dockerconfigjson"):
            return {"auths": credentials.parse(text).get("auths") or {}}
        if text := data.get(".dockercfg"):
            return {"auths": msgspec.json.decode(text)}
    return None


def _certificate(path: Path, subject: str, lab: LabFacts) -> None:
    """Make what an image would bring along, once for the lab: its containers only read it."""
    if not path.exists():
        scratch = path.with_suffix(f".{threading.get_ident()}")
        selfsigned.ensure(str(scratch), subject, lab.installed.get("openssl", ""))
        scratch.chmod(0o644)  # whoever the containers run as
        scratch.replace(path)


def within(sub: str) -> bool:
    """Whether a subPath names something in its volume, as far as its text tells. Links that lead
    out are seen when it is mounted, in the volume as it is then."""
    return not os.path.isabs(sub) and ".." not in sub.split("/")


def _audiences(given: Sequence[Json]) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                str(source["serviceAccountToken"].get("audience") or "")
                for volume in given
                for source in (volume.get("projected") or {}).get("sources") or ()
                if "serviceAccountToken" in source
            }
        )
    )


def _forgiving(found: Objects, used: tuple[frozenset[str], frozenset[str]]) -> Objects:
    """Let missing objects be empty: the proxy runs without what only istiod would give it."""
    return replace(
        found,
        config_maps={name: found.config_maps.get(name, {}) for name in used[0]},
        secrets={name: found.secrets.get(name, {}) for name in used[1]},
    )
