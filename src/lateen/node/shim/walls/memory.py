"""Ends containers that have more memory than they may, where no control group does it.

What counts is the proportional share of pages (PSS): proxies share most of theirs. Asking the
kernel for that takes a millisecond a process, so it is asked only where all pages together,
counted whole, are more than the limit. A limit on address space would end programs that reserve
much and use little, as Go, Java and WebAssembly do.

Containers without a limit have what the machine can spare (`room`): where it is short, the one that
has most ends, and no other before the kernel has taken that one's memory back.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from lateen.node.shim.protocol import ContainerSpec, Process
from lateen.node.shim.walls import room
from lateen.node.shim.walls.groups import kernel_file
from lateen.node.shim.walls.room import Room

PERIOD = room.PERIOD
"""Seconds between two looks at limits."""
OUT_OF_MEMORY = "OOMKilled"
_CODE = "LTN0110"
_PATIENCE = 5.0
"""Seconds that a process may take to give back what it had."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watched(Protocol):
    """A process that the shim started."""

    process: Process
    spec: ContainerSpec
    container: bool
    group: int


def machine() -> Room:
    """Return what this machine has left, as the kernel reckons it."""
    return room.of_machine(kernel_file("/proc/meminfo"))


def bound() -> int:
    """Return the bytes that a lab's containers may have together; 0: nobody knows."""
    here = machine()
    return here.total - room.left(here.total)


class MemoryWatch:
    """Looks at containers from time to time. Times are monotonic seconds."""

    def __init__(self, left: Callable[[], Room] = machine) -> None:
        self._left = left
        self._due = self._limits_due = 0.0
        self._cores = len(os.sched_getaffinity(0))
        self._ending, self._given_back = 0, 0.0

    def pause(self, live: Iterable[Watched], now: float) -> float | None:
        """Return the seconds until the next look; None when there is nothing to look at."""
        watched = any(_is_watched(record) for record in live)
        return max(0.0, self._due - now) if watched else None

    def look(self, live: Iterable[Watched], now: float) -> None:
        """End what has too much, if it is time to look."""
        if now < self._due:
            return
        watched = [record for record in live if _is_watched(record)]
        if now >= self._limits_due:
            self._limits_due = now + PERIOD
            for record in watched:
                if record.spec.memory > 0 and _is_over(record.process.pid, record.spec.memory):
                    _end(record)
        here = self._left()
        if room.is_short(here) and not (_lives(self._ending) and now < self._given_back):
            self._end_greediest(watched, here, now)
        self._due = now + room.pause(here, self._cores)

    def _end_greediest(self, watched: Iterable[Watched], here: Room, now: float) -> None:
        by_handle = {record.process.handle: record for record in watched}
        shares = {name: sum(map(_share, _every(one))) for name, one in by_handle.items()}
        if record := by_handle.get(room.greediest(shares.items())):
            self._ending, self._given_back = record.process.pid, now + _PATIENCE
            had, free = (number >> 20 for number in (shares[record.process.handle], here.available))
            sys.stderr.write(
                f"lateen: ended {record.process.handle}, which had {had} MiB of memory: this"
                f" machine had {free} MiB left [{_CODE}]\n"
            )
            _end(record)


def _is_watched(record: Watched) -> bool:
    return record.container and record.group < 0


def _end(record: Watched) -> None:
    record.process = record.process._replace(reason=OUT_OF_MEMORY)
    with contextlib.suppress(OSError):
        os.kill(record.process.pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    return pid > 0 and os.path.exists(f"/proc/{pid}/statm")


def _every(record: Watched) -> list[int]:
    return [record.process.pid, *descendants(record.process.pid)]


def _is_over(pid: int, limit: int) -> bool:
    every = [pid, *descendants(pid)]
    return sum(map(_whole, every)) > limit and sum(map(_share, every)) > limit


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below one. What lost its parent is the first process's of its namespace,
    so none of a container is missed."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in kernel_file(f"/proc/{pid}/task/{thread}/children").split():
                yield int(child)
                yield from descendants(int(child))


def _whole(pid: int) -> int:
    """Return the bytes of a process's pages, those that others have too counted whole."""
    words = kernel_file(f"/proc/{pid}/statm").split()
    return int(words[1]) * _PAGE if len(words) > 1 else 0


def _share(pid: int) -> int:
    for line in kernel_file(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
