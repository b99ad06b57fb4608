"""The arithmetic of a rolling update: how many replicas each ReplicaSet may have next. Pure."""

import math
from collections.abc import Sequence

import msgspec


class Bounds(msgspec.Struct, frozen=True):
    """How far a rolling update may leave the wanted number: pods above, pods missing."""

    surge: int
    unavailable: int


class OldReplicaSet(msgspec.Struct, frozen=True):
    """A ReplicaSet of an earlier revision: replicas asked for, replicas available."""

    replicas: int
    available: int


def resolve(value: int | str | None, total: int, *, up: bool) -> int:
    """Read `25%` or a number as a number of pods out of `total`."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value or 0)


def bounds(surge: int | str | None, unavailable: int | str | None, replicas: int) -> Bounds:
    """Resolve both limits; if both come out as nothing, one pod may be missing, or the update
    could never start."""
    above = resolve(surge, replicas, up=True)
    missing = min(resolve(unavailable, replicas, up=False), replicas)
    return Bounds(above, 1 if not above and not missing and replicas else missing)


def next_new(current: int, total: int, replicas: int, surge: int) -> int:
    """Replicas of the new ReplicaSet: as many more as the surge leaves room for.

    `current` are its own, `total` those of all ReplicaSets, `replicas` the wanted number.
    """
    if current >= replicas:
        return replicas
    room = replicas + surge - total
    return current + max(0, min(room, replicas - current))


def next_old(
    olds: Sequence[OldReplicaSet], new: OldReplicaSet, replicas: int, unavailable: int
) -> tuple[int, ...]:
    """Replicas of the old ReplicaSets, oldest first: pods that do not serve go first, then as many
    as the limit of missing pods allows."""
    floor = replicas - unavailable
    total = new.replicas + sum(old.replicas for old in olds)
    spare = total - floor - max(0, new.replicas - new.available)
    if spare <= 0:
        return tuple(old.replicas for old in olds)
    left: list[int] = []
    for old in olds:
        drop = min(spare, max(0, old.replicas - old.available))
        spare -= drop
        left.append(old.replicas - drop)
    # A status may be behind: what was to go already is not counted as serving once more.
    serving = new.available + sum(min(old.available, old.replicas) for old in olds)
    excess = max(0, serving - floor)
    for index, count in enumerate(left):
        drop = min(excess, count)
        excess -= drop
        left[index] = count - drop
    return tuple(left)


def proportional(sizes: Sequence[int], former: int, wanted: int) -> tuple[int, ...]:
    """Share a change of size out over ReplicaSets in the middle of an update.

    `sizes` are their replicas, largest and newest first; `former` the most pods allowed before,
    `wanted` the most allowed now. The rest of rounding goes to the first, and to those after it
    where the first has not so many to give.
    """
    change = wanted - sum(sizes)
    if not change or not sizes:
        return tuple(sizes)
    result: list[int] = []
    given = 0
    for size in sizes:
        share = round(size * wanted / former) - size if former else 0
        room = change - given
        share = max(0, min(share, room)) if change > 0 else min(0, max(share, room))
        result.append(max(0, size + share))
        given += result[-1] - size
    for index, size in enumerate(result):
        result[index] = max(0, size + change - given)
        given += result[index] - size
    return tuple(result)
