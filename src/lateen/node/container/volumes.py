"""A pod's volumes: which files they hold (pure), and writing them so that updates are atomic.

Files from ConfigMaps and the like are published as kubelet does: a new directory with a time in
its name, and one link `..data` that is moved over to it, so a reader sees the old set or the new.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lateen.base.jsonvalue import Json
from lateen.model.kube.core.container import Container, ResourceFieldSelector
from lateen.model.kube.core.pod import PodSpec
from lateen.node.container import references
from lateen.node.container.references import Missing, Objects, PodFields
from lateen.node.shim import syscalls
from lateen.node.shim.walls import limits

_DATA = "..data"
_DEFAULT_MODE = 0o644
_PRIVATE = 0o600
_GROUP_DIRECTORY = 0o2110
_GROUP_READS, _GROUP_WRITES = 0o440, 0o660
_PLAIN = ("configMap", "secret", "downwardAPI", "projected")


class VolumeRefused(Missing):
    """A volume that a lab does not give: the message says what to do."""


class File(msgspec.Struct, frozen=True):
    """One file of a volume."""

    data: bytes
    mode: int = _DEFAULT_MODE
    uid: int = 0
    gid: int = 0


class Owner(msgspec.Struct, frozen=True):
    """Whose a pod's volumes are, as far as its security contexts say."""

    group: int | None = None
    """fsGroup: owns all volumes and may read them (write to them, where anyone may)."""
    user: int | None = None
    """The one user of all containers: its tokens are its own."""

    def directory(self, path: Path, mode: int, *, writable: bool = False) -> None:
        """Give a directory its mode and its group, by kubelet's rules."""
        if self.group is not None:
            os.chown(path, 0, self.group)
            mode |= _GROUP_DIRECTORY | (_GROUP_WRITES if writable else _GROUP_READS)
        path.chmod(mode)

    def file(self, file: File) -> File:
        """Return a file with the group's rights."""
        if self.group is None:
            return file
        return replace(file, mode=file.mode | _GROUP_READS, gid=self.group)

    def token(self, token: str, mode: int) -> File:
        """Return the file of a token, which is nobody else's once its user is known."""
        if self.user is None and self.group is None:
            return File(token.encode(), mode)
        return File(token.encode(), _PRIVATE, self.user or 0)


class Sources(msgspec.Struct, frozen=True):
    """What volumes are filled from."""

    pod: PodFields
    found: Objects
    containers: Mapping[str, Container] = msgspec.field(default_factory=dict)
    capacity: Mapping[str, float] = msgspec.field(default_factory=dict)
    tokens: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Service account tokens by audience; "" is the API server's."""
    owner: Owner = Owner()


def kind_of(volume: Json) -> str:
    """Return the source's field name: emptyDir, configMap … (emptyDir when none is given)."""
    return next((key for key in volume if key != "name"), "emptyDir")


def is_files(volume: Json) -> bool:
    """Whether the volume is files that are written by the node."""
    return kind_of(volume) in _PLAIN


def contents(volume: Json, sources: Sources) -> dict[str, File]:
    """Return a file volume's files by relative path. Raises Missing."""
    kind = kind_of(volume)
    body: Json = volume.get(kind) or {}
    mode = _mode(body.get("defaultMode"), _DEFAULT_MODE)
    parts = [(kind, body)]
    if kind == "projected":
        given = body.get("sources") or ()
        parts = [(part, one.get(part) or {}) for one in given for part in (kind_of(one),)]
    files: dict[str, File] = {}
    for part, source in parts:
        files |= _source(part, source, mode, sources)
    return {path: sources.owner.file(file) for path, file in files.items()}


def _mode(given: object, otherwise: int) -> int:
    """Return a mode as it is given: 0 is one, too."""
    return int(given) if isinstance(given, int) else otherwise


def _source(kind: str, body: Json, mode: int, sources: Sources) -> dict[str, File]:
    match kind:
        case "configMap" | "secret":
            name = str(body.get("secretName") or body.get("name") or "")
            word = "configmap" if kind == "configMap" else "secret"
            data = sources.found.keys_of(word, name, body.get("optional"))
            return {} if data is None else _keys(data, body, mode, f"{word} {name}")
        case "downwardAPI":
            return {
                str(item["path"]): File(_field(item, sources), _mode(item.get("mode"), mode))
                for item in body.get("items") or ()
            }
        case "serviceAccountToken":
            token = sources.tokens.get(str(body.get("audience") or ""), "")
            return {str(body.get("path") or "token"): sources.owner.token(token, mode)}
        case _:
            raise VolumeRefused(
                f"a projected volume cannot hold {kind}: leave it out of the manifest"
            )


def _keys(data: Mapping[str, bytes], body: Json, mode: int, what: str) -> dict[str, File]:
    if not body.get("items"):
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in body["items"]:
        if item["key"] in data:
            files[str(item["path"])] = File(data[item["key"]], _mode(item.get("mode"), mode))
        elif not body.get("optional"):
            raise Missing(f"references non-existent config key: {item['key']} in {what}")
    return files


