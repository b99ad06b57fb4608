"""Which changes of endpoints may wait for each other. Pure.

Every proxy that reaches a Service is told of each of its endpoints. While hundreds of pods start,
each that becomes ready would be told to hundreds at once: the work grows with the square of the
pods. So new endpoints are gathered for a moment, the longer the more proxies were just told. One
that is gone, or not ready any more, is never kept back: requests would go on to it.
"""

from collections.abc import Mapping
from typing import Any

from lateen.model import wellknown
from lateen.store.api import Event, EventType

SLICES = "endpointslices.discovery.k8s.io"
FEWEST = 20
"""Proxies that are told without anybody's noticing."""
EACH_SECONDS = 0.001
"""What a proxy takes to be told, and to answer, on one core."""
LONGEST_SECONDS = 0.3


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
