"""Status conditions: one per type, with the time of the last change of its status. Pure."""

from collections.abc import Sequence
from datetime import datetime

from lateen.base import clock
from lateen.base.jsonvalue import Json, JsonView


def condition(kind: str, status: bool, reason: str, message: str, now: datetime) -> Json:
    """Return a condition that changes and is updated now."""
    stamp = clock.rfc3339(now)
    return {
        "type": kind,
        "status": "True" if status else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": stamp,
        "lastUpdateTime": stamp,
    }


def settled(
    conditions: Sequence[JsonView], new: JsonView, *, touch: bool = False
) -> list[JsonView]:
    """Return the conditions with `new` in the place of its type.

    The transition time is kept while the status stays; if nothing but times differs, the old
    condition stays as it is, so that looking again changes nothing; unless `touch` asks for the
    new update time.
    """
    old = next((one for one in conditions if one.get("type") == new["type"]), None)
    if old is None:
        return [*conditions, new]
    kept: JsonView = new
    if not touch and all(old.get(key) == new.get(key) for key in ("status", "reason", "message")):
        kept = old
    elif old.get("status") == new["status"]:
        kept = {**new, "lastTransitionTime": old.get("lastTransitionTime")}
    return [kept if one is old else one for one in conditions]