def _field(item: Json, sources: Sources) -> bytes:
    if item.get("fieldRef"):
        return references.pod_field(item["fieldRef"]["fieldPath"], sources.pod).encode()
    selector = msgspec.convert(item.get("resourceFieldRef") or {}, ResourceFieldSelector)
    container = sources.containers.get(selector.container_name, Container())
    return references.resource_field(selector, container, sources.capacity).encode()


def host_path(volume: Json, allowed: Iterable[str]) -> tuple[str, str]:
    """Return an allowed directory, and where in it a hostPath volume's is: it is looked up there
    again when it is mounted, as a container that may write there may put a link in its place.

    Raises Refused unless it lies in an allowed one.
    """
    path = os.path.realpath(str((volume.get("hostPath") or {}).get("path", "")))
    for base in allowed:
        real = os.path.realpath(base)
        if path == real or path.startswith(real.rstrip("/") + "/"):
            return real, "" if path == real else os.path.relpath(path, real)
    raise VolumeRefused(
        f'hostPath volume "{volume.get("name")}" is refused: name {path} or a directory above it '
        "under `hostPaths` in lateen.yaml"
    )


def unsupported(volume: Json) -> VolumeRefused:
    """Return the refusal of a kind of volume that a lab does not have."""
    return VolumeRefused(
        f'volume "{volume.get("name")}" of type {kind_of(volume)} is not available in a lab: '
        "use emptyDir, configMap, secret, downwardAPI, projected or an allowed hostPath"
    )


_NOBODYS = Owner()


def owner(spec: PodSpec) -> Owner:
    """Return whose a pod's volumes are, where there are users: kubelet's fsGroup, and fsUser."""
    context = spec.security_context
    whole = context.run_as_user if context else None
    users = {
        own.run_as_user
        if (own := container.security_context) and own.run_as_user is not None
        else whole
        for container in (*spec.init_containers, *spec.containers)
    }
    return Owner(context.fs_group if context else None, users.pop() if len(users) == 1 else None)


class VolumeStore:
    """The directories of one pod's volumes: `run` for files, in memory where the system keeps
    /run there; `state` for emptyDir, on disk."""

    def __init__(self, run: Path, state: Path, owner: Owner = _NOBODYS) -> None:
        self._run = run
        self._state = state
        self._owner = owner

    def empty(self, name: str, *, in_memory: bool, limit: int = 0) -> Path:
        """Return an emptyDir's directory; it is made once and kept.

        In memory it is a file system of its own, of at most `limit` bytes; 0: what a lab allows.
        Raises OSError.
        """
        path = (self._run if in_memory else self._state) / name
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
            if in_memory:
                flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
                size = f"size={limit or limits.MEMORY_VOLUME},nr_inodes={limits.FILES}"
                syscalls.mount("tmpfs", str(path), "tmpfs", flags, size)
            # As kubelet makes it: any user of the pod may write.
            self._owner.directory(path, 0o777, writable=True)
        return path

    def on_disk(self) -> Iterator[tuple[str, Path]]:
        """Yield the emptyDirs on disk that were made: name and directory."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._state):
                yield entry.name, Path(entry.path)

    def publish(self, name: str, files: Mapping[str, File]) -> Path:
        """Write a file volume, atomically replacing what it held; returns its directory."""
        path = self._run / name
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        if _current(path) == dict(files):
            return path
        number = 1 + max(
            (
                int(e.name[3:])
                for e in path.iterdir()
                if e.name[:3] == "..v" and e.name[3:].isdigit()
            ),
            default=0,
        )
        fresh = path / f"..v{number}"
        fresh.mkdir()
        for relative, file in files.items():
            _write(fresh / relative, file)
        for directory in (path, fresh, *(d for d in fresh.rglob("*") if d.is_dir())):
            self._owner.directory(directory, 0o755)
        link = path / "..data_new"
        link.unlink(missing_ok=True)
        link.symlink_to(fresh.name)
        link.replace(path / _DATA)
        _link_names(path, {relative.split("/")[0] for relative in files})
        for entry in path.iterdir():
            if entry.name.startswith("..v") and entry.name != fresh.name:
                shutil.rmtree(entry, ignore_errors=True)
        return path

    def remove(self) -> None:
        """Remove all volumes."""
        for path in self._run.iterdir() if self._run.is_dir() else ():
            if path.is_mount():
                syscalls.detach(str(path))
        for path in (self._run, self._state):
            shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(file.data)
    if file.uid or file.gid:
        os.chown(path, file.uid, file.gid)
    path.chmod(file.mode)


def _link_names(path: Path, names: set[str]) -> None:
    for name in names:
        link = path / name
        if not link.is_symlink():
            with contextlib.suppress(FileExistsError):
                link.symlink_to(f"{_DATA}/{name}")
    for entry in path.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()


def _current(path: Path) -> dict[str, File] | None:
    data = path / _DATA
    if not data.is_dir():
        return None
    found = {}
    for file in data.rglob("*"):
        if file.is_file():
            relative = str(file.relative_to(data))
            seen = file.stat()
            uid = 0 if seen.st_uid == os.getuid() else seen.st_uid
            gid = 0 if seen.st_gid == os.getgid() else seen.st_gid
            found[relative] = File(file.read_bytes(), seen.st_mode & 0o7777, uid, gid)
    return found
