"""The one loop that runs every controller: list and watch, queues of keys, retry with back-off.

A thin shell: what to do is decided by the controllers, which are pure.
"""

import asyncio
import logging
from collections.abc import Sequence

from lateen.base import clock as clocks, tasks as task_groups
from lateen.controllers.engine import actions, cache, controller, events, executor, queue
from lateen.model import client as api

log = logging.getLogger(__name__)

_RELIST_DELAY = 0.05
_LONGEST_RELIST_DELAY = 5.0


class Loop:
    """Feeds the world from the API and the controllers from the world."""

    def __init__(
        self,
        client: api.ApiClient,
        clock: clocks.Clock,
        tasks: task_groups.TaskGroup,
        controllers: Sequence[controller.Controller],
    ) -> None:
        self.world = cache.World()
        self.recorder = events.Recorder(client, clock)
        self._client = client
        self._clock = clock
        self._tasks = tasks
        self._queues = {one.name: queue.KeyQueue[controller.Name]() for one in controllers}
        self._controllers = controllers
        self._followed: dict[str, asyncio.Event] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._due: dict[tuple[str, controller.Name], float] = {}
        self._ready = asyncio.Event()

    def follow(self, resource: str) -> None:
        """Watch one more resource from now on."""
        if resource not in self._followed:
            self._followed[resource] = asyncio.Event()
            watch = self._tasks.start(self._follow(resource), f"watch {resource}")
            self._watches[resource] = watch

    def leave(self, resource: str) -> None:
        """Watch a resource no more: it is not served any longer."""
        if (watch := self._watches.pop(resource, None)) is not None:
            watch.cancel()
            del self._followed[resource]
            for change in self.world.replace(resource, ()):
                self.tell(change)

    async def start(self) -> None:
        """List everything once, then let the controllers work."""
        self._tasks.start(self.recorder.run(), "events")
        self._tasks.start(self.recorder.sweep(), "old events")
        for one in self._controllers:
            for resource in one.watches:
                if resource != "*":
                    self.follow(resource)
        for listed in list(self._followed.values()):
            await listed.wait()
        for one in self._controllers:
            for key in one.first:
                self._queues[one.name].add(key)
            self._tasks.start(self._work(one), one.name)

    async def _follow(self, resource: str) -> None:
        delay = _RELIST_DELAY
        while True:
            try:
                objects, version = await self._client.list(resource)
                for change in self.world.replace(resource, objects):
                    self.tell(change)
                self._followed[resource].set()
                delay = _RELIST_DELAY
                async for event in self._client.watch(resource, after=version):
                    self._heard(resource, event)
            except api.ApiError as error:
                log.debug("watch of %s ended: %s", resource, error.message)
                if error.code in (404, 405):
                    self._followed[resource].set()
                if error.code == 410:
                    continue
            except Exception:
                log.exception("watch of %s broke; it starts again", resource)
            await self._clock.sleep(delay)
            delay = min(delay * 2, _LONGEST_RELIST_DELAY)

    def _heard(self, resource: str, event: api.WatchEvent) -> None:
        if event.type == "DELETED":
            change = self.world.drop(resource, event.object, seen=True)
        elif event.type in ("ADDED", "MODIFIED"):
            change = self.world.put(resource, event.object)
        else:
            return
        if change is not None:
            self.tell(change)

    def tell(self, change: cache.Change) -> None:
        """Queue the keys that a change concerns."""
        for one in self._controllers:
            keys = one.watches.get(change.key.resource) or one.watches.get("*")
            if keys is None:
                continue
            waiting = self._queues[one.name]
            for key in keys(change, self.world):
                waiting.add(key)

    async def _work(self, one: controller.Controller) -> None:
        waiting = self._queues[one.name]
        hands = executor.Executor(self._client, self.world, self.recorder, self.tell, one.name)
        while True:
            key = await waiting.take()
            await asyncio.sleep(0)  # an in-process API never waits: let the others have their turn
            try:
                result = one.reconcile(key, self.world, self._clock.now())
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

    def _later(self, name: str, key: controller.Name, result: actions.Result) -> None:
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
