"""A layer's bytes as they unpack: gzip, zstd or plain, with the digest of what came out."""

import hashlib
import io
from typing import IO, BinaryIO

from lateen.node.oci import compression
from lateen.node.oci.errors import ImageError

_END = bytes(3 * 512)
"""What ends an archive, and fills its last block: some tools leave both out."""


class LayerStream(io.RawIOBase):
    """Reads a layer; what it is compressed with is seen from its first bytes.

    Media types are not believed: `docker save` calls compressed layers plain. After the last byte
    come zeros, once, which do not count for the digest.
    """

    def __init__(self, file: BinaryIO, diff_id: str) -> None:
        super().__init__()
        self._source: IO[bytes] = compression.opened(file) or file
        self._diff_id = diff_id
        self._end = _END
        self._hash = hashlib.new(diff_id.partition(":")[0])

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises ImageError when the compression is broken."""
        try:
            data: bytes = self._source.read(size)
        except (OSError, *compression.BROKEN) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise ImageError(f"layer {self._diff_id} cannot be decompressed: {error}") from error
        self._hash.update(data)
        if not data and size:
            data, self._end = self._end[:size], self._end[size:]
        return data

    def finish(self) -> None:
        """Read what follows the archive, and compare the digest. Raises ImageError."""
        while self.read(1 << 20):
            pass
        found = f"{self._diff_id.partition(':')[0]}:{self._hash.hexdigest()}"
        if found != self._diff_id:
            raise ImageError(
                f"the layer unpacks to {found}; the image's configuration says {self._diff_id}"
            )
