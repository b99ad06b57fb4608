"""Unpacked layers, each once for a person: directories by the digest of the chain that they end."""

import contextlib
import fcntl
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lateen.base import interpreter
from lateen.node.oci import documents, unpacker
from lateen.node.oci.blobs import Blobs
from lateen.node.oci.documents import Config, Manifest
from lateen.node.oci.errors import ImageError
from lateen.node.oci.unpacker import Outcome, Task
from lateen.node.shim.walls import subordinate


class Root(msgspec.Struct, frozen=True):
    """An image's root directory: its layers, the uppermost first, and the accounts in it."""

    layers: tuple[str, ...]
    passwd: str = ""
    group: str = ""


class Layers:
    """The unpacked layers of one store."""

    def __init__(self, root: Path, blobs: Blobs) -> None:
        self._root = root
        self._blobs = blobs
        self._privileged = os.getuid() == 0

    def root_of(self, manifest: Manifest, config: Config) -> Root:
        """Return an image's root; layers that are not there yet are unpacked, by one process.

        Raises ImageError for a layer that is not what it says, OSError when the disk is full.
        """
        diff_ids = config.rootfs.diff_ids
        if len(diff_ids) != len(manifest.layers):
            raise ImageError(
                f"the configuration names {len(diff_ids)} layers and the manifest"
                f" {len(manifest.layers)}"
            )
        if not diff_ids:
            raise ImageError("the image has no layer, so there is nothing to run")
        chains = [self._place(chain) for chain in documents.chain_ids(diff_ids)]
        if not (found := _found(chains)):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                found = _found(chains) or self._unpack(manifest, diff_ids, chains)
        facts = msgspec.json.decode((found[-1] / unpacker.FACTS).read_bytes(), type=Outcome)
        layers = tuple(str(place / unpacker.FILES) for place in reversed(found))
        return Root(layers, facts.passwd, facts.group)

    def _place(self, chain: str) -> Path:
        return self._root / chain.partition(":")[2]

    def _unpack(
        self, manifest: Manifest, diff_ids: tuple[str, ...], chains: list[Path]
    ) -> list[Path]:
        tasks = [
            Task(
                blob=str(self._blobs.path(layer.digest)),
                diff_id=diff_id,
                below=tuple(str(one / unpacker.FILES) for one in reversed(chains[:number])),
                place=str(place),
                owners=self._privileged or subordinate.usable(),
                marked=not self._privileged,
                there=(place / unpacker.FACTS).is_file(),
            )
            for number, (layer, diff_id, place) in enumerate(
                zip(manifest.layers, diff_ids, chains, strict=True)
            )
        ]
        if error := _run(tasks):
            raise ImageError(error)
        return _found(chains)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        fd = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def remove_all_but(self, kept: frozenset[str]) -> int:
        """Remove the layers that no chain of `kept` names, and tries that were broken off.
        Returns how many layers."""
        digests = {one.partition(":")[2] for one in kept}
        names = {f"{one}{ending}" for one in digests for ending in ("", unpacker.WHOLE)}
        gone = [path for path in self._root.glob("*") if path.is_dir() and path.name not in names]
        for path in gone:
            try:
                unpacker.remove_tree(path)
            except PermissionError:  # of users that are subordinate ids
                subordinate.as_root(functools.partial(unpacker.remove_tree, path))
        return sum(path.suffix in ("", unpacker.WHOLE) for path in gone)


def _found(chains: list[Path]) -> list[Path]:
    """Return the directories that make an image's root, the lowest first; none if it is not
    unpacked."""
    whole = chains[-1].with_name(chains[-1].name + unpacker.WHOLE)
    if (chains[-1] / unpacker.FACTS).is_file():
        return chains
    return [whole] if (whole / unpacker.FACTS).is_file() else []


def _run(tasks: list[Task]) -> str:
    done = subprocess.run(
        interpreter.module("lateen.node.oci.unpacker"),
        input=msgspec.json.encode(tasks),
        capture_output=True,
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return f"unpacking ended with {done.returncode}: {''.join(words[-1:])}"
    return done.stdout.decode()
