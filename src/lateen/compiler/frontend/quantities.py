"""Durations and percentages as manifests write them. Pure."""

from lateen.model.schema import durations

PPM = 1_000_000


def seconds(text: str | None) -> float | None:
    """Return a duration such as `1.5s`, `10ms` or `1m30s` in seconds; None if it is unset or
    cannot be read."""
    if not text:
        return None
    try:
        return durations.seconds(text)
    except ValueError:
        return None


def parts_per_million(percent: float | None) -> int:
    """Return a percentage (0 to 100) in parts per million, as Envoy takes it."""
    return max(0, min(PPM, round((percent or 0.0) * 10_000)))
