"""A container can be a copy of a program that has loaded: what the shim asks for.

What makes copies is loaded by name. Without it every container is started the long way, which
takes longer and does the same.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lateen.base import byname
from lateen.node.shim.protocol import ContainerSpec
from lateen.node.shim.walls.ids import Ids, Pod

_MAKERS: Sequence[str] = (
    "lateen.node.shim.zygote.zygote.Zygote",
)  # fmt: skip


class Copy(Protocol):
    """A process that waits to be told what to be. It ends when it is closed without a word."""

    @property
    def pid(self) -> int: ...

    def become(
        self, spec: ContainerSpec, ids: Ids, space: Pod, descriptors: tuple[int, ...]
    ) -> None:
        """Tell it what to be, in the namespaces of a pod. `descriptors` are standard streams and
        report. Called in the namespaces for mounts and names that it shall enter.
        Raises OSError."""
        ...

    def close(self) -> None:
        """Let go of it: it was told, or is not wanted."""
        ...


@runtime_checkable
class Copies(Protocol):
    """Makes copies of one program."""

    pid: int
    """The process that is copied, or 0."""

    def begin(self, argv: tuple[str, ...], rehearsal: tuple[str, ...] = ()) -> None:
        """Get ready to copy a program, whose `main` may first be called with `rehearsal`."""
        ...

    def copy(self, spec: ContainerSpec) -> Copy | None:
        """Return a copy for a container, or None when it has to be started the long way."""
        ...

    def ended(self, pid: int, status: int) -> bool:
        """Take note of the end of a process; whether it was one that belongs to the copying."""
        ...


class NoCopies:
    """Starts everything the long way."""

    pid = 0

    def begin(self, argv: tuple[str, ...], rehearsal: tuple[str, ...] = ()) -> None:
        """Nothing is made ready."""

    def copy(self, spec: ContainerSpec) -> Copy | None:
        """There are none."""
        return None

    def ended(self, pid: int, status: int) -> bool:
        """No process belongs to it."""
        return False


def copies() -> Copies:
    """Return what makes copies here."""
    for place in _MAKERS:
        made: Copies = byname.attribute(place)()
        return made
    return NoCopies()
