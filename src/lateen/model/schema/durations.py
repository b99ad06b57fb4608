"""Lengths of time as Go and protobuf write them. Pure."""

import re
from functools import lru_cache

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3600 * 1_000_000_000,
}
_PART = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?(?P<unit>ns|us|µs|μs|ms|s|m|h)")


@lru_cache(maxsize=1024)
def nanoseconds(text: str) -> int:
    """Return the nanoseconds of `1h2m3.5s`, `250ms`, `0`. Raises ValueError for anything else."""
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0
    total = 0
    position = 0
    while position < len(body):
        match = _PART.match(body, position)
        if match is None or not (match["whole"] or match["part"]):
            break
        unit = _UNITS[match["unit"]]
        total += int(match["whole"] or 0) * unit
        if part := match["part"]:
            total += int(part) * unit // 10 ** len(part)
        position = match.end()
    if not body or position < len(body):
        raise ValueError(f'invalid duration "{text}": write it like 10s, 1.5s, 250ms or 1h30m')
    return -total if text.startswith("-") else total


def seconds(text: str) -> float:
    """Return the seconds of a duration. Raises ValueError if it cannot be read."""
    return nanoseconds(text) / 1_000_000_000


def written(value: float) -> str:
    """Return a duration in seconds as protobuf writes it: `1.5s`."""
    nanos = round(value * 1_000_000_000)
    whole, part = divmod(abs(nanos), 1_000_000_000)
    fraction = f".{part:09d}".rstrip("0") if part else ""
    return f"{'-' if nanos < 0 else ''}{whole}{fraction}s"
