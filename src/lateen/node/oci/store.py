"""A person's images: names, blobs, unpacked layers, below one directory that is theirs alone.

Every file is written beside its place and renamed into it, so a kill or a full disk leaves what was
there before. What is no name's any more is removed by `remove_unused` only.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from lateen.base.clock import Clock
from lateen.node.images import reference
from lateen.node.images.reference import Reference
from lateen.node.oci import documents
from lateen.node.oci.blobs import Blobs
from lateen.node.oci.documents import Config, Manifest
from lateen.node.oci.errors import ImageError
from lateen.node.oci.layers import Layers, Root
from lateen.node.shim.walls import subordinate


class Record(msgspec.Struct, frozen=True):
    """What a name stands for. `at` is in seconds since 1970."""

    name: str
    """The name in full: `docker.io/library/nginx:1.27`."""
    manifest: str
    """Digest of this machine's manifest."""
    target: str
    """Digest that the name stands for: that of an index, or of the manifest itself."""
    source: str
    """Where it is from: `pulled`, or the loaded file's name."""
    at: float = 0.0


class Image(msgspec.Struct, frozen=True):
    """One image of the store."""

    record: Record
    manifest: Manifest
    config: Config

    @property
    def size(self) -> int:
        """Bytes of its layers as they were brought."""
        return sum(max(layer.size, 0) for layer in self.manifest.layers)


class ImageStore:
    """The images below a directory; several processes may use it at once."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self.blobs = Blobs(root / "blobs")
        self._names = root / "names"
        self._layers = Layers(root / _roots(), self.blobs)

    @contextlib.contextmanager
    def bringing(self) -> Iterator[None]:
        """Hold while blobs come for which no name stands yet: nothing is removed meanwhile."""
        with self._lock(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        for path in (self._root, self._names):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, how)
            yield
        finally:
            os.close(fd)

    def name(self, image: Reference, manifest: str, target: str, source: str) -> Record:
        """Have a name stand for an image whose blobs are there. Raises ImageError if they are not,
        OSError when nothing can be written."""
        record = Record(image.full, manifest, target, source, self._clock.now().timestamp())
        self._read(record)
        path = self._path(record.name)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        return record

    def _path(self, name: str) -> Path:
        return self._names / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def find(self, name: str) -> Image | None:
        """Return the image that a name of any form stands for; None if there is none here.

        Raises InvalidImageNameError. A name with a digest finds what has that digest, whatever
        its name.
        """
        wanted = reference.parse(name)
        if not wanted.digest:
            with contextlib.suppress(FileNotFoundError, ImageError):
                return self._read(_record(self._path(wanted.full)))
            return None
        for image in self.images():
            if wanted.digest in (image.record.target, image.record.manifest):
                return image
        return None

    def images(self) -> tuple[Image, ...]:
        """Return the images by name. A damaged one is left out: it is brought anew."""
        found = []
        for path in self._names.glob("*.json"):
            with contextlib.suppress(FileNotFoundError, ImageError, msgspec.DecodeError):
                found.append(self._read(_record(path)))
        return tuple(sorted(found, key=lambda image: image.record.name))

    def _read(self, record: Record) -> Image:
        manifest = documents.parse_manifest(self.blobs.read(record.manifest))
        if not isinstance(manifest, Manifest):
            raise ImageError(f"{record.manifest} is an index within an index")
        for layer in manifest.layers:
            if not self.blobs.has(layer.digest):
                raise ImageError(f"layer {layer.digest} of {record.name} is not in the store")
        config = documents.parse_config(self.blobs.read(manifest.config.digest))
        return Image(record, manifest, config)

    def root_of(self, image: Image) -> Root:
        """Return an image's root, unpacked. Raises ImageError and OSError."""
        with self.bringing():
            return self._layers.root_of(image.manifest, image.config)

    def remove(self, names: Iterable[str]) -> tuple[str, ...]:
        """Forget names; returns those that were there. Raises InvalidImageNameError."""
        gone = []
        for name in names:
            full = reference.parse(name).full
            with contextlib.suppress(FileNotFoundError):
                self._path(full).unlink()
                gone.append(full)
        return tuple(gone)

    def remove_unused(self) -> tuple[int, int]:
        """Remove blobs and layers that no name leads to. Returns bytes of blobs, and layers.

        Raises BlockingIOError while images are being brought.
        """
        with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
            images = self.images()
            blobs = {digest for image in images for digest in _blobs(image)}
            chains = {
                chain
                for image in images
                for chain in documents.chain_ids(image.config.rootfs.diff_ids)
            }
            freed = self.blobs.remove_all_but(frozenset(blobs))
            return freed, self._layers.remove_all_but(frozenset(chains))


def _roots() -> str:
    """Return the name of the directory of layers: their files' owners differ by who unpacks."""
    if os.getuid() == 0:
        return "roots"
    return "roots-of-ids" if subordinate.usable() else "roots-of-one"


def _record(path: Path) -> Record:
    return msgspec.json.decode(path.read_bytes(), type=Record)


def _blobs(image: Image) -> Iterator[str]:
    yield image.record.manifest
    yield image.record.target
    yield image.manifest.config.digest
    for layer in image.manifest.layers:
        yield layer.digest
