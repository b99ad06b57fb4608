"""What a benchmark found, as a markdown table."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, its floor (or what stands beside it), and its goal."""

    name: str
    measured: str
    floor: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a markdown table."""
    lines = ["| what | measured | floor | ratio | goal | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        lines.append(
            f"| {row.name} | {row.measured} | {row.floor} | {row.ratio} | {row.goal} | {met} |"
        )
    return "\n".join(lines)


def milliseconds(seconds: float) -> str:
    """Return a duration for a table."""
    value = seconds * 1000
    return (
        f"{value:.0f} ms" if value >= 100 else f"{value:.2g} ms" if value < 1 else f"{value:.1f} ms"
    )


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the others lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> str:
    """Return median, smallest and largest of some durations."""
    low, high = milliseconds(min(values)), milliseconds(max(values))
    return f"{milliseconds(median(values))} ({low} to {high}, {len(values)} runs)"
