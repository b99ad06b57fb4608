"""An image as a container is started from it, and how it is asked for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class ContainerImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the store: its unpacked root, and what a container of it runs."""

    name: str
    """In full: `docker.io/library/nginx:1.27`."""
    digest: str
    """What the name stands for."""
    source: str
    """`pulled`, or the name of the file that it was loaded from."""
    layers: tuple[str, ...]
    """Directories, the uppermost first."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    passwd: str = ""
    group: str = ""
    size: int = 0
    """Bytes of its layers as they were brought."""

    @property
    def pulled(self) -> bool:
        """Whether a registry has it, so that it can be asked for again."""
        return self.source == PULLED

    @property
    def id(self) -> str:
        """What a container's status shows as imageID: the name and its digest."""
        name = self.name.partition("@")[0]
        head, slash, last = name.rpartition("/")
        return f"{head}{slash}{last.partition(':')[0]}@{self.digest}"


PULLED = "pulled"
LOCAL = "lateen.local/run/"
"""What the names of processes begin with that `lateen run` has put into the mesh."""


class LocalCommand(msgspec.Struct, frozen=True):
    """A process of the person's own, in place of an image."""

    argv: tuple[str, ...]
    folders: tuple[str, ...] = ()
    """Folders of the host that it sees, read-only, where they are."""
    env: Mapping[str, str] = {}


class ImageWish(msgspec.Struct, frozen=True):
    """An image that a container needs. `configs` are pull secrets, in the form of Docker's
    config.json; with `pull` the registry is asked, else the store alone."""

    name: str
    pull: bool = False
    anew: bool = False
    """Whether the registry itself is to be asked, not a local engine."""
    configs: Sequence[Mapping[str, Any]] = ()


class ImageAnswer(msgspec.Struct, frozen=True):
    """What was found. Without image and error: it is not in the store."""

    image: ContainerImage | None = None
    command: LocalCommand | None = None
    error: str = ""
    reason: str = ""
    """The kubelet's word for the error."""
    seconds: float = 0.0
    """How long it took."""


class ProcessOrder(msgspec.Struct, frozen=True):
    """What `lateen run` asks for. Without a command the process is forgotten."""

    name: str
    command: LocalCommand | None = None


class ProcessAnswer(msgspec.Struct, frozen=True):
    """The names of all processes that stand for images."""

    processes: tuple[str, ...]
