"""What registries and archives say of an image: indexes, manifests, configurations. Pure.

The forms are those of the OCI image specification 1.1, and Docker's of schema 2, which differ in
the names of their media types only.
"""

import hashlib
import platform
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lateen.node.oci.errors import ImageError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = (INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST)
"""Media types of what a name may stand for, the preferred first."""

LARGEST = 4 << 20
"""Bytes of a manifest or configuration: what registries take at most."""
_LARGEST_LAYERS = 500
"""Directories that the kernel's overlay file system can lay over each other."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}


class Platform(msgspec.Struct, frozen=True):
    """For which machines an image is, in Go's words: linux, arm64, v8."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    @property
    def words(self) -> str:
        """The platform as it is written: `linux/arm64/v8`."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """One blob by its digest; `size` is in bytes."""

    digest: str
    size: int = -1
    media_type: str = ""
    platform: Platform | None = None
    annotations: Mapping[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """The parts of one image for one platform."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = ""


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """The manifests of one image for several platforms."""

    manifests: tuple[Descriptor, ...]
    media_type: str = ""


class ImageProcess(msgspec.Struct, frozen=True, rename="pascal"):
    """What a container of the image runs, as the configuration's `config` has it."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    exposed_ports: Mapping[str, Any] | None = None
    volumes: Mapping[str, Any] | None = None
    labels: Mapping[str, str] | None = None


class _Roots(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True):
    """An image's configuration: its process, and the digests of its layers as they unpack."""

    rootfs: _Roots
    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: str = ""
    config: ImageProcess | None = None

    @property
    def process(self) -> ImageProcess:
        """What a container runs; an image may say nothing of it."""
        return self.config or ImageProcess()


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of a document."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def check_digest(digest: str) -> str:
    """Return a digest as it was given. Raises ImageError unless it is a sha256 or sha512 one: a
    digest becomes a file's name."""
    if not _DIGEST.fullmatch(digest):
        raise ImageError(f"{digest!r} is no digest: it should be sha256: and 64 hexadecimal digits")
    return digest


def parse_manifest(data: bytes) -> Manifest | Index:
    """Read a manifest or an index, whichever it is. Raises ImageError."""
    try:
        raw = msgspec.json.decode(data)
        if not isinstance(raw, dict):
            raise ImageError("the manifest is no JSON object")
        if raw.get("schemaVersion") == 1:
            raise ImageError(
                "the manifest has Docker's schema 1, which has not been written since 2017:"
                " push the image again with a newer tool"
            )
        found: Manifest | Index
        if "manifests" in raw:
            found = msgspec.convert(raw, Index)
        else:
            found = msgspec.convert(raw, Manifest)
    except msgspec.DecodeError as error:
        raise ImageError(f"the manifest cannot be read: {error}") from error
    except msgspec.ValidationError as error:
        raise ImageError(f"the manifest is not as OCI has it: {error}") from error
    parts = found.manifests if isinstance(found, Index) else (found.config, *found.layers)
    for part in parts:
        check_digest(part.digest)
    if isinstance(found, Manifest) and len(found.layers) > _LARGEST_LAYERS:
        raise ImageError(
            f"the image has {len(found.layers)} layers; {_LARGEST_LAYERS} are the most"
        )
    return found


def parse_config(data: bytes) -> Config:
    """Read an image's configuration. Raises ImageError, for what is no image of containers too."""
    try:
        found = msgspec.json.decode(data, type=Config)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ImageError(f"the image's configuration cannot be read: {error}") from error
    for digest in found.rootfs.diff_ids:
        check_digest(digest)
    return found


def this_machine() -> Platform:
    """Return the platform of this machine."""
    machine = platform.machine()
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform(architecture, "linux", variant)


def choose(index: Index, wanted: Platform) -> Descriptor:
    """Return the manifest for a platform: one of its variant, else the first without.

    Raises ImageError, which names those that there are.
    """
    same = [
        one
        for one in index.manifests
        if (one.platform or wanted).os in ("linux", "")
        and (one.platform or wanted).architecture == wanted.architecture
    ]
    for one in same:
        if one.platform is None or one.platform.variant in (wanted.variant, ""):
            return one
    if same:
        return same[0]
    there = sorted(
        {one.platform.words for one in index.manifests if one.platform}
        - {"unknown/unknown"}  # what attestations have
    )
    raise ImageError(
        f"no match for platform {wanted.words} in the image; it is for {', '.join(there) or 'none'}"
    )


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the digest of each layer with all below it, as the OCI specification chains them: the
    name under which an unpacked layer is kept."""
    found: list[str] = []
    for one in diff_ids:
        found.append(digest_of(f"{found[-1]} {one}".encode()) if found else one)
    return tuple(found)


def variables(process: ImageProcess) -> dict[str, str]:
    """Return the image's environment."""
    return dict(item.partition("=")[::2] for item in process.env or ())
