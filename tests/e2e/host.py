"""The host as a lab may change it: processes, namespaces, links, routes, rules, sockets, files."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tests import programs


@dataclass(frozen=True)
class Host:
    """One look at the host."""

    processes: frozenset[str]
    """Command lines of processes that have to do with the lab's directory."""
    namespaces: frozenset[str]
    """Network and mount namespaces that any process we may look at lives in."""
    links: str
    routes: str
    rules: str
    sockets: frozenset[str]
    """Unix sockets bound below the lab's directory."""
    files: frozenset[str]
    """Everything in the lab's directory."""

    def changed(self, later: "Host") -> dict[str, tuple[object, object]]:
        """Return what differs, by field: what it was, what it is."""
        pairs = {f.name: (getattr(self, f.name), getattr(later, f.name)) for f in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def look(home: Path, inside: Sequence[str] = ()) -> Host:
    """Look at the host, as far as a lab with this directory could have changed it.

    `inside` is the command that enters the network namespace that is the host to the lab.
    """
    ours = _ours(home)
    for name in ("ip", *(["nft"] if os.getuid() == 0 else ())):
        programs.require(name)
    return Host(
        processes=frozenset(_processes(ours)),
        namespaces=frozenset(_namespaces(ours)),
        links=_said(*inside, "ip", "-o", "link"),
        routes=_said(*inside, "ip", "-4", "route", "show", "table", "all"),
        rules=_said(*inside, "nft", "list", "ruleset") if os.getuid() == 0 else "",
        sockets=frozenset(_sockets(home, inside)),
        files=frozenset(str(p) for p in home.rglob("*")),
    )


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return "\n".join(sorted(line.strip() for line in done.stdout.splitlines()))


def _ours(home: Path) -> list[Path]:
    """Return /proc entries whose command line or environment names the directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
            about = line + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(home).encode() in about:
            found.append(entry)
    return found


def _processes(ours: list[Path]) -> list[str]:
    found = []
    for entry in ours:
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found.append(f"{entry.name} {line}")
    return found


def _namespaces(ours: list[Path]) -> set[str]:
    own = {os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "user", "pid")}
    found = set()
    for entry in ours:
        for kind in ("net", "mnt", "user", "pid"):
            try:
                found.add(os.readlink(entry / "ns" / kind))
            except OSError:
                continue
    return found - own


def _sockets(home: Path, inside: Sequence[str]) -> list[str]:
    lines = _said(*inside, "cat", "/proc/net/unix").splitlines()
    return [line.rsplit(" ", 1)[1] for line in lines if f" {home}" in line]
