"""The root directory of an image: its layers, with a writable one of the container's own on top,
or a copy of them where the kernel has no overlay file system for us."""

import contextlib
import errno
import os
import shutil
import stat

from lateen.node.shim import syscalls
from lateen.node.shim.walls import base, copying, limits, places
from lateen.node.shim.walls.ids import Ids

_MADE = ("dev", "proc", "sys")
"""What is mounted in every container, whatever the image has there."""
KERNEL_REFUSES = (errno.EINVAL, errno.EPERM, errno.ENODEV, errno.EOPNOTSUPP)
"""What mounting an overlay file system says where there is none, or none here."""


def layer(path: str, ids: Ids) -> int:
    """Return a layer as a detached mount that nobody can write to, under the ids of a lab's users.
    Raises OSError: a layer that was removed meanwhile too."""
    flags = syscalls.ATTR_READ_ONLY | syscalls.ATTR_NO_DEVICES
    try:
        return base.tree_at(-1, path, ids, flags)
    except OSError as error:
        if error.errno == errno.ENOENT:
            why = "a layer of the image is not in the store any more"
            raise OSError(error.errno, why, path) from error
        raise


def stack(root: str, scratch: str, layers: list[int], options: str) -> None:
    """Mount layers over each other at `root`, the first the uppermost; where the kernel refuses
    that, copy them into it. Raises OSError.

    They get names of one to three letters, relative to the current folder: mount(2) takes one page
    of options, and an image may have hundreds of layers. What a container reads of its mounts then
    names no directory of the host.
    """
    os.chdir(scratch)
    for name in ("upper", "work"):
        os.mkdir(name, 0o755)
    names = [f"{number:x}" for number in range(len(layers))]
    for name, tree in zip(names, layers, strict=True):
        os.mkdir(name, 0o755)
        at = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        syscalls.attach(tree, at)
        os.close(at)
        os.close(tree)
    first = os.stat(names[0])
    os.chmod("upper", stat.S_IMODE(first.st_mode))
    lower = ":".join(names)
    text = f"lowerdir={lower},upperdir=upper,workdir=work{options}"
    try:
        syscalls.mount("overlay", root, "overlay", syscalls.MS_NODEV, text)
    except OSError as error:
        if error.errno not in KERNEL_REFUSES:
            raise
        _copy(root, names)


def _copy(root: str, names: list[str]) -> None:
    """Copy layers into the container's own file system, which grows by what they take."""
    size = copying.measure(names)
    room = f"size={limits.WRITABLE_LAYER + size.bytes},nr_inodes={limits.FILES + size.files}"
    syscalls.mount(None, root, None, syscalls.MS_REMOUNT | syscalls.MS_NODEV, room)
    copying.merge(names, root)


def furnish(root: str, files: tuple[tuple[str, str], ...]) -> None:
    """Make the places that every container has, and its own files. Raises OSError.

    What the image has under these names is replaced when it is no directory, or a link.
    """
    opened = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in _MADE:
            _directory(opened, name)
        for path, text in files:
            above, _, name = path.strip("/").rpartition("/")
            parent = places.directory(opened, above)
            try:
                _write(parent, name, text)
            finally:
                os.close(parent)
    finally:
        os.close(opened)


def _directory(root: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode):
            return
        os.unlink(name, dir_fd=root)
    os.mkdir(name, 0o755, dir_fd=root)


def _write(parent: int, name: str, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=parent)
        else:
            os.unlink(name, dir_fd=parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o644, dir_fd=parent), "w", encoding="utf-8") as file:
        file.write(text)
