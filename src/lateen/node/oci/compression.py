"""What compressed a file, seen from its first bytes, and the bytes that come out."""

import gzip
import sys
import zlib
from typing import IO, Any, cast

from lateen.base import byname

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

BROKEN = (EOFError, ValueError, zlib.error, gzip.BadGzipFile)
"""What reading raises where the compression is broken; of zstd it is an OSError without number."""


def opened(file: IO[bytes]) -> IO[bytes] | None:
    """Return what is in a compressed file, gzip or zstd; None where it is neither."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb"))
    if start == _ZSTD:
        return _zstd(file)
    return None


def _zstd(file: IO[bytes]) -> IO[bytes]:
    opener: Any
    if sys.version_info >= (3, 14):
        opener = byname.attribute("compression.zstd.ZstdFile")
    else:
        from backports.zstd import ZstdFile

        opener = ZstdFile
    found: IO[bytes] = opener(file)
    return found
