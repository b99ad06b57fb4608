"""Images in files: OCI layouts, as directories and as archives, and what `docker save` writes."""

import contextlib
import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from lateen.node.images import reference
from lateen.node.images.reference import InvalidImageNameError, Reference
from lateen.node.oci import compression, documents
from lateen.node.oci.documents import Descriptor, Index, Manifest, Platform
from lateen.node.oci.errors import ImageError
from lateen.node.oci.store import ImageStore, Record

_NAME = "io.containerd.image.name"
_REF_NAME = "org.opencontainers.image.ref.name"
_PIECE = 1 << 20
_PLAIN = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"


class _Members(Protocol):
    """The files of a layout, by their names."""

    def opened(self, name: str) -> IO[bytes] | None:
        """Open one; None if it is not there."""


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def opened(self, name: str) -> IO[bytes] | None:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            return None
        return path.open("rb")


class _Archive:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = {one.name.removeprefix("./"): one for one in archive.getmembers()}

    def opened(self, name: str) -> IO[bytes] | None:
        member = self._members.get(name)
        if member is None:
            return None
        try:
            return self._archive.extractfile(member)
        except KeyError:  # a link to what is not in the archive
            return None


def load(
    store: ImageStore, path: Path, *, name: str = "", platform: Platform | None = None
) -> tuple[Record, ...]:
    """Bring the images of a file or folder, under their names in it or, with `name`, one image
    under that. Raises ImageError, InvalidImageNameError and OSError."""
    wanted = platform or documents.this_machine()
    source = path.name or "standard input"
    with store.bringing():
        if path.is_dir():
            return _Loading(store, _Folder(path), wanted, source, name).load()
        with path.open("rb") as file, _plain(file) as plain:
            return _from_archive(store, plain, wanted, source, name)


def load_stream(
    store: ImageStore, stream: IO[bytes], source: str, *, name: str = ""
) -> tuple[Record, ...]:
    """Bring the images of an archive that can be read once. Raises as `load` does."""
    with store.bringing(), tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file, _PIECE)
        file.seek(0)
        with _plain(file) as plain:
            return _from_archive(store, plain, documents.this_machine(), source, name)


def _from_archive(
    store: ImageStore, file: IO[bytes], platform: Platform, source: str, name: str
) -> tuple[Record, ...]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            return _Loading(store, _Archive(archive), platform, source, name).load()
    except tarfile.TarError as error:
        raise ImageError(
            f"{source} is no archive of images ({error}): make one by `docker save` or"
            " `skopeo copy … oci-archive:FILE`"
        ) from error


@contextlib.contextmanager
def _plain(file: IO[bytes]) -> Iterator[IO[bytes]]:
    opened = compression.opened(file)
    if opened is None:
        yield file
        return
    with tempfile.TemporaryFile() as whole:
        try:
            shutil.copyfileobj(opened, whole, _PIECE)
        except compression.BROKEN as error:
            raise ImageError(f"the archive cannot be decompressed: {error}") from error
        whole.seek(0)
        yield whole


