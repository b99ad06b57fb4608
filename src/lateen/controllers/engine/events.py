"""Events, as `kubectl describe` and `kubectl events` show them: recorded beside the work, never
in its way. The same event again counts up instead of adding a row."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lateen.base import clock as clocks
from lateen.controllers.engine import actions, fields
from lateen.model import client as api

log = logging.getLogger(__name__)

Json = dict[str, Any]

_LIFETIME = 3600.0
"""Seconds that an Event is kept, as on a cluster."""
_SWEEP = 300.0
_BACKLOG = 10_000
_REMEMBERED = 4096
_PATIENCE = 0.3
_PATIENT = 5
"""Events are written when none has come for so many seconds, or after so many times that: they
come with the work that a person waits for, and can be read after it. They carry the time of
recording."""


def event(component: str, note: actions.Note, stamp: str, suffix: str) -> Json:
    """Return a new Event. `stamp` is RFC 3339, `suffix` makes the name unique."""
    about = note.about
    namespace = fields.namespace(about) or "default"
    reference = {
        "apiVersion": about.get("apiVersion", ""),
        "kind": about.get("kind", ""),
        "name": fields.name(about),
        "uid": fields.uid(about),
    }
    if fields.namespace(about):
        reference["namespace"] = fields.namespace(about)
    if version := fields.meta(about).get("resourceVersion"):
        reference["resourceVersion"] = str(version)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{fields.name(about)}.{suffix}", "namespace": namespace},
        "involvedObject": reference,
        "reason": note.reason,
        "message": note.message[:1024],
        "type": note.kind,
        "count": 1,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "eventTime": None,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
    }


def expired(one: Mapping[str, Any], clock: clocks.Clock) -> bool:
    """Tell whether an Event has outlived its hour."""
    stamp = one.get("lastTimestamp") or one.get("eventTime") or fields.created(one)
    age = fields.seconds_since(stamp, clock.now())
    return age is not None and age > _LIFETIME


_Recorded = tuple[str, actions.Note, datetime]


class Recorder:
    """Writes Events through the API, in a task of its own."""

    def __init__(self, client: api.ApiClient, clock: clocks.Clock) -> None:
        self._client = client
        self._clock = clock
        self._waiting: asyncio.Queue[_Recorded] = asyncio.Queue(_BACKLOG)
        self._known: dict[tuple[str, ...], tuple[str, str, int]] = {}
        self._serial = 0

    def record(self, component: str, note: actions.Note) -> None:
        """Take an event to be written soon; dropped if thousands wait already."""
        if not self._waiting.full():
            self._waiting.put_nowait((component, note, self._clock.now()))

    async def run(self) -> None:
        """Write what was recorded, until cancelled."""
        while True:
            recorded = await self._waiting.get()
            for _ in range(_PATIENT):
                waiting = self._waiting.qsize()
                await self._clock.sleep(_PATIENCE)
                if self._waiting.qsize() == waiting:
                    break
            await self._try(*recorded)
            while not self._waiting.empty():
                await self._try(*self._waiting.get_nowait())

    async def _try(self, component: str, note: actions.Note, when: datetime) -> None:
        try:
            await self._write(component, note, when)
        except api.ApiError as error:
            log.debug("event %s was not written: %s", note.reason, error.message)
        except Exception:
            log.exception("event %s was not written", note.reason)

    async def sweep(self) -> None:
        """Remove what is older than an hour, every few minutes, until cancelled."""
        while True:
            await self._clock.sleep(_SWEEP)
            try:
                listed, _ = await self._client.list("events")
                for one in listed:
                    if expired(one, self._clock):
                        where = (fields.namespace(one), fields.name(one))
                        await self._client.delete("events", *where, uid=fields.uid(one))
            except api.ApiError as error:
                log.debug("old events were not removed: %s", error.message)

    async def _write(self, component: str, note: actions.Note, when: datetime) -> None:
        stamp = clocks.rfc3339(when)
        key = (
            component,
            fields.uid(note.about),
            fields.name(note.about),
            note.reason,
            note.message,
        )
        if key in self._known and await self._count_up(key, stamp):
            return
        self._serial += 1
        nanoseconds = int(when.timestamp() * 1e6) * 1000 + self._serial % 1000
        body = event(component, note, stamp, f"{nanoseconds:x}")
        made = await self._client.create("events", body["metadata"]["namespace"], body)
        if len(self._known) >= _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[key] = (fields.namespace(made), fields.name(made), 1)

    async def _count_up(self, key: tuple[str, ...], stamp: str) -> bool:
        namespace, name, count = self._known[key]
        try:
            patch = {"count": count + 1, "lastTimestamp": stamp}
            await self._client.patch("events", namespace, name, patch)
        except api.ApiError as error:
            if error.code != 404:
                raise
            del self._known[key]
            return False
        self._known[key] = (namespace, name, count + 1)
        return True
