"""The page's foreign files: whether each is what its package publishes.

Usage: python tools/vendor.py --check

Without npm only the checksums that are written down are compared, and that is said.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "src" / "lateen" / "page" / "static" / "vendor"


def rows() -> dict[str, dict[str, Any]]:
    """Return what is written down of each foreign file."""
    return tomllib.loads((FOLDER / "vendor.toml").read_text(encoding="utf-8"))


def faults() -> list[str]:
    """Return what differs from what is written down: checksums, files that nobody named."""
    found = []
    named = {"vendor.toml"}
    for row in rows().values():
        named |= {row["file"], *row["licenses"]}
        digest = hashlib.sha256((FOLDER / row["file"]).read_bytes()).hexdigest()
        if digest != row["sha256"]:
            found.append(f"{row['file']}: its SHA-256 is {digest}, not {row['sha256']}")
    there = {each.name for each in FOLDER.iterdir()}
    return found + [f"{name}: not named, or not there" for name in sorted(there ^ named)]


def published(row: dict[str, Any]) -> str:
    """Return how a file differs from its package's in the registry; empty if it does not."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{row['package']}@{row['version']}"
        packed = subprocess.run(
            ["npm", "pack", "--silent", wanted], cwd=folder, capture_output=True, check=False
        )
        archives = list(Path(folder).glob("*.tgz"))
        if packed.returncode or not archives:
            return f"{wanted}: npm has not got it"
        content = archives[0].read_bytes()
        digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
        if f"sha512-{digest}" != row["integrity"]:
            return f"{wanted}: its integrity is sha512-{digest}"
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile(row["path"])
            same = member is not None and member.read() == (FOLDER / row["file"]).read_bytes()
        return "" if same else f"{row['file']}: not {row['path']} of {wanted}"


def main() -> int:
    """Compare, and say what differs."""
    found = faults()
    if shutil.which("npm") is None:
        sys.stderr.write("vendor: no npm: compared with written checksums only\n")
    else:
        found += [text for row in rows().values() if (text := published(row))]
    for text in found:
        sys.stderr.write(f"vendor: {text}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
