"""Conditions of the Gateway API's objects, merged as Istio merges them. Pure."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from lateen.base import clock
from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields


class StatusCondition(msgspec.Struct, frozen=True):
    """What is to be said of one aspect of an object."""

    type: str
    holds: bool
    reason: str
    message: str


def merged(obj: JsonView, said: Iterable[StatusCondition], now: datetime) -> list[Json]:
    """Return an object's conditions with what is said now; those of other types stay. The moment
    of the last transition moves only where the status does."""
    before = fields.status(obj).get("conditions") or ()
    return merged_into(before, said, int(fields.meta(obj).get("generation") or 0), now)


def merged_into(
    before: Iterable[JsonView], said: Iterable[StatusCondition], generation: int, now: datetime
) -> list[Json]:
    """The same for a list of conditions that stands elsewhere than in an object's status."""
    found = {str(one.get("type")): dict(one) for one in before}
    for one in said:
        status = "True" if one.holds else "False"
        old = found.get(one.type, {})
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        found[one.type] = {
            "type": one.type,
            "status": status,
            "reason": one.reason,
            "message": one.message,
            "observedGeneration": generation,
            "lastTransitionTime": since or clock.rfc3339(now),
        }
    return list(found.values())