class _Loading:
    def __init__(
        self, store: ImageStore, members: _Members, platform: Platform, source: str, name: str
    ) -> None:
        self._store, self._members = store, members
        self._platform, self._source, self._name = platform, source, name

    def load(self) -> tuple[Record, ...]:
        if (raw := self._json("index.json")) is not None:
            return self._layout(raw)
        if (raw := self._json("manifest.json")) is not None:
            return self._saved(raw)
        raise ImageError(
            f"{self._source} holds neither index.json nor manifest.json, so it is no OCI layout and"
            " nothing that `docker save` wrote"
        )

    def _json(self, name: str) -> Any:
        file = self._members.opened(name)
        if file is None:
            return None
        with file:
            try:
                return msgspec.json.decode(file.read(documents.LARGEST))
            except msgspec.DecodeError as error:
                raise ImageError(f"{self._source}: {name} is no JSON: {error}") from error

    def _layout(self, raw: Any) -> tuple[Record, ...]:
        try:
            index = msgspec.convert(raw, Index)
        except msgspec.ValidationError as error:
            raise ImageError(f"{self._source}: index.json is not as OCI has it: {error}") from error
        named = [(entry, self._named(entry)) for entry in index.manifests]
        chosen = [(entry, names) for entry, names in named if names]
        if self._name:
            chosen = [(self._only(index), (reference.parse(self._name),))]
        if not chosen:
            raise ImageError(
                f"{self._source} does not say how its image is called: name it by `--as NAME`"
            )
        found = []
        for entry, names in chosen:
            manifest = self._manifest(entry)
            found += [self._keep(name, manifest, entry.digest) for name in names]
        return tuple(found)

    def _only(self, index: Index) -> Descriptor:
        if len(index.manifests) == 1:
            return index.manifests[0]
        return documents.choose(index, self._platform)

    def _named(self, entry: Descriptor) -> tuple[Reference, ...]:
        notes = entry.annotations or {}
        for key in (_NAME, _REF_NAME):
            text = notes.get(key, "")
            # A layout's reference name is often the tag alone: that names no image.
            if text and (key == _NAME or "/" in text or ":" in text):
                with contextlib.suppress(InvalidImageNameError):
                    return (reference.parse(text),)
        return ()

    def _manifest(self, entry: Descriptor) -> str:
        """Bring an entry's blobs; return the digest of this machine's manifest."""
        documents.check_digest(entry.digest)
        self._blob(entry, f"blobs/{entry.digest.replace(':', '/')}")
        found = documents.parse_manifest(self._store.blobs.read(entry.digest))
        if isinstance(found, Index):
            return self._manifest(documents.choose(found, self._platform))
        for part in (found.config, *found.layers):
            self._blob(part, f"blobs/{part.digest.replace(':', '/')}")
        return entry.digest

    def _blob(self, part: Descriptor, name: str) -> None:
        file = self._members.opened(name)
        if file is None:
            if self._store.blobs.has(part.digest):
                return
            raise ImageError(f"{self._source} lacks {name}, which its manifest names")
        with file:
            self._store.blobs.take(part.digest, part.size, _pieces(file))

    def _saved(self, raw: Any) -> tuple[Record, ...]:
        found: list[Record] = []
        try:
            entries = [(one["Config"], one["Layers"], one.get("RepoTags") or []) for one in raw]
        except (KeyError, TypeError, AttributeError) as error:
            raise ImageError(f"{self._source}: manifest.json is not as Docker writes it") from error
        for config, layers, tags in entries:
            names = [self._name] if self._name else tags
            if not names:
                raise ImageError(
                    f"{self._source} does not say how its image is called: name it by `--as NAME`"
                )
            parts = [self._measured(one, _PLAIN) for one in layers]
            manifest = {
                "schemaVersion": 2,
                "mediaType": documents.MANIFEST,
                "config": self._measured(config, _CONFIG),
                "layers": parts,
            }
            digest = self._store.blobs.keep(msgspec.json.encode(manifest))
            found += [self._keep(reference.parse(name), digest, digest) for name in names]
        return tuple(found)

    def _measured(self, name: str, media_type: str) -> Mapping[str, Any]:
        """Keep a file whose digest nobody says."""
        file = self._members.opened(name)
        if file is None:
            raise ImageError(f"{self._source} lacks {name}, which its manifest.json names")
        with file:
            digest, size = _measure(file)
            self._store.blobs.take(digest, size, _pieces(file))
        return {"mediaType": media_type, "digest": digest, "size": size}

    def _keep(self, name: Reference, manifest: str, target: str) -> Record:
        found = documents.parse_manifest(self._store.blobs.read(manifest))
        if not isinstance(found, Manifest):
            raise ImageError(f"{manifest} is an index within an index")
        return self._store.name(name, manifest, target, self._source)


def _measure(file: IO[bytes]) -> tuple[str, int]:
    found, size = hashlib.sha256(), 0
    while piece := file.read(_PIECE):
        found.update(piece)
        size += len(piece)
    return f"sha256:{found.hexdigest()}", size


def _pieces(file: IO[bytes]) -> Callable[[int], Iterator[bytes]]:
    def pieces(start: int) -> Iterator[bytes]:
        file.seek(start)
        while piece := file.read(_PIECE):
            yield piece

    return pieces
