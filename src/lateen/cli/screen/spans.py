"""Spans of time as people write them."""

import math

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """Return `30s`, `5m`, `1h`, `2d`, or a number of seconds, in seconds. Pure.

    Raises ValueError for anything else, with what to write.
    """
    unit = _UNITS.get(text[-1:])
    try:
        found = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or found <= 0:
        raise ValueError(f"--since {text}: use 30s, 5m, 1h, or a number of seconds")
    return found
