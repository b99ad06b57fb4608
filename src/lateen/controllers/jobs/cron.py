"""Cron schedules: five fields, or a word such as `@hourly`; the next moment after another. Pure."""

from datetime import datetime, timedelta

import msgspec

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_FAR = timedelta(days=366 * 5)


class Schedule(msgspec.Struct, frozen=True):
    """The values that each field allows."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """Sunday is 0."""
    either: bool
    """Whether a day of the month or a day of the week suffices: both fields are restricted."""

    def after(self, moment: datetime) -> datetime | None:
        """Return the first moment later than the given one, in its time zone; None if there is
        none within five years (30 February)."""
        time = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = moment + _FAR
        while time <= end:
            if time.month not in self.months or not self._day(time):
                time = (time + timedelta(days=1)).replace(hour=0, minute=0)
            elif time.hour not in self.hours:
                time = (time + timedelta(hours=1)).replace(minute=0)
            elif time.minute not in self.minutes:
                time += timedelta(minutes=1)
            else:
                return time
        return None

    def _day(self, time: datetime) -> bool:
        by_date = time.day in self.days
        by_week = time.isoweekday() % 7 in self.weekdays
        return by_date or by_week if self.either else by_date and by_week


def parse(text: str) -> Schedule:
    """Read a schedule. Raises ValueError that names the field."""
    words = _WORDS.get(text.strip().lower(), text).split()
    if len(words) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(words)}: {text!r}")
    names: tuple[list[str], ...] = ([], [], [], _MONTHS, _DAYS)
    parts = [
        _field(word, low, high, known)
        for word, (low, high), known in zip(words, _RANGES, names, strict=True)
    ]
    minutes, hours, days, months, weekdays = parts
    either = not words[2].startswith(("*", "?")) and not words[4].startswith(("*", "?"))
    weekdays = frozenset(one % 7 for one in weekdays)
    return Schedule(minutes, hours, days, months, weekdays, either)


def _field(word: str, low: int, high: int, names: list[str]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, dash, end = span.partition("-")
            first = _value(begin, names, low)
            last = _value(end, names, low) if dash else (high if step else first)
        size = int(step) if step.isdigit() else (1 if not step else 0)
        if not (low <= first <= last <= high) or size < 1:
            raise ValueError(f"{part!r} is not within {low}-{high}")
        found.update(range(first, last + 1, size))
    return frozenset(found)


def _value(text: str, names: list[str], low: int) -> int:
    lower = text.lower()
    if lower in names:
        return names.index(lower) + (1 if low == 1 else 0)
    if not text.isdigit():
        raise ValueError(f"{text!r} is not a number")
    return int(text)
