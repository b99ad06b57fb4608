"""TLS key logs as the proxies write them (the format of SSLKEYLOGFILE)."""

import re
from pathlib import Path

_LINE = re.compile(rb"^[A-Z][A-Z0-9_]+ [0-9a-f]{64} [0-9a-f]+$")


def whole_lines(data: bytes) -> tuple[bytes, int]:
    """Return the well-formed lines and how many bytes were read: a last line that is still being
    written stays for the next time. Pure."""
    end = data.rfind(b"\n") + 1
    lines = [line for line in data[:end].splitlines() if _LINE.match(line)]
    return b"".join(line + b"\n" for line in lines), end


class Reader:
    """Reads what is appended to a key log.

    It begins at the beginning: connections that are captured may be older than the capture.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> bytes:
        """Return the lines since the last call; nothing when the file is gone."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                lines, size = whole_lines(file.read())
        except FileNotFoundError:
            return b""
        self._offset += size
        return lines
