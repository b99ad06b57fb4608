"""A copy of an image's layers, for kernels that refuse to lay them over each other.

The layers are in the kernel's own form for that: a removed file is a device node 0:0, and an
attribute says that a directory hides what lies below it. No link is followed anywhere.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Sequence
from typing import NamedTuple

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_KEPT = ("user.", "security.capability")
_KERNELS = "user.overlay."
_BLOCK = 512
_MOST = 1 << 30
"""Bytes that one call copies."""
_OPENED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Size(NamedTuple):
    """What a copy takes."""

    bytes: int
    files: int


def measure(layers: Sequence[str]) -> Size:
    """Return what a copy of these directories takes at most, holes left out."""
    taken, files = 0, 0
    for layer in layers:
        for _, _, names, directory in os.fwalk(layer):
            for name in names:
                taken += os.stat(name, dir_fd=directory, follow_symlinks=False).st_blocks * _BLOCK
            files += len(names) + 1
    return Size(taken, files)


def merge(layers: Sequence[str], root: str) -> None:
    """Copy directories over each other into `root`, the first the uppermost: owners, modes,
    attributes, times, hard links and holes stay. Raises OSError."""
    target = os.open(root, _OPENED | os.O_DIRECTORY)
    try:
        for layer in reversed(layers):
            source = os.open(layer, _OPENED | os.O_DIRECTORY)
            try:
                _Layer(target).directory(source, target, "")
                _dress(source, target)
            finally:
                os.close(source)
    finally:
        os.close(target)


class _Layer:
    """One layer on its way over those below."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._links: dict[int, str] = {}

    def directory(self, source: int, target: int, path: str) -> None:
        """Copy what is in an opened directory into another."""
        for name in os.listdir(source):
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
                _remove(target, name)
            elif stat.S_ISDIR(found.st_mode):
                self._below(source, target, name, path)
            else:
                _remove(target, name)
                self._file(source, target, name, path, found)

    def _below(self, source: int, target: int, name: str, path: str) -> None:
        inner = os.open(name, _OPENED | os.O_DIRECTORY, dir_fd=source)
        try:
            if _hides(inner) or not _is_directory(target, name):
                _remove(target, name)
                os.mkdir(name, 0o700, dir_fd=target)
            made = os.open(name, _OPENED | os.O_DIRECTORY, dir_fd=target)
            try:
                self.directory(inner, made, f"{path}{name}/")
                _dress(inner, made)
            finally:
                os.close(made)
        finally:
            os.close(inner)

    def _file(self, source: int, target: int, name: str, path: str, found: os.stat_result) -> None:
        if found.st_nlink > 1 and (first := self._links.setdefault(found.st_ino, path + name)) != (
            path + name
        ):
            os.link(first, name, src_dir_fd=self._root, dst_dir_fd=target, follow_symlinks=False)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
            times = (found.st_atime_ns, found.st_mtime_ns)
            os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode):
            _content(source, target, name, found)


def _content(source: int, target: int, name: str, found: os.stat_result) -> None:
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    if stat.S_ISFIFO(found.st_mode):
        os.mkfifo(name, 0o600, dir_fd=target)
        flags = _OPENED
    else:
        flags |= os.O_CREAT | os.O_EXCL
    given = os.open(name, _OPENED, dir_fd=source)
    try:
        made = os.open(name, flags, 0o600, dir_fd=target)
        try:
            if stat.S_ISREG(found.st_mode):
                _data(given, made, found.st_size)
            _dress(given, made)
        finally:
            os.close(made)
    finally:
        os.close(given)


def _data(given: int, made: int, size: int) -> None:
    """Copy what is no hole."""
    at = 0
    while at < size:
        try:
            at = os.lseek(given, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end
        end = os.lseek(given, at, os.SEEK_HOLE)
        os.lseek(made, at, os.SEEK_SET)
        while at < end and (sent := os.sendfile(made, given, at, min(end - at, _MOST))):
            at += sent
        if at < end:
            break
    os.ftruncate(made, size)


def _dress(given: int, made: int) -> None:
    """Give owner, attributes, mode and times; the owner first, since a change of it takes the
    set-user-id bit away."""
    found = os.fstat(given)
    os.fchown(made, found.st_uid, found.st_gid)
    for name in os.listxattr(given):
        if name.startswith(_KEPT) and not name.startswith(_KERNELS):
            with contextlib.suppress(OSError):  # the file system of the copy may not keep any
                os.setxattr(made, name, os.getxattr(given, name))
    os.fchmod(made, stat.S_IMODE(found.st_mode))
    os.utime(made, ns=(found.st_atime_ns, found.st_mtime_ns))


def _hides(directory: int) -> bool:
    for name in _OPAQUE:
        with contextlib.suppress(OSError):
            if os.getxattr(directory, name) == b"y":
                return True
    return False


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _remove(parent: int, name: str) -> None:
    if _is_directory(parent, name):
        shutil.rmtree(name, dir_fd=parent)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
