"""Files by the digest of what is in them. A file is there whole and checked, or not at all."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from lateen.node.oci import documents
from lateen.node.oci.errors import ImageError

Source = Callable[[int], Iterable[bytes]]
"""Called with the byte to begin at; what follows comes in pieces."""
_PART = ".part"


class Blobs:
    """The blobs of one store, below a directory of its owner's alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: str) -> Path:
        """Return where a blob is, or would be. Raises ImageError for what is no digest."""
        kind, _, name = documents.check_digest(digest).partition(":")
        return self._root / kind / name

    def has(self, digest: str) -> bool:
        """Whether a blob is there."""
        return self.path(digest).is_file()

    def read(self, digest: str) -> bytes:
        """Return a document. Raises ImageError when it is missing or too large to be one."""
        try:
            with self.path(digest).open("rb") as file:
                data = file.read(documents.LARGEST + 1)
        except FileNotFoundError:
            raise ImageError(f"{digest} is not in the store") from None
        if len(data) > documents.LARGEST:
            raise ImageError(f"{digest} has more than {documents.LARGEST} bytes")
        return data

    def keep(self, data: bytes) -> str:
        """Keep a document and return its digest. Raises OSError."""
        digest = documents.digest_of(data)
        self.take(digest, len(data), lambda start: iter((data[start:],)))
        return digest

    def take(self, digest: str, size: int, pieces: Source) -> None:
        """Write a blob from its pieces, unless it is there. What an earlier try left is gone on
        from. `size` in bytes, -1 where it is unknown.

        Raises ImageError when its bytes are others than its digest says, or more or fewer than
        its size; nothing of it is kept then. Raises OSError when it cannot be written.
        """
        path = self.path(digest)
        if path.is_file():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(path.name + _PART)
        with _locked(part) as file:
            if path.is_file():  # another process has brought it meanwhile
                part.unlink(missing_ok=True)
                return
            try:
                _fill(file, digest, size, pieces)
            except ImageError:
                part.unlink(missing_ok=True)
                raise
            os.fsync(file.fileno())
            part.rename(path)
        _sync(path.parent)

    def remove_all_but(self, kept: frozenset[str]) -> int:
        """Remove the other blobs and what broken pulls left. Returns the bytes that are free."""
        freed = 0
        for file in self._root.glob("*/*"):
            if f"{file.parent.name}:{file.name}" not in kept:
                freed += file.stat().st_size
                file.unlink()
        return freed


def _fill(file: BinaryIO, digest: str, size: int, pieces: Source) -> None:
    """Write the whole blob. What an earlier try left may be another's: then from the beginning."""
    resumed = os.fstat(file.fileno()).st_size > 0
    try:
        state = _Writing(file, digest, size)
        state.write(pieces)
        state.check()
    except ImageError:
        if not resumed:
            raise
        file.seek(0)
        file.truncate()
        _fill(file, digest, size, pieces)


class _Writing:
    def __init__(self, file: BinaryIO, digest: str, size: int) -> None:
        self._file, self._digest, self._size = file, digest, size
        self._hash = hashlib.new(digest.partition(":")[0])
        self.count = 0

    def write(self, pieces: Source) -> None:
        self._file.seek(0)
        while piece := self._file.read(1 << 20):
            self._hash.update(piece)
            self.count += len(piece)
        for piece in pieces(self.count) if self.count != self._size else ():
            self._file.write(piece)
            self._hash.update(piece)
            self.count += len(piece)
            if 0 <= self._size < self.count:
                raise ImageError(f"{self._digest} has more than the {self._size} bytes it says")
        self._file.flush()

    def check(self) -> None:
        if 0 <= self._size != self.count:
            raise ImageError(f"{self._digest} has {self.count} bytes; it says {self._size}")
        found = self._hash.hexdigest()
        if found != self._digest.partition(":")[2]:
            raise ImageError(f"the bytes of {self._digest} have another digest: {found}")


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Open a part for one process alone; who comes second waits, and finds the whole."""
    while True:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), part.stat()):
                    yield file
                    return
                continue
            if part.with_name(part.name.removesuffix(_PART)).is_file():
                yield file
                return


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
