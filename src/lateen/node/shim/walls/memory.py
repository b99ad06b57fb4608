"""Ends containers that have more memory than their limit, as the kernel does it in a cluster.

What counts is the proportional share of pages (PSS): proxies share most of theirs. Asking the
kernel for that takes a millisecond a process, so it is asked only where all pages together,
counted whole, are more than the limit. A limit on address space would end programs that reserve
much and use little, as Go, Java and WebAssembly do.
"""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from typing import Protocol

from lateen.node.shim.protocol import ContainerSpec, Process

PERIOD = 0.5
"""Seconds between two looks."""
OUT_OF_MEMORY = "OOMKilled"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watched(Protocol):
    """A process that the shim started."""

    process: Process
    spec: ContainerSpec
    container: bool


class MemoryWatch:
    """Looks at containers with a limit, from time to time. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._due = 0.0

    def pause(self, live: Iterable[Watched], now: float) -> float | None:
        """Return the seconds until the next look; None when nothing has a limit."""
        limited = any(_is_limited(record) for record in live)
        return max(0.0, self._due - now) if limited else None

    def look(self, live: Iterable[Watched], now: float) -> None:
        """End what is over its limit, if it is time to look."""
        if now < self._due:
            return
        self._due = now + PERIOD
        for record in live:
            if _is_limited(record) and _is_over(record.process.pid, record.spec.memory):
                record.process = record.process._replace(reason=OUT_OF_MEMORY)
                with contextlib.suppress(OSError):
                    os.kill(record.process.pid, signal.SIGKILL)


def _is_limited(record: Watched) -> bool:
    return record.container and record.spec.memory > 0


def _is_over(pid: int, limit: int) -> bool:
    every = [pid, *descendants(pid)]
    return sum(map(_whole, every)) > limit and sum(map(_share, every)) > limit


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below one. What lost its parent is the first process's of its namespace,
    so none of a container is missed."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in _read(f"/proc/{pid}/task/{thread}/children").split():
                yield int(child)
                yield from descendants(int(child))


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _whole(pid: int) -> int:
    """Return the bytes of a process's pages, those that others have too counted whole."""
    words = _read(f"/proc/{pid}/statm").split()
    return int(words[1]) * _PAGE if len(words) > 1 else 0


def _share(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
