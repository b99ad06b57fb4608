"""What memory a machine has left for containers without a limit, and how often to look. Pure.

A lab leaves the machine a part of its memory. A container without a limit may have all the rest; it
is ended when that part is touched, if it is one that has taken much.
"""

from collections.abc import Iterable
from typing import NamedTuple

PERIOD = 0.5
"""Seconds between two looks where much is left."""
_SHORTEST = 0.02
_FASTEST = 4 << 30
"""Bytes a second that a core can fill."""
_PART = 10
_MOST_LEFT = 1 << 30
_LEAST_TAKEN = 128 << 20


class Room(NamedTuple):
    """Bytes of a machine, or of what holds this lab of it."""

    total: int
    available: int


def of_machine(meminfo: str) -> Room:
    """Return what /proc/meminfo says; zeroes where it does not."""
    found = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            found[name] = int(rest[:-3]) * 1024
    if "MemAvailable" not in found:
        return Room(0, 0)
    return Room(found["MemTotal"], found["MemAvailable"])


def left(total: int) -> int:
    """Return the bytes that a lab leaves of so many."""
    return min(total // _PART, _MOST_LEFT)


def is_short(room: Room) -> bool:
    """Whether a container has to end."""
    return room.available < left(room.total)


def pause(room: Room, cores: int) -> float:
    """Return after how many seconds to look again: before all that is left can be filled."""
    free = max(0, room.available - left(room.total))
    return min(PERIOD, max(_SHORTEST, free / (cores * _FASTEST)))


def greediest(shares: Iterable[tuple[str, int]]) -> str:
    """Return which container, of those with the bytes that each has, is to end; empty: none has
    taken so much that the machine is short by it."""
    most = max(shares, key=lambda one: one[1], default=("", 0))
    return most[0] if most[1] >= _LEAST_TAKEN else ""
