"""A lab's control groups, where this user may make some: one for the lab, one a container in it.

The kernel ends then what takes more memory than it may, however fast it is, and counts its own
memory for sockets, pipes and files in memory too. Where none may be made, `memory` looks.
"""

import contextlib
import os
import zlib
from collections.abc import Mapping

from lateen.node.shim.walls import grouptree

_NOTED = "control-group"
_CONTROLLERS = ("memory", "pids")
_TOP = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Groups:
    """The groups of one lab. Without a directory there are none."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._left: set[str] = set()

    @property
    def bound(self) -> bool:
        """Whether memory is bounded by them."""
        return bool(self.path)

    def make(self, handle: str, memory: int) -> int:
        """Make a container's group and return its descriptor; -1 where that cannot be."""
        if not self.path:
            return -1
        directory = f"{self.path}/{grouptree.name(handle)}"
        try:
            os.mkdir(directory, 0o700)
            _tell(directory, grouptree.of_container(memory))
            return os.open(directory, _TOP)
        except OSError:
            self._remove(directory)
            return -1

    def ended(self, handle: str) -> bool:
        """Remove the group of a container that has ended; whether it had too much memory."""
        if not self.path:
            return False
        directory = f"{self.path}/{grouptree.name(handle)}"
        events = kernel_file(f"{directory}/memory.events")
        self._remove(directory)
        for earlier in tuple(self._left):
            self._remove(earlier)
        return grouptree.ended_for_memory(events)

    def _remove(self, directory: str) -> None:
        try:
            os.rmdir(directory)
            self._left.discard(directory)
        except FileNotFoundError:
            self._left.discard(directory)
        except OSError:
            self._left.add(directory)  # commands in it have not ended yet

    def close(self) -> None:
        """Remove all of them. What has processes yet stays, until the lab's next start."""
        if self.path:
            _sweep(self.path)


def join(group: int, pid: int = 0) -> None:
    """Put a process into a group, this one without a number. Raises OSError."""
    if group >= 0:
        fd = os.open("cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=group)
        try:
            os.write(fd, str(pid).encode())
        finally:
            os.close(fd)


def of_lab(lab: str, run: str, bound: int) -> Groups:
    """Make a lab's group; `run` tells labs of one name apart, `bound` is in bytes."""
    name = f"lateen-{lab}-{zlib.crc32(run.encode()):08x}"
    place, shown = grouptree.mounted(kernel_file("/proc/self/mountinfo"))
    own = grouptree.of_process(kernel_file("/proc/self/cgroup"))
    for number, parent in enumerate(grouptree.candidates(place, shown, own)):
        if "memory" not in kernel_file(f"{parent}/cgroup.controllers").split():
            continue
        # Only of its own group may a lab change what it hands out: others belong to somebody.
        if number == 0:
            _hand_out(parent)
        if "memory" not in kernel_file(f"{parent}/cgroup.subtree_control").split():
            continue
        _note(run, f"{parent}/{name}")
        if _is_made(f"{parent}/{name}", bound):
            return Groups(f"{parent}/{name}")
    return Groups()


def _note(run: str, path: str) -> None:
    """Write down what is made, before it is: the next `up` or `down` removes it after a kill."""
    with contextlib.suppress(OSError), open(f"{run}/{_NOTED}", "w", encoding="utf-8") as file:
        file.write(path)


def sweep(run: str) -> None:
    """Remove what the lab of a runtime folder left, if it left any."""
    if path := kernel_file(f"{run}/{_NOTED}"):
        _sweep(path)


def _is_made(path: str, bound: int) -> bool:
    _sweep(path)  # what a lab left that was killed
    try:
        os.makedirs(path, 0o700, exist_ok=True)
        _tell(path, grouptree.of_lab(bound))
        _hand_out(path)
        if "memory" in kernel_file(f"{path}/cgroup.subtree_control").split() and _is_joined(path):
            return True
    except OSError:
        pass
    _sweep(path)
    return False


def _is_joined(path: str) -> bool:
    """Whether processes may be moved there: try one. Who may write to a group may not do that, if
    what holds both groups is another's."""
    trial, lab = "trial", Groups(path)
    group = lab.make(trial, 0)
    if group < 0:
        return False
    child = os.fork()
    if child == 0:
        try:
            join(group)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(group)
    _, status = os.waitpid(child, 0)
    lab.ended(trial)
    return status == 0


def _hand_out(path: str) -> None:
    for controller in _CONTROLLERS:
        with contextlib.suppress(OSError):
            _write(f"{path}/cgroup.subtree_control", f"+{controller}")


def _tell(path: str, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        # Without that controller, or on an older kernel, some of the files are not there.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            _write(f"{path}/{name}", value)


def _sweep(path: str) -> None:
    with contextlib.suppress(OSError):
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    os.rmdir(entry.path)
        os.rmdir(path)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def kernel_file(path: str) -> str:
    """Return what a file of the kernel's says; nothing where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
