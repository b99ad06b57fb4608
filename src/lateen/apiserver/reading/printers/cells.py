"""What printers are made of: columns, ages, lists of pairs. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lateen.base import clock
from lateen.base.jsonvalue import JsonView

Cells = list[Any]
Print = Callable[[JsonView, datetime], Cells]

NONE = "<none>"
UNKNOWN = "<unknown>"


class Column(msgspec.Struct, frozen=True):
    """A column definition; `wide` ones show with `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    wide: bool = False


class TablePrinter(msgspec.Struct, frozen=True):
    """How the objects of a kind are printed."""

    columns: tuple[Column, ...]
    cells: Print


def columns(plain: str, wide: str = "") -> tuple[Column, ...]:
    """Read column names from two texts, separated by commas. `#` before a name makes a number."""
    named = [(name, False) for name in plain.split(",") if name]
    named += [(name, True) for name in wide.split(",") if name]
    made = []
    for name, is_wide in named:
        kind = "integer" if name.startswith("#") else "string"
        bare = name.removeprefix("#")
        made.append(Column(bare, kind, "name" if bare == "Name" else "", is_wide))
    return tuple(made)


def meta(obj: JsonView) -> JsonView:
    """Return metadata."""
    found: JsonView = obj.get("metadata") or {}
    return found


def name(obj: JsonView) -> str:
    """Return metadata.name."""
    return str(meta(obj).get("name", ""))


def part(obj: JsonView, *path: str) -> JsonView:
    """Return the map at a path, empty if there is none."""
    for step in path:
        obj = obj.get(step) or {}
    return obj


def since(text: object, now: datetime) -> str:
    """Return how long ago a time was, as `39h`."""
    read = clock.moment(text)
    return UNKNOWN if read is None else duration((now - read).total_seconds())


def age(obj: JsonView, now: datetime) -> str:
    """Return the age of an object."""
    return since(meta(obj).get("creationTimestamp"), now)


def duration(seconds: float) -> str:
    """Write a duration as kubectl does: two units while they matter, then one."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    steps = (
        (minutes < 10, minutes, "m", whole % 60, "s"),
        (minutes < 180, minutes, "m", 0, ""),
        (hours < 8, hours, "h", minutes % 60, "m"),
        (hours < 48, hours, "h", 0, ""),
        (days < 8, days, "d", hours % 24, "h"),
        (days < 730, days, "d", 0, ""),
        (days < 365 * 8, days // 365, "y", days % 365, "d"),
        (True, days // 365, "y", 0, ""),
    )
    _, big, unit, small, below = next(step for step in steps if step[0])
    return f"{big}{unit}{small}{below}" if small else f"{big}{unit}"


def joined(parts: Iterable[object], empty: str = NONE) -> str:
    """Join by commas, or say that there is nothing."""
    return ",".join(str(one) for one in parts) or empty


def pairs(labels: Mapping[str, Any] | None) -> str:
    """Write labels as `a=b,c=d`, sorted."""
    return joined(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def selector(value: JsonView | None) -> str:
    """Write a LabelSelector as `kubectl get -l` would read it."""
    if value is None:
        return NONE
    words = [f"{key}={text}" for key, text in sorted((value.get("matchLabels") or {}).items())]
    for one in value.get("matchExpressions") or ():
        listed = ",".join(sorted(one.get("values") or ()))
        forms = {
            "In": f"{one.get('key')} in ({listed})",
            "NotIn": f"{one.get('key')} notin ({listed})",
            "Exists": str(one.get("key")),
            "DoesNotExist": f"!{one.get('key')}",
        }
        words.append(forms.get(str(one.get("operator")), ""))
    return joined(words)


def containers(template: JsonView) -> tuple[str, str]:
    """Return the container names and the images of a pod template."""
    found: Sequence[JsonView] = part(template, "spec").get("containers") or ()
    return (
        ",".join(str(one.get("name", "")) for one in found),
        ",".join(str(one.get("image", "")) for one in found),
    )
