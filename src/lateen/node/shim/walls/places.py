"""Finding and making places in a container's root and in its volumes, whatever links it has put
there: every step is from an opened directory, and none leaves the root or the volume.
"""

import contextlib
import errno
import os
import stat

from lateen.node.shim import syscalls

_PLACE = os.O_PATH
_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_MADE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def directory(root: int, path: str, *, resolve: int = syscalls.IN_ROOT, mode: int = 0o755) -> int:
    """Open a directory below `root`; it and those above it are made where they are missing, each
    with `mode`. Raises OSError: EXDEV where `resolve` is BENEATH and a link leads out."""
    wanted = path.strip("/") or "."
    try:
        return syscalls.open_below(root, wanted, _DIRECTORY, resolve)
    except FileNotFoundError:
        above, _, name = wanted.rpartition("/")
    parent = directory(root, above, resolve=resolve, mode=mode)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
            made = os.open(name, _MADE, dir_fd=parent)  # not by name: it may be another by now
            try:
                os.fchmod(made, mode)
            finally:
                os.close(made)
    finally:
        os.close(parent)
    return syscalls.open_below(root, wanted, _DIRECTORY, resolve)


def file(root: int, path: str) -> int:
    """Open a place for a file to be mounted at; an empty one is made where there is none.

    Raises OSError.
    """
    wanted = path.strip("/")
    with contextlib.suppress(FileNotFoundError):
        return syscalls.open_below(root, wanted, _PLACE)
    above, _, name = wanted.rpartition("/")
    parent = directory(root, above)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, 0o644, dir_fd=parent))
    finally:
        os.close(parent)
    return syscalls.open_below(root, wanted, _PLACE)


def in_volume(base: str, sub: str) -> int:
    """Open what a subPath names in a volume; directories that are missing are made, each with the
    rights of the volume's own. Raises OSError: EXDEV when it leads out of the volume."""
    volume = os.open(base, _PLACE | os.O_CLOEXEC)
    try:
        if not sub.strip("/"):
            return os.dup(volume)
        with contextlib.suppress(FileNotFoundError):
            return syscalls.open_below(volume, sub, _PLACE, syscalls.BENEATH)
        mode = stat.S_IMODE(os.fstat(volume).st_mode)
        return directory(volume, sub, resolve=syscalls.BENEATH, mode=mode)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.ELOOP):
            raise OSError(error.errno, f"subPath {sub} leads out of the volume") from error
        raise
    finally:
        os.close(volume)


def is_directory(fd: int) -> bool:
    """Whether an opened place is a directory."""
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def change_to(path: str) -> None:
    """Make a directory of the container's the current one: no link of /proc that leads to a file
    of another process is followed. Raises OSError."""
    root = os.open("/", _DIRECTORY | os.O_CLOEXEC)
    try:
        found = syscalls.open_below(root, path.strip("/") or ".", _DIRECTORY)
    finally:
        os.close(root)
    try:
        os.fchdir(found)
    finally:
        os.close(found)
