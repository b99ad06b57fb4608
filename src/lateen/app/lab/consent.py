"""What a folder's lateen.yaml would open of the host, and whether its person agreed to that.

A folder of manifests is a stranger. What it asks for is remembered by a digest: of the fields, and
of the files that its commands name. When one of them changes, the person is asked again. What is
sent out by this machine's addresses is opened, too.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lateen.app.lab import paths
from lateen.app.lab.settings import LabSettings
from lateen.node.images import folders

_FILE = "trusted"
_PIECE = 1 << 20


class Opening(msgspec.Struct, frozen=True):
    """What of the host containers would get."""

    host_paths: tuple[str, ...] = ()
    """Folders that a hostPath volume may mount, to be written to."""
    folders: tuple[str, ...] = ()
    """Folders that commands under `images` are run from, read-only."""
    ways: tuple[str, ...] = ()
    """Ways out of the lab by this machine's network, each in words."""

    def __bool__(self) -> bool:
        return bool(self.host_paths or self.folders or self.ways)

    @property
    def lines(self) -> tuple[str, ...]:
        """Each of them, and what may be done with it."""
        writable = tuple(f"{path}, read and written, by hostPaths" for path in self.host_paths)
        return writable + tuple(f"{path}, read, by images" for path in self.folders) + self.ways


def opening(settings: LabSettings) -> Opening:
    """Return what the settings would open. A command that names nothing of the host opens nothing:
    it runs in its container, as any command of a Pod does."""
    found: set[str] = set()
    for command in settings.images.values():
        found.update(folders.folders(command, os.path.isfile, os.path.isdir))
    return Opening(tuple(sorted(settings.host_paths)), tuple(sorted(found)), tuple(_ways(settings)))


def _ways(settings: LabSettings) -> Iterator[str]:
    if settings.egress:
        yield "the internet, reached by TCP, by egress"
        for network in sorted(settings.egress_private):
            yield f"{network}, reached by TCP, by egressPrivate"
    if settings.dns_forward:
        yield f"{settings.dns_forward}, asked for names, by dnsForward"
    for registry, hosts in sorted(settings.mirrors.items()):
        for host in hosts:
            yield f"{host}, asked for images of {registry}, by registryMirrors"


def digest(settings: LabSettings) -> str:
    """Return what tells these wishes of this folder from any others."""
    files = {
        word: _content(word)
        for command in settings.images.values()
        for word in folders.words(command)
        if os.path.isfile(word)
    }
    asked = (settings.images, sorted(settings.host_paths), list(_ways(settings)))
    fields = (settings.directory, asked, files)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _content(path: str) -> str:
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except OSError as error:
        return f"unreadable: {error.errno}"
    return found.hexdigest()


def is_given(key: str) -> bool:
    """Whether the person has agreed to what has this digest."""
    try:
        return key in _place().read_text(encoding="ascii").split()
    except OSError:
        return False


def give(key: str) -> None:
    """Remember that the person agreed. Raises OSError."""
    place = _place()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(place, flags, 0o600), "w", encoding="ascii") as file:
        file.write(f"{key}\n")


def _place() -> Path:
    return paths.state_root() / _FILE
