"""A layer's archive, applied to a directory: the rules of the OCI image specification for layers.

Every step is from an opened directory and none leaves the root, whatever links the layers make.
What an archive may not do is left out: device nodes, names that lead up.
"""

import contextlib
import errno
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from typing import IO, Any, cast

from lateen.node.oci.errors import ImageError
from lateen.node.shim import syscalls
from lateen.node.shim.walls import places

_WHITEOUT, _OPAQUE, _RESERVED = ".wh.", ".wh..wh..opq", ".wh..wh."
_DEEPEST = 255
"""Directories below each other; a path of Linux holds no more useful ones."""
_XATTR = "SCHILY.xattr."
_TOLERATED = (errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSPC)
"""What a file system or a namespace says to an attribute that it does not keep."""
_PIECE = 1 << 18
_ZEROS = bytes(_PIECE)
_ATTRIBUTES = ("user.", "security.capability")


class Unpacking:
    """One layer on its way into a root directory.

    `owners` says whether files get the owner that the archive names: only where the user ids of
    the containers exist.
    """

    def __init__(self, root: int, *, owners: bool) -> None:
        self._root = root
        self._owners = owners
        self._made: set[str] = set()
        self._times: dict[str, float] = {}

    def apply(self, stream: IO[bytes]) -> None:
        """Apply a layer. Raises ImageError for what is no archive, OSError for a full disk."""
        try:
            with tarfile.open(fileobj=stream, mode="r|", errorlevel=1) as archive:
                for entry in archive:
                    self._entry(archive, entry)
        except tarfile.TarError as error:
            raise ImageError(f"a layer is no tar archive that can be read: {error}") from error
        for name, time in sorted(self._times.items(), reverse=True):
            with contextlib.suppress(OSError):
                self._stamp(name, time)

    def _entry(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        parts = [part for part in entry.name.split("/") if part not in ("", ".")]
        if ".." in parts:
            return
        if len(parts) > _DEEPEST:
            raise ImageError(f"a layer has a path with {len(parts)} parts: {entry.name[:60]}…")
        if not parts:
            if entry.isdir():
                self._dress(self._root, ".", entry)
            return
        above, name = "/".join(parts[:-1]), parts[-1]
        parent = places.directory(self._root, above)
        try:
            if name.startswith(_WHITEOUT):
                self._whiteout(parent, above, name)
            else:
                self._make(archive, entry, parent, name)
                self._note("/".join(parts), entry)
        finally:
            os.close(parent)

    def _note(self, path: str, entry: tarfile.TarInfo) -> None:
        self._made.add(path)
        while path := path.rpartition("/")[0]:
            if path in self._made:
                break
            self._made.add(path)
        if entry.isdir():
            self._times["/".join(p for p in entry.name.split("/") if p not in ("", "."))] = (
                entry.mtime
            )

    def _whiteout(self, parent: int, above: str, name: str) -> None:
        if name == _OPAQUE:
            opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
            try:
                for one in os.listdir(opened):
                    if f"{above}/{one}".lstrip("/") not in self._made:
                        _remove(parent, one)
            finally:
                os.close(opened)
        elif not name.startswith(_RESERVED):
            hidden = name.removeprefix(_WHITEOUT)
            if hidden not in ("", ".", ".."):
                _remove(parent, hidden)

    def _make(
        self, archive: tarfile.TarFile, entry: tarfile.TarInfo, parent: int, name: str
    ) -> None:
        there = _mode(parent, name)
        if there is not None and not (entry.isdir() and stat.S_ISDIR(there)):
            if entry.islnk() and self._same(entry, parent, name):
                return
            _remove(parent, name)
            there = None
        if entry.isdir():
            if there is None:
                os.mkdir(name, 0o700, dir_fd=parent)
        elif entry.issym():
            os.symlink(entry.linkname, name, dir_fd=parent)
        elif entry.islnk():
            self._link(entry, parent, name)
            return
        elif entry.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
        elif entry.isreg() or entry.issparse():
            self._write(archive, entry, parent, name)
        else:
            return  # a device: containers have no nodes but those of their /dev
        self._dress(parent, name, entry)

    def _source(self, entry: tarfile.TarInfo) -> tuple[int, str]:
        above, _, name = entry.linkname.strip("/").rpartition("/")
        return syscalls.open_below(self._root, above or ".", os.O_PATH | os.O_DIRECTORY), name

    def _same(self, entry: tarfile.TarInfo, parent: int, name: str) -> bool:
        """Whether a hard link names itself, or is one already: removing it would lose the file."""
        try:
            directory, source = self._source(entry)
        except OSError:
            return False
        try:
            one = os.stat(source, dir_fd=directory, follow_symlinks=False)
            return os.path.samestat(one, os.stat(name, dir_fd=parent, follow_symlinks=False))
        except OSError:
            return False
        finally:
            os.close(directory)

    def _link(self, entry: tarfile.TarInfo, parent: int, name: str) -> None:
        try:
            directory, source = self._source(entry)
        except OSError as error:
            raise ImageError(f"{entry.name} links to {entry.linkname}, which is missing") from error
        try:
            if source in ("", ".", ".."):
                raise ImageError(f"{entry.name} links to {entry.linkname!r}, which is no file")
            os.link(source, name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError as error:
            raise ImageError(f"{entry.name} links to {entry.linkname}, which is missing") from error
        finally:
            os.close(directory)

    def _write(
        self, archive: tarfile.TarFile, entry: tarfile.TarInfo, parent: int, name: str
    ) -> None:
        """Write a file; what is zero in it stays a hole, however large the archive says it is."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        content = cast(IO[bytes], archive.fileobj)
        with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb", buffering=0) as file:
            content.seek(entry.offset_data)
            for start, length in _parts(entry):
                file.seek(start)
                _copy(content, file, length)
            file.truncate(entry.size)

    def _dress(self, parent: int, name: str, entry: tarfile.TarInfo) -> None:
        """Give owner, attributes, mode and time; the owner first, since a change of it takes the
        set-user-id bit away."""
        if self._owners:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if entry.issym():
            os.utime(name, (entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)
            return
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(name, flags, dir_fd=parent)
        try:
            for attribute, value in _attributes(entry):
                try:
                    os.setxattr(fd, attribute, value)
                except OSError as error:
                    if error.errno not in _TOLERATED:
                        raise
            os.fchmod(fd, stat.S_IMODE(entry.mode))
            os.utime(fd, (entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def _stamp(self, name: str, time: float) -> None:
        found = syscalls.open_below(self._root, name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.utime(found, (time, time))
        finally:
            os.close(found)


def _attributes(entry: tarfile.TarInfo) -> Iterator[tuple[str, bytes]]:
    for key, value in entry.pax_headers.items():
        name = key.removeprefix(_XATTR)
        if name != key and name.startswith(_ATTRIBUTES):
            yield name, value.encode("utf-8", "surrogateescape")


def _parts(entry: tarfile.TarInfo) -> tuple[tuple[int, int], ...]:
    """Return where a file has data and how much: an archive has those parts alone of a sparse one.
    Raises ImageError."""
    if not entry.issparse():
        return ((0, entry.size),)
    parts = cast(tuple[tuple[int, int], ...], tuple(cast(Any, entry.sparse)))
    if any(start < 0 or length < 0 or start + length > entry.size for start, length in parts):
        raise ImageError(f"{entry.name} has parts beyond its end")
    return parts


def _copy(content: IO[bytes], file: IO[bytes], length: int) -> None:
    while length:
        piece = content.read(min(_PIECE, length))
        if not piece:
            raise ImageError("a layer ends within a file")
        length -= len(piece)
        if piece == _ZEROS:
            file.seek(len(piece), os.SEEK_CUR)
        else:
            _all(file, piece)


def _all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _mode(parent: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _remove(parent: int, name: str) -> None:
    mode = _mode(parent, name)
    if mode is None:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)
