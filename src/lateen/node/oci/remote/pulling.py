"""Bringing an image from a registry into the store."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from lateen.model.labapi.images import PULLED
from lateen.node.images import reference
from lateen.node.images.reference import Reference
from lateen.node.oci import documents
from lateen.node.oci.documents import Descriptor, Index, Manifest, Platform
from lateen.node.oci.errors import ImageError
from lateen.node.oci.remote.credentials import Credentials
from lateen.node.oci.remote.registry import Registry
from lateen.node.oci.store import ImageStore, Record

_STEP = 1 << 20
"""Bytes of a layer between two reports."""


class Progress(msgspec.Struct, frozen=True):
    """How far a layer has come, in bytes. `total` is -1 where it is unknown."""

    digest: str
    done: int
    total: int


Report = Callable[[Progress], None]


class PullSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How images are pulled: as whom, from where, for which machine."""

    credentials: Credentials
    mirrors: Mapping[str, Sequence[str]] = {}
    """Registry to hosts that are asked before it."""
    platform: Platform = msgspec.field(default_factory=documents.this_machine)
    rest: Callable[[float], None] = time.sleep


def pull(store: ImageStore, name: str, way: PullSettings, report: Report) -> Record:
    """Bring an image, and have its name stand for what the registry has now.

    Raises InvalidImageNameError; ImageError with the registry's words, for the registry itself and
    not for its mirrors; OSError when the disk is full.
    """
    image = reference.parse(name)
    with store.bringing():
        for mirror in way.mirrors.get(image.registry, ()):
            try:
                return _from(store, image, way, report, mirror)
            except ImageError:
                continue
        try:
            return _from(store, image, way, report, "")
        except ImageError as error:
            words = f'failed to pull image "{image.full}": {error}'
            raise ImageError(words, reason=error.reason) from error


def _from(
    store: ImageStore, image: Reference, way: PullSettings, report: Report, host: str
) -> Record:
    registry = Registry(image, way.credentials, way.rest, host=host)
    named = registry.manifest(image.digest or image.tag)
    target = digest = store.blobs.keep(named.data)
    found = documents.parse_manifest(named.data)
    if isinstance(found, Index):
        digest = documents.choose(found, way.platform).digest
        data = registry.manifest(digest).data
        store.blobs.take(digest, len(data), lambda start: iter((data[start:],)))
        found = documents.parse_manifest(data)
    if not isinstance(found, Manifest):
        raise ImageError(f"{digest} is an index within an index")
    config = registry.config(found.config.digest)
    store.blobs.take(found.config.digest, len(config), lambda start: iter((config[start:],)))
    documents.parse_config(config)
    for layer in found.layers:
        store.blobs.take(layer.digest, layer.size, _told(registry, layer, report))
        report(Progress(layer.digest, max(layer.size, 0), layer.size))
    return store.name(image, digest, target, PULLED)


def _told(
    registry: Registry, layer: Descriptor, report: Report
) -> Callable[[int], Iterator[bytes]]:
    def pieces(start: int) -> Iterator[bytes]:
        count, next_ = start, start
        for piece in registry.blob(layer.digest, start):
            count += len(piece)
            if count >= next_:
                report(Progress(layer.digest, count, layer.size))
                next_ = count + _STEP
            yield piece

    return pieces
