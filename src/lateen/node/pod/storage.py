"""Looks at what pods hold on disk, and has those evicted that hold too much. See `usage`."""

import asyncio
import logging
import os
import subprocess
from collections.abc import Callable, Iterable
from typing import Protocol

from lateen.base.clock import Clock
from lateen.node.container import usage
from lateen.node.container.usage import Disk, DiskUsage, Stored

log = logging.getLogger(__name__)

_PAUSE = 1.0
_PATIENCE = 60.0
"""Seconds that counting may take."""


class Store(Protocol):
    """A pod's files."""

    def stored(self) -> Iterable[Stored]:
        """Return the directories that it may write to without a bound of their own."""
        ...


class Tenant(Protocol):
    """A pod, as far as what it stores goes."""

    @property
    def files(self) -> Store: ...

    def evict(self, message: str) -> None:
        """End it, for what the message says."""
        ...


class StorageWatch:
    """Watches until it is cancelled."""

    def __init__(self, clock: Clock, tenants: Callable[[], Iterable[Tenant]]) -> None:
        self._clock = clock
        self._tenants = tenants
        self._seen: dict[str, DiskUsage] = {}

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await self._clock.sleep(_PAUSE)
            there = set[str]()
            for tenant in tuple(self._tenants()):
                for stored in tenant.files.stored():
                    there.add(stored.path)
                    if message := await self._look(stored):
                        tenant.evict(message)
                        break
            self._seen = {path: seen for path, seen in self._seen.items() if path in there}

    async def _look(self, stored: Stored) -> str:
        """Return why a pod is to be evicted, or nothing."""
        now, last = self._clock.monotonic(), self._seen.get(stored.path)
        try:
            free = _free(stored.path)
        except OSError:
            return ""  # it is not made yet, or has been removed
        if not usage.is_due(stored, last, free, now):
            return ""
        try:
            used, files = await asyncio.to_thread(_held, stored.path, free)
        except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
            log.warning("counting what is in %s: %s", stored.path, error)
            used, files = 0, 0
        took = self._clock.monotonic() - now
        self._seen[stored.path] = seen = DiskUsage(used, files, free, now, took)
        return usage.excess(stored, seen)


def _free(path: str) -> Disk:
    found = os.statvfs(path)
    return Disk(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else -1)


def _held(path: str, free: Disk) -> tuple[int, int]:
    """Return how many bytes and files a directory holds; of files only where few more are free.

    `du` goes through trees of any depth while they change, and never leaves them.
    """
    few = 0 <= free.files < usage.FEW_FILES
    return _count(path, "-k") * 1024, _count(path, "--inodes") if few else 0


def _count(path: str, unit: str) -> int:
    done = subprocess.run(
        ["du", "-s", "-x", unit, "--", path], capture_output=True, timeout=_PATIENCE, check=False
    )
    return int(done.stdout.split(None, 1)[0])
