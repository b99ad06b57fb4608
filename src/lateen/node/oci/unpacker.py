"""The process that unpacks layers: apart from who asks, in a mount namespace of its own.

An ordinary user is its root there, so that the kernel's overlay file system can be had: a layer is
applied over those below it, and what the kernel keeps in the upper directory is the layer. So
links, removals and replacements mean what they mean in a container. Where the kernel refuses that,
all layers are applied to one directory, which then is the image's only one.

    python -m lateen.node.oci.unpacker   with a list of Tasks as JSON on standard input

It prints what went wrong, nothing if all went well, and ends with 0. A layer is unpacked beside its
place and renamed into it.
"""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, cast

import msgspec

from lateen.base import parentdeath
from lateen.node.oci.errors import ImageError
from lateen.node.oci.layerstream import LayerStream
from lateen.node.oci.unpack import Unpacking
from lateen.node.shim import syscalls
from lateen.node.shim.walls import imageroot, subordinate

FACTS = "facts.json"
FILES = "fs"
"""Of a layer's directory: what is known of it, and what is in it."""
WHOLE = ".whole"
"""Ends the name of a directory that has all layers up to that one in itself."""
_PART = ".part"
_LARGEST_ACCOUNTS = 1 << 20
_PRIVATE = 1 << 18
_RECURSIVE = 1 << 14


class Task(msgspec.Struct, frozen=True):
    """One layer. All paths are absolute."""

    blob: str
    """The layer as the registry has it."""
    diff_id: str
    below: tuple[str, ...]
    """Directories of the layers below, the uppermost first."""
    place: str
    """The layer's directory, to be made."""
    owners: bool
    """Whether files get the owners that the layer names."""
    marked: bool
    """Whether the kernel's marks are attributes that an ordinary user may set."""
    there: bool = False
    """Whether it was unpacked before."""


class Outcome(msgspec.Struct, frozen=True):
    """The accounts of the root so far: /etc/passwd and /etc/group."""

    passwd: str = ""
    group: str = ""


def main() -> int:
    """Unpack what standard input names."""
    parentdeath.ask(signal.SIGKILL)
    tasks = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Task])
    os.umask(0)
    try:
        enter()
        try:
            for task in tasks:
                if not task.there:
                    _unpack(task)
        except _NoOverlay:
            for task in tasks:
                if not task.there:
                    remove_tree(Path(task.place))
            _unpack_whole(tasks)
    except ImageError as error:
        sys.stdout.write(str(error))
    except OSError as error:
        sys.stdout.write(f"{error.strerror}: {error.filename or tasks[0].place}")
    return 0


def _unpack(task: Task) -> None:
    def apply(part: Path) -> Outcome:
        with contextlib.ExitStack() as mounts:
            at = str(part / FILES)
            if task.below:
                at = _stacked(task, part)
                mounts.callback(syscalls.detach, str(part / "mnt"))
                mounts.callback(os.chdir, "/")
            return _applied([task], at)

    _make(task.place, apply)


def _unpack_whole(tasks: list[Task]) -> None:
    """Apply every layer to one directory: that of the last one."""
    _make(tasks[-1].place + WHOLE, lambda part: _applied(tasks, str(part / FILES)))


def _make(place: str, apply: Callable[[Path], Outcome]) -> None:
    part = Path(place + _PART)
    remove_tree(part)  # a try that was broken off
    for path in (part, part / "work", part / "mnt"):
        path.mkdir(mode=0o700)
    (part / FILES).mkdir(mode=0o755)
    try:
        found = apply(part)
        for name in ("work", "mnt"):
            remove_tree(part / name)
        (part / FACTS).write_bytes(msgspec.json.encode(found))
        part.rename(place)
    except BaseException:
        remove_tree(part)
        raise


def _applied(tasks: Iterable[Task], place: str) -> Outcome:
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for task in tasks:
            with open(task.blob, "rb") as blob:
                stream = LayerStream(blob, task.diff_id)
                Unpacking(root, owners=task.owners).apply(cast(IO[bytes], stream))
                stream.finish()
        return Outcome(_read(root, "etc/passwd"), _read(root, "etc/group"))
    finally:
        os.close(root)


class _NoOverlay(Exception):
    """The kernel refuses to lay directories over each other here."""


def _stacked(task: Task, part: Path) -> str:
    """Mount the layers below with this one over them; return where. Raises _NoOverlay."""
    place = str(part / "mnt")
    syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NODEV | syscalls.MS_NOSUID, "mode=700")
    root = f"{place}/root"
    os.mkdir(root)
    names = stack(place, task.below)
    extra = ",userxattr" if task.marked else ""
    upper = f"upperdir={part / FILES},workdir={part / 'work'}"
    options = f"lowerdir={':'.join(names)},{upper}{extra}"
    flags = syscalls.MS_NODEV | syscalls.MS_NOSUID
    try:
        syscalls.mount("overlay", root, "overlay", flags, options)
    except OSError as error:
        os.chdir("/")
        syscalls.detach(place)
        if error.errno in imageroot.KERNEL_REFUSES:
            raise _NoOverlay from error
        raise
    return root


def remove_tree(path: Path) -> None:
    """Remove a directory and what is below, whatever rights the layers gave their directories.
    What is not there is no fault."""
    if not path.is_dir() or path.is_symlink():
        return
    os.chmod(path, 0o700)
    for directory, _, _ in os.walk(path):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
    shutil.rmtree(path)


def stack(place: str, layers: tuple[str, ...]) -> list[str]:
    """Bind layers to short names below `place`, and go there: mount(2) takes one page of options,
    which 128 paths would not fit into. Return the names. Raises OSError."""
    os.chdir(place)
    names = [f"{number:x}" for number in range(len(layers))]
    for name, layer in zip(names, layers, strict=True):
        os.mkdir(name)
        syscalls.bind(layer, name)
    return names


def enter() -> None:
    """Enter a mount namespace of this process's own; an ordinary user becomes its root, with
    subordinate ids where there are any."""
    if os.getuid():
        subordinate.leave(syscalls.CLONE_NEWNS)
    else:
        syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, _PRIVATE | _RECURSIVE)


def _read(root: int, path: str) -> str:
    try:
        fd = syscalls.open_below(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(fd, "rb") as file:
        try:
            return file.read(_LARGEST_ACCOUNTS).decode("utf-8", "replace")
        except OSError:  # a directory, or something else that is no file
            return ""


if __name__ == "__main__":
    sys.exit(main())
