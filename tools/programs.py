"""The programs that tests use beside what Lateen brings along, and the packages that have them.

Usage: python tools/programs.py

Installs what is missing, where the user is root and the machine has apt-get; elsewhere it prints
the command to type. The tests of a program that is missing are skipped and name that command.
LATEEN_INSTALL=no installs nothing.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable

PACKAGES = {
    "busybox": "busybox-static",
    "chromium-headless-shell": "chromium-headless-shell",
    "curl": "curl",
    "docker-registry": "docker-registry",
    "ip": "iproute2",
    "newuidmap": "uidmap",
    "nft": "nftables",
    "nginx": "nginx",
    "openssl": "openssl",
    "skopeo": "skopeo",
    "tcpdump": "tcpdump",
    "tshark": "tshark",
    "umoci": "umoci",
    "useradd": "passwd",
}
"""Each program and its package of Debian and Ubuntu."""

SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Folders with programs that an ordinary user's PATH lacks."""


def find(name: str) -> str | None:
    """Return where a program is, whoever asks; None if it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}")


def command(names: Iterable[str]) -> str:
    """Return what to type for these programs on Debian or Ubuntu."""
    packages = sorted({PACKAGES[name] for name in names})
    sudo = "" if os.getuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y {' '.join(packages)}"


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name in PACKAGES if find(name) is None]


def _install(names: list[str]) -> None:
    packages = sorted({PACKAGES[name] for name in names})
    _say(f"installing {', '.join(packages)} for the tests (LATEEN_INSTALL=no installs nothing)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", *packages]):
        subprocess.run(["apt-get", *words], env=quiet, check=False, stdout=subprocess.DEVNULL)


def _say(text: str) -> None:
    sys.stderr.write(f"run: {text}\n")


def main() -> int:
    """Install what is missing, or say how."""
    lacking = missing()
    wanted = os.environ.get("LATEEN_INSTALL", "yes") != "no"
    if lacking and wanted and os.getuid() == 0 and shutil.which("apt-get"):
        _install(lacking)
        lacking = missing()
    if lacking:
        _say(f"not installed: {', '.join(lacking)}. Their tests are skipped; to run them as well:")
        _say(f"  {command(lacking)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
