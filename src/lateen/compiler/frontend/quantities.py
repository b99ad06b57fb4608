"""Durations and percentages as manifests write them. Pure."""

import re

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

PPM = 1_000_000


def seconds(text: str | None) -> float | None:
    """Return a duration such as `1.5s`, `10ms` or `1m30s` in seconds; None if unset or unreadable
    (which the API server refuses before it gets here)."""
    if not text:
        return None
    total, at = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != at:
            return None
        total += float(part[1]) * _SECONDS[part[2]]
        at = part.end()
    return total if at == len(text) else None


def parts_per_million(percent: float | None) -> int:
    """Return a percentage (0 to 100) in parts per million, as Envoy takes it."""
    return max(0, min(PPM, round((percent or 0.0) * 10_000)))
