"""Which changes of endpoints may wait for each other. Pure.

Every proxy that reaches a Service is told of each of its endpoints. While hundreds of pods start,
each that becomes ready would be told to hundreds at once: the work grows with the square of the
pods. So new endpoints are gathered for a moment, the longer the more proxies were just told. One
that is gone, or not ready any more, is never kept back: requests would go on to it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.model import wellknown
from lateen.store.api import Event, EventType, Key

SLICES = "endpointslices.discovery.k8s.io"
FEWEST = 20
"""Proxies that are told without anybody's noticing."""
EACH_SECONDS = 0.001
"""What a proxy takes to be told, and to answer, on one core."""
LONGEST_SECONDS = 0.3


class Backlog(msgspec.Struct):
    """What is written and not compiled yet: changes that are due, and endpoints that wait for
    others. The newest change of an object counts. Moments are monotonic seconds."""

    due: dict[Key, Event] = msgspec.field(default_factory=dict)
    gathered: dict[Key, Event] = msgspec.field(default_factory=dict)
    rested_at: float = 0.0
    """Until when new endpoints wait."""

    def note(self, event: Event, now: float) -> bool:
        """Take a change; whether it is due, and not gathered."""
        key = event.entry.key
        if key not in self.due and now < self.rested_at and may_wait(event):
            self.gathered[key] = event
            return False
        self.gathered.pop(key, None)
        self.due[key] = event
        return True

    def rest(self, told: int, now: float) -> None:
        """Let new endpoints wait, since so many proxies were just told of something."""
        if quiet := rest(told):
            self.rested_at = now + quiet

    def rouse(self) -> bool:
        """End the wait of what was gathered; whether there was anything."""
        gathered, self.gathered = self.gathered, {}
        self.due = {**gathered, **self.due}
        return bool(gathered)

    def take(self) -> dict[Key, Event]:
        """Take all that is due."""
        taken, self.due = self.due, {}
        return taken

    def give_back(self, taken: Mapping[Key, Event]) -> None:
        """Take back what could not be compiled; what was written since is newer."""
        self.due = {**taken, **self.due}
        for key in self.due:
            self.gathered.pop(key, None)


def rest(told: int) -> float:
    """Return for how long new endpoints wait, in seconds, after so many proxies were told."""
    return 0.0 if told < FEWEST else min(LONGEST_SECONDS, told * EACH_SECONDS)


def may_wait(event: Event) -> bool:
    """Whether a change does nothing but make endpoints known or ready."""
    if event.entry.key.resource != SLICES or event.type is EventType.DELETED:
        return False
    if event.previous is None:
        return True
    old, new = event.previous.value, event.entry.value
    if any(old.get(field) != new.get(field) for field in ("ports", "addressType")):
        return False
    if _service(old) != _service(new):
        return False
    now = {_place(endpoint): endpoint for endpoint in new.get("endpoints") or ()}
    return all(_stays(each, now.get(_place(each))) for each in old.get("endpoints") or ())


def _stays(old: Mapping[str, Any], new: Mapping[str, Any] | None) -> bool:
    if new is None:
        return not _ready(old)
    return old == new or not _ready(old)


def _ready(endpoint: Mapping[str, Any]) -> bool:
    """Readiness that is not told counts as ready, by Kubernetes' rule."""
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _place(endpoint: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(endpoint.get("addresses") or ())


def _service(value: Mapping[str, Any]) -> Any:
    return (value["metadata"].get("labels") or {}).get(wellknown.SERVICE_NAME)
