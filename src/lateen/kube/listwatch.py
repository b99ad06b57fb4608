"""Following a resource: list it, watch from there, and begin again when the watch ends."""

import logging
from collections.abc import Sequence
from typing import Protocol

from lateen.base.clock import Clock
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiClient, ApiError, WatchEvent

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 2.0


class Follower(Protocol):
    """What is told of a resource."""

    def listed(self, objects: Sequence[Json], version: str) -> None:
        """These are all objects there are, at a version: others that were known are gone."""
        ...

    def heard(self, event: WatchEvent) -> None:
        """One object changed, or (BOOKMARK) the version rose."""
        ...

    def unserved(self) -> None:
        """The server has no such resource now; it is asked for again."""
        ...


async def follow(client: ApiClient, clock: Clock, resource: str, follower: Follower) -> None:
    """Tell a follower of a resource until cancelled.

    A version that is too old (410) leads to a new list at once, as Kubernetes asks for. Anything
    else that goes wrong is tried again, after a pause that doubles until a list is had.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            objects, version = await client.list(resource)
            follower.listed(objects, version)
            pause = _FIRST_PAUSE
            async for event in client.watch(resource, after=version):
                follower.heard(event)
        except ApiError as error:
            log.debug("the watch of %s ended: %s", resource, error.message)
            if error.code in (404, 405):
                follower.unserved()
            if error.code == 410:
                continue
        except OSError as error:
            log.warning("watching %s: %s", resource, error)
        except Exception:
            log.exception("the watch of %s broke; it starts again", resource)
        await clock.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
