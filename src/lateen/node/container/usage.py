"""What a pod's volumes may hold on disk, and whether one holds more. Pure.

kubelet asks how much they hold every ten seconds, and ends a pod over a limit as Evicted. Here a
volume is also looked at as soon as its disk has lost half of what it may still take.
"""

import msgspec

from lateen.node.container import references
from lateen.node.shim.walls import limits

PERIOD = 10.0
"""Seconds between two looks, as kubelet's."""
_REST = 20
"""How many times as long as it takes nothing is looked at: five hundredths of a core at most."""
FEW_FILES = 1 << 20
"""From how many free files on it is counted how many a directory has."""
_FLOOR = 64 << 20
"""Bytes that a volume without a limit may hold on however full a disk."""
_UNITS = (("Gi", 30), ("Mi", 20), ("Ki", 10))


class Stored(msgspec.Struct, frozen=True):
    """A directory on disk that containers write to."""

    path: str
    limit: str = ""
    """What it may hold, as the Pod says it; empty: what a lab allows."""
    volume: str = ""
    """The emptyDir that it is; empty: what the pod's containers write beside their volumes."""


class Disk(msgspec.Struct, frozen=True):
    """What is free where a directory lies."""

    size: int
    """Bytes."""
    files: int
    """How many files more; -1 where no such bound is known."""


class DiskUsage(msgspec.Struct, frozen=True):
    """What a look found."""

    used: int
    """Bytes; of a file with several names once."""
    files: int
    free: Disk
    at: float
    took: float
    """Seconds."""


def is_due(stored: Stored, last: DiskUsage | None, free: Disk, now: float) -> bool:
    """Whether a directory is to be looked at."""
    if last is None:
        return True
    if now - last.at < last.took * _REST:
        return False
    left = max(0, bound(stored, last) - last.used)
    lost = last.free.size - free.size
    fewer = last.free.files - free.files
    return now - last.at >= PERIOD or lost > left // 2 or fewer > max(0, free.files) // 2


def bound(stored: Stored, seen: DiskUsage) -> int:
    """Return how many bytes a directory may hold. Where nothing is said it may not take more than
    it leaves, lest one pod's is the whole disk."""
    if stored.limit:
        return int(references.quantity(stored.limit))
    return min(limits.VOLUME, max(seen.free.size, _FLOOR))


def excess(stored: Stored, seen: DiskUsage) -> str:
    """Return kubelet's message for a pod that is evicted, or nothing."""
    allowed = bound(stored, seen)
    crowded = 0 <= seen.free.files < seen.files
    if seen.used <= allowed and not crowded:
        return ""
    limit = stored.limit or _text(allowed)
    if not stored.volume:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "
    if seen.used <= allowed:
        limit = f"{seen.free.files} files"
    own = "" if stored.limit else "It is this lab's, as the volume has no sizeLimit. "
    return f'Usage of EmptyDir volume "{stored.volume}" exceeds the limit "{limit}". {own}'


def _text(size: int) -> str:
    for unit, bits in _UNITS:
        if size >> bits:
            return f"{size >> bits}{unit}"
    return str(size)
