"""Private files: written whole or not at all, readable by their owner only."""

import os
import secrets
from pathlib import Path


def make_private_directory(directory: Path) -> None:
    """Create a directory (and its parents) of mode 0700; tighten one that is there already."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)


def write_private(path: Path, content: bytes) -> None:
    """Put the content at `path` with mode 0600, in one step: a reader sees the old or the new.

    Raises OSError if the disk refuses; then the old file is as it was.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
