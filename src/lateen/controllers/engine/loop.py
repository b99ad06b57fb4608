"""The one loop that runs every controller: list and watch, queues of keys, retry with back-off.

A thin shell: what to do is decided by the controllers, which are pure.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from lateen.base import clock as clocks, tasks as task_groups
from lateen.base.jsonvalue import Json
from lateen.controllers.engine import actions, cache, controller, executor, queue
from lateen.kube import events, listwatch
from lateen.model import client as api

log = logging.getLogger(__name__)


class _Follower:
    """Keeps one resource of the cache, and says what changes in it (`listwatch.Follower`)."""

    def __init__(
        self, resource: str, known: cache.Cache, tell: Callable[[cache.ObjectChange], None]
    ) -> None:
        self._resource = resource
        self._known = known
        self._tell = tell
        self.begun = asyncio.Event()
        """Set once it is known what there is: a list was had, or the resource is not served."""

    def listed(self, objects: Sequence[Json], version: str) -> None:
        for change in self._known.replace(self._resource, objects):
            self._tell(change)
        self.begun.set()

    def heard(self, event: api.WatchEvent) -> None:
        if event.type == "DELETED":
            change = self._known.drop(self._resource, event.object, seen=True)
        elif event.type in ("ADDED", "MODIFIED"):
            change = self._known.put(self._resource, event.object)
        else:
            return
        if change is not None:
            self._tell(change)

    def unserved(self) -> None:
        self.begun.set()


class Loop:
    """Feeds the cache from the API and the controllers from the cache."""

    def __init__(
        self,
        client: api.ApiClient,
        clock: clocks.Clock,
        tasks: task_groups.TaskGroup,
        controllers: Sequence[controller.Controller],
    ) -> None:
        self.known = cache.Cache()
        self.recorder = events.Recorder(client, clock)
        self._client = client
        self._clock = clock
        self._tasks = tasks
        self._queues = {one.name: queue.KeyQueue[controller.Name]() for one in controllers}
        self._controllers = controllers
        self._followed: dict[str, _Follower] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._due: dict[tuple[str, controller.Name], float] = {}
        self._ready = asyncio.Event()

    def follow(self, resource: str) -> None:
        """Watch one more resource from now on."""
        if resource not in self._followed:
            follower = _Follower(resource, self.known, self.tell)
            self._followed[resource] = follower
            following = listwatch.follow(self._client, self._clock, resource, follower)
            self._watches[resource] = self._tasks.start(following, f"watch {resource}")

    def leave(self, resource: str) -> None:
        """Watch a resource no more: it is not served any longer."""
        if (watch := self._watches.pop(resource, None)) is not None:
            watch.cancel()
            del self._followed[resource]
            for change in self.known.replace(resource, ()):
                self.tell(change)

    async def start(self) -> None:
        """List everything once, then let the controllers work."""
        self._tasks.start(self.recorder.run(), "events")
        self._tasks.start(self.recorder.sweep(), "old events")
        for one in self._controllers:
            for resource in one.watches:
                if resource != "*":
                    self.follow(resource)
        for follower in list(self._followed.values()):
            await follower.begun.wait()
        for one in self._controllers:
            for key in one.first:
                self._queues[one.name].add(key)
            self._tasks.start(self._work(one), one.name)

    def tell(self, change: cache.ObjectChange) -> None:
        """Queue the keys that a change concerns."""
        for one in self._controllers:
            keys = one.watches.get(change.key.resource) or one.watches.get("*")
            if keys is None:
                continue
            waiting = self._queues[one.name]
            for key in keys(change, self.known):
                waiting.add(key)

    async def _work(self, one: controller.Controller) -> None:
        waiting = self._queues[one.name]
        hands = executor.Executor(self._client, self.known, self.recorder, self.tell, one.name)
        while True:
            key = await waiting.take()
            await asyncio.sleep(0)  # an in-process API never waits: let the others have their turn
            try:
                result = one.reconcile(key, self.known, self._clock.now())
                await hands.run(result.actions)
            except api.ApiError as error:
                self._retry(one.name, key, waiting.failed(key), error)
            except Exception:
                log.exception("%s failed on %s", one.name, "/".join(key))
                self._again(one.name, key, waiting.failed(key))
            else:
                waiting.succeeded(key)
                self._later(one.name, key, result)

    def _retry(self, name: str, key: controller.Name, delay: float, error: api.ApiError) -> None:
        log.debug("%s: %s: %s; again in %.3f s", name, "/".join(key), error.message, delay)
        self._again(name, key, delay)

    def _later(self, name: str, key: controller.Name, result: actions.Reconciled) -> None:
        if result.again_after is not None:
            self._again(name, key, max(result.again_after, 0.0))

    def _again(self, name: str, key: controller.Name, delay: float) -> None:
        due = self._clock.monotonic() + delay
        planned = self._due.get((name, key))
        if planned is not None and planned <= due:
            return
        self._due[name, key] = due
        self._tasks.start(self._wake(name, key, due, delay), f"{name} later")

    async def _wake(self, name: str, key: controller.Name, due: float, delay: float) -> None:
        await self._clock.sleep(delay)
        if self._due.get((name, key)) == due:
            del self._due[name, key]
            self._queues[name].add(key)
